"""Runs logins and tasks in a process of its own, and writes down everything that it shows of itself.

Every logger is at DEBUG, and Airflow masks nothing: what it would hide is not to be there either. There is a
file for each kind of place, in the folder that the arguments name; the caller looks for secrets in them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import json
import logging
import os
import sqlite3
import sys
import time
import traceback
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PACKAGE = "airflow_provider_jobs"
#: The longest pause between two looks at a job, which the sandbox needs for it.
LOOK_SECONDS = 0.2
#: How long a service may refuse before its waiters fail.
OUTAGE_SECONDS = 0.5
#: Loggers that tell of Airflow's database, which is looked at as it is.
LOUD = ("sqlalchemy", "alembic")
#: Clients that are kept alive by those who made them, at least.
KEPT = 16
#: Classes of a vendor's library that hold credentials, in the hands of ours.
OTHERS = ("google.auth", "google.oauth2", "simple_salesforce")


class Notes:
    """A file for each kind of place where a secret might come to light."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[int] = set()

    def write(self, place: str, *texts: object) -> None:
        """Note what was not noted before."""
        new = {text: None for text in map(str, texts) if hash((place, text)) not in self._known}
        self._known.update(hash((place, text)) for text in new)
        with (self._folder / f"{place}.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{text}\n" for text in new)

    def error(self, error: BaseException | None) -> None:
        """Note an exception and all that it comes from, also what ``from None`` hides."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            self.write("exceptions", *traceback.format_exception(error), repr(error), str(error))
            if type(error).__module__.startswith(PACKAGE):
                self.write("exceptions", vars(error))
            error = error.__cause__ or error.__context__


class Clock:
    """Goes ahead by itself over pauses that are longer than those between two looks at a job."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def sleep(self, seconds: float) -> None:
        if seconds > LOOK_SECONDS:
            self._ahead += seconds
        else:
            time.sleep(seconds)  # between two looks at a job, over HTTP; longer pauses take no time


class Recorder(logging.Handler):
    """Notes records as they are made, before anything masks them."""

    def __init__(self, notes: Notes) -> None:
        super().__init__(logging.DEBUG)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self._notes.write("logs", f"{record.name}: {record.getMessage()}", record.args)
        if record.exc_info:
            self._notes.error(record.exc_info[1])


def objects(notes: Notes) -> None:
    """Note what every object of the package that is alive says of itself."""
    for each in gc.get_objects():
        kind = type(each)
        if not str(kind.__module__).startswith((PACKAGE, *OTHERS)) or isinstance(each, type):
            continue
        try:
            told = [repr(each), str(each)]
        except AttributeError:
            if not dataclasses.is_dataclass(each):
                raise
            # One that another thread is just making: what it has by now.
            told = [repr(getattr(each, field.name, "")) for field in dataclasses.fields(each)]
        notes.write("objects", *told)
        if kind.__name__.endswith(("Hook", "Operator", "Sensor", "Trigger")):
            notes.write("objects", {name: value for name, value in vars(each).items() if name != "_token"})


def listen_everywhere(notes: Notes) -> None:
    """Note records of all loggers, what triggers leave in their rows, and metrics."""
    from airflow_provider_jobs import compat  # noqa: PLC0415 - Airflow reads its settings first
    from airflow_provider_jobs.triggers import job, start  # noqa: PLC0415

    recorder = Recorder(notes)
    for name in [None, *logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        if (name or "").startswith(LOUD):
            continue
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
        if name is None or not logger.propagate:
            logger.addHandler(recorder)

    def noted(told: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def serialize(trigger: Any) -> Any:
            row = told(trigger)
            notes.write("triggers", json.dumps(row, default=repr))
            return row

        return serialize

    kinds: list[Any] = [job.JobTrigger, start.StartTrigger]
    for kind in kinds:
        if "serialize" in vars(kind):
            kind.serialize = noted(kind.serialize)

    class Stats:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: notes.write("metrics", name, args, kwargs)

    patched: Any = compat
    patched.stats = Stats


def hurry() -> None:
    """Let long pauses take no time."""
    from airflow_provider_jobs.core.http.retry import Timing  # noqa: PLC0415
    from airflow_provider_jobs.core.http.transport import Transport  # noqa: PLC0415
    from airflow_provider_jobs.core.wait import group, single  # noqa: PLC0415
    from airflow_provider_jobs.operators import base, following  # noqa: PLC0415
    from airflow_provider_jobs.triggers import job, sharing  # noqa: PLC0415

    with contextlib.suppress(ImportError):
        from google.auth import _exponential_backoff  # noqa: PLC0415

        _exponential_backoff.time = types.SimpleNamespace(sleep=lambda seconds: None)
    kind: Any = Transport
    begin = kind.__init__

    def hurried(transport: Transport, *arguments: Any, **options: Any) -> None:
        clock = Clock()
        begin(transport, *arguments, **{"timing": Timing(clock.now, clock.sleep), **options})

    kind.__init__ = hurried
    patched: list[Any] = [single, sharing, base, job, following]
    patched[0].FLOOR_SECONDS = 0.05
    patched[1].OUTAGE_SECONDS = OUTAGE_SECONDS
    patched[2].FIRST_POLL_SECONDS = patched[3].FIRST_POLL_SECONDS = 0.1
    patched[4].CANCEL_SECONDS = 0.5
    for waiting in (single.wait_for, group.PollGroup.__init__):
        cast("dict[str, Any]", waiting.__kwdefaults__)["outage_seconds"] = OUTAGE_SECONDS


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def log_in(notes: Notes, login: Mapping[str, Any]) -> None:
    """Test a connection, and use it."""
    module, _, name = login["hook"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)()
    if masker := sys.modules.get("airflow.sdk._shared.secrets_masker"):
        masker.reset_secrets_masker()  # for each secret it compiles a pattern of all anew
    notes.write("said", login["name"], hook.test_connection())
    try:
        notes.write("said", hook.probe(hook.get_conn()))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        notes.error(error)
    notes.write("objects", repr(hook), vars(hook))


def run_dag(notes: Notes, scenario: Mapping[str, Any]) -> None:
    """Run a task of each kind in a real Airflow, and note what became of it."""
    sys.modules.pop("tests.contract.secrets.dags.canary", None)
    dag = importlib.import_module("tests.contract.secrets.dags.canary").dag

    def failed(context: Any) -> None:
        if isinstance(error := context.get("exception"), BaseException):
            notes.error(error)
        notes.write("objects", *map(repr, context.values()))

    for task in dag.tasks:
        task.on_failure_callback = [failed]
    compat = importlib.import_module(f"{PACKAGE}.compat")
    with compat.shared_test_api(), fault(scenario.get("fault")):
        run = dag.test()
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    notes.write("states", json.dumps({scenario["name"]: states}))
    objects(notes)


@contextlib.contextmanager
def fault(asked: Mapping[str, Any] | None) -> Iterator[None]:
    """Have the sandbox spoil replies meanwhile."""
    if asked is None:
        yield
        return
    headers = {"Authorization": f"Bearer {asked['token']}"}
    requests.post(asked["url"], json=asked["spec"], headers=headers, timeout=30).raise_for_status()
    try:
        yield
    finally:
        requests.delete(asked["url"], headers=headers, timeout=30).raise_for_status()


def dump(notes: Notes) -> None:
    """Note all rows of Airflow's database: XComs, states of tasks, deferred tasks, rendered fields."""
    from airflow.configuration import conf  # noqa: PLC0415 - as above

    path = conf.get("database", "sql_alchemy_conn").removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as database:
        notes.write("database", *database.iterdump())


def lineage(notes: Notes) -> None:
    """Note what hooks have reported of where data comes from and goes to."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector  # noqa: PLC0415 - as above

    collector = get_hook_lineage_collector()
    notes.write("lineage", type(collector), vars(collector), collector.collected_assets)


def main(plan: Mapping[str, Any], folder: Path) -> None:
    """Play all scenarios of a plan."""
    from airflow.utils.db import initdb  # noqa: PLC0415 - as above

    notes = Notes(folder)
    initdb()
    hurry()
    listen_everywhere(notes)
    gc.freeze()  # what is older holds nothing of the connections, and need not be looked through
    for number, login in enumerate(plan["logins"]):
        with environment(login["environment"]):
            log_in(notes, login)
        if number % KEPT == 0:
            objects(notes)
    for scenario in plan["runs"]:
        with environment(scenario["environment"]):
            run_dag(notes, scenario)
    dump(notes)
    lineage(notes)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
