"""The sandbox's org, for one test after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.salesforce.lab import SalesforceLab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[SalesforceLab]:
    lab = SalesforceLab(jobs_sandbox, monkeypatch)
    yield lab
    lab.end()
