"""Many files loaded by one client, in a process of its own: what `many.py` times.

    python benchmarks/many_clients.py CLIENT URL FOLDER FILES AT_A_TIME

CLIENT is `ours` or `google`. The seconds it prints are those from the first file to the end of the last
and login left out.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace


def ours(url: str, paths: list[str], at_a_time: int) -> float:
    """Run the whole operator, as a worker does."""
    extra = {"project": "p", "api_endpoint": url, "access_token": "loopback"}
    connection = {"conn_type": "google_cloud_platform", "extra": extra}
    os.environ["AIRFLOW_CONN_MANY"] = json.dumps(connection)
    from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator

    task = BigQueryUploadOperator(
        task_id="many",
        gcp_conn_id="many",
        source=paths,
        destination_table="p.d.t",
        write_disposition="WRITE_APPEND",
        source_format="CSV",
        parallel_uploads=at_a_time,
        deferrable=False,
        execution_timeout=dt.timedelta(minutes=5),
    )
    now = dt.datetime.now(dt.UTC)
    ti = SimpleNamespace(
        dag_id="d",
        task_id="many",
        run_id=f"r{time.time()}",
        map_index=-1,
        max_tries=0,
        try_number=1,
        start_date=now,
        xcom_push=lambda **_: None,
    )
    context = {"ti": ti, "dag_run": SimpleNamespace(start_date=now)}
    task.client()  # what only the first one imports
    began = time.perf_counter()
    found = task.execute(context)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    if found["state"] != "succeeded" or len(found["jobs"]) != len(paths):
        raise RuntimeError(found["state"])
    return seconds


def google(url: str, paths: list[str], at_a_time: int) -> float:
    """Call google-cloud-bigquery's load_table_from_file, and wait for each job, in threads."""
    from google.cloud import bigquery
    from google.oauth2.credentials import Credentials

    client = bigquery.Client("p", credentials=Credentials("t"), client_options={"api_endpoint": url})
    configuration = bigquery.LoadJobConfig(source_format="CSV", autodetect=False)

    def send(path: str) -> None:
        with Path(path).open("rb") as file:
            job = client.load_table_from_file(
                file, "p.d.t", job_config=configuration, size=Path(path).stat().st_size
            )
        job.result()

    began = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(send, paths))
    return time.perf_counter() - began


def main() -> None:
    """Load, and print the seconds."""
    logging.disable(logging.INFO)
    name, url, folder, files, at_a_time = sys.argv[1:6]
    paths = sorted(str(path) for path in Path(folder).iterdir())[: int(files)]
    seconds = {"ours": ours, "google": google}[name](url, paths, int(at_a_time))
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
