"""What the org knows outlives the sandbox that knew it; a large result costs no memory."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.sandbox.salesforce import runner
from tests.integration.sandbox.conftest import wait_until
from tests.integration.sandbox.salesforce_api import ACCOUNTS, SalesforceApi
from tests.integration.sandbox.test_http_process import serving

if TYPE_CHECKING:
    import pytest

INSERT = b"Name\nKept over the night\n"


def test_restart(tmp_path: Path) -> None:
    """Jobs, results, locators, what became of records, and the records themselves."""
    with Sandbox(tmp_path, token="a-token") as sandbox:
        api = SalesforceApi(sandbox)
        sandbox.salesforce_settings(page_rows=4)
        query, ingest = api.query(f"{ACCOUNTS} LIMIT 10"), api.ingest(INSERT)
        pages = [(page.content, page.headers["Sforce-Locator"]) for page in api.pages(query)]
        outcome = api.outcome(ingest, "successfulResults")
        used = api.get("limits")["DailyApiRequests"]["Remaining"]
        opened = api.create_ingest()
        api.put(opened, INSERT)
        sandbox.timing(project="salesforce", pending_seconds=60)
        queued = api.create()
        api.session.close()
    with Sandbox(tmp_path, token="a-token") as sandbox:
        api = SalesforceApi(sandbox)
        sandbox.salesforce_settings(page_rows=4)
        assert api.get("limits")["DailyApiRequests"]["Remaining"] < used
        assert api.info(query) == query
        assert [(page.content, page.headers["Sforce-Locator"]) for page in api.pages(query)] == pages
        assert api.outcome(ingest, "successfulResults") == outcome
        assert api.ended(queued)["state"] == "JobComplete"
        assert api.info(opened, "ingest")["state"] == "Open"
        api.state("ingest", opened, "UploadComplete")
        assert api.ended(opened, "ingest")["state"] == "JobComplete"
        found = api.query("SELECT Name FROM Account WHERE Name = 'Kept over the night'")
        assert found["numberRecordsProcessed"] == 2
        assert api.create()["id"] not in {query["id"], queued["id"], found["id"]}
        api.session.close()


def test_crash(tmp_path: Path) -> None:
    """What was answered is there; an unfinished query goes on."""
    root = ("--root", tmp_path, "--token", "a-token")
    with serving(*root, "--job-seconds", "60") as server:
        jobs = Jobs(server.announced)
        job = jobs.create()
        wait_until(lambda: jobs.state(job) == "InProgress")
        server.process.kill()
        server.process.wait(10)
    with serving(*root) as server:
        jobs = Jobs(server.announced)
        wait_until(lambda: jobs.state(job) == "JobComplete")
        assert server.stop(signal.SIGTERM) == 0


def test_end_while_jobs_rest_and_run(caplog: pytest.LogCaptureFixture) -> None:
    """Closing waits for what is being executed, for nothing else, and without a complaint."""
    begun = time.monotonic()
    with Sandbox() as sandbox:
        api = SalesforceApi(sandbox)
        api.create("SELECT Id, LastName, Email, Account.Name FROM Contact")
        sandbox.timing(project="salesforce", running_seconds=60)
        api.create()
        api.session.close()
    assert time.monotonic() - begun < 30
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_large_page_is_streamed() -> None:
    """Hundreds of megabytes in one page, and no more memory in the process that serves them."""
    with serving() as server:
        jobs = Jobs(server.announced)
        job = jobs.create(f"{ACCOUNTS} LIMIT 1")
        wait_until(lambda: jobs.state(job) == "JobComplete")
        size = make_larger(Path(server.announced["root"]) / f"salesforce/results/{job}.csv", 300)
        before = peak_kibibytes(server.process.pid)
        assert jobs.download(job) == size
        assert peak_kibibytes(server.process.pid) - before < 32 * 1024
        assert server.stop(signal.SIGTERM) == 0


def make_larger(path: Path, mebibytes: int) -> int:
    """Let the only record of a result grow; give the size of the whole."""
    block = os.urandom(1 << 20)
    with path.open("ab") as file:
        for _ in range(mebibytes):
            file.write(block)
    index = path.with_name(path.name + ".index")
    size = path.stat().st_size
    index.write_bytes(index.read_bytes()[:-8] + size.to_bytes(8, "little"))
    return size


def peak_kibibytes(pid: int) -> int:
    (line,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")
    )
    return int(line.split()[1])


class Jobs:
    """The few requests to a sandbox in another process."""

    def __init__(self, announced: dict[str, Any]) -> None:
        self._url = f"{announced['salesforce']}/services/data/v59.0/jobs/query"
        self._headers = {"Authorization": f"Bearer {announced['salesforce_token']}"}

    def create(self, soql: str = ACCOUNTS) -> str:
        document = {"operation": "query", "query": soql}
        reply = requests.post(self._url, json=document, headers=self._headers, timeout=30)
        return str(reply.json()["id"])

    def state(self, job_id: str) -> str:
        reply = requests.get(f"{self._url}/{job_id}", headers=self._headers, timeout=30)
        return str(reply.json()["state"])

    def download(self, job_id: str) -> int:
        headers = {**self._headers, "Accept-Encoding": "identity"}
        url = f"{self._url}/{job_id}/results"
        with requests.get(url, headers=headers, timeout=30, stream=True) as reply:
            return sum(len(block) for block in reply.iter_content(1 << 20))


def test_end_while_jobs_wait_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not work off the queue; the next start does."""
    monkeypatch.setattr(runner, "JOBS_AT_ONCE", 1)
    with Sandbox(tmp_path, token="a-token") as sandbox:
        api = SalesforceApi(sandbox)
        for _ in range(3):
            api.create("SELECT Id, Name, Email, Description FROM Contact ORDER BY Name")
        ingest = api.create_ingest()
        api.put(ingest, INSERT)
        api.state("ingest", ingest, "UploadComplete")
        wait_until(lambda: api.info(ingest, "ingest")["state"] == "InProgress")
        api.session.close()
    assert not (tmp_path / "salesforce/results" / ingest["id"]).exists()
    with Sandbox(tmp_path, token="a-token") as sandbox:
        api = SalesforceApi(sandbox)
        assert api.ended(ingest, "ingest")["state"] == "JobComplete"
        assert api.outcome(ingest, "successfulResults").count(b"Kept over the night") == 1
        api.session.close()
