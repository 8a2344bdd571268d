"""PostgreSQL and Redis of Debian's packages, each in a temporary folder, on loopback alone.

Neither package's own service is used or touched: only the programs are.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg2
import redis
from psycopg2.extras import execute_batch

from tests.demo.airflow import free_port, inherited_environment
from tests.demo.processes import Program, ProgramFailed, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

START_SECONDS = 60.0
#: Where Debian puts PostgreSQL's programs, a folder a version.
POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
#: PostgreSQL refuses root. Its package makes this user, so that none is made here and left behind.
POSTGRES_USER = "postgres"
DATABASE = "airflow"
#: As PostgreSQL has it by default; every component of Airflow keeps some open.
CONNECTIONS = 100


def missing() -> str:
    """Return what to install, in a sentence; empty if everything is there."""
    absent = [
        package
        for package, found in (("postgresql", postgres_bin()), ("redis-server", shutil.which("redis-server")))
        if not found
    ]
    if not absent:
        return ""
    return f"the cluster needs Debian's packages: apt-get install --yes {' '.join(absent)}"


def postgres_bin() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, if there is one."""
    pattern = Path(POSTGRES_FOLDERS)
    found = [each for each in Path("/").glob(str(pattern.relative_to("/"))) if (each / "initdb").exists()]
    if not found and (program := shutil.which("initdb")):
        return Path(program).resolve().parent
    return max(found, key=lambda each: float(each.parent.name), default=None)


class Server:
    """A server in a temporary folder; starts on entering, ends on leaving.

    :param pause: Called while waiting; it may raise to end the wait.
    """

    name: str
    user: str | None = None
    stop_signal = signal.SIGTERM

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"jobs-{self.name}-"))
        if self.user:
            shutil.chown(self.folder, self.user)
        self.program = Program(
            self.name,
            self.command(),
            inherited_environment(),
            self.folder / f"{self.name}.log",
            user=self.user,
            stop_signal=self.stop_signal,
        )

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:  # an interruption too: what was started has to end
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def command(self) -> Sequence[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    def answers(self) -> bool:
        """Return whether it serves."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, again if it was stopped, and wait until it serves."""
        self.program.start()

        def serves() -> bool:
            self.program.ensure_alive()
            return self.answers()

        wait_until(serves, START_SECONDS, f"{self.name}'s start", self._pause)

    def restart(self) -> None:
        """End it as a restart of its service does, and start it again."""
        self.program.stop(START_SECONDS)
        self.start()

    def close(self) -> None:
        """End it, and remove its folder."""
        self.program.stop(START_SECONDS)
        shutil.rmtree(self.folder)


class Postgres(Server):
    """PostgreSQL, with an empty database for Airflow."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": what is connected is cut off, and nothing is lost

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self.user = POSTGRES_USER if os.geteuid() == 0 else None
        super().__init__(pause)
        account = self.user or pwd.getpwuid(os.geteuid()).pw_name
        address = f"{account}@127.0.0.1:{self.port}/{DATABASE}"
        self.url, self.async_url = f"postgresql+psycopg2://{address}", f"postgresql+asyncpg://{address}"
        self._address: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": account,
            "connect_timeout": 5,
        }

    def command(self) -> Sequence[str]:
        """Return the server's command line: one address, no socket in a folder of the system's."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS),
        }
        return [
            *(str(self._program("postgres")), "-D", str(self._data), "-p", str(self.port)),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _program(self, name: str) -> Path:
        folder = postgres_bin()
        if folder is None:
            raise ProgramFailed(missing())
        return folder / name

    def prepare(self) -> None:
        """Make the database's files."""
        command = [str(self._program("initdb")), "-D", str(self._data), "--auth=trust", "--no-sync"]
        made = subprocess.run(
            [*command, "--encoding=UTF8", "--locale=C.UTF-8"],
            env=inherited_environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            user=self.user,
            extra_groups=[] if self.user else None,
            check=False,
        )
        if made.returncode:
            raise ProgramFailed(f"initdb failed: {made.stderr}")

    def start(self) -> None:
        """Start it, and make Airflow's database if there is none."""
        super().start()
        if not self.rows(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'", "postgres"):  # noqa: S608
            self.rows(f"CREATE DATABASE {DATABASE}", "postgres")

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        try:
            self.rows("SELECT 1", "postgres")
        except psycopg2.OperationalError:
            return False
        return True

    def rows(self, statement: str, database: str = DATABASE, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as a client of its own; return its rows, if it has any."""
        with contextlib.closing(psycopg2.connect(dbname=database, **self._address)) as connection:
            connection.autocommit = True  # a database cannot be made in a transaction
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall()) if cursor.description else []

    def run_many(self, statement: str, values: Sequence[dict[str, Any]]) -> None:
        """Run a statement once for each row of values, in one transaction."""
        connected = contextlib.closing(psycopg2.connect(dbname=DATABASE, **self._address))
        with connected as connection, connection, connection.cursor() as cursor:
            execute_batch(cursor, statement, values)


class Redis(Server):
    """Redis that keeps nothing on disk: what is queued is gone when it ends."""

    name = "redis"

    @property
    def url(self) -> str:
        """The address for Celery."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """Return the server's command line."""
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return ["redis-server", *place, "--save", "", "--appendonly", "no"]

    def unacknowledged(self) -> int:
        """Return how many messages Celery's workers have taken, and not yet acknowledged."""
        with redis.Redis(port=self.port) as client:
            return int(client.zcard("unacked_index"))

    def answers(self) -> bool:
        """Return whether it serves."""
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
