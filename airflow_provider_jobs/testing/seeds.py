"""Data that a test begins with: a folder becomes BigQuery tables, Salesforce records, files in buckets.

``bigquery/DATASET/TABLE.csv``, ``salesforce/OBJECT.csv``, ``buckets/BUCKET/any/path``.
"""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from airflow_provider_jobs.sandbox.bigquery.engine import ApiError, JobProblem, RunningJob
from airflow_provider_jobs.sandbox.salesforce.org import IngestFailed, SalesforceRefusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox

# How each is loaded into BigQuery, and read by DuckDB.
# Of CSV nothing is guessed: Salesforce's Bulk API does not, and a guess may take records for comments.
CSV = (
    {"sourceFormat": "CSV", "skipLeadingRows": 1, "allowQuotedNewlines": True},
    """read_csv(?, all_varchar=1, header=1, delim=',', quote='"', escape='"', comment='')""",
)
LINES = {"sourceFormat": "NEWLINE_DELIMITED_JSON"}, "read_json(?)"
PARQUET = {"sourceFormat": "PARQUET"}, "read_parquet(?)"
FORMATS: dict[str, tuple[dict[str, Any], str]] = {".csv": CSV}
FORMATS |= dict.fromkeys((".json", ".ndjson", ".jsonl"), LINES) | {".parquet": PARQUET}
SCHEMA = ".schema.json"


def bring(sandbox: Sandbox, project: str, folder: Path) -> None:
    """Bring a folder's data in, without a job or request that a test would count.

    :raises ValueError: a file's place or format means nothing here, or its data was refused.
    """
    for path in _inside(folder):
        with _naming(path):
            if path.name == "bigquery":
                _bring_tables(sandbox, project, path)
            elif path.name == "salesforce":
                _bring_records(sandbox, path)
            elif path.name == "buckets":
                shutil.copytree(path, sandbox.buckets, dirs_exist_ok=True)
            else:
                raise ValueError("seeds are in folders named bigquery, salesforce, buckets")


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let what goes wrong name the file."""
    try:
        yield
    except (ApiError, JobProblem, IngestFailed, SalesforceRefusal, duckdb.Error, ValueError) as problem:
        told = str(problem)
        raise ValueError(told if str(path) in told else f"{path}: {told}") from problem


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _data_files(folder: Path) -> Iterator[Path]:
    for path in _inside(folder):
        if not path.is_file() or path.suffix not in FORMATS:
            raise ValueError(f"{path} is not a file that ends with {', '.join(FORMATS)}")
        if not path.name.endswith(SCHEMA):
            yield path


def _bring_tables(sandbox: Sandbox, project: str, folder: Path) -> None:
    for each in _inside(folder):
        owner, _, dataset = each.name.rpartition(".")
        reference = {"projectId": owner or project, "datasetId": dataset}
        known = sandbox.engine.list_datasets(reference["projectId"])
        if dataset not in {found["datasetReference"]["datasetId"] for found in known}:
            sandbox.engine.insert_dataset(reference["projectId"], {"datasetReference": reference})
        for path in _data_files(each):
            with _naming(path):
                _load(sandbox, {**reference, "tableId": path.stem}, path)


def _load(sandbox: Sandbox, table: dict[str, str], path: Path) -> None:
    """Load a file into a table; its types are those of the schema beside it, else detected."""
    work: dict[str, Any] = {
        "destinationTable": table,
        "writeDisposition": "WRITE_TRUNCATE",
        "autodetect": True,
    }
    work |= FORMATS[path.suffix][0]
    schema = path.with_name(path.stem + SCHEMA)
    if schema.exists():
        work |= {"schema": {"fields": json.loads(schema.read_text())}, "autodetect": False}
    if path.suffix == ".json" and (text := path.read_text(encoding="utf-8")).lstrip().startswith("["):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in json.loads(text))
            file.flush()
            _run(sandbox, work, Path(file.name))
        return
    _run(sandbox, work, path)
    if path.suffix == ".csv" and not schema.exists():
        # Columns are named by the first line also where all are texts: there BigQuery detects no header.
        found = sandbox.engine.get_table(*table.values())["schema"]["fields"]
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file))
        if len(names) != len(found):
            raise ValueError(f"its header has {len(names)} columns, its lines have {len(found)}")
        fields = [{**field, "name": name} for field, name in zip(found, names, strict=True)]
        if fields != found:
            _run(sandbox, {**work, "schema": {"fields": fields}, "autodetect": False}, path)


def _run(sandbox: Sandbox, load: dict[str, Any], media: Path) -> None:
    project = load["destinationTable"]["projectId"]
    sandbox.engine.run(RunningJob(project, "seed", "US", {"load": load}, threading.Event(), media))


def _bring_records(sandbox: Sandbox, folder: Path) -> None:
    for path in _data_files(folder):
        with _naming(path), tempfile.TemporaryDirectory() as scratch, duckdb.connect() as connection:
            records = Path(scratch) / "records.csv"
            # As Salesforce takes them: times in UTC, lines that end with a line feed, no value for null.
            form = "HEADER, DELIMITER ',', TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%gZ'"
            read = f"SELECT * FROM {FORMATS[path.suffix][1]}"  # noqa: S608 - our words
            connection.execute(f"COPY ({read}) TO '{records}' ({form})", [str(path)])
            outcome = sandbox.org.ingest(path.stem, "insert", None, records, into=Path(scratch) / "results")
            if outcome.failed_count:
                with outcome.failed.open(newline="", encoding="utf-8") as file:
                    reasons = sorted({row["sf__Error"] for row in csv.DictReader(file)})
                raise ValueError(f"{outcome.failed_count} records: {'; '.join(reasons)}")
