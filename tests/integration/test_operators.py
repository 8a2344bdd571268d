"""Every operator, synchronous and deferred, does the same and says the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import OutageError
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
)
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from tests.integration.lab import Lab

Run = Callable[..., Any]


def run_sync(operator: Any, context: Any) -> Any:
    return operator.execute(context)


@pytest.fixture(params=["synchronous", "deferred"])
def run(request: pytest.FixtureRequest, lab: Lab) -> Run:
    """Return what makes an operator of a class and runs it in this mode."""
    deferred = request.param == "deferred"

    def run(operator_class: type[Any], context: Any = None, **parameters: Any) -> Any:
        settings = {"task_id": "task", "deferrable": deferred, "poll_interval": 0.5, "inline_wait": 0}
        operator = operator_class(**settings | parameters)
        if not deferred:
            return operator.execute(context or TaskRun().context())
        with lab.slow_jobs(seconds=0.2):  # long enough that there is something to defer for
            return perform(operator, context or TaskRun().context())

    return run


def put(lab: Lab, name: str, content: bytes) -> str:
    path = lab.sandbox.buckets / lab.project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"gs://{lab.project}/{name}"


def rows(lab: Lab, sql: str) -> list[dict[str, Any]]:
    result = BigQueryQueryOperator(task_id="rows", sql=sql).execute(TaskRun(task_id="rows").context())
    return list(lab.client.get_query_results(result["job_id"], location=result["location"]))


def test_query(lab: Lab, run: Run) -> None:
    lab.dataset("d")
    result = run(
        BigQueryQueryOperator,
        sql="SELECT n, CONCAT(@prefix, CAST(n AS STRING)) AS name FROM UNNEST(@numbers) AS n",
        parameters={"prefix": "é-", "numbers": [1, 2, 3]},
        destination_table="d.names",
        labels={"team": "shop"},
        priority="BATCH",
    )
    assert result["row_count"] == 3
    assert result["destination_table"] == f"{lab.project}.d.names"
    assert result["statement_type"] == "SELECT"
    assert {"bytes_processed", "bytes_billed", "slot_ms", "cache_hit", "url"} <= set(result)
    assert rows(lab, "SELECT name FROM d.names ORDER BY n")[2] == {"name": "é-3"}
    configuration = lab.jobs()[0]["configuration"]
    assert configuration["query"]["priority"] == "BATCH"
    assert configuration["labels"] == {
        "airflow-dag": "dag",
        "airflow-task": "task",
        "airflow-run": "manual__2026-01-01t00-00-00-00-00",
        "team": "shop",
    }


def test_load_extract_copy(lab: Lab, run: Run) -> None:
    lab.dataset("d")
    uri = put(lab, "in/a.csv.gz", gzip.compress('id;name\n1;Zoë\n2;"a;b"\n'.encode()))
    put(lab, "in/b.csv", b"id;name\n3;c\n")
    loaded = run(
        BigQueryLoadOperator,
        source_uris=[uri, f"gs://{lab.project}/in/b*"],
        destination_table="d.people",
        schema=[{"name": "id", "type": "INTEGER", "mode": "REQUIRED"}, {"name": "name", "type": "STRING"}],
        skip_leading_rows=1,
        field_delimiter=";",
    )
    assert loaded["row_count"] == 3
    assert loaded["input_file_count"] == 2
    copied = run(
        BigQueryCopyOperator,
        source_tables=["d.people", "d.people"],
        destination_table={"datasetId": "d", "tableId": "twice"},
    )
    assert copied["row_count"] == 6
    extracted = run(
        BigQueryExtractOperator,
        source_table="d.twice",
        destination_uris=f"gs://{lab.project}/out/*.json",
        destination_format="NEWLINE_DELIMITED_JSON",
        compression="GZIP",
    )
    assert extracted["output_file_counts"] == [1]
    [file] = (lab.sandbox.buckets / lab.project / "out").iterdir()
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert sorted(line["name"] for line in lines) == sorted(["Zoë", "a;b", "c"] * 2)


def test_insert_job_returns_the_id_and_leaves_the_rest_in_an_xcom(lab: Lab, run: Run) -> None:
    task = TaskRun()
    context = task.context()
    configuration = {"query": {"query": "SELECT 1 AS x"}}
    job_id = run(BigQueryInsertJobOperator, context, configuration=configuration, job_id="mine")
    assert job_id.startswith("mine_")
    assert task.xcoms["job"]["job_id"] == job_id
    assert task.xcoms["job"]["row_count"] == 1
    assert task.xcoms["_link_BigQueryJobLink"] == task.xcoms["job"]["url"]


def test_dry_run_returns_the_estimate_and_makes_no_job(lab: Lab, run: Run) -> None:
    lab.dataset("d")
    run(BigQueryQueryOperator, sql="CREATE TABLE d.t AS SELECT n FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS n")
    jobs = len(lab.jobs())
    result = run(BigQueryQueryOperator, sql="SELECT n FROM d.t", dry_run=True)
    assert result["bytes_processed"] == 8000
    assert len(lab.jobs()) == jobs


FAILURES: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "unknown column": (BigQueryQueryOperator, {"sql": "SELECT nope FROM d.t"}),
    "unknown table": (BigQueryQueryOperator, {"sql": "SELECT * FROM d.missing"}),
    "script": (BigQueryQueryOperator, {"sql": "SELECT 1;\nSELECT nope FROM d.t;"}),
    "table exists": (BigQueryCopyOperator, {"source_tables": "d.t", "destination_table": "d.t2"}),
    "missing file": (
        BigQueryLoadOperator,
        {"source_uris": "gs://nowhere/x.csv", "destination_table": "d.new", "autodetect": True},
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_says_the_same_in_both_modes(lab: Lab, name: str) -> None:
    lab.dataset("d")
    for table in ("t", "t2"):
        BigQueryQueryOperator(task_id="make", sql=f"CREATE TABLE d.{table} AS SELECT 1 AS x").execute(
            TaskRun(task_id=table).context()
        )
    operator_class, parameters = FAILURES[name]
    texts = []
    for execute, deferrable in ((run_sync, False), (perform, True)):
        operator = operator_class(
            task_id="task", deferrable=deferrable, inline_wait=0, poll_interval=0.5, **parameters
        )
        with lab.slow_jobs(seconds=0.2), pytest.raises(AirflowFailException) as caught:
            execute(operator, TaskRun(run_id=str(deferrable)).context())
        job = lab.jobs()[-1]
        text = str(caught.value)
        assert job["status"]["errorResult"]["message"] in text
        assert job["status"]["errorResult"]["reason"] in text
        assert all(error["message"] in text for error in job["status"]["errors"])
        assert "console.cloud.google.com" in text
        texts.append(text.replace(job["jobReference"]["jobId"], "ID"))
    assert texts[0] == texts[1]
    assert ("line 2, column 1: SELECT nope" in texts[0]) == (name == "script")


def test_failed_load_shows_each_bad_row(lab: Lab, run: Run) -> None:
    lab.dataset("d")
    uri = put(lab, "bad.csv", b"".join(b"x%d\n" % number for number in range(30)))
    with pytest.raises(AirflowFailException) as caught:
        run(
            BigQueryLoadOperator,
            source_uris=uri,
            destination_table="d.numbers",
            schema=[{"name": "n", "type": "INTEGER"}],
            max_bad_records=25,
        )
    lines = str(caught.value).splitlines()
    shown = [line for line in lines if line.startswith("  error ")]
    errors = lab.jobs()[-1]["status"]["errors"]
    # The first entry repeats the error of the job, which is the first line.
    assert len(shown) == min(20, len(errors)) - 1
    assert "\n".join(lines).count(errors[0]["message"]) == 1
    assert len(errors) <= 20 or f"  and {len(errors) - 20} more" in lines


def test_what_a_user_reads_is_what_the_documentation_shows(lab: Lab) -> None:
    lab.dataset("shop")
    rows(lab, "CREATE TABLE shop.t AS SELECT 1 AS x")
    with pytest.raises(AirflowFailException) as caught:
        BigQueryQueryOperator(task_id="script", sql="SELECT 1 AS x;\nSELECT nope FROM shop.t").execute(
            TaskRun(task_id="script").context()
        )
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
    shown, said = page.split("```\n")[1].splitlines(), str(caught.value).splitlines()
    assert shown[:2] == said[:2]
    assert [line.partition(":")[0] for line in shown] == [line.partition(":")[0] for line in said]


def test_on_kill_cancels_the_job(lab: Lab) -> None:
    operator = BigQueryQueryOperator(task_id="task", sql="SELECT 1 AS x", wait=False)
    with lab.slow_jobs(seconds=60):
        reference = operator.execute(TaskRun().context())
        operator.on_kill()
        sensor = BigQueryJobSensor(task_id="sensor", job=reference, poke_interval=0.2, timeout=30)
        with pytest.raises(AirflowFailException, match="stopped"):
            sensor.execute(TaskRun().context())


@pytest.mark.parametrize("moment", ["request", "_wait", "_defer"])
@pytest.mark.parametrize("try_number", [1, 2])
def test_on_kill_at_any_moment_leaves_one_job_that_stops(lab: Lab, moment: str, try_number: int) -> None:
    """Airflow lets the task go on for five seconds, in which it may neither submit another nor defer."""
    settings: dict[str, Any] = {"task_id": "task", "sql": "SELECT 1 AS x", "inline_wait": 0}
    attempts = TaskRun()
    with lab.slow_jobs(seconds=60, cancel_seconds=1):
        if try_number > 1:
            BigQueryQueryOperator(**settings, wait=False).execute(attempts.context())
        operator = BigQueryQueryOperator(**settings, deferrable=moment == "_defer")
        step = getattr(operator, moment)

        def killed(*arguments: Any, **options: Any) -> Any:
            operator.on_kill()
            return step(*arguments, **options)

        setattr(operator, moment, killed)
        with pytest.raises(OutageError, match="the task was ended") as caught:
            operator.execute(attempts.context(try_number))
        assert caught.value.retryable
        [job] = lab.jobs()
        sensor = BigQueryJobSensor(task_id="sensor", job=job["jobReference"]["jobId"], poke_interval=0.2)
        with pytest.raises(AirflowFailException, match="stopped"):
            sensor.execute(TaskRun().context())


def test_on_kill_leaves_the_job_alone_if_asked_to(lab: Lab) -> None:
    operator = BigQueryQueryOperator(task_id="task", sql="SELECT 1 AS x", wait=False, cancel_on_kill=False)
    operator.execute(TaskRun().context())
    operator.on_kill()
    assert not lab.requests("jobs.cancel")
