"""The query operator and the sensor against the sandbox, in both modes."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import ObjectStoragePath

from airflow_provider_jobs.core.several import MOST_LISTED
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.integration.salesforce.lab import SOQL, SalesforceLab, content_of, csv_rows
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["synchronous", "deferred"])
def run_query(request: pytest.FixtureRequest, lab: SalesforceLab) -> Callable[..., Any]:
    """Return what runs a query in this mode, slow enough that there is something to defer for."""
    deferred = request.param == "deferred"

    def run_query(soql: str = SOQL, run: TaskRun | None = None, **parameters: Any) -> Any:
        lab.slow(0.3, pending=0.1)
        task = lab.query(soql, deferrable=deferred, **parameters)
        return perform(task, (run or TaskRun()).context())

    return run_query


def reference(lab: SalesforceLab, soql: str = SOQL) -> bytes:
    """Return the results of a query, read page by page by the hook."""
    return b"".join(lab.client.open_results(lab.finished(soql)))


def test_records_become_a_file(lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "accounts.csv"
    result = run_query(results_path=str(path))
    content = path.read_bytes()
    assert content == reference(lab)
    assert {name: value for name, value in result.items() if name not in {"job_id", "url", "files"}} == {
        "kind": "query",
        "api_version": "59.0",
        "state": "succeeded",
        "object": "Account",
        "operation": "query",
        "record_count": len(csv_rows(content)),
        "file_count": 1,
        "size_bytes": len(content),
        "processing_seconds": result["processing_seconds"],
        "retries": 0,
    }
    assert result["files"] == [
        {
            "path": str(path),
            "record_count": result["record_count"],
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert result["processing_seconds"] > 0
    assert result["url"].startswith(lab.sandbox.salesforce)
    assert [each.name for each in path.parent.iterdir()] == ["accounts.csv"]


def test_without_a_path_nothing_is_downloaded(lab: SalesforceLab, run_query: Callable[..., Any]) -> None:
    result = run_query()
    assert "files" not in result
    assert result["record_count"] > 1000
    assert lab.requests("query.results") == []


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("version", ["59.0", "50.0"])
def test_pages_become_parts(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path, compression: str | None, version: str
) -> None:
    """From version 58 on pages are read side by side, before that one after another."""
    lab.sandbox.salesforce_settings(page_rows=700)
    result = run_query(
        results_path=tmp_path, results_as="parts", compression=compression, api_version=version
    )
    suffix = ".csv.gz" if compression else ".csv"
    parts = sorted(tmp_path.glob(f"*{suffix}"))
    task = parts[0].name.split("-")[1]
    assert re.fullmatch("[0-9a-f]{8}", task)
    numbers = range(-(-result["record_count"] // 700))
    assert [part.name for part in parts] == [
        f"{result['job_id']}-{task}-{number:05d}{suffix}" for number in numbers
    ]
    listed = parts[:MOST_LISTED]  # of those there are more if other tests have written to the org
    assert [file["path"] for file in result["files"]] == list(map(str, listed))
    contents = [part.read_bytes() for part in parts]
    assert [file["size_bytes"] for file in result["files"]] == [part.stat().st_size for part in listed]
    texts = [gzip.decompress(each) if compression else each for each in contents]
    header = texts[0].partition(b"\n")[0] + b"\n"
    assert texts[0] + b"".join(text.removeprefix(header) for text in texts[1:]) == reference(lab)
    assert len(lab.requests("query.resultPages")) >= (1 if version == "59.0" else 0)


def test_compressed_file_of_many_pages(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path
) -> None:
    lab.sandbox.salesforce_settings(page_rows=900)
    result = run_query(results_path=tmp_path / "a.csv.gz", compression="gzip")
    assert content_of(result) == reference(lab)


def test_delimiter_line_ending_and_deleted_records(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path
) -> None:
    result = run_query(
        "SELECT Id, Name FROM Account",
        results_path=tmp_path / "a.csv",
        operation="queryAll",
        column_delimiter="PIPE",
        line_ending="CRLF",
    )
    assert content_of(result).startswith(b'"Id"|"Name"\r\n')
    assert result["operation"] == "queryAll"
    assert result["record_count"] >= run_query("SELECT Id, Name FROM Account")["record_count"]


def test_no_records_are_a_header(lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path) -> None:
    soql = "SELECT Id, Name FROM Account WHERE Name = 'nobody is called this'"
    result = run_query(soql, results_path=tmp_path / "a.csv")
    assert content_of(result) == b'"Id","Name"\n'
    assert (result["record_count"], result["files"][0]["record_count"]) == (0, 0)


@pytest.mark.parametrize("kind", ["url", "path", "parts"])
def test_an_object_store(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    lab.sandbox.salesforce_settings(page_rows=2000)
    url = f"file://{tmp_path}/store"
    places = {"url": f"{url}/a.csv", "path": ObjectStoragePath(f"{url}/a.csv"), "parts": url}
    (tmp_path / "store").mkdir()
    results_as = "parts" if kind == "parts" else "file"
    result = run_query(results_path=places[kind], results_as=results_as)
    assert all(file["path"].startswith("file://") for file in result["files"])
    contents = [Path(file["path"].removeprefix("file://")).read_bytes() for file in result["files"]]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    assert digests == [file["sha256"] for file in result["files"]]
    assert contents[0] == reference(lab) or kind == "parts"
    assert sum(len(csv_rows(content)) for content in contents) == result["record_count"]


def test_a_soql_file_is_a_template(lab: SalesforceLab, tmp_path: Path) -> None:
    task = lab.query("won.soql")
    assert {"soql", "results_path", "salesforce_conn_id", "api_version"} <= set(task.template_fields)
    assert ".soql" in task.template_ext


def test_the_job_is_deleted_once_everything_is_there(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path
) -> None:
    run_query(results_path=tmp_path / "a.csv", delete_job=True)
    (deleted,) = lab.requests("query.delete")
    assert deleted["status"] == 204
    read = [each for each in lab.sandbox.requests() if each["operation"] == "salesforce.query.results"]
    assert lab.sandbox.requests().index(read[-1]) < lab.sandbox.requests().index(deleted)


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "answer", "status": 503},
        {"action": "cut_reply", "bytes": 2000},
        {"action": "token_expired"},
        {"action": "reply", "status": 429, "retry_after": 3},
    ],
)
def test_what_happens_on_the_way_costs_nothing(
    lab: SalesforceLab, run_query: Callable[..., Any], tmp_path: Path, fault: dict[str, Any]
) -> None:
    lab.connect(consumer_key=lab.account.consumer_key, consumer_secret=lab.account.consumer_secret)
    lab.sandbox.salesforce_settings(page_rows=1000)
    lab.fault("query.results", nth=2, **fault)
    assert content_of(run_query(results_path=tmp_path / "a.csv")) == reference(lab)


def test_ordering_and_limits_are_warned_of_and_sent(
    lab: SalesforceLab, run_query: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert run_query("SELECT Id FROM Account ORDER BY Name LIMIT 7")["record_count"] == 7
    assert "ORDER BY and LIMIT" in caplog.text


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_for_what_an_operator_left(lab: SalesforceLab, *, deferrable: bool) -> None:
    lab.slow(0.5)
    left = json.loads(json.dumps(lab.query(wait=False, api_version="60.0").execute(TaskRun().context())))
    assert left["state"] == "pending"
    for named in ({"job": left}, {"job": left["job_id"], "kind": "query", "api_version": "60.0"}):
        sensor = SalesforceJobSensor(
            task_id="s", poke_interval=0.2, timeout=30, deferrable=deferrable, **named
        )
        found = perform(sensor)
        assert (found["job_id"], found["state"], found["object"]) == (left["job_id"], "succeeded", "Account")
        assert found["record_count"] > 1000


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_looks_again_for_a_job_that_is_not_shown_yet(
    lab: SalesforceLab, *, deferrable: bool
) -> None:
    left = lab.query(wait=False).execute(TaskRun().context())
    lab.fault("query.get", "not_found", times=2)
    sensor = SalesforceJobSensor(task_id="s", job=left, poke_interval=0.2, timeout=30, deferrable=deferrable)
    assert perform(sensor)["state"] == "succeeded"


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_fails_with_the_job(lab: SalesforceLab, *, deferrable: bool) -> None:
    lab.slow(30)
    left = lab.query(wait=False).execute(TaskRun().context())
    lab.sandbox.force_salesforce_job(left["job_id"], state="Failed", errorMessage="QUERY_TIMEOUT : too long")
    sensor = SalesforceJobSensor(task_id="s", job=left, poke_interval=0.2, deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="QUERY_TIMEOUT: too long"):
        perform(sensor)
    gone = SalesforceJobSensor(task_id="s", job="750000000000000AAA", timeout=0.8, deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="404"):
        perform(gone)


@pytest.mark.parametrize(
    ("executor", "told"),
    [
        ("LocalExecutor", False),
        ("CeleryExecutor", True),
        ("airflow.executors.local_executor.LocalExecutor:Near,CeleryExecutor", False),
        ("KubernetesExecutor,LocalExecutor", True),
    ],
)
def test_the_log_says_where_a_local_file_is_not(
    lab: SalesforceLab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    executor: str,
    told: bool,
) -> None:
    """Workers on several machines share no folders, unless somebody has seen to it."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    perform(lab.query(results_path=str(tmp_path / "accounts.csv")), TaskRun().context())
    perform(lab.query(results_path=f"file://{tmp_path}/store.csv"), TaskRun().context())
    assert capsys.readouterr().out.count("of this worker: with") == (2 if told else 0)


def test_the_log_says_it_neither_of_a_task_on_the_local_executor_nor_of_one_without_files(
    lab: SalesforceLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor,LocalExecutor")
    local = lab.query(results_path=str(tmp_path / "accounts.csv"), executor="LocalExecutor")
    perform(local, TaskRun().context())
    perform(lab.query(), TaskRun().context())
    assert "of this worker: with" not in capsys.readouterr().out
