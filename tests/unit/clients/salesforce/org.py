"""An org in this process: one query's results in pages, and replies that a test tells it to give."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.stream import StreamedReply
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.jobs import JobRef
from tests.unit.core.upload.storage import NumberedToken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.unit.conftest import Clock

ORG = "https://acme.my.salesforce.com"
ID = "750R0000000zlh9IAA"
HEADER = b'"Id","Name"\n'
QUERY_REF = JobRef("salesforce", "acme.my.salesforce.com", ID, "v59.0/jobs/query")
INGEST_REF = replace(QUERY_REF, location="v59.0/jobs/ingest")


def job(state: str = "JobComplete", **more: Any) -> dict[str, Any]:
    """Return a job as Salesforce tells of it."""
    return {
        "id": ID,
        "operation": "query",
        "object": "Account",
        "createdDate": "2018-12-10T17:50:19.000+0000",
        "state": state,
        "jobType": "V2Query",
        "apiVersion": 59.0,
        **more,
    }


def refusal(status: int, code: str = "API_ERROR", message: str = "refused", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, json.dumps([{"errorCode": code, "message": message}]).encode())


def job_id(number: int) -> str:
    return f"750{number:012d}AAA"


@dataclass
class Csv:
    """A reply of CSV bytes.

    :param cut: Raised after so many bytes of the body.
    :ivar closed: Nobody reads it any more.
    """

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    block: int = 5
    cut: Exception | None = None
    cut_at: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def blocks(self) -> Iterator[bytes]:
        body = self.body[: self.cut_at] if self.cut else self.body
        yield from (body[at : at + self.block] for at in range(0, len(body), self.block))
        if self.cut:
            raise self.cut


class Script(Transport):
    """Gives its replies in order: a document, a Reply, a Csv, or an error to raise; keeps what was asked."""

    def __init__(self, clock: Clock, *replies: Any) -> None:
        super().__init__(NumberedToken(), user_agent="test", timing=clock.timing)
        self.replies = list(replies)
        self.sent: list[Request] = []
        self.tokens: list[str] = []
        self.bodies: list[bytes] = []

    def answer(self, request: Request) -> Any:
        assert self.replies, f"one request too many: {request.method} {request.url}"
        return self.replies.pop(0)

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        self._note(request, headers)
        content: Any = request.content
        if content is not None:
            self.bodies.append(b"".join(iter(lambda: content.read(3), b"")))
        reply = self.answer(request)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Reply) else Reply(200, {}, json.dumps(reply).encode())

    def open(self, request: Request, headers: Mapping[str, str]) -> StreamedReply:
        self._note(request, headers)
        reply = self.answer(request)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Reply):
            reply = Csv(reply.body, dict(reply.headers), reply.status)
        return StreamedReply(reply.status, reply.headers, reply.blocks(), reply.closed.set)

    def _note(self, request: Request, headers: Mapping[str, str]) -> None:
        self.sent.append(replace(request, params={k: v for k, v in request.params.items() if v is not None}))
        self.tokens.append(headers["Authorization"])

    @property
    def asked(self) -> list[str]:
        """Methods and paths below ``/services/data``."""
        return [f"{each.method} {each.url.removeprefix(ORG + '/services/data/')}" for each in self.sent]


def client_of(clock: Clock, *replies: Any, **options: Any) -> tuple[SalesforceClient, Script]:
    script = Script(clock, *replies)
    return in_order(SalesforceClient(script, ORG, **options)), script


def in_order(client: SalesforceClient) -> SalesforceClient:
    """Return a client that asks for one job after another: replies, and requests, come in order."""
    client._many.jobs.at_a_time = 1
    return client


class Results(Script):
    """A finished query, its results in pages.

    :param pages: The records of each, as bytes.
    :param faults: What happens once each, by ``page 0``, ``list 0``, ``info``: a reply, an error, or what
        changes the true reply.
    """

    def __init__(self, clock: Clock, pages: Sequence[Sequence[bytes]], *, list_size: int = 2) -> None:
        super().__init__(clock)
        self.pages = [list(page) for page in pages]
        self.total: int | None = sum(map(len, pages))
        self.list_size = list_size
        self.listed = True
        self.faults: dict[str, list[Any]] = defaultdict(list)
        self.state = "JobComplete"
        self.header = HEADER
        self.framed = False

    @property
    def expected(self) -> bytes:
        return self.header + b"".join(record for page in self.pages for record in page)

    def answer(self, request: Request) -> Any:
        path = urlsplit(request.url).path
        locator = request.params.get("locator")
        if path.endswith("/results"):
            number = int(locator[1:]) if locator else 0
            return self._faulty(f"page {number}", self._page(number))
        if path.endswith("/resultPages"):
            number = int(locator[1:]) if locator else 0
            return self._faulty(f"list {number}", self._list(number))
        return self._faulty("info", job(self.state, numberRecordsProcessed=self.total))

    def _faulty(self, place: str, true: Any) -> Any:
        if not self.faults[place]:
            return true
        fault = self.faults[place].pop(0)
        return fault(true) if callable(fault) else fault

    def _page(self, number: int) -> Csv:
        records = self.pages[number]
        more = number + 1 < len(self.pages)
        headers = {
            "Sforce-Locator": f"L{number + 1}" if more else "null",
            "Sforce-NumberOfRecords": str(len(records)),
            "Content-Type": "text/csv",
        }
        body = self.header + b"".join(records)
        if self.framed:
            headers["Content-Length"] = str(len(body))
        return Csv(body, headers, block=13)

    def _list(self, number: int) -> Any:
        if not self.listed:
            return refusal(404, "NOT_FOUND")
        end = min(number + self.list_size, len(self.pages))
        address = f"/services/data/v59.0/jobs/query/{ID}/results"
        urls = [address + (f"?locator=L{each}" if each else "") for each in range(number, end)]
        done = end == len(self.pages)
        following = None if done else f"/services/data/v59.0/jobs/ingest/{ID}/wrong?locator=L{end}"
        return {
            "resultPages": [{"resultUrl": url} for url in urls],
            "nextRecordsUrl": following,
            "done": done,
        }


def rows(count: int, first: int = 0) -> list[bytes]:
    """Return records, some of which hold what others stumble over."""
    odd = ["plain", "two\nlines", 'a ""quoted"" word', "nul\0byte", "caf\u00e9 \U0001f600", "\u2028", ""]
    return [
        f'"{number}",{chr(34) + odd[number % 7] + chr(34) if odd[number % 7] else ""}\n'.encode()
        for number in range(first, first + count)
    ]


def paged(*counts: int) -> list[list[bytes]]:
    """Return pages of so many records."""
    found, first = [], 0
    for count in counts:
        found.append(rows(count, first))
        first += count
    return found
