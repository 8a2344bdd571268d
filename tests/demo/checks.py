"""What must be true at the end of the demo: compared with the generated data, not with the jobs' own word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.demo import report, rides

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.demo.airflow import Airflow
    from tests.demo.sandbox_process import SandboxProcess

# The query of the example DAG asks for stations with so many rides.
AT_LEAST = 5000
# The folder that the example DAG extracts to, and the table that the local file becomes.
EXTRACTED = "hand_out"
SENT_TABLE = "sent_rides"
LOADED_TABLES = ("rides", "rides_snapshot")
# How a trigger's log ends that has seen its job end, in the words of BigQuery, Redivis and Salesforce.
ENDS = (" is DONE", " is completed", " is JobComplete")
# Tasks that end within the seconds that every task waits on its worker, or wait for nothing.
QUICK_TASKS = frozenset({"release", "start_cases", "write_file"})


@dataclass(frozen=True)
class Check:
    """One thing that must be true."""

    what: str
    expected: Any
    found: Any

    @property
    def passed(self) -> bool:
        """Whether it is true."""
        return bool(self.expected == self.found)

    @property
    def line(self) -> str:
        """The check as a line of the demo's output."""
        if self.passed:
            return f"  ok      {self.what}"
        return f"  FAILED  {self.what}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class AirflowRecords:
    """What Airflow and its triggerer recorded about the runs."""

    run_states: dict[str, str]
    tasks: list[report.TaskReport]
    trigger_logs: dict[str, list[dict[str, Any]]]
    failures: dict[str, str]

    @classmethod
    def collect(cls, airflow: Airflow, runs: Mapping[str, str]) -> AirflowRecords:
        """Read them, of one run of each DAG, from the REST API and the triggerer's log files."""
        tasks, logs, failures = [], {}, {}
        for run in runs.items():
            for task in report.task_reports(airflow.rest, *run):
                tasks.append(task)
                logs[task.task_id] = report.trigger_log(airflow.home, *run, task.task_id)
                if task.state == "failed":
                    lines = airflow.rest.task_log(*run, task.task_id, task.tries)
                    failures[task.task_id] = report.failure_text(lines)
        return cls(
            run_states={dag_id: airflow.rest.run_state(dag_id, run_id) for dag_id, run_id in runs.items()},
            tasks=tasks,
            trigger_logs=logs,
            failures=failures,
        )

    def checks(self, expected_states: Mapping[str, str]) -> Iterator[Check]:
        """The DAGs ended as expected, every task waited in the triggerer, and the failing one ran once."""
        for dag_id, state in expected_states.items():
            yield Check(f"{dag_id} ended with {state}", state, self.run_states[dag_id])
        for task in self.tasks:
            events = [line["event"] for line in self.trigger_logs[task.task_id]]
            deferrals = task.deferrals
            if deferrals is None:
                deferrals = sum(str(event).endswith(report.STARTS) for event in events)
            if task.task_id in QUICK_TASKS:
                yield Check(f"{task.task_id} needed no trigger, it was quick", 0, deferrals)
                continue
            # Not that it fired: Airflow may drop that line, when the event is faster than the log.
            ends = sum(str(event).endswith(ENDS) for event in events)
            jobs = len(task.job_ids)
            name = f"{task.task_id} deferred once, and its trigger saw the job end"
            if jobs > 1:  # of each triggerer, Airflow keeps the log of the last wait alone
                ends = min(ends, 1)
                jobs_of = f"each of {jobs} jobs"
                name = f"{task.task_id} deferred once for {jobs_of}, and the last trigger saw its end"
                deferrals = jobs if task.deferrals is None else deferrals
            yield Check(name, (jobs, 1), (deferrals, ends))
        tries = {task.task_id: task.tries for task in self.tasks}
        yield Check("no task needed a retry, or burned one on a hopeless job", dict.fromkeys(tries, 1), tries)


@dataclass(frozen=True)
class Results:
    """What the jobs left behind, as the sandbox's API and the files in its bucket show it."""

    jobs: dict[str, dict[str, Any]]
    row_counts: dict[str, int]
    sent_rows: int
    stations: dict[str, rides.Station]
    extracted: rides.Extracted

    @classmethod
    def collect(cls, sandbox: SandboxProcess) -> Results:
        """Read it."""
        stations = sandbox.rows(rides.DATASET, "busy_stations")
        return cls(
            jobs=sandbox.jobs(),
            row_counts={name: sandbox.row_count(rides.DATASET, name) for name in LOADED_TABLES},
            sent_rows=sandbox.row_count(rides.DATASET, SENT_TABLE),
            stations={
                str(name): rides.Station(int(count or 0), int(minutes or 0))
                for name, count, minutes, *_ in stations
            },
            extracted=rides.read_extracted(sandbox.buckets, EXTRACTED),
        )

    def checks(self, facts: rides.Facts, records: AirflowRecords) -> Iterator[Check]:
        """Every generated row arrived, each task made one job, and the log of the failed one says it all."""
        for name, count in self.row_counts.items():
            yield Check(f"{facts.rows:,} rows in {rides.DATASET}.{name}", facts.rows, count)
        sent = f"{rides.ROWS_PER_FILE:,} rows of the local file in {rides.DATASET}.{SENT_TABLE}"
        yield Check(sent, rides.ROWS_PER_FILE, self.sent_rows)
        stations = facts.stations(AT_LEAST)
        yield Check(f"the query found the {len(stations)} busy stations", stations, self.stations)
        files, rows = self.extracted.files, self.extracted.rows
        yield Check(
            f"each of {files} extracted files has its header", files or "files", self.extracted.headers
        )
        missing, surplus = (facts.rides - rows).total(), (rows - facts.rides).total()
        yield Check("the extracted rows are the generated ones, every value", (0, 0), (missing, surplus))
        tasks = [task for task in records.tasks if "project_id" in task.job]
        jobs = sorted(each for task in tasks for each in task.job_ids if each != task.stages.get("query"))
        yield Check(f"{len(tasks)} tasks of BigQuery made {len(jobs)} jobs", jobs, sorted(self.jobs))
        for task in records.tasks:
            if task.state == "failed":
                status = self.jobs.get(str(task.job.get("job_id")), {}).get("status", {})
                yield from _failure_checks(status, records.failures[task.task_id], facts.damaged_rows)


def _failure_checks(status: Mapping[str, Any], text: str, damaged_rows: int) -> Iterator[Check]:
    problems = [status.get("errorResult", {}), *status.get("errors", [])]
    hidden = [problem for problem in problems if problem.get("message", "no message") not in text]
    yield Check("the failed task's log says everything that BigQuery said", [], hidden)
    named = len(status.get("errors", []))
    yield Check(f"and that is about all {damaged_rows} damaged rows", 0, max(0, damaged_rows - named))
