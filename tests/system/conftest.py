"""A real Airflow and the sandbox, shared by the tests of this folder."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.demo.airflow import Airflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
FOLDERS = (HERE / "dags", HERE.parents[1] / "example_dags")
DAG_IDS = (
    *(
        "bigquery_sensors",
        "clears",
        "google_insert_job",
        "lifecycle",
        "salesforce_lifecycle",
        "without_worker",
    ),
    *("upload_to_bigquery", "upload_to_redivis"),
)
PROJECT = "google-dag"
UPLOAD_ROWS = 8 * 1024 * 1024
TEXT = b"x" * 47
RUN_SECONDS = 240.0


@dataclass
class Stage:
    """What a test plays on."""

    airflow: Airflow
    sandbox: Sandbox
    close: Callable[[], None]

    def run(self, dag_id: str) -> tuple[str, str]:
        """Run a DAG to its end; return the run's id and state."""
        run_id = self.airflow.rest.trigger(dag_id)
        return run_id, self.airflow.wait_run(dag_id, run_id, RUN_SECONDS)

    @contextmanager
    def slow_jobs(self, seconds: float) -> Iterator[None]:
        """Let jobs that are submitted meanwhile run at least so long."""
        self.sandbox.timing(project=PROJECT, running_seconds=seconds)
        try:
            yield
        finally:
            self.sandbox.timing(project=PROJECT, running_seconds=0.0)

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """Return a task's log as one text, a line an event."""
        lines = self.airflow.rest.task_log(dag_id, run_id, task_id, try_number)
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)

    def bigquery(self, method: str, path: str, **arguments: Any) -> Any:
        """Speak to the sandbox's API."""
        url = f"{self.sandbox.bigquery}/bigquery/v2/projects/{PROJECT}/{path}"
        return _json(method, url, self.sandbox.token, **arguments)

    def redivis(self, method: str, path: str) -> Any:
        """Speak to the sandbox's other API."""
        return _json(method, f"{self.sandbox.redivis}/{path}", self.sandbox.redivis_token)

    def jobs(self, task_id: str) -> list[dict[str, Any]]:
        """Return the jobs of a task, oldest first, as their labels name it."""
        page = self.bigquery("GET", "jobs", params={"projection": "full", "allUsers": "true"})
        return [
            job
            for job in reversed(page.get("jobs", []))
            if job["configuration"].get("labels", {}).get("airflow-task") == task_id
        ]


def _json(method: str, url: str, token: str, **arguments: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    reply = requests.request(method, url, headers=headers, timeout=30, **arguments)
    reply.raise_for_status()
    return reply.json()


@pytest.fixture(scope="session")
def upload_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 512 MiB of CSV, 64 bytes a row."""
    path = tmp_path_factory.mktemp("upload") / "numbers.csv"
    with path.open("wb") as out:
        for first in range(0, UPLOAD_ROWS, 65536):
            out.write(b"".join(b"%015d,%s\n" % (number, TEXT) for number in range(first, first + 65536)))
    return path


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, upload_file: Path) -> Iterator[Stage]:
    dags = tmp_path_factory.mktemp("dags")
    for folder in FOLDERS:
        shutil.copytree(folder, dags, dirs_exist_ok=True)
    google = dags / "google_insert_job.py"
    google.write_text(
        google.read_text().replace(
            "from airflow.providers.google.cloud.operators.bigquery import",
            "from airflow_provider_jobs.operators.bigquery import",
        )
    )
    with ExitStack() as opened:
        sandbox = opened.enter_context(Sandbox())
        connection = {
            "conn_type": "google_cloud_platform",
            "extra": {
                "project": PROJECT,
                "api_endpoint": sandbox.bigquery,
                "iam_endpoint": sandbox.url,
                "key_path": str(sandbox.key_file),
            },
        }
        redivis = {"conn_type": "redivis", "host": sandbox.redivis, "password": sandbox.redivis_token}
        org = {"instance_url": sandbox.salesforce, "access_token": sandbox.salesforce_token}
        settings = {
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_REDIVIS_DEFAULT": json.dumps(redivis),
            "AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps({"conn_type": "salesforce_bulk", "extra": org}),
            "AIRFLOW_VAR_UPLOAD_FILE": str(upload_file),
        }
        airflow = opened.enter_context(Airflow(dags, settings, apart=True))
        airflow.wait_dags(*DAG_IDS)
        yield Stage(airflow, sandbox, opened.close)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests on the stage be the last of this folder: an idle Airflow takes a fifth of a core."""
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(HERE)]
    for place, item in zip(places, sorted((items[place] for place in places), key=on_stage), strict=True):
        items[place] = item


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Clear the stage when other tests follow."""
    stage: Stage | None = getattr(item, "funcargs", {}).get("stage")
    if stage and not (nextitem and on_stage(nextitem)):
        stage.close()


def on_stage(item: pytest.Item) -> bool:
    return "stage" in getattr(item, "fixturenames", ())
