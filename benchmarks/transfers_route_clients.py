"""One transfer of Salesforce's records into BigQuery, in a process of its own: `transfers_route.py` times it.

    python -m benchmarks.transfers_route_clients ROUTE SETTINGS

ROUTE is `ours`, `google` or `idle`, SETTINGS a JSON object of the sandbox's addresses, of the fields and of
the target. Prints seconds, those of the CPU and of each stage, and the megabytes of memory at most: after the
imports, and in all.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
import time
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.download_clients import memory

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds of each stage.
Stages = dict[str, float]


def ours(settings: dict[str, Any]) -> Callable[[], Stages]:
    """Prepare the one operator; without the merge it ends once all records are loaded and counted."""
    google = {
        "project": settings["project"],
        "api_endpoint": settings["url"],
        "access_token": settings["token"],
    }
    salesforce = {"instance_url": settings["url"], "access_token": settings["token"]}
    connect("GOOGLE_CLOUD_DEFAULT", "bigquery_jobs", google)
    connect("SALESFORCE_DEFAULT", "salesforce_bulk", salesforce)
    from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator

    class UpToTheMerge(SalesforceToBigQueryOperator):
        def after_load(self, client: Any, context: Any) -> Any:
            return []

    kind = SalesforceToBigQueryOperator if settings["merge"] else UpToTheMerge
    task = kind(
        task_id="transfer",
        object_name=settings["object"],
        fields=settings["fields"],
        where=settings["where"],
        destination_table=settings["table"],
        mode="full",
        deferrable=False,
    )

    def run() -> Stages:
        found = task.execute(context("transfer"))
        if found["record_count"] != settings["rows"]:
            raise RuntimeError(f"{found['record_count']} of {settings['rows']} records")
        return dict(found["seconds"])

    return run


def google(settings: dict[str, Any]) -> Callable[[], Stages]:
    """Prepare the two operators of Airflow's own route."""
    os.environ["BIGQUERY_EMULATOR_HOST"] = os.environ["STORAGE_EMULATOR_HOST"] = settings["url"]
    key = {"project": settings["project"], "key_path": settings["key_file"]}
    connect("GOOGLE_CLOUD_DEFAULT", "google_cloud_platform", key)
    account = settings["salesforce_account"]
    connection = {"version": "59.0", "security_token": account["security_token"]}
    login = {"login": account["username"], "password": account["password"]}
    connect("SALESFORCE_DEFAULT", "salesforce", connection, **login)
    from airflow.providers.google.cloud.transfers.gcs_to_bigquery import GCSToBigQueryOperator
    from airflow.providers.google.cloud.transfers.salesforce_to_gcs import SalesforceToGcsOperator

    speak_plainly(settings["url"])
    where = f" WHERE {settings['where']}" if settings["where"] else ""
    selected = ", ".join(settings["fields"])
    steps = {
        "salesforce_to_gcs": SalesforceToGcsOperator(
            task_id="salesforce_to_gcs",
            query=f"SELECT {selected} FROM {settings['object']}{where}",  # noqa: S608 - SOQL, of the caller
            include_deleted=True,  # as ours
            bucket_name="route",
            object_name="records.csv",
            salesforce_conn_id="salesforce_default",
            unwrap_single=True,
        ),
        "gcs_to_bigquery": GCSToBigQueryOperator(
            task_id="gcs_to_bigquery",
            bucket="route",
            source_objects=["records.csv"],
            destination_project_dataset_table=settings["table"],
            schema_fields=settings["schema"],
            skip_leading_rows=1,
            allow_quoted_newlines=True,
            write_disposition="WRITE_TRUNCATE",
        ),
    }

    def run() -> Stages:
        seconds = {}
        for name, task in steps.items():
            began = time.perf_counter()
            task.execute(context(name))
            seconds[name] = time.perf_counter() - began
        return seconds

    return run


def idle(_settings: dict[str, Any]) -> Callable[[], Stages]:
    """Prepare nothing but Airflow."""
    import airflow.sdk  # noqa: F401 - what every task has

    return dict


def connect(name: str, kind: str, extra: dict[str, Any], **more: str) -> None:
    """Let the environment have a connection."""
    os.environ[f"AIRFLOW_CONN_{name}"] = json.dumps({"conn_type": kind, "extra": extra, **more})


def context(task_id: str) -> Any:
    """Give what the operators ask of a task's context."""
    now = dt.datetime.now(dt.UTC)
    ti = SimpleNamespace(
        dag_id="d",
        task_id=task_id,
        run_id=f"r{time.time()}",
        map_index=-1,
        max_tries=0,
        try_number=1,
        start_date=now,
        xcom_push=lambda **_: None,
    )
    return {"ti": ti, "dag_run": SimpleNamespace(start_date=now)}


def speak_plainly(url: str) -> None:
    """Let what is meant for https hosts go to the sandbox: simple-salesforce knows nothing else."""
    import requests
    from requests.adapters import HTTPAdapter

    class Plain(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = urlsplit(request.url)._replace(scheme="http", netloc=urlsplit(url).netloc).geturl()
            return super().send(request, *args, **kwargs)

    begin = requests.Session.__init__

    def begun(session: requests.Session) -> None:
        begin(session)
        session.mount("https://", Plain())

    requests.Session.__init__ = begun  # type: ignore[assignment,method-assign]


def main() -> None:
    """Transfer, and print the figures."""
    warnings.simplefilter("ignore")
    route, settings = sys.argv[1], json.loads(sys.argv[2])
    run = {"ours": ours, "google": google, "idle": idle}[route](settings)
    logging.disable(logging.INFO)
    imported, used, began = memory("VmHWM"), sum(os.times()[:2]), time.perf_counter()
    stages = run()
    found = {"seconds": time.perf_counter() - began, "cpu_seconds": sum(os.times()[:2]) - used}
    print(json.dumps({**found, "stages": stages, "imported_mb": imported, "peak_mb": memory("VmHWM")}))


if __name__ == "__main__":
    main()
