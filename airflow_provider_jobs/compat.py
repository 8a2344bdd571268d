"""What differs between the Airflow versions; no other file looks at them."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import secrets
import select
import signal
import ssl
import sys
import threading
import warnings
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from airflow.providers.common.compat.sdk import conf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk.types import RuntimeTaskInstanceProtocol

_RELEASE = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])

#: Airflow calls ``on_kill`` of a trigger (3.3); before, a trigger is only cancelled.
TRIGGER_HAS_ON_KILL = _RELEASE >= (3, 3)
#: ``on_kill`` means that a user ended the task (3.4); in 3.3 it may also mean that the trigger has moved.
ON_KILL_MEANS_KILLED = _RELEASE >= (3, 4)
#: A trigger of a task that began without a worker knows its task, its DAG and its run (3.3).
STARTS_FROM_TRIGGER = _RELEASE >= (3, 3)
#: ``airflow`` takes commands of providers (3.2).
TAKES_COMMANDS = _RELEASE >= (3, 2)
#: Airflow keeps the state of an asset, across runs (3.3).
KEEPS_ASSET_STATE = _RELEASE >= (3, 3)
#: How long Airflow may take to answer a worker that is told to stop, in seconds: it leaves five in all.
AWAY_SECONDS = 1.5
#: A clear leaves alone what a task keeps in the state store (3.3); 3.4 discards it if one task is cleared.
STATE_LASTS_A_CLEAR = _RELEASE < (3, 4)
#: What Airflow 3.3 cancels a trigger with where ``on_kill`` is to follow; a busy triggerer never calls that.
KILLED_MESSAGE = "__airflow_user_action__"


def dag_bag(folder: Path) -> Any:
    """Return Airflow's ``DagBag`` of a folder, read; it has moved after 3.1."""
    place = "airflow.dag_processing.dagbag"
    found = importlib.util.find_spec(place) is not None
    return importlib.import_module(place if found else "airflow.models.dagbag").DagBag(folder)


def forget_namesake(dag: Any) -> None:
    """Let ``dag.test()`` have a DAG's tasks where the database has a DAG of its name with others (3.2).

    Before, it takes the one that is there. What that has run goes with it.
    """
    if _RELEASE >= (3, 2):
        return
    known = importlib.import_module("airflow.models.serialized_dag").SerializedDagModel.get_dag(dag.dag_id)
    if known and set(known.task_ids) != set(dag.task_ids):
        importlib.import_module("airflow.api.common.delete_dag").delete_dag(dag.dag_id)


@contextlib.contextmanager
def shared_test_api() -> Iterator[None]:
    """Let all tasks and triggers of ``dag.test()`` speak to one API, for the life of this process (3.3).

    Before, each has one made, whose versions take seconds of work: a DAG of forty tasks seems to hang. And it
    wants a secret for tokens that nobody checks, which a home without an ``airflow.cfg`` lacks.
    """
    if _RELEASE >= (3, 3):
        yield
        return
    # The server's own configuration: that of tasks gives a placeholder.
    if not importlib.import_module("airflow.configuration").conf.get("api_auth", "jwt_secret", fallback=""):
        os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = secrets.token_urlsafe(64)
    supervisor: Any = importlib.import_module("airflow.sdk.execution_time.supervisor")
    make = supervisor.in_process_api_server
    supervisor.in_process_api_server = _made_once(make)
    try:
        yield
    finally:
        supervisor.in_process_api_server = make


@cache
def _made_once(make: Callable[[], Any]) -> Callable[[], Any]:
    return cache(make)


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


def push_xcom(ti: RuntimeTaskInstanceProtocol, key: str, value: Any) -> None:
    """Push an XCom of a task from its trigger; blocks.

    Those that a TaskSuccessEvent takes along arrive as text, and pass a custom XCom backend by (3.1 to 3.3).
    """
    from airflow.sdk.execution_time.xcom import XCom  # noqa: PLC0415 - as above

    XCom.set(
        key=key, value=value, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index
    )


def template_env(dag: Any, operator: Any) -> Any:
    """Return what renders an operator's templates in the triggerer (3.3), where its DAG is a serialized one.

    What the DAG has not told raises, and is never empty text.
    """
    from airflow.sdk.definitions._internal.templater import create_template_env  # noqa: PLC0415 - as above

    if operator.render_template_as_native_obj is None:
        operator.render_template_as_native_obj = dag.render_template_as_native_obj
    return create_template_env(native=operator.render_template_as_native_obj)


def hears_success() -> bool:
    """Return True if a plugin, such as OpenLineage, listens to tasks that succeed on a worker."""
    try:
        module = importlib.import_module("airflow.sdk.listener")
    except ImportError:  # 3.1
        module = importlib.import_module("airflow.listeners.listener")
    return bool(module.get_listener_manager().hook.on_task_instance_success.get_hookimpls())


def reads_hook_lineage() -> bool:
    """Return True if a plugin, such as OpenLineage's, reads which data hooks have touched."""
    if _RELEASE >= (3, 2):
        module = importlib.import_module("airflow.sdk.plugins_manager")
        return bool(module.get_hook_lineage_readers_plugins())
    module = importlib.import_module("airflow.plugins_manager")
    module.initialize_hook_lineage_readers_plugins()
    return bool(module.hook_lineage_reader_classes)


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


def is_supervised() -> bool:
    """Return True in the process of a task, which speaks to Airflow through a supervisor; not in a test."""
    runner: Any = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return type(getattr(runner, "SUPERVISOR_COMMS", None)).__name__ == "CommsDecoder"


def airflow_is_away() -> bool:
    """Return True if the API server that workers speak to cannot be reached; takes two seconds at most.

    The caller may be a signal handler, and whatever it has interrupted may hold a lock: it asks by no
    connection of Airflow's own, in another thread, and takes no answer for one.
    """
    if not is_supervised():
        return False
    base = conf.get("core", "execution_api_server_url", fallback="")
    base = base or f"{conf.get('api', 'base_url', fallback='')}/execution"
    found: list[bool] = []

    def ask() -> None:
        try:
            with urlopen(f"{base.rstrip('/')}/health", timeout=AWAY_SECONDS):  # noqa: S310 - Airflow's own setting
                found.append(False)
        except HTTPError as error:
            found.append(error.code in {502, 503, 504})  # a proxy has nobody to hand it on to
        except URLError as error:
            found.append(not isinstance(error.reason, ssl.SSLError))
        except (OSError, ValueError) as error:
            found.append(isinstance(error, OSError))

    thread = threading.Thread(target=ask, name="ask-airflow", daemon=True)
    thread.start()
    thread.join(AWAY_SECONDS + 0.5)
    return found == [True]


@cache
def show_exit() -> None:
    """Let Airflow see at once that the process of this task has ended, and give its slot to another.

    Up to 3.3.2 its supervisor may read the end of the process's last socket before the process can be reaped;
    then nothing wakes it for ``[workers] min_heartbeat_interval``, 5 s. Where the system cannot tell of a
    process's end (not Linux), or nobody reaps orphans (a container whose first process is Airflow), it stays
    so.
    """
    airflows = ("airflow", "python", "celery")
    if is_supervised() and hasattr(os, "pidfd_open") and not _first_process().startswith(airflows):
        atexit.register(_hold_sockets)


def _first_process() -> str:
    try:
        return Path("/proc/1/comm").read_text(encoding="utf-8")
    except OSError:
        return ""


def _hold_sockets() -> None:
    """Leave a child that has this process's sockets, and ends them once this process can be reaped."""
    process = os.pidfd_open(os.getpid())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other threads hold is nothing to a child that waits and ends
        if os.fork():
            os.close(process)
            return
    try:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        select.select([process], [], [], 10.0)
    finally:
        os._exit(0)


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
