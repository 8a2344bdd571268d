"""What a user reads in the log of a task, in each of the ways that a task may end."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow_provider_jobs
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_PACKAGE = Path(airflow_provider_jobs.__file__).parent
#: How a task may come to its end: on its worker, on a second one, or in its trigger.
MODES = ("synchronous", "resumed", "in the trigger")
#: A line as Airflow writes it where nobody reads it as JSON, and what is said in it.
_LINE = re.compile(r"^\S+ \[(?:info|warning|error) *\] (.*?) +\[\S*airflow_provider_jobs\S*\]", re.MULTILINE)


def run_task(make: Callable[..., Any], mode: str, run: TaskRun | None = None) -> dict[str, Any]:
    """Run a task that succeeds in one of the modes, and return its XCom ``job``."""
    run = run or TaskRun()
    task = make(deferrable=mode != "synchronous", inline_wait=0)
    perform(task, run.context(), in_dag_test=mode == "resumed")
    found: dict[str, Any] = run.xcoms["job"]
    return found


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what tasks and triggers have written into their logs since the last time."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    found = [match[1] for match in _LINE.finditer(text)]
    return [line for line in found if "outside of the Task Runner" not in line]


def frames_of_ours(error: BaseException) -> list[str]:
    """Return our files that Airflow would show of an exception, and of those that it comes from."""
    shown = traceback.TracebackException.from_exception(error)
    files: list[str] = []
    each: traceback.TracebackException | None = shown
    while each is not None:
        files += [frame.filename for frame in each.stack]
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return [file for file in files if Path(file).is_relative_to(_PACKAGE)]


def check_told(lines: list[str], job: dict[str, Any], work: str) -> None:
    """See that a log says what ran, which job, its link, and what came of it: each of them once."""
    told = "\n".join(lines)
    assert sum(work in line for line in lines) == 1, told
    for job_id in job["job_id"].split():
        assert sum(job_id in line and not line.startswith("http") for line in lines) == 1, told
    for url in {each.get("url") for each in job.get("jobs", [job])} - {None}:
        assert lines.count(url) == 1, told
    ends = [line for line in lines if re.match(r"the job succeeded|\d+ of \d+ jobs succeeded", line)]
    assert ends == lines[-1:], told
    assert " s" in ends[0], told
