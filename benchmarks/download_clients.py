"""One download by one client, in a process of its own: what `downloads.py` times.

    python benchmarks/download_clients.py CLIENT URL JOB_ID FOLDER

CLIENT is `ours` or `simple-salesforce`; the job has ended. Prints the seconds of
the download alone, how many megabytes the process grew by, and how many records it counted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def ours(url: str, job_id: str, folder: str) -> Callable[[], int]:
    """Download with this package's client, into one file."""
    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.hooks.base import StaticToken

    client = SalesforceClient(Transport(StaticToken("t", None), user_agent="benchmark"), url)
    return lambda: client.download(job_id, Output("contacts.csv"), LocalSink(folder)).record_count


def simple_salesforce(url: str, job_id: str, folder: str) -> Callable[[], int]:
    """Download with what `SFBulk2Type.download` calls for every page; the pages stay files of their own."""
    from simple_salesforce.bulk2 import SFBulk2Handler

    client = SFBulk2Handler("t", f"{url}/services/data/v59.0/jobs/").Contact._client  # noqa: SLF001 - as it does

    def download() -> int:
        records, locator = 0, ""
        while True:
            page = client.download_job_data(folder, job_id, locator)
            records += int(page["number_of_records"])
            locator = page["locator"]
            if not locator:
                return records

    return download


def memory(name: str) -> float:
    """Return a figure of the process in megabytes; getrusage's begins with that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Download, and print the figures."""
    name, url, job_id, parent = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        download = {"ours": ours, "simple-salesforce": simple_salesforce}[name](url, job_id, folder)
        before, began = memory("VmRSS"), time.perf_counter()
        records = download()
        seconds = time.perf_counter() - began
        size = sum(each.stat().st_size for each in Path(folder).iterdir())
    figures = {"seconds": seconds, "grown_mb": memory("VmHWM") - before, "records": records, "bytes": size}
    print(json.dumps(figures | {"cpu_seconds": sum(os.times()[:2])}))


if __name__ == "__main__":
    main()
