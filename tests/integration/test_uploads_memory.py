"""Memory stays flat, whatever the size of what is uploaded; `UPLOAD_GIBIBYTES=5` sends five GiB, twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = int(os.environ.get("UPLOAD_GIBIBYTES", "1")) << 30
SEND = textwrap.dedent("""
    import sys, uuid
    from airflow_provider_jobs.clients.bigquery import upload as bigquery_upload
    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.sources.source import FileSource, Media, OpenedSource
    from airflow_provider_jobs.core.http.transport import Transport

    class Token:
        def __init__(self, token):
            self.token = token
        def headers(self):
            return {"Authorization": f"Bearer {self.token}"}
        def renew(self, rejected):
            return False

    def peak():
        # Not getrusage: its figure begins with that of the process that started this one.
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    bigquery_upload.MULTIPART_BYTES = -1
    endpoint, token, path, sized = sys.argv[1:]
    source = FileSource(path)
    if sized == "no":
        source = OpenedSource(source.name, None, source.fingerprint, source.open, lambda: source.fingerprint)
    client = BigQueryClient(Transport(Token(token), user_agent="test"), "memory", endpoint=endpoint)
    table = {"projectId": "memory", "datasetId": "d", "tableId": "t"}
    load = {"destinationTable": table, "sourceFormat": "PARQUET"}
    reference = {"projectId": "memory", "jobId": uuid.uuid4().hex}
    client.upload_job({"jobReference": reference, "configuration": {"load": load}}, Media(source))
    print(peak())
""")


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, Any]]:
    """Run the sandbox in a process of its own, whose memory is not counted."""
    command = [sys.executable, "-m", "airflow_provider_jobs.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.terminate()


def peak_bytes(service: dict[str, Any], path: Path, *, sized: bool = True) -> int:
    """Upload a file in a process of its own, and return the most memory that it had."""
    arguments = [service["bigquery"], service["token"], str(path), "yes" if sized else "no"]
    done = subprocess.run([sys.executable, "-c", SEND, *arguments], check=True, stdout=subprocess.PIPE)
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak of a process")
def test_a_large_file_needs_little_more_memory_than_nothing(service: dict[str, Any], tmp_path: Path) -> None:
    nothing, large = tmp_path / "nothing", tmp_path / "large"
    nothing.touch()
    with large.open("wb") as file:
        file.truncate(SIZE)
    least = peak_bytes(service, nothing)
    sized, unsized = (peak_bytes(service, large, sized=each) - least for each in (True, False))
    print(f"{SIZE:,} bytes: peak grows by {sized:,}; of unknown size by {unsized:,}")  # noqa: T201 - shown by `pytest -s`
    assert sized <= 8_000_000
    assert unsized <= 24_000_000
    headers = {"Authorization": f"Bearer {service['token']}"}
    seen = requests.get(service["bigquery"] + "/sandbox/requests", headers=headers, timeout=60).json()[
        "requests"
    ]
    assert sum(request["bytes_in"] for request in seen if request["method"] == "PUT") == 2 * SIZE
