"""How many modules one goes through to what people ask for; CONTRIBUTING.md has the table.

A way is the modules of this package that are on the call stack when it happens, from the function that
begins. What carries any call, ``core/http`` and the threads of ``core/wait``, is left out.
"""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.clients.salesforce.results.page import PageFetcher, Wanted
from airflow_provider_jobs.core.sources.csv_records import RecordCounter
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import JobFailed
from airflow_provider_jobs.jobs import JobStatus
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.operators.bigquery.job import BIGQUERY_JOBS
from airflow_provider_jobs.operators.endings import failure
from tests.unit import tasks
from tests.unit.clients.replay import Replay, job, refusal
from tests.unit.clients.salesforce.org import Csv, client_of
from tests.unit.triggers.doubles import job_trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from airflow_provider_jobs.core.http.messages import Reply, Request
    from tests.unit.conftest import Clock

ROOT = Path(__file__).parents[2]
PREFIX = "airflow_provider_jobs."
CARRIERS = ("core.http.", "core.wait.threads")


@pytest.fixture
def clock() -> Clock:
    from tests.unit.conftest import Clock  # noqa: PLC0415 - the fixture of that name is for its own folder

    return Clock()


def way(begin: str) -> list[str]:
    """Return the modules on the stack, from a function on."""
    frame: FrameType | None = sys._getframe(1)
    found = list[str]()
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        module = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and not module.startswith(CARRIERS) and module not in found:
            found.insert(0, module)
        if frame.f_code.co_name == begin:
            return found
        frame = frame.f_back
    raise AssertionError(f"{begin} is not on the stack")


class Walked(Replay):
    """Notes the way to each request."""

    def __init__(self, clock: Clock, begin: str, *replies: Any) -> None:
        super().__init__(clock, *replies)
        self.begin = begin
        self.ways: list[list[str]] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        self.ways.append(way(self.begin))
        return super().send(request, headers)


def told(question: str, found: list[str]) -> list[str]:
    """Print a way, and return the one that CONTRIBUTING.md names for this question."""
    print(f"{question}: {' -> '.join(found)}")  # noqa: T201 - what the test is for
    (row,) = re.findall(
        rf"^\| {re.escape(question)}.*$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    return [name.replace("/", ".") for name in re.findall(r"`([\w./]+)`", row.split("|")[3])]


def test_where_a_409_on_our_own_id_is_adopted(clock: Clock) -> None:
    walked = Walked(
        clock,
        "submit_once",
        refusal(409, "duplicate"),
        job("key_0", "RUNNING", statistics={"creationTime": "1"}),
    )
    assert BigQueryClient(walked, "p").submit(JobRequest("p", "key", {"query": {}})).adopted
    found = walked.ways[-1]
    assert found == told("where a 409 on our own id is adopted", found)
    assert len(found) <= 2


@pytest.mark.parametrize("count", [1, 2])
def test_where_a_jobs_error_text_is_written(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    ways: list[list[str]] = []
    report = JobStatus.failure_report

    def noted(status: JobStatus) -> str:
        ways.append([*way("failure"), "jobs"])
        return report(status)

    monkeypatch.setattr(JobStatus, "failure_report", noted)
    assert isinstance(failure(tasks.FakeClient(), [tasks.failed()] * count, BIGQUERY_JOBS), JobFailed)
    (found,) = ways
    assert found == told("where a job's error text is written", found)[:3]
    assert len(found) <= 3


def test_what_a_kill_does(clock: Clock) -> None:
    walked = Walked(clock, "on_kill", job("key_0", "RUNNING"), {"job": job("key_0")}, {"job": job("key_0")})
    walked.begin = "submit_once"
    client = BigQueryClient(walked, "p")
    task = tasks.faked(
        BigQueryQueryOperator(task_id="t", sql="SELECT 1", deferrable=True, inline_wait=0), client
    )
    with suppress(TaskDeferred):
        tasks.run(task)
    walked.begin = "on_kill"
    task.on_kill()
    walked.begin = "take_turns"  # the trigger's calls come in a thread of their own
    trigger = job_trigger(client, task._refs[0], cancel_on_kill=True)
    asyncio.run(trigger.on_kill())
    worker, triggerer = walked.ways[-2:]
    found = [*worker, *(name for name in ["triggers.job", *triggerer] if name not in worker)]
    assert sorted(found) == sorted(told("what a kill does, all of it", found))
    assert len(found) <= 5


def test_how_a_results_page_is_counted(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[list[str]] = []
    take = RecordCounter.take

    def noted(counter: RecordCounter, block: bytes) -> None:
        ways.append([*way("_write"), "core.sources.csv_records"])
        take(counter, block)

    monkeypatch.setattr(RecordCounter, "take", noted)
    headers = {"Sforce-Locator": "null", "Sforce-NumberOfRecords": "1", "Content-Length": "1"}
    client, _ = client_of(clock, Csv(b'"Id"\n"1"\n', headers))
    fetcher = PageFetcher(client, LocalSink(tmp_path), Output("a.csv"))
    page = fetcher.fetch(Wanted("v59.0/jobs/query/750/results"), {}, "a.csv", with_header=True)
    assert page.part.record_count == 1
    found = ways[0]
    assert found == told("how a results page is counted", found)
    assert len(found) <= 2


def test_what_a_new_service_takes() -> None:
    """Six files: tests/contract/test_adding_a_service.py follows its page."""
    page = (ROOT / "docs" / "adding-a-service.md").read_text()
    files = re.findall(r"^## [^\n`]*`([\w/.]+\.py)`$", page, re.MULTILINE)
    print(f"what a new service takes: {', '.join(files)}")  # noqa: T201 - what the test is for
    assert len(files) <= 6
