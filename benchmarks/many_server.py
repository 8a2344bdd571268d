"""A server that takes load jobs with their bytes as BigQuery does, answers after a latency, and ends them.

It keeps no bytes. It runs in a process of its own, which prints its port.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

#: Seconds before each answer, and those that a job runs.
LATENCY, RUNS = 0.05, 0.2
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_JOB = re.compile(r"/bigquery/v2/projects/p/(?:jobs|queries)/([^/]+)")
_ID = re.compile(rb'"jobId": *"([^"]+)"')

JOBS: dict[str, float] = {}  # when each was created, in seconds since 1970
SESSIONS: dict[str, str] = {}
_numbers = itertools.count(1)


def resource(job_id: str) -> dict[str, Any]:
    """Return a Job resource."""
    created = JOBS[job_id]
    began = str(int(created * 1000))
    done = time.time() > created + RUNS
    statistics: dict[str, Any] = {
        "creationTime": began,
        "startTime": began,
    }
    if done:
        statistics |= {"endTime": str(int((created + RUNS) * 1000)), "load": {"outputRows": "1"}}
    return {
        "kind": "bigquery#job",
        "id": f"p:US.{job_id}",
        "jobReference": {"projectId": "p", "jobId": job_id, "location": "US"},
        "configuration": {
            "jobType": "LOAD",
            "load": {"destinationTable": {"projectId": "p", "datasetId": "d", "tableId": "t"}},
        },
        "state": "DONE" if done else "RUNNING",
        "status": {"state": "DONE" if done else "RUNNING"},
        "statistics": statistics,
    }


class Connection(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self.transport = cast("asyncio.Transport", transport)
        self.head, self.body, self.left = b"", b"", -1

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is whole; only the beginning of its body is kept."""
        if self.left < 0:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            length = _LENGTH.search(head)
            self.head, self.body, self.left = head, b"", int(length[1]) if length else 0
        self.left -= len(data)
        self.body = (self.body + data)[:4096]
        if self.left <= 0:
            loop = asyncio.get_running_loop()
            loop.call_later(LATENCY, self.answer, *self.reply())
            self.head, self.left = b"", -1

    def reply(self) -> tuple[int, dict[str, Any], str]:
        """Return status, document, and a header."""
        method, target, _ = self.head.split(b"\r\n", 1)[0].decode().split(" ")
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        known = _JOB.fullmatch(path)
        if method == "GET" and known:
            if known[1] not in JOBS:
                return 404, {"error": {"code": 404, "errors": [{"reason": "notFound", "message": "-"}]}}, ""
            return 200, resource(known[1]), ""
        if method == "GET":  # a list
            jobs = [resource(job_id) for job_id in JOBS]
            wanted = {"done": ["DONE"]}.get(query.get("stateFilter", [""])[0], ["RUNNING"])
            return 200, {"jobs": [job for job in jobs if job["state"] in wanted]}, ""
        if query.get("uploadType") == ["resumable"] and method == "POST":
            session = str(next(_numbers))
            SESSIONS[session] = self.job_id()
            host = re.search(rb"\r\nhost: *(\S+)", self.head, re.IGNORECASE)
            return 200, {}, f"Location: http://{host[1].decode() if host else ''}/session/{session}\r\n"
        job_id = SESSIONS[path.rpartition("/")[2]] if path.startswith("/session/") else self.job_id()
        JOBS.setdefault(job_id, time.time())
        return 200, resource(job_id), ""

    def job_id(self) -> str:
        """Return the id that a request gives to its job."""
        found = _ID.search(self.body)
        return found[1].decode() if found else f"unnamed{next(_numbers)}"

    def answer(self, status: int, document: dict[str, Any], header: str) -> None:
        """Send a reply."""
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{header}"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
