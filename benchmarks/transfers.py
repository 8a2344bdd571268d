"""How fast records go from Salesforce's results into BigQuery's upload, beside each side alone.

A server has the pages of a query ready and compresses them, as Salesforce does; another, over TLS, throws
what is uploaded away. `read` takes all pages as a transfer does, each counted and hashed, and drops them;
`send` uploads a file of the same bytes; `both` is what the operator does. Each run is a process of its own,
and the three take turns; a speed, in megabytes of CSV, is the median of its runs, a ratio that of the rounds'
ratios to the slower side of the same round.

python -m benchmarks.transfers [--pages 20] [--mebibytes 52] [--runs 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.download_clients import memory
from benchmarks.download_server import JOB_ID, make_page
from benchmarks.downloads import org
from benchmarks.side_by_side import server_process
from benchmarks.uploads import make_certificate, serving

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = ("read", "send", "both")
JOB = {"jobReference": {"projectId": "p", "jobId": "j"}, "configuration": {"load": {}}}
_BLOCK = 1024 * 1024


def steps(role: str, source: str, sink: str, file: str, folder: str) -> Callable[[], int]:
    """Return what one run does; it gives the bytes that went through."""
    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.sources.source import FileSource, Media
    from airflow_provider_jobs.hooks.base import StaticToken

    token = StaticToken("t", None)
    salesforce = SalesforceClient(Transport(token, user_agent="benchmark"), source)
    bigquery = BigQueryClient(Transport(token, user_agent="benchmark"), "p", endpoint=sink)

    def both() -> int:
        with Path(file).open("rb") as whole:
            found, header_bytes = 0, len(whole.readline())
        with salesforce.stream_results(JOB_ID, LocalSink(folder)) as stream:
            for part in stream.parts():
                if role == "both":
                    bigquery.upload_job(JOB, Media(part))
                else:
                    reader = part.open()
                    while reader.read(_BLOCK):
                        pass
                found += part.end.size_bytes - (header_bytes if part.number else 0)  # each begins with it
        return found

    def send() -> int:
        bigquery.upload_job(JOB, Media(FileSource(file)))
        return Path(file).stat().st_size

    return send if role == "send" else both


def run(arguments: list[str]) -> None:
    """Do one run, and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        role, source, sink, file = arguments
        step = steps(role, source, sink, file, folder)
        before, used, began = memory("VmRSS"), time.process_time(), time.perf_counter()
        size = step()
        seconds, used = time.perf_counter() - began, time.process_time() - used
    figures = {"seconds": seconds, "bytes": size, "grown_mb": memory("VmHWM") - before}
    print(json.dumps(figures | {"cpu_seconds": used}))


def measure(role: str, source: str, sink: str, file: Path, certificate: Path) -> dict[str, float]:
    """Let a process do one run."""
    command = [sys.executable, "-m", "benchmarks.transfers", "--run", role, source, sink, str(file)]
    environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(certificate)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def make_whole(folder: Path, pages: int) -> Path:
    """Write what all pages are, one header and their records."""
    whole = folder / "whole.csv"
    with whole.open("wb") as out:
        for number in range(pages):
            with (folder / "page.csv").open("rb") as page:
                header = page.readline()
                out.write(b"" if number else header)
                shutil.copyfileobj(page, out)
    return whole


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--mebibytes", type=int, default=52)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments.run)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records, (certificate, key) = make_page(folder, arguments.mebibytes), make_certificate(folder)
        whole = make_whole(folder, arguments.pages)
        found: dict[str, list[dict[str, float]]] = {role: [] for role in ROLES}
        program = org(folder, arguments.pages, records, compresses=True)
        with server_process(program) as source, serving(certificate, key) as sink:
            for _ in range(arguments.runs):
                for role, figures in found.items():
                    figures.append(measure(role, source, sink, whole, certificate))
                    if figures[-1]["bytes"] != whole.stat().st_size:
                        raise RuntimeError(f"{role} had {figures[-1]['bytes']:,.0f} bytes")
        size = whole.stat().st_size / 1e6
        ratios = [
            max(each["seconds"] for each in (read, send)) / both["seconds"]
            for read, send, both in zip(*found.values(), strict=True)
        ]
        print("| | MB/s | CPU ms a MB | MB grown |\n|---|---|---|---|")
        for role, figures in found.items():
            seconds, used = (
                statistics.median(each[name] for each in figures) for name in ("seconds", "cpu_seconds")
            )
            grown = max(each["grown_mb"] for each in figures)
            print(f"| {role} | {size / seconds:.0f} | {used * 1000 / size:.1f} | {grown:.0f} |")
        print(f"\n{size:.0f} MB: {statistics.median(ratios):.2f} of the slower side")


if __name__ == "__main__":
    main()
