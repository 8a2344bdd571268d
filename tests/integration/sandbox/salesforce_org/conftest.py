"""Orgs: one that is only read, for all tests, and new ones for those that write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgBench]:
    bench = OrgBench(tmp_path_factory.mktemp("salesforce"))
    yield bench
    bench.org.close()


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[OrgBench]:
    bench = OrgBench(tmp_path, contacts=200)
    yield bench
    bench.org.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgBench]:
    """For tests that do not mind what others have written."""
    bench = OrgBench(tmp_path_factory.mktemp("salesforce"), contacts=200)
    yield bench
    bench.org.close()
