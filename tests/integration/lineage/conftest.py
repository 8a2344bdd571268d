"""One run of a DAG in an Airflow of its own: what OpenLineage's provider has sent, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lineage import events

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

MISSING = "apache-airflow-providers-openlineage is not installed: the extra test has it"


@pytest.fixture(scope="session")
def told(jobs_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> events.Told:
    pytest.importorskip("airflow.providers.openlineage", reason=MISSING)
    files = tmp_path_factory.mktemp("files")
    events.prepare(jobs_sandbox, files)
    jobs_sandbox.timing(project=events.PROJECT, running_seconds=0.1)
    return events.run(jobs_sandbox, files, Path(__file__).parent / "dags", "events")
