"""The tasks of the cluster's DAGs: four that are deferred, and four that wait for their jobs on a worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator
from tests.system.cluster.table import COPY_DATASET, MODES, SCENARIOS, TASK_SERVICES
from tests.system.ends.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The objects of transfers, and how external ids begin: with one digit more, those of ten records.
COPIED = (
    *(("Account", "ACC-0012"), ("Contact", "CON-00012"), ("Lead", "LEAD-0012")),
    *(("Opportunity", "OPP-0012"), ("Shipment__c", "EXT-0012")),
)
#: Those that are deferred come first: then the others may have all workers.
PARAMETERS: Mapping[str, dict[str, Any]] = {
    "deferred": {"deferrable": True, "inline_wait": 0, "priority_weight": 10},
    "worker": {"deferrable": False},
}


def retried(name: str) -> dict[str, Any]:
    """Return how the tasks of a scenario are repeated."""
    seconds = next((each.retry_seconds for each in SCENARIOS if each.name == name), 1.0)
    return {"retries": 2, "retry_delay": timedelta(seconds=seconds)}


def dag(name: str, modes: Sequence[str] = MODES) -> DAG:
    """Return the DAG of a scenario.

    :param modes: The ways to wait; tasks that wait in another are left out.
    """
    with _empty(name) as made:
        for mode in modes:
            for task_id, service in TASK_SERVICES.items():
                TASKS[service](
                    f"{name}_{mode}_{service}",
                    task_id=f"{mode}_{task_id}",
                    poll_interval=1,
                    **retried(name),
                    **PARAMETERS[mode],
                )
    return made


def queries(name: str, count: int) -> DAG:
    """Return a DAG of many mapped tasks, all deferred."""
    with _empty(name) as made:
        BigQueryQueryOperator.partial(
            task_id="queries",
            gcp_conn_id=f"{name}_deferred_bigquery",
            **retried(name),
            **PARAMETERS["deferred"],
        ).expand(sql=[f"SELECT {number} AS n" for number in range(count)])
    return made


def copies(name: str, count: int) -> DAG:
    """Return a DAG of mapped transfers, all deferred: parts of some objects, each to a table of its own."""
    with _empty(name) as made:
        SalesforceToBigQueryOperator.partial(
            task_id="copies",
            fields=["External_Id__c"],
            mode="incremental",
            salesforce_conn_id=f"{name}_deferred_salesforce",
            gcp_conn_id=f"{name}_deferred_bigquery",
            poll_interval=1,
            **retried(name),
            **PARAMETERS["deferred"],
        ).expand_kwargs([copy(number) for number in range(count)])
    return made


def copy(number: int) -> dict[str, str]:
    """Return which records a mapped transfer reads, and where to."""
    part, place = divmod(number, len(COPIED))
    object_name, prefix = COPIED[place]
    return {
        "object_name": object_name,
        "where": f"External_Id__c LIKE '{prefix}{part}%'",
        "destination_table": f"{COPY_DATASET}.{object_name.lower()}_{part}",
    }


def _empty(name: str) -> DAG:
    return DAG(
        f"cluster_{name}",
        schedule=None,
        start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
        max_active_tasks=1000,
    )
