"""Uploads to a sandbox in a process of its own: its memory, and what outlives it."""

from __future__ import annotations

import hashlib
import http.client
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.sandbox.uploads import book
from tests.integration.sandbox.conftest import Api, wait_until
from tests.integration.sandbox.test_http_process import Server, serving
from tests.integration.sandbox.upload_api import CHUNK, SCHEMA, Uploads, csv_of, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

BLOCK = 1 << 20
PROJECT = "test-process"


def peak_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def headers(server: Server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.announced['token']}"}


def start(server: Server, api: Api, job_id: str) -> str:
    table = {"projectId": PROJECT, "datasetId": "d", "tableId": "t"}
    body = {
        "jobReference": {"jobId": job_id},
        "configuration": {"load": {"destinationTable": table, "schema": SCHEMA}},
    }
    url = f"{server.announced['bigquery']}/upload/bigquery/v2/projects/{PROJECT}/jobs?uploadType=resumable"
    reply = api.session.post(url, json=body, timeout=10)
    assert reply.status_code == 200
    return reply.headers["Location"]


def put(server: Server, uri: str, given: str, body: Iterator[bytes] | bytes, length: int) -> tuple[int, str]:
    """Send a body of any size; give status and Range."""
    parts = urlsplit(uri)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    sent = {**headers(server), "Content-Range": f"bytes {given}", "Content-Length": str(length)}
    connection.request("PUT", f"{parts.path}?{parts.query}", body, sent)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status, reply.headers.get("Range", "")


def records(server: Server) -> list[dict[str, Any]]:
    url = f"{server.announced['bigquery']}/sandbox/uploads"
    uploads: list[dict[str, Any]] = requests.get(url, headers=headers(server), timeout=60).json()["uploads"]
    return uploads


def test_memory_stays_flat() -> None:
    """600 MiB of zeros arrive whole; as CSV they are one row that is too long, which is found out early."""
    size = 600 * BLOCK
    with serving() as server:
        api = server.api(PROJECT)
        small = csv_of(4 * BLOCK)
        put(server, start(server, api, "small"), f"0-{len(small) - 1}/{len(small)}", small, len(small))
        api.finished("small")
        before = peak_bytes(server)
        zeros = (bytes(BLOCK) for _ in range(600))
        status, _ = put(server, start(server, api, "large"), f"0-{size - 1}/{size}", zeros, size)
        assert status == 200
        job = api.finished("large")
        assert "larger than the maximum" in job["status"]["errorResult"]["message"]
        assert job["statistics"]["load"]["inputFileBytes"] == str(size)
        expected = hashlib.sha256()
        for _ in range(600):
            expected.update(bytes(BLOCK))
        assert records(server)[-1]["sha256"] == expected.hexdigest()
        assert peak_bytes(server) - before < 16 * BLOCK
        api.session.close()


def test_session_outlives_a_crash(tmp_path: Path) -> None:
    """What was stored is still stored; a job that was pending with its upload runs in the next life."""
    content = csv_of(5 * CHUNK + 9)
    options = ["--root", str(tmp_path), "--token", "first-token"]
    with serving(*options) as server:
        port = server.announced["bigquery"].rpartition(":")[2]
        api = server.api(PROJECT)
        api.post("datasets", {"datasetReference": {"projectId": PROJECT, "datasetId": "d"}})
        uri = start(server, api, "interrupted")
        put(server, uri, f"0-{2 * CHUNK - 1}/*", content[: 2 * CHUNK], 2 * CHUNK)
        timing = {"pending_seconds": 600}
        url = f"{server.announced['bigquery']}/sandbox/timing"
        assert requests.post(url, json=timing, headers=headers(server), timeout=10).status_code == 200
        pending = start(server, api, "pending")
        assert put(server, pending, f"0-{len(content) - 1}/{len(content)}", content, len(content))[0] == 200
        assert api.state("pending") == "PENDING"
        server.process.kill()
        server.process.wait(10)
        api.session.close()
    with serving(*options, "--port", port) as server:
        api = server.api(PROJECT)
        rows = str(content.count(b"\n"))
        assert api.finished("pending")["statistics"]["load"]["outputRows"] == rows
        reply = requests.put(uri, headers={**headers(server), "Content-Range": "bytes */*"}, timeout=10)
        assert kept(reply) == 2 * CHUNK
        rest = content[2 * CHUNK :]
        status, _ = put(server, uri, f"{2 * CHUNK}-{len(content) - 1}/{len(content)}", rest, len(rest))
        assert status == 200
        assert api.finished("interrupted")["statistics"]["load"]["outputRows"] == rows
        assert {each["sha256"] for each in records(server)} == {hashlib.sha256(content).hexdigest()}
        folder = tmp_path / "buckets" / ".uploads"
        wait_until(lambda: list(folder.iterdir()) == [])
        api.session.close()


def test_forgotten_uploads_are_those_that_nobody_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting jobs keep their files, whatever comes after them; in the end no file is left."""
    monkeypatch.setattr(book, "LATEST_SHOWN", 2)
    with Sandbox(tmp_path) as sandbox:
        api = Api(sandbox.bigquery, sandbox.token, "test-project")
        api.post("datasets", {"datasetReference": {"projectId": api.project, "datasetId": "d"}})
        uploads = Uploads(sandbox, api)
        sandbox.timing(pending_seconds=60)
        names = [f"job-{number}" for number in range(5)]
        for name in names:
            assert uploads.send(uploads.start(uploads.job(name)), csv_of(1000)).status_code == 200
        sandbox.timing(pending_seconds=0)
        assert [api.finished(name)["status"] for name in names] == [{"state": "DONE"}] * 5
        wait_until(lambda: not list((tmp_path / "buckets/.uploads").iterdir()))
        uploads.start(uploads.job("job-5"))
        assert len(uploads.records()) == 2
        api.session.close()
