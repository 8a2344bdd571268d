"""Memory and disk stay flat, whatever the size of a result; `STREAM_GIBIBYTES=5` streams five GiB."""

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

from benchmarks.download_server import JOB_ID, make_page
from benchmarks.side_by_side import server_process

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_MEBIBYTES = 8
PAGES = int(float(os.environ.get("STREAM_GIBIBYTES", "0.25")) * 1024) // PAGE_MEBIBYTES
SPOOL_PAGES = 5
SEND = textwrap.dedent("""
    import json, sys, uuid
    from pathlib import Path
    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.sources.source import Media
    from airflow_provider_jobs.hooks.base import StaticToken

    org, job, folder, endpoint, token, spool_pages = sys.argv[1:]
    drafts = [0]

    def look(*_):
        drafts[0] = max(drafts[0], len(list(Path(folder).glob(".*.draft"))))

    def peak():
        # Not getrusage: its figure begins with that of the process that started this one.
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    salesforce = SalesforceClient(Transport(StaticToken("t", None), user_agent="test"), org)
    bigquery = BigQueryClient(
        Transport(StaticToken(token, None), user_agent="test"), "memory", endpoint=endpoint
    )
    table = {"projectId": "memory", "datasetId": "d", "tableId": "t"}
    load = {"destinationTable": table, "sourceFormat": "PARQUET"}  # refused at once: it is CSV
    records, spool = 0, LocalSink(folder)
    with salesforce.stream_results(job, spool, spool_pages=int(spool_pages)) as stream:
        for part in stream.parts():
            reference = {"projectId": "memory", "jobId": uuid.uuid4().hex}
            content = Media(part, on_progress=look)
            bigquery.upload_job({"jobReference": reference, "configuration": {"load": load}}, content)
            records += part.record_count
    print(json.dumps([peak(), drafts[0], records]))
""")


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, Any]]:
    """Run the sandbox in a process of its own, whose memory is not counted."""
    command = [sys.executable, "-m", "airflow_provider_jobs.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.terminate()


def run(service: dict[str, Any], folder: Path, spool: Path, pages: int, records: int) -> list[int]:
    """Stream a result in a process of its own: its most memory, its most drafts, the records."""
    facts = f"{str(folder)!r}, {pages}, {records}, compresses=True"
    with server_process(f"from download_server import Org; s = Org({facts})") as org:
        arguments = [org, JOB_ID, str(spool), service["bigquery"], service["token"], str(SPOOL_PAGES)]
        done = subprocess.run([sys.executable, "-c", SEND, *arguments], check=True, stdout=subprocess.PIPE)
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak of a process")
def test_many_pages_need_little_more_than_one(service: dict[str, Any], tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    records = make_page(tmp_path, PAGE_MEBIBYTES)
    size = (tmp_path / "page.csv").stat().st_size
    least, _, one = run(service, tmp_path, spool, 1, records)
    most, drafts, all_records = run(service, tmp_path, spool, PAGES, records)
    print(f"{PAGES * size:,} bytes: peak grows by {most - least:,}, {drafts} drafts")  # noqa: T201 - for `-s`
    assert (one, all_records) == (records, PAGES * records)
    assert most - least <= 24_000_000
    assert 1 < drafts <= SPOOL_PAGES
    assert list(spool.iterdir()) == []
    headers = {"Authorization": f"Bearer {service['token']}"}
    seen = requests.get(service["bigquery"] + "/sandbox/requests", headers=headers, timeout=60).json()
    sent = sum(each["bytes_in"] for each in seen["requests"] if each["method"] == "PUT")
    header = len(b'"Id","Name","Hash__c","Description","Empty__c"\n')
    assert sent == (PAGES + 1) * (size - header) + 2 * header
