"""What happens to a cluster, and what has to be left of its tasks: the one source of test and documentation.

``python -m tests.system.cluster.table`` prints what docs/cluster.md shows.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.system.cluster.stage import Result

#: Each scenario has these tasks twice, in each of the ways to wait.
TASK_SERVICES = {
    "bigquery": "bigquery",
    "bigquery_again": "bigquery",
    "redivis": "redivis",
    "salesforce": "salesforce",
}
MODES = ("deferred", "worker")


@dataclass(frozen=True)
class Mapped:
    """Many tasks of one kind, all deferred.

    :param task_id: Theirs, and the name of what makes their DAG in ``tasks``.
    :param services: Those that they ask, in this order.
    """

    task_id: str
    count: int
    services: tuple[str, ...]


QUERIES = Mapped("queries", 200, ("bigquery",))
#: Five objects of Salesforce in four parts each, to a table of BigQuery each: a query, and three jobs there.
COPY_DATASET = "crm"
COPIES = Mapped("copies", 20, ("salesforce", "bigquery"))


@dataclass(frozen=True)
class Outcome:
    """What was left of the tasks that wait in one way.

    :param states: Of the tasks, each once.
    :param attempts: How many the tasks needed, the fewest and the most.
    :param jobs: How many were made.
    :param cancels: How many were asked for, deletions of uploads included.
    """

    states: tuple[str, ...]
    attempts: tuple[int, int]
    jobs: int
    cancels: int

    def __str__(self) -> str:
        fewest, most = self.attempts
        attempts = f"attempt {most}" if fewest == most else f"attempts {fewest} to {most}"
        return f"{', '.join(self.states)}; {attempts}; {self.jobs} jobs, {self.cancels} cancels"


@dataclass(frozen=True)
class Expected:
    """What has to be left of the tasks that wait in one way.

    :param attempts: The most that a task may need.
    :param race: Jobs end while their tasks are stopped: one that is not seen to end is cancelled, and made
        again. Then ``jobs`` and ``cancels`` are the most.
    """

    attempts: int = 1
    jobs: int = len(TASK_SERVICES)
    cancels: int = 0
    race: bool = False

    def allows(self, outcome: Outcome) -> bool:
        """Return whether that is an outcome that has to be."""
        if self.race:
            again = outcome.jobs - len(TASK_SERVICES)
            numbers = 0 <= again <= outcome.cancels <= self.cancels
        else:
            numbers = (outcome.jobs, outcome.cancels) == (self.jobs, self.cancels)
        return outcome.states == ("success",) and outcome.attempts[1] <= self.attempts and numbers

    def __str__(self) -> str:
        attempts = "1 attempt" if self.attempts == 1 else f"at most {self.attempts} attempts"
        jobs = f"{self.jobs} jobs, {self.cancels} cancels"
        if self.race:
            jobs = f"{len(TASK_SERVICES)} jobs, one more for each that was cancelled"
        return f"success; {attempts}; {jobs}"


@dataclass(frozen=True)
class Scenario:
    """Something that happens to a cluster.

    :param name: Of its DAG, and of what brings it about in ``acts``.
    :param what: What happens, in the words of the documentation.
    :param worker: Of the tasks that wait on a worker; None if there are none.
    :param mapped: The tasks, where they are not those of all scenarios.
    :param settings: Airflow's settings of the workers, where they are not those of the rest.
    :param retry_seconds: The tasks' ``retry_delay``.
    """

    name: str
    what: str
    deferred: Expected = Expected()
    worker: Expected | None = Expected()
    mapped: Mapped | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    retry_seconds: float = 1.0

    def expected(self, mode: str) -> Expected | None:
        """Return what has to be left of the tasks that wait in one way."""
        return self.deferred if mode == "deferred" else self.worker


TWICE = Expected(attempts=2)

SCENARIOS = (
    Scenario("worker_term", "workers told to stop (SIGTERM), and given the time to end"),
    # Airflow 3.3 passes the signal on, and a task that is told to stop cancels its job.
    Scenario("worker_quit", "workers told to stop at once (SIGQUIT)", worker=Expected(2, jobs=8, cancels=4)),
    Scenario("worker_kill", "workers killed (SIGKILL)", worker=TWICE),
    Scenario("triggerer_term", "a triggerer stopped (SIGTERM)"),
    Scenario("triggerer_kill", "a triggerer killed (SIGKILL)"),
    Scenario("scheduler_kill", "the scheduler killed (SIGKILL)"),
    Scenario("redis", "Redis restarts, and has kept nothing"),
    Scenario("postgres", "PostgreSQL restarts"),
    # An attempt that begins while the server is away fails, and is one less.
    Scenario("api_20", "the API server is away for 20 s", worker=TWICE, retry_seconds=40),
    Scenario("api_70", "the API server is away for 70 s", worker=TWICE, retry_seconds=90),
    Scenario("file_away", "the DAG's file is away while the jobs end", TWICE),
    # Airflow stops what runs, as if a user had marked it, and drops the events of triggers: it stops those
    # too that have not yet seen their jobs end.
    Scenario(
        "task_removed",
        "the tasks are removed from the DAG, and put back",
        Expected(2, jobs=8, cancels=4, race=True),
        Expected(2, jobs=8, cancels=4),
    ),
    Scenario(
        "visibility",
        "the visibility timeout (5 s) is shorter than the tasks",
        # Only a worker with a free slot can be given a task again.
        settings={
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "5",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "8",
        },
    ),
    Scenario(
        "crowd",
        f"{QUERIES.count} mapped tasks, and a triggerer killed (SIGKILL)",
        Expected(jobs=QUERIES.count),
        worker=None,
        mapped=QUERIES,
    ),
    Scenario(
        "transfers",
        f"{COPIES.count} mapped copies from Salesforce to BigQuery, a triggerer and a worker killed",
        Expected(2, jobs=4 * COPIES.count),
        worker=None,
        mapped=COPIES,
    ),
)


#: All of it in a minute, for the suite.
SHORT = Scenario(
    "kills", "workers, the scheduler and a triggerer killed (SIGKILL), one after another", worker=TWICE
)


def markdown(results: Sequence[Result] | None = None) -> str:
    """Return the table that the documentation shows, or the same of what was seen."""
    heads = ["what happens", "4 deferred tasks", "4 tasks that wait on a worker"]
    rows = [heads]
    if results is None:
        rows += [[each.what, *(cell(each.expected(mode)) for mode in MODES)] for each in SCENARIOS]
    else:
        rows += [[each.scenario.what, *(cell(each.outcomes.get(mode)) for mode in MODES)] for each in results]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines)


def cell(content: Outcome | Expected | None) -> str:
    """Return a cell of the table."""
    return str(content) if content else ""


if __name__ == "__main__":
    sys.stdout.write(markdown() + "\n")
