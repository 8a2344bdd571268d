"""A project of the sandbox for each test."""

from __future__ import annotations

import tempfile
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
def bare_sandbox() -> Iterator[Sandbox]:
    """An org without sample records, and clocks that tests may put forward."""
    with Sandbox(sample_records=False) as sandbox:
        yield sandbox


@pytest.fixture
def targets(bare_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Targets]:
    targets = Targets(bare_sandbox, monkeypatch, tmp_path)
    yield targets
    targets.route.lab.end()


@pytest.fixture
def timed(bare_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Route]:
    """A route whose clock goes as the test says; nothing may be left in the worker's temporary folder."""
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    route = Route(bare_sandbox, monkeypatch, tmp_path)
    yield route
    route.lab.end()
    assert list(spool.iterdir()) == []
