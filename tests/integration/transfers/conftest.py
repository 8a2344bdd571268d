"""A project of the sandbox for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.transfers.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def warehouse(jobs_sandbox: Sandbox) -> Warehouse:
    return Warehouse(jobs_sandbox)
