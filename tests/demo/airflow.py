"""A real Airflow in a temporary home: scheduler, DAG processor, triggerer and API server, each a process.

Spoken to over REST and ended by process id; nothing of Airflow is imported here.
"""

import os
import secrets
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.demo.airflow_rest import AirflowRest
from tests.demo.processes import (
    POLL_SECONDS,
    Program,
    ProgramFailed,
    stop_all,
    wait_until,
)

# The components that Airflow's health check names, beside the database.
COMPONENTS = ("scheduler", "dag_processor", "triggerer")
# A fresh Airflow is ready after half a minute on two cores; a loaded machine may need some times that.
START_SECONDS = 180.0
DATABASE = "airflow.db"
# How long a component waits for its turn to write; SQLite takes one at a time.
DATABASE_SECONDS = 60
MIGRATE_SECONDS = 120.0
RUN_POLL_SECONDS = 0.5  # the API server takes 20 ms of CPU for each look
# Nothing of the caller's settings, accounts and proxies gets in: everything here stays on this machine.
FOREIGN = ("AIRFLOW", "GOOGLE_", "CLOUDSDK_", "PYTHON")
FOREIGN_ENDINGS = ("_PROXY", "_proxy")

Result = TypeVar("Result")


class Airflow:
    """Starts on entering, ends on leaving; the home and everything in it go too.

    :param dags: The DAG folder. No example of Airflow's own is loaded.
    :param environment: More variables for every component: connections (``AIRFLOW_CONN_…``), settings.
    :param apart: Serve workers by an API server of their own. On SQLite a server that is asked to change
        something while it serves a worker may wait for itself: for a test that asks for much.
    :param python: The interpreter of the environment that has Airflow.
    :param pause: Called while waiting; it may raise to end the wait.
    :param report: Told in a few words what is being waited for.
    """

    def __init__(
        self,
        dags: Path,
        environment: Mapping[str, str] | None = None,
        *,
        apart: bool = False,
        python: str = sys.executable,
        pause: Callable[[float], None] = time.sleep,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._dags = dags.resolve()
        self._python = python
        self._pause = pause
        self._report = report
        self.home = Path(tempfile.mkdtemp(prefix="jobs-airflow-"))
        (self.home / "airflow.cfg").touch()  # or several processes would write it at once
        port = free_port()
        task_port = free_port() if apart else port
        jwt_secret = secrets.token_urlsafe(64)
        self.rest = AirflowRest(f"http://127.0.0.1:{port}", jwt_secret, f"http://127.0.0.1:{task_port}")
        self.environment = {
            **inherited_environment(),
            **_settings(self.home, self._dags, port, task_port),
            "AIRFLOW__API_AUTH__JWT_SECRET": jwt_secret,
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            **(environment or {}),
        }
        self._migration = self._program("db", "migrate")
        # Log servers are left out: they listen on every interface, and all logs are on this disk anyway.
        self.scheduler = self._program("scheduler", "--skip-serve-logs")
        self.dag_processor = self._program("dag-processor")
        self.triggerer = self._program("triggerer", "--skip-serve-logs")
        self.api_servers = (
            [
                self._program("api-server", "--apps", "core"),
                self._program(
                    "api-server", "--apps", "execution", "--port", str(task_port), log="task-api-server"
                ),
            ]
            if apart
            else [self._program("api-server")]
        )
        self.programs = [*self.api_servers, self.scheduler, self.dag_processor, self.triggerer]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # an interruption too: what was started has to end
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Make the database, start everything, and wait until Airflow calls itself healthy."""
        self._report(f"starting Airflow {version('apache-airflow')}: first its database")
        self._migration.start()
        for server in self.api_servers:
            server.start()  # imports for seconds before it needs the database
        self.wait(lambda: self._migration.exit_code() is not None, MIGRATE_SECONDS, "airflow db migrate")
        if self._migration.exit_code() != 0:
            raise ProgramFailed(f"airflow db migrate failed. {self._migration.tail()}")
        self._migration.stop()
        self.tune_database()
        for program in self.programs:
            if program not in self.api_servers:
                program.start()
        self.wait_healthy()
        self.rest.login()

    @property
    def folders(self) -> list[Path]:
        """Where Airflow keeps its logs and its database."""
        return [self.home]

    def tune_database(self) -> None:
        """Let who reads no longer keep others from writing: the setting stays in SQLite's file."""
        with closing(sqlite3.connect(self.home / DATABASE)) as database:
            database.execute("PRAGMA journal_mode=WAL")

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database: what tasks do takes a hundredth of what Airflow's REST API takes for it."""
        path = f"file:{self.home / DATABASE}?mode=ro"
        with closing(sqlite3.connect(path, timeout=DATABASE_SECONDS, uri=True)) as database:
            return database.execute(query, values).fetchall()

    def change(self, statement: str, *values: object) -> int:
        """Change the database as time alone would, and return how many rows: nobody waits for an hour."""
        path = self.home / DATABASE
        with closing(sqlite3.connect(path, timeout=DATABASE_SECONDS)) as database, database:
            return database.execute(statement, values).rowcount

    def close(self) -> None:
        """End every process, then remove the home."""
        stop_all([self._migration, *self.programs])
        shutil.rmtree(self.home)

    def add_triggerer(self, environment: Mapping[str, str] | None = None) -> Program:
        """Give another triggerer, which the caller starts; it ends with the rest.

        :param environment: What is another for it than for the rest.
        """
        number = sum(program.name == self.triggerer.name for program in self.programs) + 1
        added = self._program("triggerer", "--skip-serve-logs", log=f"triggerer_{number}")
        added.environment |= environment or {}
        self.programs.append(added)
        return added

    def wait_healthy(self, seconds: float = START_SECONDS) -> None:
        """Wait until every component is healthy.

        :raises ProgramFailed: one ended, or did not become healthy; carries the end of its log.
        """
        waiting: list[str] = []

        def healthy() -> bool:
            missing = self._missing()
            if missing != waiting:
                waiting[:] = missing
                self._report("waiting for " + ", ".join(missing) if missing else "Airflow is healthy")
            return not missing

        try:
            self.wait(healthy, seconds, "Airflow's start")
        except TimeoutError as error:
            late = next(program for program in self.programs if program.name.replace("-", "_") in waiting)
            raise ProgramFailed(f"{error}: {late.name} is not healthy. {late.tail()}") from error

    def _missing(self) -> list[str]:
        health = self.rest.health() if self.rest.task_api_answers() else {}
        return [name for name in COMPONENTS if health.get(name) != "healthy"] if health else ["api_server"]

    def wait_dags(self, *dag_ids: str, seconds: float = 60.0) -> None:
        """Wait until these DAGs can be triggered.

        :raises ProgramFailed: a DAG file cannot be imported; carries the traceback.
        """

        def found() -> bool:
            for name, trace in self.rest.import_errors().items():
                if (self._dags / name).exists():  # else it was taken away while it was read
                    raise ProgramFailed(f"{name} cannot be imported:\n{trace}")
            return set(dag_ids) <= set(self.rest.dag_ids())

        self.wait(found, seconds, f"DAGs {', '.join(dag_ids)}")

    def wait_run(self, dag_id: str, run_id: str, seconds: float) -> str:
        """Wait until a run ended; returns ``success`` or ``failed``."""
        ended = {"success", "failed"}

        def state() -> str | None:
            state = self.rest.run_state(dag_id, run_id)
            return state if state in ended else None

        return self.wait(state, seconds, f"run {run_id} of {dag_id}", RUN_POLL_SECONDS)

    def wait(
        self,
        condition: Callable[[], Result | None],
        seconds: float,
        what: str,
        poll_seconds: float = POLL_SECONDS,
    ) -> Result:
        """Wait for ``condition``, and fail at once if a component ends meanwhile."""

        def look() -> Result | None:
            self.look_after_programs()
            return condition()

        return wait_until(look, seconds, what, self._pause, poll_seconds)

    def look_after_programs(self) -> None:
        """Do nothing, unless a component ended without being asked to.

        :raises ProgramFailed: one did.
        """
        for program in self.programs:
            program.ensure_alive()

    def _program(self, *arguments: str, log: str = "") -> Program:
        command = [self._python, "-m", "airflow", *arguments]
        return Program(arguments[0], command, self.environment, self.home / f"{log or arguments[0]}.log")


def inherited_environment() -> dict[str, str]:
    """The caller's environment without anything that belongs to another Airflow, Python or Google account."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.endswith(FOREIGN_ENDINGS)
    }


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now; Airflow cannot choose one itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _settings(home: Path, dags: Path, port: int, task_port: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    return {
        "AIRFLOW_HOME": str(home),
        "CLOUDSDK_CONFIG": str(home / "gcloud"),  # no account of the user is ever found
        "NO_GCE_CHECK": "true",  # nor is a metadata server asked for one
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{task_port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        # A DAG file that changes is read at once all the same; the others every 30 seconds otherwise.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        # The API server starts while the database is made.
        "AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / DATABASE}?timeout={DATABASE_SECONDS}",
        # React fast: there are only a few tasks. Looking more often takes more CPU, and ends no sooner.
        # A worker that misses the end of its task notices it at the next heartbeat.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.6",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
