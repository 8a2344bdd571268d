"""A project of the sandbox for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.transfers.route import Route
from tests.integration.transfers.targets import Targets
from tests.integration.transfers.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def warehouse(jobs_sandbox: Sandbox) -> Warehouse:
    return Warehouse(jobs_sandbox)


@pytest.fixture
def route(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Route]:
    route = Route(jobs_sandbox, monkeypatch, tmp_path)
    yield route
    route.lab.end()


@pytest.fixture(scope="session")
def later_sandbox() -> Iterator[Sandbox]:
    """A sandbox of whose clock these tests alone have the say."""
    with Sandbox(sample_records=False) as sandbox:
        yield sandbox


@pytest.fixture
def targets(later_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Targets]:
    targets = Targets(later_sandbox, monkeypatch, tmp_path)
    yield targets
    targets.route.lab.end()
