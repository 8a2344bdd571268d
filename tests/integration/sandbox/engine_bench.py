"""An engine in a folder of its own, with short words for the jobs that tests run."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.sandbox.bigquery.engine import Engine, JobProblem, Outcome, RunningJob

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = "test-project"


def fields(*columns: str) -> dict[str, Any]:
    """A schema from ``name:TYPE`` or ``name:TYPE:MODE``."""
    parts = [column.split(":") for column in columns]
    return {"fields": [dict(zip(("name", "type", "mode"), part, strict=False)) for part in parts]}


class Bench:
    """The dataset ``d`` in US, the dataset ``eu`` in EU, the bucket ``data``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.engine = Engine(root)
        self.bucket = root / "buckets" / "data"
        if not self.bucket.exists():
            self.reset()

    def reset(self) -> None:
        """Start anew, but for the engine, which takes a while to open."""
        shutil.rmtree(self.bucket, ignore_errors=True)
        self.bucket.mkdir()
        for dataset in self.engine.list_datasets(PROJECT):
            name = dataset["datasetReference"]["datasetId"]
            self.engine.delete_dataset(PROJECT, name, delete_contents=True)
        self.engine.insert_dataset(PROJECT, {"datasetReference": {"datasetId": "d"}})
        self.engine.insert_dataset(PROJECT, {"datasetReference": {"datasetId": "eu"}, "location": "EU"})

    def put(self, name: str, content: str | bytes) -> str:
        """Make an object; give its URI."""
        path = self.bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return f"gs://data/{name}"

    def run(
        self,
        configuration: dict[str, Any],
        *,
        location: str = "US",
        cancelled: threading.Event | None = None,
        media: Path | None = None,
    ) -> Outcome:
        event = cancelled or threading.Event()
        return self.engine.run(RunningJob(PROJECT, "job", location, configuration, event, media))

    def fail(self, configuration: dict[str, Any], **more: Any) -> JobProblem:
        """Run a job that has to fail; DuckDB must not show in what it says."""
        with pytest.raises(JobProblem) as caught:
            self.run(configuration, **more)
        said = " ".join(error["message"] for error in caught.value.errors)
        assert not any(
            word in said for word in ("DuckDB", "Binder", "LINE 1", "Conversion Error", "store.t_")
        )
        return caught.value

    @staticmethod
    def sql(text: str, **options: Any) -> dict[str, Any]:
        default = {"datasetId": "d", "projectId": PROJECT}
        return {"query": {"query": text, "useLegacySql": False, "defaultDataset": default, **options}}

    def query(self, text: str, **options: Any) -> Outcome:
        return self.run(self.sql(text, **options))

    def values(self, text: str, **options: Any) -> list[list[Any]]:
        """The rows of a query, cells without their wrapping."""
        return self.cells(self.query(text, **options).configuration["query"]["destinationTable"])

    def cells(self, table: str | dict[str, str], **options: Any) -> list[list[Any]]:
        reference = {"datasetId": "d", "tableId": table} if isinstance(table, str) else table
        rows = self.engine.read_rows(
            PROJECT, reference["datasetId"], reference["tableId"], start=0, count=10_000, **options
        )
        return [[cell["v"] for cell in row["f"]] for row in rows]

    def load(self, table: str, *uris: str, **options: Any) -> Outcome:
        return self.run(self.loading(table, *uris, **options))

    @staticmethod
    def loading(table: str, *uris: str, **options: Any) -> dict[str, Any]:
        load = {"destinationTable": {"datasetId": "d", "tableId": table}, **options}
        return {"load": {**load, "sourceUris": list(uris)} if uris else load}

    @staticmethod
    def extracting(table: str, *uris: str, **options: Any) -> dict[str, Any]:
        return {
            "extract": {
                "sourceTable": {"datasetId": "d", "tableId": table},
                "destinationUris": list(uris),
                **options,
            }
        }

    def columns(self, table: str) -> list[tuple[str, str, str]]:
        schema = self.engine.get_table(PROJECT, "d", table)["schema"]
        return [(each["name"], each["type"], each["mode"]) for each in schema["fields"]]
