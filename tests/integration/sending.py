"""What the tests of uploads share: a project of the sandbox, and a client of it that never waits."""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.sources.source import Media, NoMemory, Source
from airflow_provider_jobs.core.work import JobRequest, Submission
from tests.unit.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox import Sandbox

#: Bytes that are different everywhere, so that nothing lost, doubled or shifted goes unseen.
RANDOM = random.Random(3).randbytes(3 << 20)  # noqa: S311 - the same in each run


class IssuedToken:
    """Tokens of one account, another one after each renewal."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.issued = 0
        self.renew({})

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self, rejected: Mapping[str, str]) -> bool:
        self._token = self._sandbox.issue_token("sender@example.com")
        self.issued += 1
        return True


@dataclass
class Memory:
    """Remembers sessions as long as the test runs."""

    known: dict[str, str] = field(default_factory=dict)

    def recall(self, fingerprint: str) -> str | None:
        return self.known.get(fingerprint)

    def remember(self, fingerprint: str, url: str) -> None:
        self.known[fingerprint] = url

    def forget(self) -> None:
        self.known.clear()


class Sender:
    """Uploads to a project of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.project = f"send-{uuid.uuid4().hex[:12]}"
        self.clock = Clock()
        self.token = IssuedToken(sandbox)
        transport = Transport(self.token, user_agent="test", timing=self.clock.timing)
        self.client = BigQueryClient(transport, self.project, endpoint=sandbox.bigquery)

    def submit(self, source: Source, memory: Memory | None = None, **load: Any) -> Submission:
        """Load a source into a table; as Parquet it is refused at once, and the bytes have arrived."""
        table = {"projectId": self.project, "datasetId": "d", "tableId": "t"}
        body = {"load": {"destinationTable": table, "sourceFormat": "PARQUET", **load}}
        media = Media(source, memory or NoMemory())
        return self.client.submit(JobRequest(self.project, "j", body, media=media))

    def fault(self, operation: str, action: str, **settings: Any) -> None:
        """Spoil requests to the uploads of this project."""
        self.sandbox.faults(
            operation=rf"bigquery\.upload\.{operation}", path=f"/{self.project}/", action=action, **settings
        )

    def uploads(self) -> list[dict[str, Any]]:
        """Return what the service knows of the uploads of this project."""
        return [upload for upload in self.sandbox.uploads() if upload["target"] == self.project]

    def received(self) -> int:
        """Return how many bytes have arrived so far; what was sent twice counts twice."""
        return sum(int(upload["bytes_received"]) for upload in self.uploads())

    def check(self, content: bytes) -> None:
        """See that exactly these bytes have arrived, and that there is one job of them."""
        complete = [upload for upload in self.uploads() if upload["state"] == "complete"]
        assert [upload["sha256"] for upload in complete] == [hashlib.sha256(content).hexdigest()]
        jobs = list(self.client.list_jobs(allUsers=True))
        assert [job["jobReference"]["jobId"] for job in jobs] == ["j_0"]
