"""What the demo measured and checked, from Airflow's and the sandbox's own records."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.demo.airflow_rest import AirflowRest

# Airflow's audit log names a task's states; from one of these on, it is no longer on a worker.
OFF_WORKER = frozenset({"deferred", "success", "failed", "up_for_retry"})
# The statistics that say how much a job moved, by kind of job: query, load and copy, extract, upload; those
# of Salesforce name files.
BYTES = ("bytes_processed", "output_bytes", "input_bytes", "size_bytes")
# Enough of a job id to find it again; the whole is in the task's log.
SHOWN_ID = 12
# How a trigger's log begins.
STARTS = "starting"
# What the triggerer logs when a trigger has found what its task waits for.
FIRED = "Trigger fired event"


@dataclass(frozen=True)
class TaskReport:
    """One task: where it spent its time, and its job.

    None is what Airflow does not tell: the audit log of 3.1 names no states.

    :param stages: of a transfer, which has several: the job's id of each.
    """

    task_id: str
    state: str
    tries: int
    seconds: float
    worker_seconds: float | None
    deferred_seconds: float | None
    deferrals: int | None
    job: dict[str, Any]
    stages: dict[str, str]

    @property
    def job_ids(self) -> list[str]:
        """The ids of its jobs, in the order in which they were made."""
        return list(self.stages.values()) or [str(self.job["job_id"])]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the demo's table."""
        size = next((self.job[name] for name in BYTES if name in self.job), None)
        if "files" in self.job:
            size = sum(file["size_bytes"] for file in self.job["files"])
        return (
            self.task_id,
            self.state,
            shortened(str(self.job.get("job_id", "-"))),
            _number(self.job.get("row_count", self.job.get("record_count"))),
            _number(size),
            f"{self.seconds:.1f}",
            _seconds(self.worker_seconds),
            _seconds(self.deferred_seconds),
        )


TITLES = ("task", "state", "job id", "rows", "bytes", "seconds", "on a worker", "deferred")


def task_reports(rest: AirflowRest, dag_id: str, run_id: str) -> list[TaskReport]:
    """Report on every task of a run, in the order in which they started."""
    events = rest.events(dag_id, run_id)
    tasks = sorted(rest.tasks(dag_id, run_id), key=lambda task: task["start_date"] or "")
    return [_task_report(task, events, *_told(rest, dag_id, run_id, task["task_id"])) for task in tasks]


def _told(rest: AirflowRest, dag_id: str, run_id: str, task_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Give what a task says of its job, an operator all the time, a sensor as its result; ids by stage."""
    job, result = (rest.xcom(dag_id, run_id, task_id, key) for key in ("job", "return_value"))
    result = result if isinstance(result, dict) else {}
    return job if isinstance(job, dict) else result, result.get("job_ids", {})


def _task_report(
    task: dict[str, Any], events: Iterable[dict[str, Any]], job: dict[str, Any], stages: dict[str, str]
) -> TaskReport:
    """Add up the phases: on a worker from ``running`` on, off it from ``deferred`` or the end on."""
    worker = deferred = 0.0
    deferrals = 0
    changed: datetime | None = None
    began: datetime | None = None
    for event in events:
        if event["task_id"] != task["task_id"] or event["event"] not in OFF_WORKER | {"running"}:
            continue
        now = datetime.fromisoformat(event["when"])
        began = began or now
        passed = (now - changed).total_seconds() if changed else 0.0
        if event["event"] == "running":
            deferred += passed
        else:
            worker += passed
        deferrals += event["event"] == "deferred"
        changed = now
    told = changed is not None
    began, changed = began or _time(task["start_date"]), changed or _time(task["end_date"])
    return TaskReport(
        task_id=task["task_id"],
        state=task["state"],
        tries=task["try_number"],
        seconds=(changed - began).total_seconds() if changed and began else 0.0,
        worker_seconds=worker if told else None,
        deferred_seconds=deferred if told else None,
        deferrals=deferrals if told else None,
        job=job,
        stages=stages,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lay out cells in columns, the first row as the head; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if place < 3 else cell.rjust(width)  # three columns of words
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
        if row is rows[0]:
            yield "  ".join("-" * width for width in widths)


def trigger_log(home: Path, dag_id: str, run_id: str, task_id: str) -> list[dict[str, Any]]:
    """What the triggerer wrote about one task, from its log files: one dict a line."""
    folder = home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
    paths = sorted(folder.glob("*.trigger.*.log"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def trigger_proof(lines: Iterable[dict[str, Any]], task_id: str, job_id: str) -> Iterator[str]:
    """Show of a trigger's log that it started, what it saw, and that it fired; long ids shortened."""
    for line in lines:
        run_id = str(line.get("run_id", "…"))  # Airflow 3.1 does not say
        text = str(line["event"]).replace(run_id, "…").replace(job_id, shortened(job_id))
        if text.endswith(STARTS) or text == FIRED or "airflow_provider" in str(line.get("logger")):
            yield f"{line['timestamp'][11:19]}  {task_id}: {text}"


def failure_text(log: Iterable[dict[str, Any]]) -> str:
    """The error that ends a task's log, as the UI shows it there."""
    errors = [error for line in log for error in line.get("error_detail") or []]
    return f"{errors[-1]['exc_type']}: {errors[-1]['exc_value']}" if errors else ""


def shortened(job_id: str) -> str:
    """Both ends of a long id."""
    return job_id if len(job_id) <= 2 * SHOWN_ID else f"{job_id[:SHOWN_ID]}…{job_id[-SHOWN_ID:]}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
