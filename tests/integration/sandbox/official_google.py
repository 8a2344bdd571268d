"""Google's own provider, unchanged, from an environment of its own: ``make google-provider``.

Its name keeps this file out of every other run: the provider is 137 packages, 1.2 GB. A real Airflow's
``dags test`` runs the DAGs of ``google_dags``.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

AIRFLOW = Path(os.environ.get("PEER", Path(__file__).parents[3] / ".venv-peer")) / "bin/airflow"
DAGS = Path(__file__).with_name("google_dags")
SECONDS = 600
PROJECT = "google-provider"


class Peer:
    """An Airflow with Google's provider, whose connection leads to a sandbox."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox = sandbox
        people = home / "people.csv"
        people.write_text("id,name\n1,Ann\n2,Bob\n")
        key = {"project": PROJECT, "key_path": str(sandbox.key_file)}
        connection = {"conn_type": "google_cloud_platform", "extra": key}
        self._environment = {
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection),
            "BIGQUERY_EMULATOR_HOST": sandbox.bigquery,
            "STORAGE_EMULATOR_HOST": sandbox.url,
            "NO_PROXY": "127.0.0.1",
            "PEOPLE": str(people),
        }
        self.run("db", "migrate").check_returncode()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(AIRFLOW), *arguments]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def test(self, dag_id: str) -> subprocess.CompletedProcess[str]:
        """Let Airflow run a DAG to its end."""
        return self.run("dags", "test", dag_id, "--dagfile-path", str(DAGS / "google_provider.py"))


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with Sandbox() as sandbox:
        yield Peer(sandbox, tmp_path_factory.mktemp("home"))


def test_a_file_is_sent_loaded_queried_and_checked(peer: Peer) -> None:
    done = peer.test("google_provider")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    jobs = peer.sandbox.bigquery_jobs()
    assert [job["status"]["state"] for job in jobs] == ["DONE"] * len(jobs)
    assert not [job["status"]["errorResult"] for job in jobs if "errorResult" in job["status"]]
    kinds = [next(iter(job["configuration"].keys() & {"load", "query"})) for job in jobs]
    assert kinds == ["query", "load", "query", "query", "query"]
    (load,) = [job for job in jobs if "load" in job["configuration"]]
    assert load["configuration"]["load"]["sourceUris"] == ["gs://people/in/people.csv"]
    assert load["statistics"]["load"]["outputRows"] == "2"
    asked = [each for each in peer.sandbox.requests() if each["operation"].startswith("storage.")]
    names = {each["operation"].removeprefix("storage.") for each in asked}
    assert names >= {"buckets.insert", "objects.insert", "objects.list", "objects.delete"}
    assert {each["account"] for each in asked} == {jobs[0]["user_email"]}
    assert list((peer.sandbox.buckets / "people").iterdir()) == []


def test_a_check_that_does_not_hold_fails(peer: Peer) -> None:
    done = peer.test("google_failures")
    assert done.returncode != 0
    assert "DagRun failed" in done.stderr
    assert "Test failed" in done.stdout + done.stderr
