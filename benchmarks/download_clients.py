"""One download by one client, in a process of its own: what `downloads.py` times.

    python benchmarks/download_clients.py CLIENT URL JOB_ID FOLDER

CLIENT is one of `CLIENTS`; the job has ended. Prints the seconds of
the download alone, how many megabytes the process grew by, and how many records it counted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


#: What a download takes, and where it is.
HERE = [
    ("SalesforceClient", "clients.salesforce.client"),
    ("LocalSink", "clients.salesforce.results.files"),
    ("Output", "clients.salesforce.results.files"),
    ("Transport", "core.http.transport"),
    ("StaticToken", "hooks.base"),
]
#: Where commit 82cf138 has it.
BEFORE = [
    ("SalesforceClient", "clients.salesforce"),
    ("LocalSink", "clients.salesforce_output"),
    ("Output", "clients.salesforce_output"),
    ("Transport", "core.transport"),
    ("StaticToken", "hooks.bigquery_credentials"),
]


def ours(url: str, job_id: str, folder: str, **output: bool) -> Callable[[], int]:
    """Download with this package's client, into one plain file if the output is not another."""
    try:
        found = {name: getattr(import_module(f"airflow_provider_jobs.{place}"), name) for name, place in HERE}
    except ImportError:
        found = {
            name: getattr(import_module(f"airflow_provider_jobs.{place}"), name) for name, place in BEFORE
        }
    transport = found["Transport"](found["StaticToken"]("t", None), user_agent="benchmark")
    client, sink = found["SalesforceClient"](transport, url), found["LocalSink"](folder)
    to = found["Output"]("contacts.csv", **output)
    return lambda: int(client.download(job_id, to, sink).record_count)


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


CLIENTS: dict[str, Callable[[str, str, str], Callable[[], int]]] = {
    "ours": ours,
    "ours, gzip parts": partial(ours, split=True, compress=True),
    "ours, one gzip file": partial(ours, compress=True),
    "simple-salesforce": simple_salesforce,
}


def memory(name: str) -> float:
    """Return a figure of the process in megabytes; getrusage's begins with that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Download, and print the figures."""
    name, url, job_id, parent = sys.argv[1:]
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        download = CLIENTS[name](url, job_id, folder)
        before, used, began = memory("VmRSS"), sum(os.times()[:2]), time.perf_counter()
        records = download()
        seconds, used = time.perf_counter() - began, sum(os.times()[:2]) - used
        size = sum(each.stat().st_size for each in Path(folder).iterdir())
    figures = {"seconds": seconds, "grown_mb": memory("VmHWM") - before, "records": records, "bytes": size}
    print(json.dumps(figures | {"cpu_seconds": used}))


if __name__ == "__main__":
    main()
