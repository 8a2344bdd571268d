"""A project of the sandbox for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.transfers.route import Route
from tests.integration.transfers.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def warehouse(jobs_sandbox: Sandbox) -> Warehouse:
    return Warehouse(jobs_sandbox)


@pytest.fixture
def route(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Route]:
    route = Route(jobs_sandbox, monkeypatch, tmp_path)
    yield route
    route.lab.end()
