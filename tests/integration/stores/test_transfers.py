"""Salesforce's records go to stores as they go to folders."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
import uuid
from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.integration.salesforce.lab import csv_rows
from tests.integration.transfers.targets import Targets, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox
    from tests.integration.stores.servers import Store


@pytest.fixture
def s3(s3_server: Store) -> Iterator[Store]:
    s3_server.attach()
    yield s3_server
    s3_server.detach()


@pytest.fixture
def targets(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Targets]:
    targets = Targets(jobs_sandbox, monkeypatch, tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield targets
    targets.lab.end()


def test_a_bucket_has_the_parts_and_the_manifest(s3: Store, targets: Targets, tmp_path: Path) -> None:
    """Nothing stays on the worker's disk."""
    targets.route.accounts(1, 2, 3)
    before = {path.name for path in tmp_path.iterdir()}
    lake = f"{s3.root}/{uuid.uuid4().hex[:8]}"
    result = targets.run(targets.to_files(results_path=lake, compression="gzip", page_records=2))
    assert result["folder"].startswith(f"{lake}/Account/run=")
    assert result["manifest"] == f"{result['folder']}/manifest.json"
    store, folder = s3.file_system(), result["folder"].removeprefix("s3://")
    manifest = json.loads(store.cat_file(f"{folder}/manifest.json"))
    assert [each["name"] for each in manifest["files"]] == ["part-00000.csv.gz", "part-00001.csv.gz"]
    rows = []
    for each in manifest["files"]:
        content = store.cat_file(f"{folder}/{each['name']}")
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
        rows += csv_rows(gzip.decompress(content))
    assert values(rows) == dict.fromkeys((1, 2, 3), ("Acme", "false"))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_bucket_that_is_not_there_is_told_before_anything_is_read(s3: Store, targets: Targets) -> None:
    with pytest.raises(AirflowFailException, match="there is no nothing"):
        targets.run(targets.to_files(results_path="s3://nothing/lake"))
    assert targets.lab.jobs("query") == []
