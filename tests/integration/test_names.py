"""Names, labels and formats as BigQuery has them, and the project of tables whose names have none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs import compat
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lab import Lab

FIELDS = [{"name": "x", "type": "INTEGER"}]
AUTOMATIC = ["airflow-dag", "airflow-run", "airflow-task"]


def run(kind: Any, try_number: int = 1, **parameters: Any) -> Any:
    task = kind(task_id="task", poll_interval=0.5, **parameters)
    return perform(task, TaskRun(run_id=json.dumps(parameters, default=str)).context(try_number))


def put(lab: Lab, name: str, content: bytes) -> str:
    path = lab.sandbox.buckets / lab.project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"gs://{lab.project}/{name}"


@pytest.mark.parametrize("name", ["table 01", "ग्राहक", "00_お客様", "étudiant-01"])
def test_google_s_own_examples_become_tables(lab: Lab, name: str, tmp_path: Path) -> None:
    """They are what the page on tables calls valid names."""
    lab.dataset("d")
    file = tmp_path / "a.csv"
    file.write_text("1\n2\n")
    run(BigQueryUploadOperator, source=str(file), destination_table=f"`d`.`{name}`", schema=FIELDS)
    run(BigQueryCopyOperator, source_tables=f"`{lab.project}.d.{name}`", destination_table=f"d.{name} 2")
    copied = f"{lab.project}:d.{name} 2"
    run(BigQueryExtractOperator, source_table=copied, destination_uris=f"gs://{lab.project}/out.csv")
    assert (lab.sandbox.buckets / lab.project / "out.csv").read_text() == "x\n1\n2\n"


@pytest.mark.parametrize(
    ("spelled", "content"),
    [("csv", b"7\n"), ("json", b'{"x": 7}\n'), ("newline_delimited_json", b'{"x": 7}\n')],
)
def test_formats_in_lower_case(lab: Lab, spelled: str, content: bytes, tmp_path: Path) -> None:
    lab.dataset("d")
    shared: dict[str, Any] = {"source_format": spelled, "schema": FIELDS, "destination_table": "d.t"}
    run(BigQueryLoadOperator, source_uris=put(lab, "in", content), **shared)
    file = tmp_path / "a"
    file.write_bytes(content)
    run(BigQueryUploadOperator, source=[str(file)], combine=True, compress=True, **shared)
    extract: dict[str, Any] = {"source_table": "d.t", "destination_uris": f"gs://{lab.project}/out.gz"}
    run(BigQueryExtractOperator, destination_format=spelled, compression="gzip", **extract)
    assert [job["statistics"]["load"]["outputRows"] for job in lab.jobs()[:2]] == ["1", "1"]


def test_parquet_in_lower_case(lab: Lab) -> None:
    lab.dataset("d")
    run(BigQueryQueryOperator, sql="SELECT 7 AS x", destination_table="d.t")
    uri = f"gs://{lab.project}/out.parquet"
    shared: dict[str, Any] = {"destination_format": "parquet", "compression": "snappy"}
    run(BigQueryExtractOperator, source_table="d.t", destination_uris=uri, **shared)
    done = run(BigQueryLoadOperator, source_uris=uri, source_format="parquet", destination_table="d.u")
    assert done["row_count"] == 1


@pytest.mark.parametrize(
    ("own", "try_number", "ours"),
    [
        (0, 1, AUTOMATIC),
        (0, 2, [*AUTOMATIC, "airflow-try"]),
        (61, 1, AUTOMATIC),
        (62, 1, ["airflow-dag", "airflow-task"]),
        (62, 2, ["airflow-dag", "airflow-try"]),
        (64, 1, []),
        (64, 2, []),
    ],
)
def test_our_labels_give_way_to_64_of_the_user(lab: Lab, own: int, try_number: int, ours: list[str]) -> None:
    labels = {f"mine-{number}": "x" for number in range(own)}
    run(BigQueryQueryOperator, try_number, sql="SELECT 1", labels=labels)
    (job,) = lab.jobs()
    found = job["configuration"]["labels"]
    assert sorted(found.keys() - labels.keys()) == sorted(ours)
    assert labels.items() <= found.items()


def test_64_labels_come_from_both_places(lab: Lab) -> None:
    one = {f"one-{number}": "x" for number in range(32)}
    two = {f"two-{number}": "x" for number in range(32)}
    configuration = {"query": {"query": "SELECT 1"}, "labels": one}
    run(BigQueryInsertJobOperator, configuration=configuration, labels=two)
    assert lab.jobs()[0]["configuration"]["labels"] == {**one, **two}
    with pytest.raises(AirflowFailException, match="labels are 65 in all: BigQuery takes 64"):
        run(BigQueryInsertJobOperator, configuration=configuration, labels={**two, "more": "x"})
    assert len(lab.jobs()) == 1


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"labels": None}, {}),
        ({"automatic_labels": False}, {}),
        ({"automatic_labels": False, "labels": {"a": "b"}}, {"a": "b"}),
        ({"configuration": {"query": {"query": "SELECT 1"}, "labels": None}}, {}),
        (
            {"configuration": {"query": {"query": "SELECT 1"}, "labels": None}, "labels": {"a": "b"}},
            {"a": "b"},
        ),
    ],
)
def test_the_automatic_labels_are_switched_off(
    lab: Lab, parameters: dict[str, Any], found: dict[str, str]
) -> None:
    given = {"configuration": {"query": {"query": "SELECT 1"}}, **parameters}
    run(BigQueryInsertJobOperator, 2, **given)
    assert (lab.jobs()[0]["configuration"].get("labels") or {}) == found


@pytest.mark.skipif(not compat.STARTS_FROM_TRIGGER, reason="Airflow is older than 3.3")
def test_a_task_from_the_trigger_has_no_labels_either(lab: Lab) -> None:
    """Its arguments travel as JSON: None that was given stays given."""
    task = BigQueryQueryOperator(task_id="task", sql="SELECT 1", labels=None, from_trigger=True)
    task.resolve_template_files()
    begin = task.start_trigger_args
    assert begin
    assert begin.trigger_kwargs
    arguments = json.loads(begin.trigger_kwargs["arguments"])
    again = BigQueryQueryOperator(task_id="task", **arguments)
    again.execute(TaskRun().context())
    assert not lab.jobs()[0]["configuration"].get("labels")


@pytest.mark.parametrize("form", ["d.{}", "`d.{}`", {"datasetId": "d", "tableId": "{}"}])
def test_a_table_without_project_is_in_the_connection_s(lab: Lab, form: Any, tmp_path: Path) -> None:
    """Another project only pays, as with Google's transfer operators."""
    lab.dataset("d")
    payer = f"{lab.project}-payer"

    def table(name: str) -> Any:
        if isinstance(form, str):
            return form.format(name)
        return {**form, "tableId": name}

    file = tmp_path / "a.csv"
    file.write_text("1\n")
    shared: dict[str, Any] = {"project_id": payer, "location": "US"}
    run(BigQueryQueryOperator, sql="SELECT 1 AS x", destination_table=table("query"), **shared)
    run(BigQueryUploadOperator, source=str(file), schema=FIELDS, destination_table=table("up"), **shared)
    uri = put(lab, "in.csv", b"1\n")
    run(BigQueryLoadOperator, source_uris=uri, schema=FIELDS, destination_table=table("load"), **shared)
    sources = [table("query"), table("up"), table("load")]
    run(BigQueryCopyOperator, source_tables=sources, destination_table=table("copy"), **shared)
    out = f"gs://{lab.project}/out.csv"
    run(BigQueryExtractOperator, source_table=table("copy"), destination_uris=out, **shared)
    assert (lab.sandbox.buckets / lab.project / "out.csv").read_text() == "x\n1\n1\n1\n"
    sql = "SELECT COUNT(*) AS c FROM copy"
    counted = run(BigQueryQueryOperator, sql=sql, default_dataset="d", **shared)
    assert counted["project_id"] == payer
    assert lab.jobs() == []
    assert len(list(lab.client.list_jobs(payer, allUsers=True))) == 6


def test_a_configuration_goes_as_it_is_written(lab: Lab) -> None:
    payer = f"{lab.project}-payer"
    replace(lab, project=payer).dataset("d")
    destination = {"projectId": payer, "datasetId": "d", "tableId": "t"}
    configuration = {"query": {"query": "SELECT 1 AS x", "destinationTable": destination}}
    job_id = run(BigQueryInsertJobOperator, configuration=configuration, project_id=payer)
    found = lab.client.get_job(job_id, payer, location="US")
    assert found["configuration"]["query"]["destinationTable"] == destination


def test_a_table_of_a_lakehouse_has_its_catalog_in_its_dataset(lab: Lab) -> None:
    """The sandbox has no lakehouse; what is sent is what Google's client sends."""
    table = "`example.com:other.my-catalog.sales.orders`"
    with pytest.raises(AirflowFailException, match="my-catalog"):
        run(BigQueryQueryOperator, sql="SELECT 1", destination_table=table, default_dataset="o.c.n")
    (job,) = lab.jobs()
    dataset = {"projectId": "example.com:other", "datasetId": "my-catalog.sales"}
    assert job["configuration"]["query"]["destinationTable"] == {**dataset, "tableId": "orders"}
    assert job["configuration"]["query"]["defaultDataset"] == {"projectId": "o", "datasetId": "c.n"}
