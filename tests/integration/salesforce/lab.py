"""What the tests of Salesforce work with: an org in the sandbox, and a clock that never waits."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    import pytest

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.sandbox import Sandbox

#: What tests change, as it is without them.
USUAL: dict[str, Any] = {
    "page_rows": 50_000,
    "queued_polls": 0,
    "running_polls": 0,
    "ingest_limit": 0,
    "denied_operations": "",
    "denied_objects": "",
    "host": "my_domain",
    "org": "production",
    "network": "untrusted",
    "soap_login": "enabled",
    "audience": "any",
    "blocked_flows": "",
    "daily_api_requests": 100_000,
    "abort": "at_once",
    "latency_seconds": 0.0,
}
SOQL = "SELECT Id, Name, Industry, Description FROM Account"


class SalesforceLab:
    """The sandbox's org, the connection ``salesforce_default`` to it, and pauses that take no time.

    Retries of requests do not wait; waiting for jobs does, since that is what the sandbox's jobs need.
    """

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self._patch = patch
        self.pauses: list[float] = []
        self.mark = uuid.uuid4().hex[:12]
        sandbox.salesforce_settings(**USUAL)
        begin = Transport.__init__

        def pause(seconds: float) -> None:
            if seconds:
                self.pauses.append(seconds)

        def hurried(transport: Transport, *arguments: Any, **options: Any) -> None:
            begin(transport, *arguments, **{"timing": Timing(time.time, pause), **options})

        patch.setattr(Transport, "__init__", hurried)
        self.connect(access_token=sandbox.salesforce_token)
        self.begin()

    def begin(self) -> None:
        """Forget what was before."""
        self.sandbox.clear_requests()
        self._known = len(self.sandbox.salesforce_jobs())

    def end(self) -> None:
        """Leave the sandbox as it was."""
        self.sandbox.clear_faults()
        self.sandbox.salesforce_settings(**USUAL)
        self.slow(0.0)

    def slow(self, seconds: float, *, pending: float = 0.0, cancel: float = 0.0) -> None:
        """Let jobs that are made from now on run so long."""
        self.sandbox.timing(
            project="salesforce", pending_seconds=pending, running_seconds=seconds, cancel_seconds=cancel
        )

    def connect(self, conn_type: str = "salesforce_bulk", *, address: Any = True, **fields: Any) -> None:
        """Let ``salesforce_default`` be a connection of these fields.

        :param address: With the sandbox's address; it is all that a test cannot leave to Salesforce.
        """
        of_connection: dict[str, Any] = {}
        for name in {"login", "password"} & fields.keys():
            of_connection[name] = fields.pop(name)
        # A mark makes it the settings of this test alone, and so its login.
        extra: dict[str, Any] = {"client_id": f"lab-{self.mark}", **fields}
        if address:
            extra = {"instance_url": self.sandbox.salesforce, **extra}
        connection = {"conn_type": conn_type, "extra": extra, **of_connection}
        self._patch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(connection))

    @property
    def client(self) -> SalesforceClient:
        return SalesforceHook().get_conn()

    @property
    def account(self) -> Any:
        """Return the names and secrets of the org's user."""
        return self.sandbox.salesforce_account

    def query(self, soql: str = SOQL, **changes: Any) -> SalesforceQueryOperator:
        return SalesforceQueryOperator(**{"task_id": "task", "soql": soql, **HASTY, **changes})

    def ingest(self, source: Any, **changes: Any) -> SalesforceIngestOperator:
        settings = {"task_id": "task", "object_name": "Account", "operation": "insert", **HASTY, **changes}
        return SalesforceIngestOperator(source=source, **settings)

    def jobs(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the jobs that this test has made, oldest first."""
        return [
            job
            for job in self.sandbox.salesforce_jobs()[self._known :]
            if kind is None or job["jobType"] == f"V2{kind.title()}"
        ]

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """Return the requests of one operation."""
        return [each for each in self.sandbox.requests() if each["operation"] == f"salesforce.{operation}"]

    def fault(self, operation: str, action: str, **settings: Any) -> None:
        """Spoil requests of one operation; the sandbox has no other user meanwhile."""
        self.sandbox.faults(operation=rf"salesforce\.{operation}", action=action, **settings)

    def own_accounts(self) -> list[dict[str, str]]:
        """Return the accounts that this test has made, read by a client that does nothing else."""
        soql = "SELECT External_Id__c, Industry FROM Account WHERE External_Id__c LIKE "
        return csv_rows(b"".join(self.client.open_results(self.finished(f"{soql}'{self.mark}%'"))))

    def finished(self, soql: str) -> str:
        """Return the id of a query that has ended."""
        ref = self.client.submit(_request(soql)).status.ref
        while not self.client.status(ref).state.ended:
            self.wait_a_little()
        return ref.id

    def wait_a_little(self) -> None:
        """Let the sandbox's jobs take their time, between two looks at them."""
        time.sleep(0.02)  # the sandbox answers from a process of its own pace, over HTTP


HASTY: dict[str, Any] = {"poll_interval": 0.2, "inline_wait": 0.0, "deferrable": False}


def _request(soql: str) -> Any:
    from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest  # noqa: PLC0415 - imports requests

    return SalesforceRequest(body={"operation": "query", "query": soql})


def write(lab: SalesforceLab, folder: Path, count: int = 100, *, bad: int = 0, name: str = "a.csv") -> Path:
    """Write new accounts, of which the last ones have no name; each is this test's alone."""
    rows = [f'"Zoë ""{n}"",\n{lab.mark}",{lab.mark}-{n},Energy' for n in range(count)]
    rows += [f",{lab.mark}-bad-{n},Energy" for n in range(bad)]
    path = folder / name
    path.write_text("Name,External_Id__c,Industry\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def written(lab: SalesforceLab) -> list[str]:
    """Return the external ids of this test's records in the org."""
    return sorted(row["External_Id__c"] for row in lab.own_accounts())


def expected(lab: SalesforceLab, count: int = 100) -> list[str]:
    return sorted(f"{lab.mark}-{number}" for number in range(count))


def states(lab: SalesforceLab) -> list[str]:
    return [job["state"] for job in lab.jobs("ingest")]


def csv_rows(content: bytes) -> list[dict[str, str]]:
    """Return records as another reader sees them."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def content_of(result: dict[str, Any]) -> bytes:
    """Return the bytes of the one file of a result, decompressed."""
    (file,) = result["files"]
    content = Path(file["path"]).read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


__all__ = ["HASTY", "SOQL", "Attempts", "SalesforceLab", "content_of", "csv_rows", "perform"]
