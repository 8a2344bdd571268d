"""The ingest operator against the sandbox, in both modes: every record written once, every rejection told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import ObjectStoragePath

from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.integration.salesforce.lab import SalesforceLab, csv_rows, expected, write, written
from tests.integration.task_run import Attempts, TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_file_becomes_records(lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path) -> None:
    result = ingest(write(lab, tmp_path), results_path=tmp_path / "results")
    assert (result["kind"], result["state"], result["object"]) == ("ingest", "succeeded", "Account")
    assert (result["operation"], result["record_count"], result["failed_record_count"]) == ("insert", 100, 0)
    assert [(file["records"], file["record_count"]) for file in result["files"]] == [
        ("successful", 100),
        ("failed", 0),
        ("unprocessed", 0),
    ]
    assert written(lab) == expected(lab)
    rows = csv_rows(Path(result["files"][0]["path"]).read_bytes())
    assert {row["sf__Created"] for row in rows} == {"true"}
    assert min(row["Name"] for row in rows).endswith(f",\n{lab.mark}")


def test_a_large_file_is_split_between_records(
    lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path
) -> None:
    result = ingest(write(lab, tmp_path, 300), part_bytes=4000, results_path=tmp_path / "results")
    assert len(result["jobs"]) == len(lab.jobs("ingest")) > 3
    assert sum(job["record_count"] for job in result["jobs"]) == result["record_count"] == 300
    assert result["job_id"].split() == [job["job_id"] for job in result["jobs"]]
    assert written(lab) == expected(lab, 300)
    content = Path(result["files"][0]["path"]).read_bytes()
    assert content.count(b'"sf__Id"') == 1
    assert len(csv_rows(content)) == 300


def test_other_operations(lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path) -> None:
    upsert = {"operation": "upsert", "external_id_field": "External_Id__c"}
    ingest(write(lab, tmp_path, 10))
    result = ingest(write(lab, tmp_path, 12), results_path=tmp_path / "upsert", **upsert)
    rows = csv_rows(Path(result["files"][0]["path"]).read_bytes())
    assert sorted(row["sf__Created"] for row in rows) == ["false"] * 10 + ["true"] * 2
    ids = [row["sf__Id"] for row in rows]
    (tmp_path / "b.csv").write_text("Id|Industry\r\n" + "".join(f"{each}|Banking\r\n" for each in ids))
    ingest(tmp_path / "b.csv", operation="update", column_delimiter="PIPE")
    assert {row["Industry"] for row in lab.own_accounts()} == {"Banking"}
    (tmp_path / "c.csv").write_text("Id\n" + "".join(f"{each}\n" for each in ids))
    ingest(tmp_path / "c.csv", operation="delete", delete_job=True)
    assert written(lab) == []
    assert lab.requests("ingest.delete")[-1]["status"] == 204


def test_an_empty_value_changes_nothing(
    lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path
) -> None:
    """Of an upsert or an update: #N/A empties a field."""
    ingest(write(lab, tmp_path, 2))
    (tmp_path / "b.csv").write_text(f"External_Id__c,Industry\n{lab.mark}-0,\n{lab.mark}-1,#N/A\n")
    ingest(tmp_path / "b.csv", operation="upsert", external_id_field="External_Id__c")
    found = {row["External_Id__c"]: row["Industry"] for row in lab.own_accounts()}
    assert found == {f"{lab.mark}-0": "Energy", f"{lab.mark}-1": ""}


@pytest.mark.parametrize("kind", ["url", "path"])
def test_an_object_store(lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    url = f"file://{write(lab, tmp_path)}"
    source = url if kind == "url" else ObjectStoragePath(url)
    result = ingest(source, results_path=f"file://{tmp_path}/results")
    assert written(lab) == expected(lab)
    assert result["files"][0]["path"] == f"file://{tmp_path}/results/successful.csv"


def test_rejected_records_fail_the_task(
    lab: SalesforceLab, ingest: Callable[..., Any], tmp_path: Path
) -> None:
    """Green elsewhere: https://github.com/apache/airflow/issues/63930."""
    run = Attempts()
    with pytest.raises(AirflowFailException, match="3 of 13 records were rejected") as caught:
        ingest(write(lab, tmp_path, 10, bad=3), run, results_path=tmp_path / "results")
    text = str(caught.value)
    assert f"REQUIRED_FIELD_MISSING (record with External_Id__c {lab.mark}-bad-0)" in text
    assert text.count("REQUIRED_FIELD_MISSING") == 3
    assert lab.jobs()[0]["id"] in text
    failed = csv_rows((tmp_path / "results" / "failed.csv").read_bytes())
    assert len(failed) == 3
    assert run.xcoms["job"]["files"][1]["record_count"] == 3
    assert written(lab) == expected(lab, 10)


@pytest.mark.parametrize(
    ("borne", "works"),
    [
        ({"max_failed_records": 3}, True),
        ({"max_failed_records": 2}, False),
        ({"max_failed_share": 0.25}, True),
        ({"max_failed_share": 0.2}, False),
        ({"max_failed_records": 3, "max_failed_share": 0.2}, False),
        ({"on_failed_records": "warn"}, True),
        ({"on_failed_records": "pass"}, True),
    ],
)
def test_some_rejected_records_may_be_borne(
    lab: SalesforceLab,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    borne: dict[str, Any],
    *,
    works: bool,
) -> None:
    path = write(lab, tmp_path, 10, bad=3)
    if not works:
        with pytest.raises(AirflowFailException, match="3 of 13 records"):
            perform(lab.ingest(path, **borne))
        return
    result = perform(lab.ingest(path, **borne))
    assert (result["record_count"], result["failed_record_count"]) == (13, 3)


def test_many_rejected_records_are_counted(lab: SalesforceLab, tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="60 of 60 records were rejected") as caught:
        perform(lab.ingest(write(lab, tmp_path, 0, bad=60), part_bytes=600))
    assert str(caught.value).count("REQUIRED_FIELD_MISSING") == 20
    assert "and 40 more" in str(caught.value)


WRONG: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "empty": (b"", {}, "a.csv is empty"),
    "gzip": (b"\x1f\x8b\x08", {}, "compressed by gzip"),
    "JSON": (b'{"a": 1}', {}, "is JSON"),
    "not UTF-8": (b"Name\nZo\xeb\n", {}, "not in UTF-8"),
    "open quote": (b'Name\n"Zo\n', {}, "a quote opens"),
    "operation": (b"Name\nx\n", {"operation": "merge"}, "operation is 'merge'"),
    "no key": (b"Name\nx\n", {"operation": "upsert"}, "external_id_field"),
    "key too many": (b"Name\nx\n", {"external_id_field": "Id"}, "external_id_field"),
    "no object": (b"Name\nx\n", {"object_name": ""}, "object_name is empty"),
    "line ending": (b"Name\nx\n", {"line_ending": "CRLF"}, "line_ending is CRLF"),
    "record too large": (b"Name\n" + b"x" * 500 + b"\n", {"part_bytes": 100}, "larger than a part"),
    "results": (b"Name\nx\n", {"results_path": 7}, "results_path is a int"),
    "missing": (b"Name\nx\n", {"source": "/nowhere.csv"}, "/nowhere.csv cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    lab: SalesforceLab, tmp_path: Path, name: str
) -> None:
    content, parameters, says = WRONG[name]
    (tmp_path / "a.csv").write_bytes(content)
    settings = {"source": tmp_path / "a.csv", **parameters}
    with pytest.raises(AirflowFailException, match=says):
        perform(lab.ingest(**settings))
    assert lab.jobs() == []


@pytest.mark.parametrize(
    ("parameters", "setting", "says"),
    [
        ({"object_name": "Nothing__c"}, {}, "Salesforce answered 400"),
        ({"operation": "hardDelete"}, {"denied_operations": "hardDelete"}, "Salesforce answered 4"),
        ({"operation": "upsert", "external_id_field": "Nope__c"}, {}, "Salesforce answered 400"),
    ],
)
def test_what_salesforce_refuses_is_told_in_its_words(
    lab: SalesforceLab,
    ingest: Callable[..., Any],
    tmp_path: Path,
    parameters: dict[str, str],
    setting: dict[str, str],
    says: str,
) -> None:
    lab.sandbox.salesforce_settings(**setting)
    with pytest.raises(AirflowFailException, match=says):
        ingest(write(lab, tmp_path), **parameters)
    assert lab.jobs() == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_for_all_jobs(lab: SalesforceLab, tmp_path: Path, *, deferrable: bool) -> None:
    lab.slow(0.3)
    left = lab.ingest(write(lab, tmp_path, 200, bad=2), part_bytes=4000, wait=False).execute(
        TaskRun().context()
    )
    left = json.loads(json.dumps(left))
    sensor = SalesforceJobSensor(task_id="s", job=left, poke_interval=0.2, timeout=30, deferrable=deferrable)
    found = perform(sensor)
    assert (found["kind"], found["record_count"], found["failed_record_count"]) == ("ingest", 202, 2)


def test_a_sensor_looks_at_many_parts_by_one_request(lab: SalesforceLab, tmp_path: Path) -> None:
    lab.slow(600)
    left = lab.ingest(write(lab, tmp_path), part_bytes=500, wait=False).execute(TaskRun().context())
    lab.begin()
    assert SalesforceJobSensor(task_id="s", job=left, deferrable=False).look() is None
    assert len(left["jobs"]) > 3
    assert len(lab.sandbox.requests()) == 1
