"""The sandbox as a program of its own, and what the demo asks of it: over HTTP, like anybody."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests

from tests.demo.airflow import inherited_environment
from tests.demo.processes import Program, ProgramFailed, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PROJECT = "demo-project"
START_SECONDS = 60.0
TIMEOUT_SECONDS = 30
ROWS_PER_PAGE = 10_000  # more than any table that the demo reads whole
API_VERSION = "59.0"
CREATES = frozenset({"salesforce.query.create", "salesforce.ingest.create"})
POLL_SECONDS = 0.2  # between two looks at a job that takes no time
BLOCK_BYTES = 1024 * 1024


class SandboxProcess:
    """``python -m airflow_provider_jobs.sandbox``, running from entering to leaving.

    :param folder: For its state and log; the caller removes it.
    :param job_seconds: How long every job runs at least.
    :param pause: Called while waiting; it may raise to end the wait.
    """

    def __init__(
        self, folder: Path, *, job_seconds: float, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._pause = pause
        self._announced = folder / "announcement.json"
        self.program = Program(
            "the sandbox",
            [
                *(sys.executable, "-m", "airflow_provider_jobs.sandbox"),
                *("--root", str(folder / "root"), "--job-seconds", str(job_seconds)),
            ],
            inherited_environment() | {"PYTHONUNBUFFERED": "1"},
            folder / "sandbox.log",
            stdout=self._announced,  # it holds the token, which a log must not
        )
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy: the server is on this machine
        self._token = ""
        self._own_jobs: set[str] = set()
        self.url = self.page = self.redivis = self.salesforce = ""
        self.buckets = Path()

    def __enter__(self) -> Self:
        self.program.start()
        try:
            line = wait_until(self._first_line, START_SECONDS, "the sandbox's start", self._pause)
        except BaseException:  # an interruption too: what was started has to end
            self.program.stop()
            raise
        announcement = json.loads(line)
        self.url, self._token = announcement["bigquery"], announcement["token"]
        self.page = announcement["page"]  # carries the token: for who sits at this terminal
        self.redivis, self.salesforce = announcement["redivis"], announcement["salesforce"]
        self.buckets = Path(announcement["buckets"])
        self._session.headers["Authorization"] = f"Bearer {self._token}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.stop()

    def _first_line(self) -> str | None:
        self.program.ensure_alive()
        line, newline, _ = self._announced.read_text().partition("\n")
        return line if newline else None

    def connection(self) -> str:
        """What Airflow needs to reach it, as a connection in JSON. It holds the token: for variables only."""
        extra = {"project": PROJECT, "api_endpoint": self.url, "access_token": self._token}
        return json.dumps({"conn_type": "bigquery_jobs", "extra": extra})

    def redivis_connection(self) -> str:
        """The same for Redivis."""
        return json.dumps({"conn_type": "redivis", "host": self.redivis, "password": self._token})

    def salesforce_connection(self) -> str:
        """The same for Salesforce."""
        extra = {"instance_url": self.salesforce, "access_token": self._token}
        return json.dumps({"conn_type": "salesforce_bulk", "extra": extra})

    def files_with_token(self, folder: Path) -> list[str]:
        """Files below a folder that hold its token, which should be none: logs, a database."""
        return sorted(str(path) for path in folder.rglob("*") if path.is_file() and self._is_told_in(path))

    def _is_told_in(self, path: Path) -> bool:
        token, text = self._token.encode(), b""
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                text = text[-len(token) :] + block
                if token in text:
                    return True
        return False

    def create_dataset(self, dataset: str) -> None:
        """Make an empty dataset."""
        self._call(
            "POST", "/datasets", json={"datasetReference": {"projectId": PROJECT, "datasetId": dataset}}
        )

    def row_count(self, dataset: str, table: str) -> int:
        """How many rows a table has, as its metadata says."""
        return int(self._call("GET", f"/datasets/{dataset}/tables/{table}")["numRows"])

    def rows(self, dataset: str, table: str) -> list[tuple[str | None, ...]]:
        """All rows of a small table, values as the API spells them."""
        path = f"/datasets/{dataset}/tables/{table}/data"
        page = self._call("GET", path, params={"maxResults": ROWS_PER_PAGE})
        if page.get("pageToken"):
            raise ProgramFailed(f"{dataset}.{table} has more than {ROWS_PER_PAGE} rows")
        return [tuple(field["v"] for field in row["f"]) for row in page.get("rows", [])]

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Every job that was ever submitted, by its id."""
        listed = self._call("GET", "/jobs", params={"projection": "full", "maxResults": ROWS_PER_PAGE})
        return {job["jobReference"]["jobId"]: job for job in listed.get("jobs", [])}

    def redivis_version(self, dataset: str) -> str:
        """The tag of what is released of a dataset."""
        version = self._ask("GET", f"{self.redivis}/datasets/{dataset}")["version"]
        return str(version["tag"]) if version["isReleased"] else "none"

    def redivis_uploads(self, table: str) -> list[dict[str, Any]]:
        """Every upload of a table."""
        return list(self._ask("GET", f"{self.redivis}/tables/{table}/uploads")["results"])

    def fill_salesforce(self) -> None:
        """Let the org make its many records now, which takes seconds, and not when somebody wants them."""
        body = {"operation": "query", "query": "SELECT Id FROM Contact"}
        job = self._ask("POST", f"{self.salesforce}/services/data/v{API_VERSION}/jobs/query", json=body)
        self._own_jobs.add(job["id"])

    def salesforce_creates(self) -> int:
        """How often the org was asked to create a job."""
        asked = self._ask("GET", f"{self.url}/sandbox/requests")["requests"]
        return sum(each["operation"] in CREATES for each in asked) - len(self._own_jobs)

    def salesforce_jobs(self) -> list[str]:
        """Every job of the org that was not deleted."""
        jobs = self._ask("GET", f"{self.url}/sandbox/salesforce/jobs")["jobs"]
        return sorted({job["id"] for job in jobs} - self._own_jobs)

    def hurry_salesforce(self) -> None:
        """Let jobs take no time from now on, and suit a client that has to be told the charset."""
        self._ask("POST", f"{self.url}/sandbox/timing", json={"project": "salesforce", "running_seconds": 0})
        self._ask("POST", f"{self.url}/sandbox/salesforce", json={"charset": "given"})

    def salesforce_records(self, soql: str, *, deleted: bool = False) -> list[dict[str, str]]:
        """What simple-salesforce reads.

        :param deleted: records in the bin too.
        """
        from simple_salesforce.bulk2 import SFBulk2Handler  # noqa: PLC0415 - takes a second

        with requests.Session() as session:
            session.trust_env = False
            url = f"{self.salesforce}/services/data/v{API_VERSION}/jobs/"
            # Of a query the object's name is not used.
            bulk = SFBulk2Handler(self._token, url, session=session).Any
            pages = (bulk.query_all if deleted else bulk.query)(soql, wait=POLL_SECONDS)
            return [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        return self._ask(method, f"{self.url}/bigquery/v2/projects/{PROJECT}{path}", **arguments)

    def _ask(self, method: str, url: str, **arguments: Any) -> Any:
        reply = self._session.request(method, url, timeout=TIMEOUT_SECONDS, **arguments)
        if not reply.ok:
            raise ProgramFailed(f"the sandbox answered {method} {url} with {reply.status_code}: {reply.text}")
        return reply.json()
