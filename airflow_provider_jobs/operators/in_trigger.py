"""What a task can do without a worker: end in its trigger, or live there from the beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from airflow_provider_jobs.operators.base import ServiceTask

_PACKAGE = "airflow_provider_jobs."
#: What a subclass may override to have a say in a task's end: only a worker has its code.
_END = (
    *("execute_complete", "ended", "completed", "result", "summary", "summary_of", "xcoms"),
    *("look", "poke", "statuses"),  # of sensors
)


def nothing_left(task: ServiceTask) -> bool:
    """Return True if only XComs are left to be written once the job of a task has succeeded.

    What Airflow does after success on a worker alone: asset events, callbacks, ``post_execute``, listeners, and
    XComs that others are mapped over, that are spread over several keys, or that are the result of the DAG.
    """
    post_execute = getattr(task.post_execute, "__func__", None)
    return not (
        task.outlets
        or task.on_success_callback
        or task._post_execute_hook  # noqa: SLF001 - how a parameter is kept
        or post_execute is not BaseOperator.post_execute
        or task.multiple_outputs
        or getattr(task, "returns_dag_result", False)
        or (task.has_dag() and any(True for _ in task.iter_mapped_dependants()))
        or compat.hears_success()
    )


def ending_of(task: ServiceTask) -> dict[str, Any] | None:
    """Return what a trigger needs to end a task: its class, and whether its result is wanted.

    None if a subclass of somebody else's has a say in the end.
    """
    for own in type(task).__mro__:
        if own.__module__.startswith(_PACKAGE):
            break
        if any(name in vars(own) for name in _END):
            return None
    return {"task": f"{own.__module__}:{own.__qualname__}", "result": bool(task.do_xcom_push)}
