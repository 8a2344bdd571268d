"""google-cloud-bigquery, Google's own client, against the sandbox."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.integration.sandbox.conftest import wait_until

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

CSV = "id,name\n1,one\n2,two\n3,\n"


@pytest.fixture
def bucket(sandbox: Sandbox, project: str) -> str:
    """A bucket of this test, with one file in it."""
    folder = sandbox.buckets / project
    folder.mkdir(parents=True)
    (folder / "people.csv").write_text(CSV)
    return project


def load_people(client: bigquery.Client, bucket: str) -> bigquery.LoadJob:
    config = bigquery.LoadJobConfig(skip_leading_rows=1, autodetect=True, source_format="CSV")
    job = client.load_table_from_uri(
        f"gs://{bucket}/people.csv", f"{client.project}.d.people", job_config=config
    )
    job.result()
    return job


def test_query(client: bigquery.Client) -> None:
    job = client.query("SELECT 1 AS a, 'x' AS b, TIMESTAMP '2026-01-02 03:04:05+00' AS t")
    (row,) = job.result()
    assert (row.a, row.b, row.t) == (1, "x", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert job.state == "DONE"
    assert job.location == "US"
    assert job.ended >= job.started >= job.created


def test_query_and_wait(client: bigquery.Client) -> None:
    (row,) = client.query_and_wait("SELECT 1 AS a")
    assert row.a == 1


def test_query_with_parameters_and_destination(client: bigquery.Client) -> None:
    config = bigquery.QueryJobConfig(
        query_parameters=[bigquery.ScalarQueryParameter("least", "INT64", 3)],
        destination=f"{client.project}.d.result",
        write_disposition="WRITE_TRUNCATE",
    )
    sql = "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 5)) AS n WHERE n >= @least ORDER BY n"
    client.query(sql, job_config=config).result()
    assert [row.n for row in client.list_rows(f"{client.project}.d.result")] == [3, 4, 5]


def test_rows_in_pages(client: bigquery.Client) -> None:
    rows = client.query("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25000)) AS n ORDER BY n").result(
        page_size=7000
    )
    assert [row.n for row in rows] == list(range(1, 25001))
    assert rows.total_rows == 25000


def test_dry_run(client: bigquery.Client) -> None:
    job = client.query("SELECT 1", job_config=bigquery.QueryJobConfig(dry_run=True))
    assert job.total_bytes_processed == 0
    assert list(client.list_jobs()) == []


def test_statements_without_rows(client: bigquery.Client) -> None:
    assert list(client.query("CREATE TABLE d.t (x INT64)").result()) == []
    job = client.query("INSERT INTO d.t VALUES (1), (2)")
    job.result()
    assert job.num_dml_affected_rows == 2
    assert job.statement_type == "INSERT"


def test_failed_job(client: bigquery.Client) -> None:
    job = client.query("SELECT nothing FROM d.missing", job_retry=None)
    with pytest.raises(exceptions.NotFound, match="missing"):
        job.result()
    job.reload()
    assert job.error_result["reason"] == "notFound"
    assert job.errors[0] == job.error_result
    bad = client.query("SELECT FROM", job_retry=None)
    with pytest.raises(exceptions.BadRequest):
        bad.result()


def test_script_and_its_children(client: bigquery.Client) -> None:
    parent = client.query("SELECT 1 AS a; SELECT 2 AS a")
    (row,) = parent.result()
    assert row.a == 2
    assert parent.num_child_jobs == 2
    children = list(client.list_jobs(parent_job=parent))
    assert {child.parent_job_id for child in children} == {parent.job_id}
    assert all(child.script_statistics is not None for child in children)


def test_load(client: bigquery.Client, bucket: str) -> None:
    job = load_people(client, bucket)
    assert (job.output_rows, job.input_files, job.input_file_bytes) == (3, 1, len(CSV))
    rows = [(row.id, row.name) for row in client.list_rows(f"{client.project}.d.people")]
    assert rows == [(1, "one"), (2, "two"), (3, None)]


def test_failed_load_names_the_rows(sandbox: Sandbox, client: bigquery.Client, bucket: str) -> None:
    (sandbox.buckets / bucket / "bad.csv").write_text("1\nx\n")
    config = bigquery.LoadJobConfig(schema=[bigquery.SchemaField("n", "INTEGER")])
    job = client.load_table_from_uri(f"gs://{bucket}/bad.csv", f"{client.project}.d.bad", job_config=config)
    with pytest.raises(exceptions.BadRequest):
        job.result()
    assert job.error_result["reason"] == "invalid"
    assert len(job.errors) > 1


def test_extract(sandbox: Sandbox, client: bigquery.Client, bucket: str) -> None:
    load_people(client, bucket)
    config = bigquery.ExtractJobConfig(compression="GZIP")
    target = f"gs://{bucket}/out-*.csv.gz"
    job = client.extract_table(f"{client.project}.d.people", target, job_config=config)
    job.result()
    assert sum(job.destination_uri_file_counts) == 1
    (file,) = (sandbox.buckets / bucket).glob("out-*.csv.gz")
    assert gzip.decompress(file.read_bytes()).decode().splitlines() == CSV.splitlines()


def test_copy(client: bigquery.Client, bucket: str) -> None:
    load_people(client, bucket)
    tables = f"{client.project}.d."
    client.copy_table(tables + "people", tables + "copied").result()
    config = bigquery.CopyJobConfig(write_disposition="WRITE_APPEND")
    client.copy_table([tables + "people", tables + "copied"], tables + "both", job_config=config).result()
    assert client.get_table(tables + "both").num_rows == 6


def test_list_with_filters(sandbox: Sandbox, client: bigquery.Client) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    jobs = [client.query(f"SELECT {number}") for number in range(5)]
    for job in jobs:
        job.result()
    newest_first = [job.job_id for job in reversed(jobs)]
    assert [job.job_id for job in client.list_jobs()] == newest_first
    assert [job.job_id for job in client.list_jobs(page_size=2)] == newest_first
    assert [job.job_id for job in client.list_jobs(max_results=3)] == newest_first[:3]
    assert [
        job.job_id for job in client.list_jobs(state_filter="done", min_creation_time=before)
    ] == newest_first
    assert list(client.list_jobs(max_creation_time=before)) == []
    sandbox.timing(project=client.project, running_seconds=60)
    running = client.query("SELECT 'running'")
    wait_until(lambda: [job.job_id for job in client.list_jobs(state_filter="running")] == [running.job_id])
    running.cancel()


def test_cancel(sandbox: Sandbox, client: bigquery.Client) -> None:
    sandbox.timing(project=client.project, running_seconds=60)
    job = client.query("SELECT 1")
    assert job.cancel()
    with pytest.raises(exceptions.GoogleAPICallError):
        job.result(job_retry=None)
    job.reload()
    assert job.error_result["reason"] == "stopped"


def test_conflict_on_an_own_id(client: bigquery.Client) -> None:
    client.query("SELECT 1", job_id="mine", job_retry=None).result()
    with pytest.raises(exceptions.Conflict):
        client.query("SELECT 1", job_id="mine", job_retry=None)
    assert client.get_job("mine").state == "DONE"


def test_regional_job(client: bigquery.Client) -> None:
    job = client.query("SELECT 1 AS a", location="europe-west3")
    (row,) = job.result()
    assert row.a == 1
    with pytest.raises(exceptions.NotFound):
        client.get_job(job.job_id)
    assert client.get_job(job.job_id, location="europe-west3").state == "DONE"


def test_delete_job_metadata(client: bigquery.Client) -> None:
    job = client.query("SELECT 1")
    job.result()
    client.delete_job_metadata(job)
    with pytest.raises(exceptions.NotFound):
        client.get_job(job.job_id, location="US")


def test_retries_what_the_sandbox_spoils(sandbox: Sandbox, client: bigquery.Client) -> None:
    """The client's own retries get a query through a 503 and a lost insert reply."""
    sandbox.faults(action="reply", status=503, path=client.project, operation="bigquery.jobs.getQueryResults")
    sandbox.faults(action="drop_reply_after_accepting", path=client.project, operation="bigquery.jobs.insert")
    (row,) = client.query("SELECT 1 AS a").result()
    assert row.a == 1


def test_datasets_and_tables(client: bigquery.Client) -> None:
    schema = [bigquery.SchemaField("a", "INTEGER", mode="REQUIRED"), bigquery.SchemaField("b", "STRING")]
    client.create_table(bigquery.Table(f"{client.project}.d.t", schema=schema))
    table = client.get_table(f"{client.project}.d.t")
    assert table.schema == schema
    assert [item.table_id for item in client.list_tables("d")] == ["t"]
    assert [item.dataset_id for item in client.list_datasets()] == ["d"]
    client.delete_table(table)
    client.delete_dataset("d", delete_contents=True)
    with pytest.raises(exceptions.NotFound):
        client.get_dataset("d")


def test_service_account(client: bigquery.Client) -> None:
    assert "@" in client.get_service_account_email()
