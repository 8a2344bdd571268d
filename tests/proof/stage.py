"""Where the matrix plays: a sandbox, real HTTP, the connections of the three services, pauses cut short."""

from __future__ import annotations

import json
import logging
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests
from starlette.routing import Match

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.http.timed import BoundedAdapter
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.wait import group, listing, single
from airflow_provider_jobs.hooks import bigquery, redivis, salesforce
from airflow_provider_jobs.hooks.logins import salesforce_tokens
from airflow_provider_jobs.operators import endings, following
from airflow_provider_jobs.triggers import job, sharing
from tests.demo.processes import wait_until
from tests.proof.faults import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox
    from tests.proof.faults import Fault

#: How long a client waits for an answer, and for the end of one; seconds.
SILENCE, CALL = 0.6, 1.2
#: How long a service may be out before a task gives up; seconds.
OUTAGE = 0.5
#: A port of this machine where nobody listens: only who may do anything could.
NOBODY = "127.0.0.1:1"


class Stage:
    """One case after another: each has names of its own in the services.

    :param patch: Undone by whoever made it.
    """

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.operation_of = _operations(sandbox)
        self.lines: list[str] = []
        #: How much the services' clock has jumped in this case; seconds.
        self._ahead = 0.0
        #: How many jobs the org had before.
        self.salesforce_jobs = 0
        #: The operation whose requests nobody answers, and how many of them are to come.
        self._refused, self._left = "", 0.0
        self._shorten(patch)
        self._log = _Kept(self.lines)
        self.begin()

    def _shorten(self, patch: pytest.MonkeyPatch) -> None:
        made, send = Transport.__init__, BoundedAdapter.send

        def hurried(transport: Transport, *arguments: Any, **options: Any) -> None:
            given = {"timing": Timing(time.time, lambda _: None), "read_seconds": SILENCE, **options}
            made(transport, *arguments, **given)

        def diverted(adapter: BoundedAdapter, request: Any, *arguments: Any, **options: Any) -> Any:
            if self._left and self.operation_of(request.method, request.url) == self._refused:
                self._left -= 1
                request.url = request.url.replace(urlsplit(request.url).netloc, NOBODY, 1)
            return send(adapter, request, *arguments, **options)

        patch.setattr(Transport, "__init__", hurried)
        patch.setattr(BoundedAdapter, "send", diverted)
        patch.setattr(single, "FLOOR_SECONDS", 0.05)
        patch.setattr(group, "FLOOR_SECONDS", 0.05)
        patch.setattr(listing, "_ANSWER_SECONDS", 0.3)
        patch.setattr(sharing, "OUTAGE_SECONDS", OUTAGE)
        patch.setattr(sharing, "REOPEN_SECONDS", 0.05)
        for waits in (single.wait_for, group.PollGroup.__init__):
            patch.setattr(waits, "__kwdefaults__", {**(waits.__kwdefaults__ or {}), "outage_seconds": OUTAGE})
        patch.setattr(salesforce_tokens, "REFUSED_SECONDS", OUTAGE)
        patch.setattr(endings, "NICE_SECONDS", 2.0)
        patch.setattr(following, "CANCEL_SECONDS", 2.0)
        patch.setattr(several, "_PAUSE_SECONDS", 0.05)
        patch.setattr(job, "CANCEL_PAUSE_SECONDS", 0.05)
        patch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill
        self._setenv = patch.setenv

    def begin(self) -> None:
        """Let the next case be nobody's neighbour."""
        self.mark = uuid.uuid4().hex[:10]
        self.forget()
        self._set_clock()
        self.lines.clear()
        extra: dict[str, Any] = {"max_call_seconds": CALL, "max_page_seconds": CALL}
        self.connect("GOOGLE_CLOUD", "bigquery_jobs", extra={
            **extra, "project": self.project, "api_endpoint": self.sandbox.bigquery,
            "key_path": str(self.sandbox.key_file),
        })  # fmt: skip
        account = self.sandbox.salesforce_account
        self.connect("SALESFORCE", "salesforce_bulk", extra={
            **extra, "instance_url": self.sandbox.salesforce, "client_id": self.mark,
            "consumer_key": account.consumer_key, "consumer_secret": account.consumer_secret,
        })  # fmt: skip
        self.connect(
            "REDIVIS", "redivis", host=self.sandbox.redivis, password=self.sandbox.redivis_token, extra=extra
        )

    def forget(self) -> None:
        """Let the process know no more than a new one does: no client, no token."""
        for module in (bigquery, redivis, salesforce):
            module._client.cache_clear()

    def _set_clock(self) -> None:
        """Let the services' clock show no less than before the case: what they note of jobs only rises."""
        self.sandbox.advance(max(0.0, -self._ahead))
        self._ahead = 0.0

    def end(self) -> None:
        """Leave the sandbox as it was."""
        self.sandbox.clear_faults()
        self._set_clock()
        self.sandbox.salesforce_settings(page_rows=50_000)
        self.sandbox.redivis_settings(release_seconds=0.0)
        for project in ("salesforce", "acme"):
            self.sandbox.timing(project=project, running_seconds=0.0)

    def connect(self, name: str, conn_type: str, **fields: Any) -> None:
        """Let a connection be this one."""
        self._setenv(f"AIRFLOW_CONN_{name}_DEFAULT", json.dumps({"conn_type": conn_type, **fields}))

    @property
    def project(self) -> str:
        """BigQuery's project, and the bucket, of this case."""
        return f"proof-{self.mark}"

    @property
    def secrets(self) -> list[str]:
        """What nobody may read."""
        account = self.sandbox.salesforce_account
        return [self.sandbox.token, account.consumer_secret, account.password, "Bearer ", "BEGIN PRIVATE"]

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the sandbox beside the operators; return its JSON or text, None if nothing comes back."""
        reply = requests.request(
            method,
            f"{self.sandbox.url}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.sandbox.token}"},
            timeout=30,
        )
        reply.raise_for_status()
        if "json" not in reply.headers.get("Content-Type", ""):
            return reply.text or None
        return reply.json()

    def settle(self) -> None:
        """Wait until what still runs in the services has ended; by no clock that has jumped back."""
        self._set_clock()
        self.sandbox.timing(project=self.project)

        def at_rest() -> bool:
            jobs = self.sandbox.salesforce_jobs()[self.salesforce_jobs :]
            return not {"UploadComplete", "InProgress"} & {job["state"] for job in jobs}

        wait_until(at_rest, 60.0, "the end of Salesforce's jobs", poll_seconds=0.02)

    def operations(self) -> list[str]:
        """Return what the operators have asked for since the requests were cleared, each once."""
        return list(dict.fromkeys(each["operation"] for each in self.sandbox.requests() if each["operation"]))

    @contextmanager
    def spoilt(self, operation: str, fault: Fault, times: int) -> Iterator[None]:
        """Let requests of one operation meet a fault: so many, or with 0 all of them."""
        jump = fault.settings.get("jump_seconds", 0.0)
        met = None
        if fault.settings["action"] == REFUSED:
            self._refused, self._left = operation, times or float("inf")
        else:
            spec = fault.spec(operation.partition(".")[0])
            # A clock jumps once.
            spec["times"] = 1 if jump else times
            met = self.sandbox.faults(operation=operation.replace(".", r"\."), **spec)["id"]
        try:
            yield
        finally:
            self._refused, self._left = "", 0.0
            for each in self.sandbox.platform.faults.overview():
                if each["id"] == met:
                    self._ahead += jump * each["applied"]
            self.sandbox.clear_faults()

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Keep what this package's loggers and its tasks say meanwhile."""
        root = logging.getLogger()
        level = root.level
        root.addHandler(self._log)
        root.setLevel(logging.INFO)
        try:
            yield self.lines
        finally:
            root.removeHandler(self._log)
            root.setLevel(level)


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


def _operations(sandbox: Sandbox) -> Any:
    """Return what tells which operation of the sandbox a request is for."""
    app: Any = sandbox._server.config.app
    while not hasattr(app, "routes"):
        app = app._app

    def operation_of(method: str, url: str) -> str:
        scope = {"type": "http", "method": method, "path": unquote(urlsplit(url).path), "root_path": ""}
        for route in app.routes:
            if route.matches(scope)[0] is Match.FULL:
                return str(getattr(route.app, "name", ""))
        return ""

    return operation_of
