"""Two triggerers with a crowd of deferred tasks: one stalls and wakes up, then the other is killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from tests.demo.processes import session_members
from tests.system.crowd.crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.demo.processes import Program

#: How many tasks; a machine with more cores and time may take 500.
TASKS = int(os.environ.get("CROWD_TASKS", "60"))
#: The jobs end in so many batches, each when the tasks of the one before have gone on.
BATCHES = 6
#: What a trigger logs at its first look at a job that runs, and when it leaves a job alone.
LOOKED = " is RUNNING"
MOVED = "only the trigger has moved"
WAIT_SECONDS = 120.0 + TASKS * 3


def test_no_job_is_lost_cancelled_or_made_twice(tmp_path: Path) -> None:
    with Crowd(tmp_path, queries=TASKS, projects=BATCHES) as crowd:
        crowd.sandbox.timing(running_seconds=3600.0)
        first, second = crowd.airflow.triggerer, crowd.airflow.add_triggerer()
        second.start()
        wait(crowd, lambda: crowd.triggerers() == 2, "both triggerers")
        run_id = crowd.start()
        wait(crowd, lambda: crowd.count(run_id, "deferred") == TASKS, "all deferrals")
        # One that was given a trigger, and stalls before it has started it, has nothing to let go of.
        wait(crowd, lambda: looked_at(crowd) == TASKS, "a look at each job")

        stall(crowd, first)
        second.kill()
        [killed] = crowd.held()
        wait(crowd, lambda: killed not in crowd.held(), "the other triggerer")
        for batch in range(BATCHES):
            crowd.sandbox.timing(project=f"crowd-{batch}", running_seconds=0.0)
            left = sum(n % BATCHES > batch for n in range(TASKS))
            wait(crowd, lambda left=left: crowd.count(run_id, "deferred") <= left, f"batch {batch}")
        assert crowd.airflow.wait_run("crowd", run_id, WAIT_SECONDS) == "success"

        assert crowd.count(run_id, "success") == TASKS
        jobs = crowd.jobs()
        assert len(jobs) == TASKS
        assert all(job["status"] == {"state": "DONE"} for job in jobs)
        asked = [entry["operation"] for entry in crowd.sandbox.requests()]
        assert asked.count("bigquery.jobs.insert") == TASKS
        assert "bigquery.jobs.cancel" not in asked


def looked_at(crowd: Crowd) -> int:
    return sum(crowd.said(triggerer, indexes, LOOKED) for triggerer, indexes in crowd.held().items())


def stall(crowd: Crowd, triggerer: Program) -> None:
    """Stop a triggerer until the other has taken its triggers, and let it find out."""
    before, late = crowd.held(), crowd.said_late(MOVED)
    assert len(before) == 2, before
    signal_all(triggerer, signal.SIGSTOP)
    try:
        wait(crowd, lambda: len(crowd.held()) == 1, "the other triggerer")
    finally:
        signal_all(triggerer, signal.SIGCONT)
    [stalled] = before.keys() - crowd.held().keys()
    moved = before[stalled]

    def let_go() -> bool:
        return crowd.said(stalled, moved, MOVED) + crowd.said_late(MOVED) - late >= len(moved)

    wait(crowd, let_go, f"{len(moved)} triggers to let go")


def signal_all(program: Program, number: signal.Signals) -> None:
    for pid in session_members(program.pid):
        os.kill(pid, number)


def wait(crowd: Crowd, condition: Callable[..., Any], what: str) -> None:
    crowd.airflow.wait(condition, WAIT_SECONDS, what, 0.5)
