"""A server that answers jobs.list, jobs.get and jobs.cancel as BigQuery does, for the benchmark of waiting.

Its jobs do nothing but end at known times. It runs in a process of its own, which prints its port. A project
is made by a POST to ``/control/PROJECT``, and tells by a GET of the same how many calls it has had.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATH = re.compile(r"/bigquery/v2/projects/([^/]+)/jobs(?:/([^/]+))?(/cancel)?")
#: What a query's configuration and statistics weigh, about.
_STATEMENT = "SELECT id, amount, customer FROM shop.orders WHERE day = CURRENT_DATE() -- " + "x" * 400


@dataclass
class Project:
    """A project and its jobs, ``j0``, ``j1`` and so on.

    :param ends: When each job ends, in seconds since 1970.
    :param latency: Seconds before each answer.
    :param mode: ``503`` or ``silent`` in place of answers, until ``mode_until``.
    :param others: So many ended jobs of others were created meanwhile.
    :param spoilt: ``kind`` (``list`` or ``get``), ``how`` (``503``, ``403``, ``silent`` or ``trickle``),
        ``job`` (only of this one, if not empty), ``begin`` and ``end`` in seconds since 1970.
    """

    name: str
    ends: list[float]
    created: float
    latency: float
    mode: str = ""
    mode_until: float = 0.0
    others: int = 0
    spoilt: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=lambda: {"list": 0, "get": 0, "cancel": 0})
    cancels: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.other = b"," + json.dumps(self.job(-1, 0.0)).replace("j-1", "other").encode()
        self.short = [
            b'{"jobReference":{"jobId":"j%d","location":"US"},"state":"RUNNING"}' % number
            for number in range(len(self.ends))
        ]

    def job(self, number: int, now: float) -> dict[str, Any]:
        """Return a whole Job resource."""
        done = number >= 0 and self.ends[number] <= now
        state = "DONE" if done else "RUNNING"
        created = str(int(self.created * 1000))
        statistics: dict[str, Any] = {"creationTime": created, "startTime": created}
        if done:
            statistics |= {
                "endTime": str(int(self.ends[number] * 1000)),
                "totalSlotMs": "1200",
                "query": {"totalBytesProcessed": "1048576", "cacheHit": False, "statementType": "SELECT"},
            }
        return {
            "kind": "bigquery#job",
            "id": f"{self.name}:US.j{number}",
            "jobReference": {"projectId": self.name, "jobId": f"j{number}", "location": "US"},
            "user_email": "robot@benchmark.iam.gserviceaccount.com",
            "state": state,
            "status": {"state": state},
            "statistics": statistics,
            "configuration": {"jobType": "QUERY", "query": {"query": _STATEMENT, "useLegacySql": False}},
        }

    def listed(self, query: dict[str, list[str]]) -> bytes:
        """Return the only page of the active jobs, in short, or a page of the ended ones, whole."""
        now = time.time()
        if query.get("stateFilter") == ["done"]:
            return self.ended(int(query.get("pageToken", ["0"])[0]), int(query["maxResults"][0]), now)
        active = [short for short, end in zip(self.short, self.ends, strict=True) if end > now]
        return b'{"jobs":[' + b",".join(active) + b"]}"

    def ended(self, page: int, page_jobs: int, now: float) -> bytes:
        """Return a page of ended jobs: ours are spread evenly among the others."""
        ours = [number for number, end in enumerate(self.ends) if end <= now]
        page_count = max(1, -(-(len(ours) + self.others) // page_jobs))
        shown = [json.dumps(self.job(number, now)).encode() for number in ours[page::page_count]]
        others = min(page_jobs, self.others) - len(shown) if self.others else 0
        token = b'"nextPageToken":"%d",' % (page + 1) if page + 1 < page_count else b""
        jobs = b",".join(shown) + self.other * others
        return b"{" + token + b'"jobs":[' + jobs.removeprefix(b",") + b"]}"

    def spoils(self, kind: str, job_id: str) -> str:
        """Return how the answer to a request is spoilt, if it is."""
        spoilt = self.spoilt
        if not spoilt or spoilt["kind"] != kind or not spoilt["begin"] <= time.time() < spoilt["end"]:
            return ""
        return str(spoilt["how"]) if spoilt["job"] in {"", job_id} else ""


PROJECTS: dict[str, Project] = {}


class Connection(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self.transport = cast("asyncio.Transport", transport)
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is whole."""
        self.data += data
        head, end, rest = self.data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(rest) < (int(length[1]) if length else 0):
            return
        self.data = b""
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        parts = urlsplit(target)
        if parts.path == "/token":
            self.answer(b'{"access_token":"t","token_type":"Bearer","expires_in":3600}')
        elif parts.path.startswith("/control/"):
            self.control(parts.path.removeprefix("/control/"), json.loads(rest or b"null"))
        else:
            self.serve(method, parts.path, parse_qs(parts.query))

    def control(self, name: str, settings: dict[str, Any] | None) -> None:
        """Make a project, or tell of it."""
        if settings is not None:
            PROJECTS[name] = Project(name, **settings)
        project = PROJECTS[name]
        self.answer(json.dumps({"calls": project.calls, "cancels": project.cancels}).encode())

    def serve(self, method: str, path: str, query: dict[str, list[str]]) -> None:
        """Answer as BigQuery, as late as the project says."""
        found = _PATH.fullmatch(unquote(path))
        project = PROJECTS[found[1]] if found else None
        if found is None or project is None:
            self.answer(b"{}", 404)
            return
        kind = "cancel" if method == "POST" else "get" if found[2] else "list"
        project.calls[kind] += 1
        if kind == "cancel":
            project.cancels.append((found[2], time.time()))
        loop = asyncio.get_running_loop()
        if project.mode and time.time() < project.mode_until:
            if project.mode == "503":
                error = {"error": {"code": 503, "message": "down", "errors": [{"reason": "backendError"}]}}
                loop.call_later(project.latency, self.answer, json.dumps(error).encode(), 503)
            return
        if how := project.spoils(kind, found[2] or ""):
            loop.call_later(project.latency, self.spoil, how)
            return
        loop.call_later(project.latency, self.late_answer, project, kind, found[2], query)

    def spoil(self, how: str) -> None:
        """Answer with an error, or with a byte a second that never come to an end, or not at all."""
        if how == "trickle":
            head = b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
            self.transport.write(head)
            self.trickle()
        elif how != "silent":
            reason = "backendError" if how == "503" else "quotaExceeded"
            error = {"error": {"code": int(how), "message": "out", "errors": [{"reason": reason}]}}
            self.answer(json.dumps(error).encode(), int(how))

    def trickle(self) -> None:
        """Send a byte, and another one in a second."""
        if not self.transport.is_closing():
            self.transport.write(b" ")
            asyncio.get_running_loop().call_later(1.0, self.trickle)

    def late_answer(self, project: Project, kind: str, job_id: str, query: dict[str, list[str]]) -> None:
        """Answer with what holds now."""
        if kind == "list":
            self.answer(project.listed(query))
            return
        job: dict[str, Any] = project.job(int(job_id[1:]), time.time())
        self.answer(json.dumps({"job": job} if kind == "cancel" else job).encode())

    def answer(self, body: bytes, status: int = 200) -> None:
        """Send a reply."""
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
