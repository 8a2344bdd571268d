"""Tasks that begin in the triggerer, as Airflow 3.3 makes their triggers of a serialized DAG."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.models.trigger import Trigger
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_jobs.triggers.start import StartTrigger

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.integration.task_run import TaskRun

DAY = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def serialized(dag: DAG) -> Any:
    """Return a DAG as the scheduler and the triggerer know it, once its file was parsed."""
    dag.resolve_template_files()
    return json.loads(json.dumps(DagSerialization.to_dict(dag)))


def start_trigger(dag: DAG, run: TaskRun, try_number: int = 1) -> StartTrigger:
    """Return the trigger that a task begins with."""
    data = serialized(dag)
    begins: Any = DagSerialization.from_dict(data).get_task(run.task_id).start_trigger_args
    row = Trigger.encrypt_kwargs(begins.trigger_kwargs)
    arguments = {
        key: smart_decode_trigger_kwargs(value) for key, value in Trigger._decrypt_kwargs(row).items()
    }
    trigger = StartTrigger(**arguments)
    ti: Any = TriggerRunner.create_runtime_ti(
        TaskInstanceDTO(
            id=uuid.uuid4(),
            task_id=run.task_id,
            dag_id=dag.dag_id,
            run_id=run.run_id,
            try_number=try_number,
            map_index=run.map_index,
            dag_version_id=uuid.uuid4(),
            pool_slots=1,
            queue="default",
            priority_weight=1,
        ),
        data,
        {
            "dag_id": dag.dag_id,
            "run_id": run.run_id,
            "logical_date": DAY,
            "data_interval_start": DAY,
            "data_interval_end": DAY,
            "run_after": DAY,
            "start_date": run.started,
            "end_date": None,
            "run_type": "manual",
            "state": "running",
            "conf": {},
            "consumed_asset_events": [],
            "partition_key": None,
        },
    )
    trigger.task_instance = ti
    return trigger
