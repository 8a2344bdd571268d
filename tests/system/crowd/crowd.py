"""A real Airflow with many deferred tasks, and one sandbox for all their jobs."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.demo.airflow import DATABASE, Airflow

if TYPE_CHECKING:
    from types import TracebackType

HERE = Path(__file__).parent
DAG = "crowd"
PAGE = 1000
SETTINGS = {
    # A triggerer that is gone is missed soon, and one that is only busy is not.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
}


class Crowd:
    """Starts on entering, ends on leaving.

    :param folder: For the file that is uploaded.
    :param queries: BigQuery jobs a run.
    :param uploads: Redivis uploads a run.
    :param projects: That the queries are spread over.
    :param retries: Of each task.
    """

    def __init__(
        self, folder: Path, *, queries: int, uploads: int = 0, projects: int = 1, retries: int = 0
    ) -> None:
        self.queries, self.uploads, self.projects, self.retries = queries, uploads, projects, retries
        self._file = folder / "numbers.csv"
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self.sandbox = opened.enter_context(Sandbox())
            self._file.write_text("number\n1\n2\n")
            self.airflow = opened.enter_context(Airflow(HERE / "dags", self._environment(), apart=True))
            self.airflow.wait_dags(DAG)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _environment(self) -> dict[str, str]:
        google = {
            "project": "crowd-0",
            "api_endpoint": self.sandbox.bigquery,
            "iam_endpoint": self.sandbox.url,
            "key_path": str(self.sandbox.key_file),
        }
        redivis = {"host": self.sandbox.redivis, "password": self.sandbox.redivis_token}
        return SETTINGS | {
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps({"conn_type": "bigquery_jobs", "extra": google}),
            "AIRFLOW_CONN_REDIVIS_DEFAULT": json.dumps({"conn_type": "redivis", **redivis}),
            "AIRFLOW_VAR_CROWD_FILE": str(self._file),
            "CROWD_QUERIES": str(self.queries),
            "CROWD_UPLOADS": str(self.uploads),
            "CROWD_PROJECTS": str(self.projects),
            "CROWD_RETRIES": str(self.retries),
        }

    def start(self) -> str:
        """Start a run; return its id."""
        return self.airflow.rest.trigger(DAG)

    def count(self, run_id: str, *states: str) -> int:
        """Return how many tasks of a run are in one of the states."""
        filters = {"state": list(states), "limit": 1}
        path = f"/dags/{DAG}/dagRuns/{run_id.replace('+', '%2B')}/taskInstances"
        return int(self.airflow.rest.call("GET", path, params=filters)["total_entries"])

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the tasks of a run, if they fit a page."""
        return self.airflow.rest.tasks(DAG, run_id)

    def story(self, run_id: str, task: dict[str, Any]) -> str:
        """Return what a task's attempts and triggers have logged."""
        where = f"task_id={task['task_id']}/map_index={task['map_index']}"
        logs = self.airflow.home.glob(f"logs/dag_id={DAG}/run_id={run_id}/{where}/*.log")
        ordered = sorted(logs, key=lambda log: log.stat().st_mtime)
        return "".join(f"--- {log}\n{log.read_text(errors='replace')}" for log in ordered)

    def triggerers(self) -> int:
        """Return how many triggerers have reported themselves; Airflow's API tells of one."""
        [(count,)] = self._rows("SELECT COUNT(*) FROM job WHERE job_type = 'TriggererJob'")
        return int(count)

    def held(self) -> dict[int | None, set[int]]:
        """Return the map indexes of the tasks that each triggerer watches; Airflow's API does not tell."""
        holders: dict[int | None, set[int]] = {}
        for triggerer, index in self._rows(
            "SELECT triggerer_id, map_index FROM task_instance JOIN trigger ON trigger.id = trigger_id"
        ):
            holders.setdefault(triggerer, set()).add(index)
        return holders

    def said(self, triggerer: int | None, indexes: set[int], text: str) -> int:
        """Return how many of these tasks' triggers have logged a text in one triggerer."""
        logs = (self.airflow.home / "logs").rglob(f"*.trigger.{triggerer}.log")
        named = {log.parent.name: log for log in logs}
        own = [named.get(f"map_index={index}") for index in indexes]
        return sum(log is not None and text in log.read_text(errors="replace") for log in own)

    def said_late(self, text: str) -> int:
        """Return how often triggers that had ended have logged a text: into their triggerer's own log."""
        logs = self.airflow.home.glob("triggerer*.log")
        return sum(log.read_text(errors="replace").count(text) for log in logs)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.airflow.home / DATABASE}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def jobs(self) -> list[dict[str, Any]]:
        """Return every BigQuery job that was made."""
        return [job for number in range(self.projects) for job in self._jobs_of(f"crowd-{number}")]

    def _jobs_of(self, project: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"nextPageToken": ""}
        while "nextPageToken" in page:
            filters = {"maxResults": PAGE, "pageToken": page["nextPageToken"], "allUsers": "true"}
            page = self._ask(f"{self.sandbox.bigquery}/bigquery/v2/projects/{project}/jobs", filters)
            found += page.get("jobs", [])
        return found

    def upload_states(self) -> Counter[str]:
        """Return how many uploads are in each state."""
        states: Counter[str] = Counter()
        page: dict[str, Any] = {"nextPageToken": ""}
        while page.get("nextPageToken") is not None:
            filters = {"maxResults": PAGE} | (
                {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            )
            page = self._ask(f"{self.sandbox.redivis}/tables/acme.crowd:next.numbers/uploads", filters)
            states.update(upload["status"] for upload in page["results"])
        return states

    def _ask(self, url: str, filters: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        reply = requests.get(url, params=filters, headers=headers, timeout=60)
        reply.raise_for_status()
        page: dict[str, Any] = reply.json()
        return page
