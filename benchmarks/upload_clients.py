"""One upload by one client, in a process of its own: what `uploads.py` times.

    python benchmarks/upload_clients.py CLIENT URL FILE [FILES AT A TIME]

CLIENT is `ours`, `google` or `curl`. The certificate's authority is in REQUESTS_CA_BUNDLE. Prints the seconds
of the upload alone, and the peak of the resident set in megabytes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ours(url: str, path: str, at_a_time: int) -> float:
    """Send with this package's client."""
    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.core.sources.source import FileSource, Media
    from airflow_provider_jobs.hooks.base import StaticToken

    client = BigQueryClient(Transport(StaticToken("t", None), user_agent="benchmark"), "p", endpoint=url)
    job = {"jobReference": {"projectId": "p", "jobId": "j"}, "configuration": {"load": {}}}
    began = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(lambda _: client.upload_job(job, Media(FileSource(path))), range(at_a_time)))
    return time.perf_counter() - began


def google(url: str, path: str, at_a_time: int) -> float:
    """Send with google-cloud-bigquery's load_table_from_file."""
    from google.cloud import bigquery
    from google.oauth2.credentials import Credentials

    client = bigquery.Client("p", credentials=Credentials("t"), client_options={"api_endpoint": url})
    configuration = bigquery.LoadJobConfig(source_format="CSV", autodetect=False)

    def send(_: int) -> None:
        with Path(path).open("rb") as file:
            client.load_table_from_file(
                file, "p.d.t", job_config=configuration, size=Path(path).stat().st_size
            )

    began = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(send, range(at_a_time)))
    return time.perf_counter() - began


def curl(url: str, path: str, at_a_time: int) -> float:
    """Send with `curl -T`."""
    command = [
        "curl",
        "-sS",
        "--http1.1",
        "--cacert",
        os.environ["REQUESTS_CA_BUNDLE"],
        "-T",
        path,
        f"{url}/put",
    ]
    began = time.perf_counter()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(at_a_time)]
    if any(process.wait() for process in running):
        raise RuntimeError("curl failed")
    return time.perf_counter() - began


def main() -> None:
    """Send, and print the figures."""
    name, url, path = sys.argv[1:4]
    at_a_time = int(sys.argv[4]) if len(sys.argv) > 4 else 1  # noqa: PLR2004 - the optional argument
    seconds = {"ours": ours, "google": google, "curl": curl}[name](url, path, at_a_time)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main()
