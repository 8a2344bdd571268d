"""BigQuery's uploads by hand-made replies: what the tests of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.sources.source import Media, NoMemory
from airflow_provider_jobs.errors import TransportError
from tests.unit.clients.replay import Replay
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.conftest import Clock

UPLOAD = "https://bigquery.googleapis.com/upload/bigquery/v2/projects/p/jobs"
SESSION = UPLOAD + "?uploadType=resumable&upload_id=S3CR3T"
JOB = {"jobReference": {"projectId": "p", "jobId": "j_0", "location": "EU"}, "configuration": {"load": {}}}
STARTED = Reply(200, {"Location": SESSION}, b"")
STORED = Reply(308, {"Range": "bytes=0-1"}, b"")
LOST = TransportError("cut")
ROWS = b"a,b\r\n--1,\x00\xff\r\n9\n"


class Wire(Replay):
    """Reads the bodies of what it is asked, as a connection does."""

    def __init__(self, clock: Clock, *replies: Any) -> None:
        super().__init__(clock, *replies)
        self.bodies: list[bytes] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        content: Any = request.content or b""
        self.bodies.append(content if isinstance(content, bytes) else b"".join(iter(content.read, b"")))
        return super().send(request, headers)

    @property
    def steps(self) -> list[str]:
        """What was asked, in short."""
        return [request.headers.get("Content-Range", request.method) for request in self.sent]


class Memory:
    """Remembers one session."""

    def __init__(self, **known: str) -> None:
        self.known = dict(known)

    def recall(self, fingerprint: str) -> str | None:
        return self.known.get(fingerprint)

    def remember(self, fingerprint: str, url: str) -> None:
        self.known = {fingerprint: url}

    def forget(self) -> None:
        self.known = {}


def upload(wire: Wire, content: bytes = ROWS, *, memory: Memory | None = None, **more: Any) -> Any:
    return BigQueryClient(wire, "p").upload_job(JOB, Media(source_of(content, **more), memory or NoMemory()))
