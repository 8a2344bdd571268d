"""A table of the sandbox's Redivis, empty for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.redivis.lab import RedivisLab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedivisLab]:
    lab = RedivisLab(jobs_sandbox, monkeypatch)
    lab.make_table()
    jobs_sandbox.clear_requests()
    yield lab
    jobs_sandbox.clear_faults()
    jobs_sandbox.redivis_settings(queued_polls=0)
