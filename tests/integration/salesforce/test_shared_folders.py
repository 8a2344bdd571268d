"""Results in a folder that others write to as well: what they plant and see, and what a kill leaves there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobsError
from tests.integration.salesforce.lab import SOQL, SalesforceLab, content_of, write
from tests.integration.task_run import Attempts, Store, TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

SHORT = "SELECT Id, Name FROM Account LIMIT 40"
RESULTS = ("successful.csv", "failed.csv", "unprocessed.csv")
#: An attempt whose worker is killed in the midst of a download; this Airflow keeps no state of a task.
KILLED = """
import os, signal, sys
from pathlib import Path
from airflow_provider_jobs.clients.salesforce.results.page import Page
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from tests.integration.task_run import TaskRun

blocks = Page.blocks

def cut(page, reply):
    for block in blocks(page, reply):
        yield block
        os.kill(os.getpid(), signal.SIGKILL)

Page.blocks = cut
SalesforceQueryOperator(
    task_id="task", soql="SELECT Id, Name FROM Account LIMIT 40", deferrable=False, poll_interval=0.2,
    inline_wait=0.0, results_path=sys.argv[1],
).execute(TaskRun(run_id=sys.argv[2]).context())
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_attempt(results: Path, run_id: str, home: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(results), run_id],
        env={**os.environ, "AIRFLOW_HOME": str(home)},
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def test_what_a_killed_attempt_left_goes_although_the_next_one_makes_another_job(
    lab: SalesforceLab, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    killed_attempt(folder / "a.csv", "run", tmp_path)
    (left,) = [path for path in folder.iterdir() if path.suffix == ".draft"]
    assert left.stat().st_mode & 0o777 == 0o600
    other = TaskRun(run_id="another run").context()
    perform(lab.query(SHORT, results_path=folder / "b.csv"), other)
    assert left.name in names(folder)  # of another run, whose own retry may want it
    perform(lab.query(SHORT, results_path=folder / "a.csv"), TaskRun(run_id="run").context(2))
    assert names(folder) == ["a.csv", "b.csv"]


class Watching(Store):
    """Looks at a folder whenever a page is whole."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.seen: dict[str, int] = {}

    def set(self, key: str, value: Any, **options: Any) -> None:
        super().set(key, value)
        self.seen |= {path.name: path.stat().st_mode & 0o777 for path in self.folder.iterdir()}


@pytest.mark.parametrize("results_as", ["file", "parts"])
def test_nobody_reads_what_is_not_whole(lab: SalesforceLab, tmp_path: Path, results_as: str) -> None:
    lab.sandbox.salesforce_settings(page_rows=500)
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    store = Watching(folder)
    path = folder / "a.csv" if results_as == "file" else folder
    before = os.umask(0o027)
    try:
        result = perform(lab.query(results_path=path, results_as=results_as), Attempts(store=store).context())
    finally:
        os.umask(before)
    assert len(store.seen) > 1
    assert set(store.seen.values()) == {0o600}
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o640}
    assert len(names(folder)) == result["file_count"]


def test_a_planted_link_is_replaced_and_a_folder_that_is_one_is_used(
    lab: SalesforceLab, tmp_path: Path
) -> None:
    theirs, real, folder = tmp_path / "theirs", tmp_path / "real", tmp_path / "link"
    theirs.write_text("theirs")
    real.mkdir()
    folder.symlink_to(real)
    for name in ("a.csv", *RESULTS):
        (real / name).symlink_to(theirs)
    result = perform(lab.query(SHORT, results_path=folder / "a.csv"))
    assert content_of(result) == b"".join(lab.client.open_results(lab.finished(SHORT)))
    perform(lab.ingest(write(lab, tmp_path, 3), results_path=folder))
    assert [(real / name).is_symlink() for name in ("a.csv", *RESULTS)] == [False] * 4
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize("as_url", [False, True])
@pytest.mark.parametrize("kind", ["a named pipe", "a folder"])
def test_what_is_in_the_way_is_told_before_there_is_a_job(
    lab: SalesforceLab, tmp_path: Path, kind: str, *, as_url: bool
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    for name in ("a.csv", "failed.csv"):
        os.mkfifo(folder / name) if kind == "a named pipe" else (folder / name).mkdir()
    place = f"file://{folder}" if as_url else str(folder)
    for task in (
        lab.query(SOQL, results_path=f"{place}/a.csv"),
        lab.ingest(write(lab, tmp_path, 3), results_path=place),
    ):
        with pytest.raises(AirflowFailException, match=f"is {kind}"):
            perform(task)
    assert lab.jobs() == []
    assert names(folder) == ["a.csv", "failed.csv"]


def test_mapped_tasks_write_side_by_side(lab: SalesforceLab, tmp_path: Path) -> None:
    """What one keeps for its retry is not touched by another that writes to the same folder."""
    lab.sandbox.salesforce_settings(page_rows=500)
    first, second = Attempts(map_index=0), Attempts(map_index=1)
    lab.fault("query.results", "reply", status=503, nth=5, times=0)
    with pytest.raises(JobsError, match="503"):
        perform(lab.query(results_path=tmp_path / "a.csv", parallel_downloads=1), first.context())
    lab.sandbox.clear_faults()
    (kept,) = names(tmp_path)
    perform(lab.query(results_path=tmp_path / "b.csv"), second.context())
    assert names(tmp_path) == sorted([kept, "b.csv"])
    before = len(lab.requests("query.results"))
    result = perform(lab.query(results_path=tmp_path / "a.csv", parallel_downloads=1), first.context(2))
    assert len(lab.requests("query.results")) - before == -(-result["record_count"] // 500) - 4
    assert names(tmp_path) == ["a.csv", "b.csv"]
