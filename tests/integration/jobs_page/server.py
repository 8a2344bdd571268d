"""A real API server of Airflow on a database that tests fill, and no other component."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import sqlalchemy

from tests.demo.airflow import DATABASE, DATABASE_SECONDS, MIGRATE_SECONDS, START_SECONDS, Airflow
from tests.demo.processes import Program, ProgramFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
#: Each with the role of the simple auth manager; some may not read all DAGs.
USERS = {
    "admin": "ADMIN",
    "viewer": "VIEWER",
    "shopkeeper": "VIEWER",
    "stranger": "VIEWER",
    "half": "VIEWER",
}
PASSWORD = "of a test"


class ApiServer(Airflow):
    """Starts on entering, ends on leaving.

    :param base_path: Where Airflow is below its host, ``/`` at the end.
    :param database: SQLAlchemy's addresses of an empty database, blocking and not; default is SQLite.
    :param environment: More settings.
    """

    def __init__(
        self,
        base_path: str = "/",
        database: tuple[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(HERE / "dags")
        self.base_path, self.database = base_path, database and database[0]
        self.url = f"{self.rest.url}{base_path}"
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps(dict.fromkeys(USERS, PASSWORD)))
        databases = ("SQL_ALCHEMY_CONN", "SQL_ALCHEMY_CONN_ASYNC")
        self.environment |= {
            "PYTHONPATH": str(ROOT),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__AUTH_MANAGER": "tests.integration.jobs_page.some_dags_only.SomeDagsOnly",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{USERS[name]}" for name in USERS),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__AIRFLOW_PROVIDER_JOBS__BIGQUERY_PRICE_PER_TIB": "6.25",
            **{
                f"AIRFLOW__DATABASE__{name}": url
                for name, url in zip(databases, database or (), strict=False)
            },
            **(environment or {}),
        }
        self._tokens: dict[str, str] = {}
        self.server = self._program("api-server", "--apps", "core")
        self.programs = [self.server]

    def start(self) -> None:
        """Make the database, let Airflow read the DAGs, and wait until the server answers."""
        self._run("db", "migrate")
        if self.database is None:
            self.tune_database()
        self._run("dags", "reserialize")
        self.server.start()
        self.wait(self.answers, START_SECONDS, "the API server's start")

    def _run(self, *arguments: str) -> None:
        program: Program = self._program(*arguments, log="-".join(arguments))
        program.start()
        try:
            self.wait(lambda: program.exit_code() is not None, MIGRATE_SECONDS, " ".join(arguments))
            if program.exit_code() != 0:
                raise ProgramFailed(f"airflow {' '.join(arguments)} failed. {program.tail()}")
        finally:
            program.stop()

    def answers(self) -> bool:
        """Return whether the server does."""
        try:
            return requests.get(f"{self.url}api/v2/version", timeout=30).ok
        except requests.ConnectionError:
            return False

    def engine(self) -> sqlalchemy.Engine:
        """Return access to the database."""
        address = f"sqlite:///{self.home / DATABASE}?timeout={DATABASE_SECONDS}"
        return sqlalchemy.create_engine(self.database or address)

    def token(self, user: str) -> str:
        """Return what a user gets for name and password; asked for once."""
        if user not in self._tokens:
            given = {"username": user, "password": PASSWORD}
            reply = requests.post(f"{self.url}auth/token", json=given, timeout=60)
            reply.raise_for_status()
            self._tokens[user] = str(reply.json()["access_token"])
        return self._tokens[user]

    def get(
        self,
        path: str,
        user: str | None = None,
        *,
        cookies: dict[str, str] | None = None,
        **parameters: Any,
    ) -> requests.Response:
        """Ask for something below Airflow's address, as a user or as nobody."""
        cookies = {"_token": self.token(user)} if user else cookies
        return requests.get(f"{self.url}{path}", params=parameters, cookies=cookies, timeout=60)
