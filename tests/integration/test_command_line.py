"""The command line against the sandbox: what it prints, and the codes that scripts go by."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from airflow_provider_jobs import compat
from airflow_provider_jobs.__main__ import main
from airflow_provider_jobs.commands import definitions
from airflow_provider_jobs.commands.definitions import COMMANDS, GROUP, get_commands
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.provider_info import get_provider_info
from tests.demo.processes import wait_until
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox import Sandbox
    from tests.integration.lab import Lab

CONNECTION = "google_cloud_default"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command; return its exit code, and what it has written to stdout and stderr."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code: Any = 0
        try:
            main(arguments)
        except SystemExit as error:
            code = error.code
        return (int(code or 0), *capsys.readouterr())

    return run


def query(lab: Lab, sql: str = "SELECT 1 AS x", *, dag_id: str = "My.DAG", wait: bool = True) -> str:
    task = BigQueryQueryOperator(task_id="Task", sql=sql, wait=wait)
    context = TaskRun(dag_id=dag_id, task_id="Task", run_id=uuid.uuid4().hex).context()
    return str(task.execute(context)["job_id"])


def fail(lab: Lab) -> str:
    job = lab.client.insert_job(
        {
            "jobReference": {"projectId": lab.project, "jobId": f"fail_{uuid.uuid4().hex}"},
            "configuration": {"query": {"query": "SELECT ERROR('[red]no[/red]')", "useLegacySql": False}},
        }
    )
    return str(job["jobReference"]["jobId"])


class TestBigQuery:
    """Jobs of a project."""

    def test_lists_the_newest_first(self, lab: Lab, run: Callable[..., Any]) -> None:
        first, second = query(lab), query(lab, dag_id="other")
        code, out, _ = run("list", CONNECTION, "-o", "json")
        jobs = json.loads(out)
        assert code == 0
        assert [job["job_id"] for job in jobs] == [second, first]
        assert (jobs[1]["dag_id"], jobs[1]["task_id"]) == ("my-dag", "task")
        assert jobs[0]["scope"] == lab.project
        assert jobs[0]["state"] == "succeeded"
        assert jobs[0]["statistics"]["statement_type"] == "SELECT"
        assert yaml.safe_load(run("list", CONNECTION, "--output", "yaml")[1]) == jobs
        assert first in run("list", CONNECTION, "-o", "plain")[1]
        table = run("list", CONNECTION)[1]
        assert "job_id" in table
        assert "succeeded" in table

    @pytest.mark.parametrize("output", ["json", "table"])
    def test_whoever_reads_on_no_longer_gets_no_traceback(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch, output: str
    ) -> None:
        """As ``| head`` does; the exit code stays that of the command."""
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        query(lab)
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, "w", encoding="utf-8") as stdout:  # noqa: PTH123 - a pipe
            monkeypatch.setattr(sys, "stdout", stdout)
            main(["list", CONNECTION, "-o", output])

    def test_filters(self, lab: Lab, run: Callable[..., Any]) -> None:
        mine, other = query(lab), query(lab, dag_id="other")
        failed = fail(lab)
        run("wait", CONNECTION, failed)

        def ids(*filters: str) -> set[str]:
            return {job["job_id"] for job in json.loads(run("list", CONNECTION, "-o", "json", *filters)[1])}

        assert ids("--dag-id", "My.DAG", "--task-id", "Task") == {mine}
        assert ids("--state", "failed") == {failed}
        assert ids("--state", "ended") == {mine, other, failed}
        assert ids("--state", "active") == ids("--since", "2100-01-01") == set()
        assert ids("--since", "0001-01-01") == ids("--since", "999999w") == ids()
        assert ids("--limit", "1") == {failed}

    def test_shows_a_job(self, lab: Lab, run: Callable[..., Any]) -> None:
        """By its id, and by what the log of a task calls it."""
        job_id = query(lab)
        facts = [line.split()[0] for line in run("show", CONNECTION, job_id, "-o", "plain")[1].splitlines()]
        assert len(facts) == len(set(facts))
        assert "statistics" not in facts
        code, out, _ = run("show", CONNECTION, job_id, "-o", "json")
        [job] = json.loads(out)
        assert (code, job["state"], job["location"]) == (0, "succeeded", "US")
        assert job["url"].startswith("https://console.cloud.google.com/")
        for name in (f"{lab.project}:US:{job_id}", f"{lab.project}:US.{job_id}"):
            assert json.loads(run("show", CONNECTION, name, "-o", "json")[1]) == [job]
        assert "console.cloud.google.com" in run("show", CONNECTION, job_id)[1]

    @pytest.mark.parametrize("place", ["", "US:", "US."])
    def test_a_project_may_have_a_domain(self, lab: Lab, run: Callable[..., Any], place: str) -> None:
        code, _, told = run("show", CONNECTION, f"example.com:shop:{place}absent")
        assert (code, "example.com:shop:" in told) == (4, True), told

    def test_a_job_elsewhere_is_found(self, lab: Lab, run: Callable[..., Any]) -> None:
        lab.dataset("far", "europe-west1")
        BigQueryQueryOperator(
            task_id="far", sql="CREATE TABLE far.t AS SELECT 1 AS x", location="europe-west1"
        ).execute(TaskRun(run_id=uuid.uuid4().hex).context())
        [job] = [job for job in lab.jobs() if job["jobReference"]["location"] == "europe-west1"]
        code, out, _ = run("show", CONNECTION, job["jobReference"]["jobId"], "-o", "json")
        assert (code, json.loads(out)[0]["location"]) == (0, "europe-west1")

    def test_waits(self, lab: Lab, run: Callable[..., Any]) -> None:
        with lab.slow_jobs(0.5):
            jobs = [query(lab, f"SELECT {number} AS x", wait=False) for number in range(2)]
        code, out, told = run("wait", CONNECTION, *jobs, "-o", "json", "--poll-interval", "0.1")
        assert code == 0
        assert [job["state"] for job in json.loads(out)] == ["succeeded"] * 2
        assert told.count("is DONE") == 2

    def test_a_job_that_fails(self, lab: Lab, run: Callable[..., Any]) -> None:
        """What a service has written is no markup of the table's."""
        failed = fail(lab)
        code, out, told = run("wait", CONNECTION, failed, query(lab), "-o", "json")
        assert code == 1
        assert sorted(job["state"] for job in json.loads(out)) == ["failed", "succeeded"]
        assert "[red]no[/red]" in told
        code, out, _ = run("show", CONNECTION, failed)
        assert code == 0
        assert "[red]no[/red]" in out

    def test_a_job_that_does_not_end(self, lab: Lab, run: Callable[..., Any]) -> None:
        with lab.slow_jobs(60):
            job = query(lab, wait=False)
            code, out, told = run("wait", CONNECTION, job, "--timeout", "0.2")
            assert (code, "still run after 0.2 s" in told) == (5, True)
            assert "RUNNING" in run("show", CONNECTION, job)[1]
            code, out, told = run("cancel", CONNECTION, job, "-o", "json", "--timeout", "20")
        assert (code, json.loads(out)[0]["state"]) == (0, "cancelled")
        assert f"{job} to stop" in told
        code, out, _ = run("cancel", CONNECTION, job, "-o", "json")
        assert (code, json.loads(out)[0]["state"]) == (0, "cancelled")
        assert run("wait", CONNECTION, job)[0] == 1

    def test_who_stops_waiting_is_told_that_the_job_runs_on(self, lab: Lab, run: Callable[..., Any]) -> None:
        with lab.slow_jobs(60):
            job = query(lab, wait=False)
            looks = len(lab.requests("jobs.get"))

            def press_ctrl_c() -> None:
                wait_until(lambda: len(lab.requests("jobs.get")) > looks, 30.0, "a look at the job")
                os.kill(os.getpid(), signal.SIGINT)

            # A shell lets what it starts in the background ignore Ctrl-C, the tests too.
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                with ThreadPoolExecutor() as beside:
                    beside.submit(press_ctrl_c)
                    code, _, told = run("wait", CONNECTION, job)
            finally:
                signal.signal(signal.SIGINT, before)
            assert code == 130
            assert told.endswith("interrupted: jobs that were not asked to stop run on\n")
            assert lab.requests("jobs.cancel") == []
            assert run("cancel", CONNECTION, job)[0] == 0

    def test_what_is_wrong_is_said_in_a_line(
        self, lab: Lab, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        variable = "AIRFLOW_CONN_MAIL"
        monkeypatch.setenv(variable, json.dumps({"conn_type": "smtp"}))
        wrong = {
            ("show", "nowhere", "j"): (2, "The conn_id `nowhere` isn't defined"),
            ("show", "mail", "j"): (2, "connection mail is of type smtp, which is none of bigquery_jobs"),
            ("show", CONNECTION, "../j"): (2, "'../j' does not name a job of BigQuery"),
            ("show", CONNECTION, "absent"): (4, "absent"),
            ("wait", CONNECTION, "absent"): (4, "absent"),
            ("list", CONNECTION, "--since", "soon"): (2, "'soon' is not a time"),
            ("list", CONNECTION, "--limit", "0"): (2, "'0' is not a number from 1"),
            ("wait", CONNECTION, "j", "--timeout", "-1"): (2, "is not a number of seconds"),
            ("show", CONNECTION): (2, "required: job"),
        }
        for arguments, (expected, words) in wrong.items():
            code, out, told = run(*arguments)
            assert (code, out) == (expected, ""), arguments
            assert words in told
            assert "Traceback" not in told
        extra = {"project": lab.project, "api_endpoint": lab.sandbox.bigquery, "access_token": "ya29.wr0ng"}
        monkeypatch.setenv(variable, json.dumps({"conn_type": "bigquery_jobs", "extra": extra}))
        code, out, told = run("list", "mail")
        assert (code, out) == (3, "")
        assert "401" in told
        assert "wr0ng" not in told
        code, out, told = run("list", "mail", CONNECTION, "-o", "json")
        assert (code, json.loads(out)) == (3, [])
        assert "\nmail: " in f"\n{told}"


class TestSalesforce:
    """Jobs of an org, of both kinds."""

    @pytest.fixture(autouse=True)
    def org(self, jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        extra = {"access_token": jobs_sandbox.salesforce_token, "instance_url": jobs_sandbox.salesforce}
        connection = {"conn_type": "salesforce_bulk", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(connection))

    def test_both_kinds(self, run: Callable[..., Any]) -> None:
        hook, conn_id = SalesforceHook(), "salesforce_default"
        query_id = hook.create_query_job({"operation": "query", "query": "SELECT Id FROM Account"})["id"]
        ingest_id = hook.create_ingest_job({"object": "Account", "operation": "insert"})["id"]
        jobs = json.loads(run("list", conn_id, "-o", "json", "--since", "1h", "--limit", "999")[1])
        whats = {job["job_id"]: job["what"] for job in jobs}
        assert whats[query_id] == "Salesforce query job on Account"
        assert whats[ingest_id] == "Salesforce insert job on Account"
        made = [job["created"] for job in jobs]
        assert made == sorted(made, reverse=True)
        of_a_kind = json.loads(run("list", conn_id, "-o", "json", "--kind", "ingest")[1])
        assert query_id not in {job["job_id"] for job in of_a_kind}

        code, out, _ = run("wait", conn_id, query_id, "-o", "json", "--poll-interval", "0.1")
        [job] = json.loads(out)
        assert (code, job["state"]) == (0, "succeeded")
        assert job["rows"] == job["statistics"]["record_count"]
        logged = f"{job['scope']}:{job['location']}:{query_id}"
        assert json.loads(run("show", conn_id, logged, "-o", "json")[1])[0]["job_id"] == query_id
        code, out, _ = run("cancel", conn_id, ingest_id, "-o", "json")
        assert (code, json.loads(out)[0]["state"]) == (0, "cancelled")

    def test_what_is_wrong(self, run: Callable[..., Any]) -> None:
        for arguments, expected, words in (
            (("list", "salesforce_default", "--dag-id", "d"), 2, "keeps no DAG of its jobs"),
            (("list", "salesforce_default", "--project", "p"), 2, "--project is for BigQuery"),
            (("show", "salesforce_default", "no-id"), 2, "is not"),
            (("show", "salesforce_default", "750000000000000AAA"), 4, ""),
            (
                ("show", "salesforce_default", "other.org:v59.0/jobs/query:750000000000000AAA"),
                2,
                "another org",
            ),
        ):
            code, out, told = run(*arguments)
            assert (code, out) == (expected, ""), told
            assert words in told


class TestRedivis:
    """Uploads of a table."""

    def test_uploads(
        self, jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any]
    ) -> None:
        connection = {
            "conn_type": "redivis",
            "host": jobs_sandbox.redivis,
            "password": jobs_sandbox.redivis_token,
        }
        monkeypatch.setenv("AIRFLOW_CONN_REDIVIS_DEFAULT", json.dumps(connection))
        hook, name = RedivisHook(), f"commands_{uuid.uuid4().hex[:12]}"
        hook.get_conn().create_dataset("acme", {"name": name})
        hook.get_conn().create_table(f"acme.{name}:next", {"name": "orders"})
        table = f"acme.{name}:next.orders"
        hook.put_upload(table, b"id\n1\n2\n", "orders.csv", type="delimited")
        code, out, _ = run(
            "wait", "redivis_default", "orders.csv", "--table", table, "-o", "json", "--poll-interval", "0.1"
        )
        [job] = json.loads(out)
        assert (code, job["state"], job["rows"]) == (0, "succeeded", 2)
        assert job["url"].startswith("http")
        [found] = json.loads(run("list", "redivis_default", "--table", table, "-o", "json")[1])
        assert (found["state"], found["created"] is not None) == ("succeeded", True)
        for upload in (job["job_id"], f"{table}:{job['job_id']}"):
            assert json.loads(run("show", "redivis_default", upload, "-o", "json")[1])[0]["rows"] == 2
        code, _, told = run("list", "redivis_default")
        assert (code, "give --table" in told) == (2, True)
        code, _, told = run("cancel", "redivis_default", f"acme.{name}:release-after-none")
        assert (code, "is a release: Redivis stops none" in told) == (2, True)
        assert run("show", "redivis_default", "absent.csv", "--table", table)[0] == 4
        assert run("show", "redivis_default", "absent.csv")[0] == 2


def test_airflows_own_command_line_is_offered_the_same() -> None:
    [group] = get_commands()
    assert get_provider_info()["cli"] == [f"{get_commands.__module__}.{get_commands.__name__}"]
    assert (group.name, tuple(group.subcommands)) == (GROUP, COMMANDS)
    assert [command.name for command in COMMANDS] == ["list", "show", "wait", "cancel"]


def test_a_start_of_airflow_imports_next_to_nothing() -> None:
    """It imports what defines the commands, whatever command it is started for."""
    tree = ast.parse(Path(definitions.__file__).read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert found == {"__future__", "airflow.cli.cli_config", "argparse", "datetime", "re", "time"}


#: A database of its own with one connection; then our command line, and Airflow's where that has the command.
PROGRAM = """
import json, logging, sys
from airflow.utils.db import initdb
from airflow.models.connection import Connection
from airflow.utils.session import create_session
from airflow_provider_jobs.__main__ import main as own

initdb()
connection, with_airflow = json.loads(sys.argv[1])
with create_session() as session:
    session.add(Connection(conn_id="of_the_database", **connection))
    session.add(Connection(conn_id="mail", conn_type="smtp"))
print("ours", flush=True)
own(["list", "-o", "json"])
if with_airflow:
    from airflow.__main__ import main
    print("airflow", flush=True)
    sys.argv[1:] = ["provider-jobs", "list", "-o", "json"]
    main()
"""


def test_connections_of_airflows_database(lab: Lab, tmp_path: Path) -> None:
    """Without ids all are asked; what the log says of a region that is not seen is not in the result."""
    job_id, hidden = query(lab), {"unreachable": ["europe-west1"]}
    lab.fault("jobs.list", "patch", document=hidden, times=0)
    extra = {"project": lab.project, "api_endpoint": lab.sandbox.bigquery, "access_token": lab.sandbox.token}
    connection = {"conn_type": "google_cloud_platform", "extra": json.dumps(extra)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([connection, compat.TAKES_COMMANDS])],
        check=True,
        capture_output=True,
        timeout=120,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join(sys.path),
            "AIRFLOW_CONN_BROKEN": "{",
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
    )
    ours, _, airflows = done.stdout.decode().partition("ours\n")[2].partition("airflow\n")
    for text in [ours, *([airflows] if compat.TAKES_COMMANDS else [])]:
        [job] = json.loads(text)
        assert (job["conn_id"], job["job_id"]) == ("of_the_database", job_id)
    told = done.stderr.decode()
    assert "could not see" in told
    assert "connection broken cannot be read" in told
