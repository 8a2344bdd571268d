"""What the tests of this folder work with: a project of the sandbox, and the runs of a task."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import requests
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.hooks.bigquery import BigQueryHook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.triggers.base import BaseTrigger, TriggerEvent

    from airflow_provider_jobs.clients.bigquery import BigQueryClient
    from airflow_provider_jobs.sandbox import Sandbox


@dataclass
class TaskRun:
    """One task of one DAG run, as the operators see it: attempts share everything but their XComs."""

    dag_id: str = "dag"
    task_id: str = "task"
    run_id: str = "manual__2026-01-01T00:00:00+00:00"
    map_index: int = -1
    max_tries: int = 2
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    xcoms: dict[str, Any] = field(default_factory=dict)

    def context(self, try_number: int = 1) -> Any:
        """Return the context of an attempt."""
        self.xcoms.clear()
        ti = SimpleNamespace(
            dag_id=self.dag_id,
            task_id=self.task_id,
            run_id=self.run_id,
            map_index=self.map_index,
            max_tries=self.max_tries,
            try_number=try_number,
            start_date=dt.datetime.now(dt.UTC),
            xcom_push=lambda key, value: self.xcoms.update({key: value}),
        )
        return {"ti": ti, "dag_run": SimpleNamespace(start_date=self.started)}


@dataclass
class Lab:
    """A project of its own in the sandbox, and the connection ``google_cloud_default`` to it."""

    sandbox: Sandbox
    project: str

    @property
    def client(self) -> BigQueryClient:
        return BigQueryHook().get_conn()

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs of the project, oldest first."""
        return list(self.client.list_jobs(allUsers=True, projection="full"))[::-1]

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """Return the requests of one operation to this project."""
        return [
            entry
            for entry in self.sandbox.requests()
            if entry["operation"] == f"bigquery.{operation}" and f"/{self.project}/" in entry["path"]
        ]

    def dataset(self, name: str, location: str = "US") -> None:
        reply = requests.post(
            f"{self.sandbox.bigquery}/bigquery/v2/projects/{self.project}/datasets",
            json={"datasetReference": {"projectId": self.project, "datasetId": name}, "location": location},
            headers={"Authorization": f"Bearer {self.sandbox.token}"},
            timeout=30,
        )
        reply.raise_for_status()

    def fault(self, operation: str, action: str, **settings: Any) -> None:
        """Spoil requests of this project only."""
        self.sandbox.faults(
            operation=f"bigquery\\.{operation}", path=f"/{self.project}/", action=action, **settings
        )

    @contextmanager
    def slow_jobs(self, seconds: float, cancel_seconds: float = 0.1) -> Iterator[None]:
        """Let jobs that are submitted meanwhile run at least so long."""
        self.sandbox.timing(project=self.project, running_seconds=seconds, cancel_seconds=cancel_seconds)
        try:
            yield
        finally:
            self.sandbox.timing(project=self.project, running_seconds=0.0)


def run_deferred(operator: Any, context: Any) -> Any:
    """Run a task as Airflow does that defers: worker, triggerer, worker. Return its result."""
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        path, arguments = deferred.trigger.serialize()
        module, _, name = path.rpartition(".")
        row = json.loads(json.dumps(arguments)) | {"first_poll_at": 0.0}
        trigger = getattr(importlib.import_module(module), name)(**row)
        event = json.loads(json.dumps(asyncio.run(_first_event(trigger)).payload))
        return getattr(operator, deferred.method_name)(context, event)


async def _first_event(trigger: BaseTrigger) -> TriggerEvent:
    event: TriggerEvent = await anext(trigger.run())
    return event
