"""Partitions of tables, named after a ``$``: written, read, listed, with Google's own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.integration.sandbox.conftest import reason

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox
    from tests.integration.sandbox.conftest import Api

CREATE = """
CREATE TABLE d.days (day DATE, n INT64) PARTITION BY day;
INSERT INTO d.days VALUES ('2026-01-01', 1), ('2026-01-02', 2), (NULL, 3)
"""


@pytest.fixture
def days(client: bigquery.Client) -> bigquery.Client:
    client.query_and_wait(CREATE)
    return client


def write(client: bigquery.Client, day: str, n: int, table: str, **options: Any) -> None:
    config = bigquery.QueryJobConfig(destination=f"{client.project}.d.{table}", **options)
    client.query(f"SELECT DATE '{day}' AS day, {n} AS n", job_config=config).result()


def rows(client: bigquery.Client) -> list[Any]:
    return [row.n for row in client.query_and_wait("SELECT n FROM d.days ORDER BY n")]


def test_they_are_listed(days: bigquery.Client) -> None:
    assert sorted(days.list_partitions("d.days")) == ["20260101", "20260102", "__NULL__"]


def test_one_is_written_and_the_others_stay(days: bigquery.Client) -> None:
    write(days, "2026-01-01", 7, "days$20260101", write_disposition="WRITE_TRUNCATE")
    assert rows(days) == [2, 3, 7]
    write(days, "2026-01-01", 8, "days$20260101", write_disposition="WRITE_APPEND")
    assert rows(days) == [2, 3, 7, 8]
    write(days, "2026-01-03", 9, "days$20260103")  # WRITE_EMPTY: it is
    assert rows(days) == [2, 3, 7, 8, 9]
    with pytest.raises(exceptions.Conflict, match="Already Exists"):
        write(days, "2026-01-03", 9, "days$20260103")


def test_rows_of_another_are_refused(days: bigquery.Client) -> None:
    with pytest.raises(exceptions.BadRequest, match="destination partition 20260101"):
        write(days, "2026-01-02", 7, "days$20260101", write_disposition="WRITE_APPEND")
    assert rows(days) == [1, 2, 3]


def test_one_is_copied_and_extracted(days: bigquery.Client, sandbox: Sandbox, project: str) -> None:
    days.copy_table(f"{project}.d.days$20260102", f"{project}.d.copy").result()
    assert [row.n for row in days.list_rows("d.copy")] == [2]
    (sandbox.buckets / project).mkdir()
    days.extract_table(f"{project}.d.days$20260101", f"gs://{project}/day.csv").result()
    assert (sandbox.buckets / project / "day.csv").read_text() == "day,n\n2026-01-01,1\n"


def test_a_range_has_them_too(client: bigquery.Client, sandbox: Sandbox, project: str) -> None:
    (sandbox.buckets / project).mkdir()
    (sandbox.buckets / project / "n.csv").write_text("n\n3\n17\n99\n\n")
    bounds = bigquery.PartitionRange(start=0, end=20, interval=10)
    config = bigquery.LoadJobConfig(
        skip_leading_rows=1,
        schema=[bigquery.SchemaField("n", "INT64")],
        range_partitioning=bigquery.RangePartitioning(range_=bounds, field="n"),
    )
    client.load_table_from_uri(f"gs://{project}/n.csv", f"{project}.d.ranges", job_config=config).result()
    assert set(client.list_partitions("d.ranges")) >= {"0", "10", "__UNPARTITIONED__"}


def test_a_table_without_any_says_so(api: Api, client: bigquery.Client) -> None:
    client.query_and_wait("CREATE TABLE d.plain (n INT64)")
    reply = api.get("datasets/d/tables/plain$__PARTITIONS_SUMMARY__/data", selectedFields="partition_id")
    assert (reply.status_code, reason(reply)) == (400, "invalid")
    assert api.get("datasets/d/tables/none$__PARTITIONS_SUMMARY__/data").status_code == 404


def test_an_object_is_read_with_the_token(api: Api, sandbox: Sandbox, project: str) -> None:
    (sandbox.buckets / project / "a").mkdir(parents=True)
    (sandbox.buckets / project / "a" / "s.json").write_text("[]")
    place = f"{sandbox.bigquery}/storage/v1/b/{project}/o/"
    assert api.session.get(f"{place}a%2Fs.json", params={"alt": "media"}, timeout=30).content == b"[]"
    missing = api.session.get(f"{place}none.json", params={"alt": "media"}, timeout=30)
    assert (missing.status_code, reason(missing)) == (404, "notFound")
    headers = {"Authorization": "Bearer nobody"}
    assert api.session.get(f"{place}a%2Fs.json", headers=headers, timeout=30).status_code == 401
