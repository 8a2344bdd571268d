"""A real Airflow with many deferred tasks, and one sandbox for all their jobs."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.demo.airflow import Airflow

if TYPE_CHECKING:
    from types import TracebackType

    from tests.demo.processes import Program

HERE = Path(__file__).parent
DAG = "crowd"
PAGE = 1000
#: What asks for states of BigQuery jobs.
LOOKS = frozenset({"bigquery.jobs.get", "bigquery.jobs.list"})
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

    def _bigquery(self, endpoint: str) -> dict[str, str]:
        google = {
            "project": "crowd-0",
            "api_endpoint": endpoint,
            "iam_endpoint": self.sandbox.url,
            "key_path": str(self.sandbox.key_file),
        }
        connection = json.dumps({"conn_type": "bigquery_jobs", "extra": google})
        return {"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": connection}

    def _environment(self) -> dict[str, str]:
        redivis = {"host": self.sandbox.redivis, "password": self.sandbox.redivis_token}
        return SETTINGS | {
            **self._bigquery(self.sandbox.bigquery),
            "AIRFLOW_CONN_REDIVIS_DEFAULT": json.dumps({"conn_type": "redivis", **redivis}),
            "AIRFLOW_VAR_CROWD_FILE": str(self._file),
            "CROWD_QUERIES": str(self.queries),
            "CROWD_UPLOADS": str(self.uploads),
            "CROWD_PROJECTS": str(self.projects),
            "CROWD_RETRIES": str(self.retries),
        }

    def add_triggerer(self) -> Program:
        """Return a second triggerer, to be started; it asks BigQuery at the sandbox's other port."""
        return self.airflow.add_triggerer(self._bigquery(self.sandbox.redivis_storage))

    def start(self) -> str:
        """Start a run; return its id."""
        return self.airflow.rest.trigger(DAG)

    def count(self, run_id: str, *states: str) -> int:
        """Return how many tasks of a run are in one of the states."""
        any_of = ", ".join("?" * len(states))
        query = f"SELECT COUNT(*) FROM task_instance WHERE run_id = ? AND state IN ({any_of})"  # noqa: S608
        [(found,)] = self.airflow.ask(query, run_id, *states)
        return int(found)

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the tasks of a run, if they fit a page."""
        return self.airflow.rest.tasks(DAG, run_id)

    def story(self, run_id: str, task: dict[str, Any]) -> str:
        """Return what a task's attempts and triggers have logged."""
        where = f"task_id={task['task_id']}/map_index={task['map_index']}"
        logs = self.airflow.home.glob(f"logs/dag_id={DAG}/run_id={run_id}/{where}/*.log")
        ordered = sorted(logs, key=lambda log: log.stat().st_mtime)
        return "".join(f"--- {log}\n{log.read_text(errors='replace')}" for log in ordered)

    def triggerers(self) -> list[int]:
        """Return the ids of the triggerers that have reported themselves, the first one's first."""
        rows = self.airflow.ask("SELECT id FROM job WHERE job_type = 'TriggererJob' ORDER BY id")
        return [int(triggerer) for (triggerer,) in rows]

    def heartbeat(self, triggerer: int) -> str:
        """Return when a triggerer was last heard of."""
        [(moment,)] = self.airflow.ask("SELECT latest_heartbeat FROM job WHERE id = ?", triggerer)
        return str(moment)

    def held(self) -> dict[int | None, set[int]]:
        """Return the map indexes of the tasks that each triggerer watches; Airflow's API does not tell."""
        holders: dict[int | None, set[int]] = {}
        for triggerer, index in self.airflow.ask(
            "SELECT triggerer_id, map_index FROM task_instance JOIN trigger ON trigger.id = trigger_id"
        ):
            holders.setdefault(triggerer, set()).add(index)
        return holders

    def looks(self, since: float = 0.0) -> list[tuple[int, int]]:
        """Return which triggerer, 0 or 1, looked at the jobs of which project, oldest look first.

        Workers look where the first triggerer does, but while all tasks are deferred there are none.
        """
        ports = [urlsplit(url).port for url in (self.sandbox.bigquery, self.sandbox.redivis_storage)]
        return [
            (ports.index(entry["port"]), int(found[1]))
            for entry in self.sandbox.requests()
            if entry["operation"] in LOOKS and entry["started_at"] > since
            if (found := re.search(r"/projects/crowd-(\d+)/", entry["path"]))
        ]

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
