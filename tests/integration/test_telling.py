"""What the log of a task and its XCom ``job`` say: what ran, which job it was, and what came of it."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import DeadlineExceeded, JobCancelled, JobsError
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor
from tests.integration.task_log import MODES, check_told, frames_of_ours, lines_of, run_task
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from tests.integration.lab import Lab

DOCS = Path(__file__).parents[2] / "docs"
NUMBERS = [{"name": "n", "type": "INTEGER"}]


@pytest.fixture
def tables(lab: Lab, tmp_path: Path) -> Lab:
    """A table, and files to load, some of whose rows are no numbers."""
    lab.dataset("shop")
    sql = "CREATE TABLE shop.t AS SELECT n FROM UNNEST([1, 2, 3]) AS n"
    BigQueryQueryOperator(task_id="t", sql=sql).execute(TaskRun(task_id="t").context())
    bucket = lab.sandbox.buckets / lab.project
    bucket.mkdir(parents=True, exist_ok=True)
    (bucket / "good.csv").write_text("1\n2\n")
    (bucket / "bad.csv").write_text("".join(f"{n}\nx{n}\n" for n in range(25)))
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("1\n2\n")
    return lab


def made(lab: Lab, folder: Path) -> dict[str, tuple[type[Any], dict[str, Any], str]]:
    """Return each operator, what it is made with, and what the log has to say of the work."""
    load = {"destination_table": "shop.loaded", "schema": NUMBERS}
    bucket = f"gs://{lab.project}"
    extract = {"source_table": "shop.t", "destination_uris": f"{bucket}/out-*.csv"}
    query = {"query": {"query": "SELECT n,\n       n + 1 AS m\nFROM shop.t"}}
    return {
        "query": (BigQueryQueryOperator, {"sql": "SELECT n\nFROM shop.t"}, "query: SELECT n FROM shop.t"),
        "dml": (
            BigQueryQueryOperator,
            {"sql": "DELETE FROM shop.t WHERE n = 3"},
            "query: DELETE FROM shop.t",
        ),
        "insert": (
            BigQueryInsertJobOperator,
            {"configuration": query},
            "query: SELECT n, n + 1 AS m FROM shop.t",
        ),
        "load": (BigQueryLoadOperator, {**load, "source_uris": f"{bucket}/good.csv"}, 'load: {"'),
        "extract": (BigQueryExtractOperator, extract, 'extract: {"'),
        "copy": (
            BigQueryCopyOperator,
            {"source_tables": "shop.t", "destination_table": "shop.c"},
            'copy: {"',
        ),
        "upload": (BigQueryUploadOperator, {**load, "source": str(folder / "a.csv")}, 'load: {"'),
        "uploads": (BigQueryUploadOperator, {**load, "source": str(folder / "*.csv")}, 'load: {"'),
    }


NUMBERS_OF = {
    "query": {"row_count", "bytes_processed", "bytes_billed", "slot_ms", "destination_table"},
    "dml": {"row_count", "bytes_processed", "bytes_billed", "slot_ms"},
    "insert": {"row_count", "bytes_processed", "bytes_billed", "slot_ms", "destination_table"},
    "load": {"row_count", "destination_table", "bad_record_count"},
    "extract": {"source_table", "destination_uris", "output_file_counts"},
    "copy": {"row_count", "destination_table"},
    "upload": {"row_count", "destination_table"},
    "uploads": {"row_count", "destination_table", "jobs"},
}


@pytest.mark.parametrize("name", NUMBERS_OF)
def test_all_is_said_once_and_the_same_wherever_the_task_ends(
    tables: Lab, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, parameters, work = made(tables, tmp_path)[name]
    found = {}
    for mode in MODES:
        lines_of(capsys)
        more = {"write_disposition": "WRITE_TRUNCATE"} if name == "copy" else {}

        def make(more: dict[str, Any] = more, **settings: Any) -> Any:
            return kind(task_id="task", poll_interval=0.1, **parameters, **more, **settings)

        with tables.slow_jobs(seconds=0.2):
            found[mode] = run_task(make, mode, TaskRun(run_id=mode))
        check_told(lines_of(capsys), found[mode], work)
    jobs = list(found.values())
    assert jobs[0].keys() == jobs[1].keys() == jobs[2].keys()
    each = [job.get("jobs", [job])[0] for job in jobs]
    assert each[0].keys() == each[1].keys() == each[2].keys()
    assert NUMBERS_OF[name] <= jobs[0].keys()
    assert each[0]["duration_seconds"] >= 0.2


FAILURES: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "query": (BigQueryQueryOperator, {"sql": "SELECT nope FROM shop.t"}),
    "script": (BigQueryQueryOperator, {"sql": "SELECT 1;\nSELECT nope FROM shop.t;"}),
    "load": (BigQueryLoadOperator, {"destination_table": "shop.new", "schema": NUMBERS}),
    "insert": (BigQueryInsertJobOperator, {"configuration": {"query": {"query": "SELECT nope"}}}),
}


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_says_its_error_once_and_shows_no_frame_of_ours(
    tables: Lab, name: str, capsys: pytest.CaptureFixture[str], *, deferrable: bool
) -> None:
    kind, parameters = FAILURES[name]
    more = {"source_uris": f"gs://{tables.project}/bad.csv"} if name == "load" else {}
    run = TaskRun()
    task = kind(task_id="task", deferrable=deferrable, inline_wait=0, poll_interval=0.1, **parameters, **more)
    with tables.slow_jobs(seconds=0.3), pytest.raises(AirflowFailException) as caught:
        perform(task, run.context())
    assert not frames_of_ours(caught.value)
    lines, text = lines_of(capsys), str(caught.value)
    message = tables.jobs()[-1]["status"]["errorResult"]["message"]
    assert ("\n".join(lines) + text).count(message) == 1
    job = run.xcoms["job"]
    assert (job["state"], message in job["error"]) == ("failed", True)
    assert job["duration_seconds"] >= 0.3
    ends = [line for line in lines if line.startswith("the job failed in ")]
    assert ends == lines[-1:]
    assert sum(job["job_id"] in line and not line.startswith("http") for line in lines) == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_somebody_elses_cancel_is_told_as_every_end_is(
    tables: Lab, capsys: pytest.CaptureFixture[str], *, deferrable: bool
) -> None:
    run = TaskRun()
    task = BigQueryQueryOperator(
        task_id="task", sql="SELECT 1 AS one", deferrable=deferrable, inline_wait=0, poll_interval=0.1
    )
    begun = task.submissions

    def cancelled(client: Any, context: Any) -> Any:
        found = begun(client, context)
        client.cancel(found[0].status.ref)
        return found

    task.submissions = cancelled  # type: ignore[method-assign]
    with tables.slow_jobs(seconds=30.0, cancel_seconds=0.1), pytest.raises(JobCancelled) as caught:
        perform(task, run.context())
    assert not frames_of_ours(caught.value)
    assert run.xcoms["job"]["state"] == "cancelled"
    assert "stopped" in run.xcoms["job"]["error"]
    assert lines_of(capsys)[-1].startswith("the job cancelled in ")


def test_a_job_that_execution_timeout_has_ended_is_told_too(lab: Lab) -> None:
    run = TaskRun()
    task = BigQueryQueryOperator(
        task_id="task",
        sql="SELECT 1 AS one",
        deferrable=False,
        poll_interval=0.1,
        execution_timeout=dt.timedelta(seconds=1),
    )
    with lab.slow_jobs(seconds=60.0, cancel_seconds=0.1), pytest.raises(DeadlineExceeded) as caught:
        perform(task, run.context())
    assert not frames_of_ours(caught.value)
    assert run.xcoms["job"]["state"] == "cancelled"
    assert "execution_timeout" in run.xcoms["job"]["error"]


@pytest.mark.parametrize("fails", ["query", "connection"])
def test_no_error_of_ours_shows_frames_of_ours(lab: Lab, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    if fails == "connection":
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", '{"conn_type": "bigquery_jobs", "extra": {}}')
    task = BigQueryQueryOperator(task_id="task", sql="" if fails == "query" else "SELECT 1")
    with pytest.raises((AirflowFailException, JobsError)) as caught:
        task.execute(TaskRun().context())
    assert not frames_of_ours(caught.value)


def test_an_error_that_is_not_told_in_words_keeps_its_frames(lab: Lab) -> None:
    task = BigQueryQueryOperator(task_id="task", sql="SELECT 1")
    task.request = None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError) as caught:
        task.execute(TaskRun().context())
    assert frames_of_ours(caught.value)


def test_a_sensor_shows_no_frames_and_names_its_job_once(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    with lab.slow_jobs(seconds=0.5):
        job = BigQueryQueryOperator(task_id="q", sql="SELECT nope", wait=False).execute(TaskRun().context())
        lines_of(capsys)
        sensor = BigQueryJobSensor(task_id="sensor", job=job, poke_interval=0.1, timeout=30)
        with pytest.raises(AirflowFailException) as caught:
            sensor.execute(TaskRun().context())
    assert not frames_of_ours(caught.value)
    lines = lines_of(capsys)
    assert sum(job["job_id"] in line and not line.startswith("http") for line in lines) == 1
    assert job["url"] in lines


@pytest.mark.parametrize("mode", MODES)
def test_skipped_rows_are_named(tables: Lab, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    def make(**settings: Any) -> Any:
        return BigQueryLoadOperator(
            task_id="task",
            source_uris=f"gs://{tables.project}/bad.csv",
            destination_table="shop.loaded",
            schema=NUMBERS,
            max_bad_records=30,
            poll_interval=0.1,
            **settings,
        )

    with tables.slow_jobs(seconds=0.3):
        job = run_task(make, mode)
    assert (job["row_count"], job["bad_record_count"], len(job["bad_records"])) == (25, 25, 20)
    assert job["bad_records"][0]["location"] == f"gs://{tables.project}/bad.csv"
    assert "'x0'" in job["bad_records"][0]["message"]
    lines = lines_of(capsys)
    assert [line for line in lines if line.startswith("skipped: ")][19].count("'x19'") == 1
    assert lines[-1] == "and 5 more"


def test_skipped_rows_of_several_files_are_the_first_twenty_of_all(tables: Lab, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("".join(f"{n}\n{name}{n}\n" for n in range(15)))
    task = BigQueryUploadOperator(
        task_id="task",
        source=str(tmp_path / "*.csv"),
        destination_table="shop.loaded",
        schema=NUMBERS,
        max_bad_records=30,
    )
    result = task.execute(TaskRun().context())
    assert (result["bad_record_count"], len(result["bad_records"])) == (30, 20)
    assert not any("bad_records" in job for job in result["jobs"])


def test_an_extract_says_where_the_files_are(tables: Lab) -> None:
    uris = [f"gs://{tables.project}/one-*.csv", f"gs://{tables.project}/two-*.csv"]
    task = BigQueryExtractOperator(task_id="task", source_table="shop.t", destination_uris=uris)
    result = task.execute(TaskRun().context())
    assert (result["destination_uris"], result["output_file_counts"]) == (uris, [1, 1])


def test_a_session_is_named_and_its_tables_are_there_for_the_next_query(lab: Lab) -> None:
    def run(sql: str, **options: Any) -> dict[str, Any]:
        task = BigQueryQueryOperator(task_id="task", sql=sql, options=options)
        found: dict[str, Any] = task.execute(TaskRun(run_id=sql).context())
        return found

    begun = run("CREATE TEMP TABLE kept AS SELECT 7 AS x", createSession=True)
    assert begun["session_id"]
    of_session = [{"key": "session_id", "value": begun["session_id"]}]
    read = run("SELECT x FROM kept", connectionProperties=of_session)
    assert (read["session_id"], read["row_count"]) == (begun["session_id"], 1)
    with pytest.raises(AirflowFailException, match="kept"):
        run("SELECT x + 1 FROM kept")
    with pytest.raises(AirflowFailException, match="Session"):
        run("SELECT 2", connectionProperties=[{"key": "session_id", "value": "none"}])


def test_sql_is_shortened_and_its_secrets_are_masked(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    token = lab.sandbox.token
    task = BigQueryQueryOperator(task_id="task", sql=f"SELECT\n  '{token}' AS t, '{'x' * 5000}' AS long")
    task.execute(TaskRun().context())
    [line] = [line for line in lines_of(capsys) if line.startswith("query: ")]
    assert line.startswith("query: SELECT '***' AS t, 'xxx")
    assert len(line) < 1100
    assert token not in line


def test_the_log_of_a_task_is_what_the_documentation_shows(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.dataset("shop")
    sales = "CREATE TABLE shop.sales AS SELECT n AS price FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS n"
    BigQueryQueryOperator(task_id="sales", sql=sales).execute(TaskRun(task_id="sales").context())
    lines_of(capsys)
    task = BigQueryQueryOperator(
        task_id="total",
        sql="SELECT price, COUNT(*) AS n\nFROM shop.sales\nGROUP BY price",
        destination_table="shop.total",
    )
    with lab.slow_jobs(seconds=0.3):
        task.execute(TaskRun(dag_id="daily", task_id="total").context())
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- a log -->\n```\n")[2].partition("\n```")[0].splitlines()
    said = [line.replace(lab.project, "my-project") for line in lines_of(capsys)]
    # Times, and what ids end in, are other ones each time.
    varies = re.compile(r"__\S*|\d+\.\d s\b")
    assert [varies.sub("…", line) for line in said] == [varies.sub("…", line) for line in shown]
