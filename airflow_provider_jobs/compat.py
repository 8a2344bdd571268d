"""What differs between the Airflow versions; no other file looks at them."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

_RELEASE = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])

#: Airflow calls ``on_kill`` of a trigger (3.3); before, a trigger is only cancelled.
TRIGGER_HAS_ON_KILL = _RELEASE >= (3, 3)
#: ``on_kill`` means that a user ended the task (3.4); in 3.3 it may also mean that the trigger has moved.
ON_KILL_MEANS_KILLED = _RELEASE >= (3, 4)
#: A clear leaves alone what a task keeps in the state store (3.3); 3.4 discards it if one task is cleared.
STATE_LASTS_A_CLEAR = _RELEASE < (3, 4)
#: What Airflow 3.3 cancels a trigger with where ``on_kill`` is to follow; a busy triggerer never calls that.
KILLED_MESSAGE = "__airflow_user_action__"


def task_state(ti: RuntimeTaskInstanceProtocol) -> str | None:
    """Return the state of a task instance as the API server knows it; blocks."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance  # noqa: PLC0415 - a triggerer has it

    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    # A mapped task is listed under its id and index.
    listed_as = ti.task_id if ti.map_index is None or ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"
    state: str | None = states.get(ti.run_id, {}).get(listed_as)
    return state


def task_xcom(ti: RuntimeTaskInstanceProtocol, key: str) -> Any:
    """Return what the task itself has pushed under a key, or None; blocks."""
    from airflow.sdk.execution_time.xcom import XCom  # noqa: PLC0415 - as above

    return XCom.get_one(
        key=key, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index
    )


def left_result(ti: RuntimeTaskInstanceProtocol) -> bool | None:
    """Return True if the attempt before has left the task's result, None if that is not known.

    Airflow tells a new attempt the keys of the XComs that it is to delete before it runs.
    """
    keys = getattr(getattr(ti, "_ti_context_from_server", None), "xcom_keys_to_clear", None)
    if keys is None or not getattr(getattr(ti, "task", None), "do_xcom_push", False):
        return None
    return "return_value" in keys


def stats() -> Any:
    """Return Airflow's metrics in the triggerer, with the functions ``incr``, ``gauge`` and ``timing``."""
    module = importlib.import_module("airflow.observability.stats" if _RELEASE >= (3, 2) else "airflow.stats")
    return module if _RELEASE >= (3, 3) else module.Stats


def encrypt(text: str) -> str | None:
    """Return the text encrypted with the deployment's Fernet key; None if it has none (or Airflow < 3.2)."""
    fernet = _fernet()
    return fernet.encrypt(text.encode()).decode() if fernet else None


def decrypt(text: str, ttl_seconds: int) -> str | None:
    """Return what :func:`encrypt` was given; None if it is too old, or was encrypted with another key."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - a dependency of Airflow's core

    fernet = _fernet()
    try:
        return fernet.decrypt(text.encode(), ttl=ttl_seconds).decode() if fernet else None
    except InvalidToken:
        return None


def _fernet() -> Any:
    try:
        from airflow.sdk.crypto import get_fernet  # noqa: PLC0415 - Airflow 3.2 or newer
        from airflow.sdk.exceptions import AirflowException  # noqa: PLC0415
    except ImportError:
        return None
    try:
        fernet = get_fernet()
    except AirflowException:
        return None  # the key is not a Fernet key
    return fernet if fernet.is_encrypted else None
