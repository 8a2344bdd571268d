"""A sandbox that ends does not wait for what its org is executing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import duckdb
import pytest

from airflow_provider_jobs.sandbox.salesforce.org import Org

if TYPE_CHECKING:
    from pathlib import Path


def test_running_query_is_interrupted_and_the_org_closes(tmp_path: Path) -> None:
    org = Org(tmp_path, contacts=1_000_000)
    errors: list[Exception] = []

    def query() -> None:
        try:
            org.run_query("SELECT Id, Name FROM Contact ORDER BY Name", into=tmp_path / "a.csv")
        except duckdb.Error as error:
            errors.append(error)

    thread = threading.Thread(target=query)
    thread.start()
    while thread.is_alive():
        org.interrupt()
        thread.join(0.05)
    org.close()
    assert isinstance(errors[0], duckdb.InterruptException)
    with pytest.raises(duckdb.Error):
        org.run_query("SELECT Id FROM Contact", into=tmp_path / "b.csv")
