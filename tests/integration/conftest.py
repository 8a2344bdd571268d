"""Operators, hooks and sensors against the sandbox, through real HTTP."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.wait import single as polling
from airflow_provider_jobs.operators import endings, following
from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.triggers import job as job_triggers
from tests.integration.lab import Lab
from tests.unit.core.conftest import serve, tls_server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve", "tls_server"]

collect_ignore = ["plugin_project"]  # test_pytest_plugin.py runs it in a process of its own


@pytest.fixture(scope="session")
def jobs_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session", autouse=True)
def shared_test_api() -> Iterator[None]:
    with compat.shared_test_api():
        yield


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests look at the sandbox's short jobs more often than half a second allows."""
    monkeypatch.setattr(polling, "FLOOR_SECONDS", 0.05)


@pytest.fixture
def short_graces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait for long that a test makes fail."""
    monkeypatch.setattr(endings, "NICE_SECONDS", 2.0)
    monkeypatch.setattr(following, "CANCEL_SECONDS", 3.0)
    monkeypatch.setattr(several, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(job_triggers, "CANCEL_PAUSE_SECONDS", 0.05)


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    project = f"lab-{uuid.uuid4().hex[:12]}"
    extra = {"project": project, "api_endpoint": jobs_sandbox.bigquery, "access_token": jobs_sandbox.token}
    connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
    (jobs_sandbox.buckets / project).mkdir()
    yield Lab(jobs_sandbox, project)
    jobs_sandbox.clear_faults()
