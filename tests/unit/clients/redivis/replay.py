"""A transport that answers Redivis's requests from recorded replies, and keeps what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.clients.redivis.submit import UploadRequest
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.source import Media, NoMemory, OpenFileSource, source_of
from airflow_provider_jobs.errors import TransportError
from tests.unit.clients.replay import Replay, resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.http.messages import Request
    from tests.unit.conftest import Clock

API = "https://redivis.com/api/v1"
TABLE = "acme.sales:next.orders"
T = "/tables/acme.sales%3Anext.orders"
U = f"{T}/uploads/orders_csv"
MISSING = "redivis_not_found"
COMPLETED = "redivis_upload_completed"
QUEUED = "redivis_upload_queued"
CONTENT = b"hello"
OK = Reply(200, {}, b"")
LOST = TransportError("cut")
CREATE = f"POST {T}/uploads"
D = "/datasets/acme.sales"
NEXT = {"tag": "next", "datasetUri": f"{D}%3Anext"}


class RedivisReplay(Replay):
    """Keeps the bytes of each request, and whether the token went along."""

    def __init__(self, clock: Clock, *replies: Any) -> None:
        super().__init__(clock, *replies)
        self._token = _Token()
        self.content: list[bytes] = []
        self.authorized: list[bool] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        body = request.content or b""
        if not isinstance(body, bytes):
            reader = body
            body = b"".join(iter(lambda: reader.read(2), b""))  # in blocks, as a connection reads it
        self.content.append(body)
        self.authorized.append("Authorization" in headers)
        return super().send(request, headers)

    @property
    def asked(self) -> list[str]:
        """Methods and paths, without the API's address."""
        return [f"{request.method} {request.url.removeprefix(API)}" for request in self.sent]

    def body(self, of: str) -> Any:
        """Return the JSON of the only request of a method and path."""
        (found,) = [request.body for request, asked in zip(self.sent, self.asked, strict=True) if asked == of]
        return found


class _Token:
    def headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer t"}

    def renew(self, rejected: Mapping[str, str]) -> bool:
        return False


class Memory:
    """Remembers one session, in the open."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def recall(self, fingerprint: str) -> str | None:
        return self.kept.get(fingerprint)

    def remember(self, fingerprint: str, url: str) -> None:
        self.kept[fingerprint] = url

    def forget(self) -> None:
        self.kept.clear()


def client_of(clock: Clock, *replies: Any, **options: Any) -> tuple[RedivisClient, RedivisReplay]:
    replay = RedivisReplay(clock, *replies)
    return RedivisClient(replay, **options), replay


def refused(status: int, **headers: str) -> Reply:
    return Reply(status, headers, b"")


def upload(**changes: Any) -> dict[str, Any]:
    return {**resource(COMPLETED), **changes}


def dataset(tag: str = "v1.0", *, released: bool = True, following: Any = None) -> dict[str, Any]:
    return {"uri": D, "version": {"tag": tag, "isReleased": released}, "nextVersion": following}


#: A dataset before its first release, and one whose next version is open.
NEW = dataset("next", released=False)
OPEN = dataset(following=NEXT)


def request_of(content: bytes = CONTENT, memory: Memory | None = None, **changes: Any) -> UploadRequest:
    source = source_of(content)
    assert isinstance(source, OpenFileSource)
    source.fingerprint = f"orders.csv:{len(content)}:1"
    settings: dict[str, Any] = {"scope": TABLE, "key": "orders.csv", "body": {}, **changes}
    return UploadRequest(media=Media(source, memory or NoMemory()), **settings)
