"""The command line, restarts, and a server that really ends."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.sandbox.conftest import Api, query, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "airflow_provider_jobs.sandbox"]
ENDLESS = "SELECT SUM(a * b) FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 200000)) b"


class Server:
    """A sandbox in a process of its own, once it has announced itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 30)
        assert ready, "nothing was announced"
        self.announced: dict[str, Any] = json.loads(process.stdout.readline())

    def api(self, project: str = "test-process") -> Api:
        return Api(self.announced["bigquery"], self.announced["token"], project)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def serving(*options: str | Path) -> Iterator[Server]:
    """Start a sandbox; whatever happens, it does not outlive the test."""
    with subprocess.Popen([*COMMAND, *map(str, options)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.terminate()  # then it removes its temporary folder
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def test_announcement_and_clean_end() -> None:
    """The first line says all that a client needs; SIGTERM ends with 0 and removes the temporary folder."""
    with serving() as server:
        told = server.announced
        assert told["bigquery"].startswith("http://127.0.0.1:")
        assert told["page"] == f"{told['bigquery']}/#token={told['token']}"
        assert Path(told["buckets"]).is_dir()
        assert Path(told["key_file"]).is_file()
        assert Path(told["workload_identity_file"]).is_file()
        assert server.api().get("jobs").status_code == 200
        assert server.stop() == 0
        assert not Path(told["root"]).exists()
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""


def test_interrupt_ends_it_while_a_job_runs() -> None:
    with serving() as server:
        api = server.api()
        api.insert("slow", **query(ENDLESS))
        wait_until(lambda: api.state("slow") == "RUNNING")
        assert server.stop(signal.SIGINT) == 0


def test_only_loopback() -> None:
    done = subprocess.run([*COMMAND, "--host", "0.0.0.0"], capture_output=True, text=True, check=False)  # noqa: S104
    assert done.returncode == 2
    assert "unrecognized arguments: --host" in done.stderr
    assert done.stdout == ""


def test_taken_port_is_one_sentence() -> None:
    with Sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2]
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert "Traceback" not in done.stderr


def test_restart_keeps_jobs_tables_and_key(tmp_path: Path) -> None:
    """A crash loses nothing that was answered; what was running has failed and can be retried."""
    with serving("--root", tmp_path, "--token", "first-token") as server:
        api = server.api()
        dataset = {"datasetReference": {"projectId": api.project, "datasetId": "kept"}}
        assert api.post("datasets", dataset).status_code == 200
        done = api.run("done")
        api.insert("slow", **query(ENDLESS))
        wait_until(lambda: api.state("slow") == "RUNNING")
        key = json.loads(Path(server.announced["key_file"]).read_text())["private_key"]
        server.process.kill()
        server.process.wait(10)
    with serving("--root", tmp_path, "--token", "first-token") as server:
        api = server.api()
        job = api.get("jobs/done").json()
        assert job["statistics"] == done["statistics"]
        lost = api.get("jobs/slow").json()["status"]
        assert (lost["state"], lost["errorResult"]["reason"]) == ("DONE", "backendError")
        assert lost["errors"] == [lost["errorResult"]]
        assert (
            api.post(
                "jobs", {"configuration": query("SELECT 1"), "jobReference": {"jobId": "done"}}
            ).status_code
            == 409
        )
        assert [item["jobReference"]["jobId"] for item in api.get("jobs").json()["jobs"]] == ["slow", "done"]
        assert api.get("datasets/kept").status_code == 200
        assert json.loads(Path(server.announced["key_file"]).read_text())["private_key"] == key
        assert server.stop() == 0
    assert tmp_path.exists()


def test_pending_job_runs_after_a_restart(tmp_path: Path) -> None:
    with Sandbox(tmp_path, token="a-token") as sandbox:
        sandbox.timing(pending_seconds=60)
        Api(sandbox.bigquery, sandbox.token, "test-process").insert("job-1")
    with Sandbox(tmp_path, token="a-token") as sandbox:
        api = Api(sandbox.bigquery, sandbox.token, "test-process")
        assert api.finished("job-1")["status"] == {"state": "DONE"}


def test_job_seconds() -> None:
    with serving("--job-seconds", "0.5") as server:
        times = server.api().run("job-1")["statistics"]
        assert int(times["endTime"]) - int(times["startTime"]) >= 500


def test_no_secret_on_the_console(tmp_path: Path) -> None:
    """The token is announced on stdout once, and never written to stderr."""
    with subprocess.Popen(
        [*COMMAND, "--root", tmp_path, "--token", "hush-hush"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            server = Server(process)
            server.api().run("bad", **query("SELECT FROM"))
            assert server.stop() == 0
            assert process.stderr is not None
            assert "hush-hush" not in process.stderr.read()
        finally:
            process.kill()


def test_close_ends_every_thread() -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox()
    api = Api(sandbox.bigquery, sandbox.token, "test-threads")
    api.run("job-1")
    api.insert("slow", **query(ENDLESS))
    begun = time.monotonic()
    sandbox.close()
    sandbox.close()
    assert time.monotonic() - begun < 30
    assert set(threading.enumerate()) <= before
    assert not sandbox.root.exists()
    with pytest.raises(requests.ConnectionError):
        api.get("jobs")
    api.session.close()


def test_root_is_only_for_its_owner(tmp_path: Path) -> None:
    with Sandbox(tmp_path / "new") as sandbox:
        assert sandbox.root.stat().st_mode & 0o077 == 0
        assert sandbox.key_file.parent.stat().st_mode & 0o077 == 0


def test_root_belongs_to_one_sandbox(tmp_path: Path) -> None:
    with Sandbox(tmp_path):
        done = subprocess.run(
            [*COMMAND, "--root", str(tmp_path)], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 1
        assert "another sandbox uses the root" in done.stderr
    with Sandbox(tmp_path) as again:
        assert again.root == tmp_path


@pytest.mark.parametrize("options", [["--port", "70000"], ["--port", "x"], ["--job-seconds", "-1"]])
def test_bad_option(options: list[str]) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert options[0] in done.stderr
