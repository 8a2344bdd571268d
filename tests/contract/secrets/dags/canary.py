"""A task of each operator and sensor of the package, found by walking it.

``CANARY_DEFERRABLE`` has those wait in the triggerer that can, sensors for ``CANARY_SECONDS`` at most;
``CANARY_FOLDER`` is for their files.
"""

from __future__ import annotations

import datetime as dt
import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset

import airflow_provider_jobs
from airflow_provider_jobs import compat
from airflow_provider_jobs.operators.task import ServiceTask

LAYERS = ("operators", "sensors", "transfers")
FOLDER = Path(os.environ.get("CANARY_FOLDER", "."))
TABLE = "canary.rows"
#: What each needs, in the order in which one leaves what the next one reads.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "BigQueryQueryOperator": {"sql": "SELECT 1 AS x"},
    "BigQueryInsertJobOperator": {"configuration": {"query": {"query": "SELECT 2", "useLegacySql": False}}},
    "BigQueryUploadOperator": {
        "source": str(FOLDER / "rows.csv"),
        "destination_table": TABLE,
        "autodetect": True,
    },
    "BigQueryExtractOperator": {"source_table": TABLE, "destination_uris": "gs://canary/out.csv"},
    "BigQueryLoadOperator": {
        "source_uris": "gs://canary/rows.csv",
        "destination_table": TABLE,
        "skip_leading_rows": 1,
    },
    "BigQueryCopyOperator": {
        "source_tables": TABLE,
        "destination_table": f"{TABLE}_too",
        "write_disposition": "WRITE_TRUNCATE",
    },
    "BigQueryToBigQueryOperator": {
        "source_project_dataset_tables": TABLE,
        "destination_project_dataset_table": f"{TABLE}_three",
        "write_disposition": "WRITE_TRUNCATE",
    },
    "BigQueryToGCSOperator": {
        "source_project_dataset_table": TABLE,
        "destination_cloud_storage_uris": "gs://canary/out-2.csv",
    },
    "GCSToBigQueryOperator": {
        "bucket": "canary",
        "source_objects": "rows.csv",
        "destination_project_dataset_table": f"{TABLE}_by_id",
        "schema_fields": [{"name": "id", "type": "INT64"}, {"name": "text", "type": "STRING"}],
        "skip_leading_rows": 1,
        "range_partitioning": {"field": "id", "range": {"start": "0", "end": "9", "interval": "1"}},
        "write_disposition": "WRITE_TRUNCATE",
        "max_id_key": "id",
    },
    "BigQueryTableExistenceSensor": {"dataset_id": "canary", "table_id": "rows"},
    "BigQueryTablePartitionExistenceSensor": {
        "dataset_id": "canary",
        "table_id": "rows_by_id",
        "partition_id": "1",
    },
    "BigQueryGetDataOperator": {"dataset_id": "canary", "table_id": "rows"},
    "BigQueryCheckOperator": {"sql": f"SELECT COUNT(*) FROM {TABLE}"},  # noqa: S608 - ours
    "BigQueryValueCheckOperator": {"sql": "SELECT 3", "pass_value": 3},
    "BigQueryIntervalCheckOperator": {
        "table": TABLE,
        "date_filter_column": "text",
        "metrics_thresholds": {"COUNT(*)": 2},
    },
    "BigQueryColumnCheckOperator": {"table": TABLE, "column_mapping": {"id": {"min": {"geq_to": 0}}}},
    "BigQueryTableCheckOperator": {"table": TABLE, "checks": {"rows": {"check_statement": "COUNT(*) > 0"}}},
    "BigQueryJobSensor": {
        "job": "{{ (ti.xcom_pull('BigQueryQueryOperator') or {}).get('job_id', 'none') }}",
        "location": "US",
    },
    "BigQueryJobsSensor": {"job_id_prefix": "airflow", "allow_failed": True},
    "RedivisUploadOperator": {
        "source": str(FOLDER / "rows.csv"),
        "table": "acme.canary:next.rows",
        "create_missing": True,
        "session_bytes": 1,
        "on_conflict": "replace",
    },
    "RedivisUploadSensor": {"upload": "rows.csv", "table": "acme.canary:next.rows"},
    "RedivisReleaseOperator": {"dataset": "acme.canary"},
    "SalesforceQueryOperator": {
        "soql": "SELECT Id FROM User",
        "results_path": str(FOLDER / "users.csv"),
    },
    "SalesforceIngestOperator": {
        "source": str(FOLDER / "accounts.csv"),
        "object_name": "Account",
        "operation": "insert",
    },
    "SalesforceToBigQueryOperator": {"object_name": "User", "destination_table": "canary.users"},
    "SalesforceSweepOperator": {"object_name": "User", "destination_table": "canary.users"},
    "SalesforceToObjectStorageOperator": {
        "object_name": "User",
        "results_path": str(FOLDER / "lake"),
        "mode": "incremental" if compat.KEEPS_ASSET_STATE else "full",
        "outlets": [Asset("canary-lake")],
    },
    "SalesforceToRedivisOperator": {
        "object_name": "User",
        "table": "acme.canary:next.users",
        "create_missing": True,
        "session_bytes": 1,
    },
    "SalesforceJobSensor": {
        "job": "{{ (ti.xcom_pull('SalesforceQueryOperator') or {}).get('job_id', '750000000000001') }}",
    },
}


def kinds() -> dict[str, type[ServiceTask]]:
    """Return the classes of tasks that nothing else in the package is made of."""
    for layer in LAYERS:
        path = Path(airflow_provider_jobs.__file__).with_name(layer)
        for module in pkgutil.walk_packages([str(path)], f"airflow_provider_jobs.{layer}."):
            importlib.import_module(module.name)
    found, asked = set[type[ServiceTask]](), [ServiceTask]
    while asked:
        kind = asked.pop()
        below = [
            each for each in kind.__subclasses__() if each.__module__.startswith("airflow_provider_jobs.")
        ]
        asked += below
        found |= set() if below else {kind}
    return {kind.__name__: kind for kind in found}


def tasks() -> None:
    """Make the tasks, one after the other, whatever becomes of those before.

    :raises KeyError: the package has one that the canary does not know yet: give it arguments.
    """
    known, before = kinds(), None
    if unknown := known.keys() ^ ARGUMENTS.keys():
        raise KeyError(*unknown)
    deferrable = os.environ.get("CANARY_DEFERRABLE") == "1"
    seconds = float(os.environ.get("CANARY_SECONDS", "60"))
    for name, arguments in ARGUMENTS.items():
        hasty: dict[str, Any] = {"execution_timeout": dt.timedelta(minutes=5), "deferrable": deferrable}
        if name.endswith("Sensor"):
            hasty |= {
                "poke_interval": 0.2,
                "timeout": seconds,
                "execution_timeout": dt.timedelta(seconds=seconds),
            }
        else:
            hasty |= {"poll_interval": 0.2, "inline_wait": 0.0}
        task = known[name](task_id=name, trigger_rule="all_done", **arguments, **hasty)
        if before:
            before >> task
        before = task


with DAG("canary", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
    tasks()
