"""What is uploaded with ``combine`` is what one job for each file would have loaded, or it is refused.

``COMBINE_EXAMPLES=5000`` in the environment tries so many files.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowException
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.sources.slices import joined
from airflow_provider_jobs.core.sources.source import FileSource
from airflow_provider_jobs.core.wait import single as polling
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from airflow_provider_jobs.sandbox.bigquery.engine.files.csv_rows import records
from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import read_options
from tests.integration.files import JSON_FILES, Dialect, csv_files, dialects
from tests.integration.lab import Lab
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox

EXAMPLES = int(os.environ.get("COMBINE_EXAMPLES", "40"))
LONG = EXAMPLES > 1000
PROFILE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
SCHEMA = [{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING"}]


@dataclass
class Bench:
    """Uploads files, each example to a project of its own."""

    sandbox: Sandbox
    folder: Path
    patch: pytest.MonkeyPatch
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def lab(self) -> Lab:
        project = f"combine-{next(self.numbers)}"
        extra = f"api_endpoint={self.sandbox.bigquery}&access_token={self.sandbox.token}&project={project}"
        self.patch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", f"bigquery-jobs://?{extra}")
        polling.FLOOR_SECONDS = 0.005  # the fixture of all integration tests puts it back
        lab = Lab(self.sandbox, project)
        lab.dataset("d")
        return lab

    def write(self, contents: Sequence[bytes]) -> list[str]:
        paths = [self.folder / f"{number}.txt" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return [str(path) for path in paths]

    def table(self, lab: Lab, name: str) -> tuple[Any, Counter[str]] | None:
        """Return the schema and the rows of a table, in no order; None if there is none."""
        url = f"{lab.sandbox.bigquery}/bigquery/v2/projects/{lab.project}/datasets/d/tables/{name}"
        headers = {"Authorization": f"Bearer {lab.sandbox.token}"}
        found = requests.get(url, headers=headers, timeout=30)
        if found.status_code == requests.codes.not_found:
            return None
        rows = requests.get(f"{url}/data", headers=headers, timeout=30).json()
        return found.json()["schema"], Counter(repr(row) for row in rows.get("rows", []))


@pytest.fixture(scope="module")
def bench(jobs_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        yield Bench(jobs_sandbox, tmp_path_factory.mktemp("combine"), patch)


def upload(table: str, task_id: str, **parameters: Any) -> str:
    """Upload, and return why it failed; nothing if it did not."""
    operator = BigQueryUploadOperator(
        task_id=task_id, destination_table=f"d.{table}", deferrable=False, inline_wait=5, **parameters
    )
    try:
        operator.execute(TaskRun(task_id=task_id).context())
    except AirflowException as error:
        return str(error)
    return ""


def compare(bench: Bench, contents: Sequence[bytes], **parameters: Any) -> str:
    """Upload files together, and each for itself; return why the former was refused."""
    lab = bench.lab()
    sources = bench.write(contents)
    failure = upload("together", "together", source=sources, combine=True, **parameters)
    if failure and not lab.jobs():
        assert bench.table(lab, "together") is None
        return failure
    apart = [
        upload("apart", f"apart{number}", source=source, **parameters)
        for number, source in enumerate(sources)
    ]
    if any(apart):
        # Files of which one is refused alone: a schema of their own, found in all of them, may take them.
        assert failure or parameters.get("autodetect"), (apart, bench.table(lab, "together"))
        return "separate failed: " + next(filter(None, apart))
    assert not failure
    assert bench.table(lab, "together") == bench.table(lab, "apart")
    return ""


@PROFILE
@given(dialect=dialects(), data=st.data())
def test_csv(bench: Bench, dialect: Dialect, data: st.DataObject) -> None:
    contents = data.draw(csv_files(dialect))
    parameters: dict[str, Any] = {"skip_leading_rows": dialect.skip, "options": dialect.options}
    parameters |= {"autodetect": True} if dialect.autodetect else {"schema": SCHEMA}
    compare(bench, contents, **parameters)


@settings(PROFILE, max_examples=EXAMPLES // 2)
@given(contents=JSON_FILES, autodetect=st.booleans())
def test_json(bench: Bench, contents: list[bytes], autodetect: bool) -> None:
    parameters: dict[str, Any] = {"autodetect": True} if autodetect else {"schema": SCHEMA}
    compare(bench, contents, source_format="NEWLINE_DELIMITED_JSON", **parameters)


def records_of(path: Path, dialect: Dialect) -> tuple[list[Any], bool]:
    """Return the cells that BigQuery finds in a file, and whether it finds fault with it."""
    options = read_options({**dialect.options, "skipLeadingRows": dialect.skip or 0})
    found = list(records(path, options))
    return [record.cells for record in found], any(record.problem for record in found)


@settings(PROFILE, max_examples=EXAMPLES * 10)
@given(dialect=dialects(), data=st.data())
def test_records(dialect: Dialect, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same of records alone, which takes no server: so there can be many."""
    folder = tmp_path_factory.getbasetemp()
    paths = [folder / f"{number}.csv" for number in range(4)]
    contents = data.draw(csv_files(dialect))
    for path, content in zip(paths, contents, strict=False):
        path.write_bytes(content)
    paths = paths[: len(contents)]
    try:
        source = joined({path.name: FileSource(path) for path in paths}, dialect.form, dialect.encoding or "")
    except ConfigurationError:
        return
    whole = folder / "whole.csv"
    with closing(source.open()) as reader:
        whole.write_bytes(b"".join(iter(lambda: reader.read(5), b"")))
    apart = [records_of(path, dialect) for path in paths]
    together, faulty = records_of(whole, dialect)
    if any(fault for _, fault in apart):
        assert faulty
    else:
        assert together == [record for found, _ in apart for record in found]
