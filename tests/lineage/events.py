"""What an Airflow in a process of its own tells OpenLineage while it runs DAGs against the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

HERE = Path(__file__).parent
PROJECT = "lab-lineage"
#: At most, on a machine with other work.
MINUTES = 30


@dataclass
class Told:
    """What was told.

    :param events: Of OpenLineage, in their order.
    :param assets: Events of assets.
    :param log: What the process has printed.
    """

    files: Path
    events: list[dict[str, Any]]
    assets: list[dict[str, Any]]
    log: str

    def of(self, job: str, kind: str = "COMPLETE") -> list[dict[str, Any]]:
        """Return the events of a job, ``dag.task``."""
        return [each for each in self.events if each["job"]["name"] == job and each["eventType"] == kind]


def prepare(sandbox: Sandbox, files: Path) -> None:
    """Put into the sandbox, and into a folder, what the DAGs begin with."""
    (files / "people.csv").write_text("id,name\n1,Ann\n2,Bob\n", encoding="utf-8")
    (files / "accounts_in.csv").write_text("Name\nfirst\nsecond\n", encoding="utf-8")
    bucket = sandbox.buckets / PROJECT / "in"
    bucket.mkdir(parents=True, exist_ok=True)
    (bucket / "people_1.csv").write_text("id,name\n1,Ann\n2,Bob\n", encoding="utf-8")
    _post(
        sandbox, "datasets", {"datasetReference": {"projectId": PROJECT, "datasetId": "d"}, "location": "US"}
    )
    days = "CREATE TABLE d.days AS SELECT day FROM UNNEST(['2026-01-01', '2026-01-02']) AS day"
    _post(sandbox, "queries", {"query": days, "useLegacySql": False})


def _post(sandbox: Sandbox, what: str, body: dict[str, Any]) -> None:
    reply = requests.post(
        f"{sandbox.bigquery}/bigquery/v2/projects/{PROJECT}/{what}",
        json=body,
        headers={"Authorization": f"Bearer {sandbox.token}"},
        timeout=30,
    )
    reply.raise_for_status()


def run(
    sandbox: Sandbox, files: Path, dags: Path, *dag_ids: str, python: str = sys.executable, **more: str
) -> Told:
    """Run DAGs, and return what was told of them.

    :param python: Of the environment whose Airflow runs them.
    :param more: Of its environment.
    """
    events = files / f"{dag_ids[0]}.jsonl"
    done = subprocess.run(
        [python, str(HERE / "program.py"), str(dags), *dag_ids],
        env={**os.environ, **settings(sandbox, files, events, dags), **more},
        capture_output=True,
        text=True,
        timeout=MINUTES * 60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    [assets] = [line for line in done.stdout.splitlines() if line.startswith("ASSETS ")]
    lines = events.read_text(encoding="utf-8").splitlines()
    assets = json.loads(assets.removeprefix("ASSETS "))
    return Told(files, [json.loads(each) for each in lines], assets, done.stdout + done.stderr)


def theirs(sandbox: Sandbox, files: Path, dags: Path, python: str) -> Told:
    """Run the DAG of Google's operators in another environment."""
    extra = {"key_path": str(sandbox.key_file), "project": PROJECT}
    connection = json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
    more = {
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": connection,
        "BIGQUERY_EMULATOR_HOST": sandbox.bigquery,
        # Its checks ask Google itself, wherever a connection leads: nothing leaves this machine.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    return run(sandbox, files, dags / "theirs.py", "theirs", python=python, **more)


def settings(sandbox: Sandbox, files: Path, events: Path, dags: Path) -> dict[str, str]:
    """Return the environment of an Airflow with OpenLineage and with connections to the sandbox."""
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    of_bigquery = {"project": PROJECT, "api_endpoint": sandbox.bigquery, "access_token": sandbox.token}
    of_salesforce = {"instance_url": sandbox.salesforce, "access_token": sandbox.salesforce_token}
    of_redivis = {"host": sandbox.redivis, "password": sandbox.redivis_token}
    connections = {
        "GOOGLE_CLOUD_DEFAULT": {"conn_type": "bigquery_jobs", "extra": of_bigquery},
        "SALESFORCE_DEFAULT": {"conn_type": "salesforce_bulk", "extra": of_salesforce},
        "REDIVIS_DEFAULT": {"conn_type": "redivis", **of_redivis},
    }
    return {
        **{f"AIRFLOW_CONN_{name}": json.dumps(each) for name, each in connections.items()},
        "AIRFLOW_HOME": str(files / f"airflow-{events.stem}"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags if dags.is_dir() else dags.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "lab",
        # On a busy machine the 10 s that it takes by default for an event may be too few.
        "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "120",
        "LINEAGE_FILES": str(files),
        "LINEAGE_PROJECT": PROJECT,
    }
