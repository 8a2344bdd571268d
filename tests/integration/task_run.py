"""Tasks as Airflow runs them: attempt after attempt, deferred or not."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import json
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.triggers.base import TaskSuccessEvent
from pydantic import JsonValue, TypeAdapter

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger, TriggerEvent

#: What Airflow's state store takes: a tuple, for one, is refused.
JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


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
        """Return the context of an attempt, which is told what the one before has left."""
        from_server = SimpleNamespace(xcom_keys_to_clear=list(self.xcoms))
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
            task=SimpleNamespace(do_xcom_push=True),
            _ti_context_from_server=from_server,
        )
        return {"ti": ti, "dag_run": SimpleNamespace(start_date=self.started, run_after=self.started)}


@dataclass
class Store:
    """Airflow's state store of a task."""

    kept: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, **options: Any) -> None:
        self.kept[key] = json.loads(json.dumps(JSON.validate_python(value)))

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


@dataclass
class Attempts(TaskRun):
    """The attempts of one task, which share its state."""

    store: Store = field(default_factory=Store)

    def context(self, try_number: int = 1) -> Any:
        return {**super().context(try_number), "task_state_store": self.store}


def recorded(task: Any, context: Any, end: str = "success") -> None:
    """Record the end of a task: Airflow calls its callbacks once that is done."""
    for callback in getattr(task, f"on_{end}_callback"):
        callback(context)


def in_triggerer(ti: Any) -> Any:
    """Return a task instance as a triggerer knows it: without its task."""
    return SimpleNamespace(**{name: value for name, value in vars(ti).items() if name != "task"})


def perform(
    task: Any, context: Any = None, *, in_dag_test: bool = False, since: TaskDeferred | None = None
) -> Any:
    """Run a task as Airflow does, deferred or not: worker, triggerer, worker. Return its result.

    :param in_dag_test: As ``dag.test()`` does: the trigger does not know its task, and cannot end it.
    :param since: It has been deferred already.
    """
    context = context or TaskRun().context()
    step = partial(_defer, since) if since else partial(task.execute, context)
    while True:
        try:
            return step()
        except TaskDeferred as deferred:
            fired, left = run_trigger(deferred, context, in_dag_test=in_dag_test)
            if isinstance(fired, TaskSuccessEvent):
                return left.get("return_value")
            event = json.loads(json.dumps(fired.payload))
            kept = json.loads(json.dumps(deferred.kwargs or {}))
            step = partial(getattr(task, deferred.method_name), context, event, **kept)


def _defer(deferred: TaskDeferred) -> Any:
    raise deferred


def run_trigger(
    deferred: TaskDeferred, context: Any, *, in_dag_test: bool = False
) -> tuple[TriggerEvent, dict[str, Any]]:
    """Run a trigger as it comes out of its row; return its event, and the XComs that it has pushed."""
    path, arguments = deferred.trigger.serialize()
    module, _, name = path.rpartition(".")
    row = json.loads(json.dumps(arguments)) | {"first_poll_at": 0.0}
    trigger = getattr(importlib.import_module(module), name)(**row)
    left: dict[str, Any] = {}

    def push(ti: Any, key: str, value: Any) -> None:
        left[key] = json.loads(json.dumps(value))
        ti.xcom_push(key, left[key])

    with patch.object(compat, "push_xcom", push):
        if not in_dag_test:
            trigger.task_instance = in_triggerer(context["ti"])
        return asyncio.run(_first_event(trigger)), left


async def _first_event(trigger: BaseTrigger) -> TriggerEvent:
    event: TriggerEvent = await anext(trigger.run())
    return event
