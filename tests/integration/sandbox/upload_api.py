"""BigQuery uploads, spoken by hand."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import TYPE_CHECKING, Any

from tests.integration.sandbox.conftest import PATIENCE_SECONDS, Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from airflow_provider_jobs.sandbox import Sandbox

CHUNK = 256 * 1024
SCHEMA = {"fields": [{"name": "n", "type": "INTEGER"}, {"name": "text", "type": "STRING"}]}


def csv_of(size: int) -> bytes:
    """Give a CSV file of this size, for ``SCHEMA``."""
    rows: list[bytes] = []
    left = size
    for number in itertools.count():
        row = b"%d,abcdefghijklmnopqrstuvwxyz\n" % number
        if left - len(row) < 20:
            break
        rows.append(row)
        left -= len(row)
    rows.append(b"0," + b"z" * (left - 3) + b"\n")
    return b"".join(rows)


def kept(reply: requests.Response) -> int:
    """Give how many bytes a 308 says are stored."""
    assert reply.status_code == 308, reply.text
    if "Range" not in reply.headers:
        return 0
    found = re.fullmatch(r"bytes=0-(\d+)", reply.headers["Range"])
    assert found is not None
    return int(found[1]) + 1


class Uploads:
    """The upload side of one project."""

    def __init__(self, sandbox: Sandbox, api: Api) -> None:
        self.sandbox = sandbox
        self.api = api
        self.url = f"{sandbox.bigquery}/upload/bigquery/v2/projects/{api.project}/jobs"
        self.session = api.session

    def job(self, job_id: str | None = "job-1", **load: Any) -> dict[str, Any]:
        """Give the Job of a load into the table ``d.t``."""
        table = {"projectId": self.api.project, "datasetId": "d", "tableId": "t"}
        load = {"destinationTable": table, "schema": SCHEMA, **load}
        reference = {"projectId": self.api.project} | ({"jobId": job_id} if job_id else {})
        return {"jobReference": reference, "configuration": {"load": load}}

    def begin(self, job: Any = None, **headers: str) -> requests.Response:
        return self.session.post(
            self.url,
            params={"uploadType": "resumable"},
            json=self.job() if job is None else job,
            headers=headers,
            timeout=PATIENCE_SECONDS,
        )

    def start(self, job: Any = None, **headers: str) -> str:
        """Open a session; give its URI."""
        reply = self.begin(job, **headers)
        assert reply.status_code == 200, reply.text
        assert reply.content == b""
        return reply.headers["Location"]

    def put(self, uri: str, content: bytes, given: str | None, **headers: str) -> requests.Response:
        if given is not None:
            headers["Content-Range"] = f"bytes {given}"
        return self.session.put(uri, data=content, headers=headers, timeout=PATIENCE_SECONDS)

    def send(self, uri: str, content: bytes, start: int = 0) -> requests.Response:
        """Send all the rest in one request."""
        total = len(content)
        return self.put(uri, content[start:], f"{start}-{total - 1}/{total}")

    def ask(self, uri: str, total: int | str = "*") -> requests.Response:
        return self.put(uri, b"", f"*/{total}")

    def finish(self, uri: str, content: bytes) -> requests.Response:
        """Ask and send the rest, as a client does that was interrupted."""
        reply = self.ask(uri, len(content))
        return reply if reply.status_code != 308 else self.send(uri, content, kept(reply))

    def records(self) -> list[dict[str, Any]]:
        """Give what the sandbox knows of this project's uploads."""
        return [each for each in self.sandbox.uploads() if each["target"] == self.api.project]

    def fault(self, operation: str = "data", **spec: Any) -> None:
        """Add a fault for this project's uploads."""
        self.sandbox.faults(operation=rf"bigquery\.upload\.{operation}", path=self.api.project, **spec)

    def check(self, content: bytes, *, job_id: str = "job-1") -> dict[str, Any]:
        """Check that the content arrived, once, and became rows; give the upload's record."""
        (record,) = [each for each in self.records() if each["state"] == "complete"]
        assert record["sha256"] == hashlib.sha256(content).hexdigest()
        assert record["md5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert (record["bytes"], record["total"]) == (len(content), len(content))
        job = self.api.finished(job_id)
        assert job["status"] == {"state": "DONE"}
        assert job["statistics"]["load"]["outputRows"] == str(content.count(b"\n"))
        assert len(self.api.get("jobs").json()["jobs"]) == 1
        return record


def blocks(content: bytes, size: int) -> Iterator[bytes]:
    """Give the content block by block."""
    for start in range(0, len(content), size):
        yield content[start : start + size]
