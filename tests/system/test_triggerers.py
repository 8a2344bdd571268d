"""Two triggerers with a crowd of deferred tasks: one stalls and wakes up, then the other is killed.

Judged by what the sandbox was asked and by Airflow's database. Logs tell nothing for certain: Airflow writes
a trigger's log anew when it comes back, and calls no `on_kill` where a second cancel overtakes the first.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.triggers.job import FIRST_POLL_SECONDS
from tests.demo.processes import session_members
from tests.system.crowd.crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.demo.processes import Program

#: How many tasks; a machine with more cores and time may take 500.
TASKS = int(os.environ.get("CROWD_TASKS", "36"))
#: The jobs end in so many batches, each when the tasks of the one before have gone on. Each has a project.
BATCHES = 6
#: Who has let go of a project's jobs does not look at them while the other does so often, at the same pace.
LOOKS = 5
WAIT_SECONDS = 120.0 + TASKS * 3


def test_no_job_is_lost_cancelled_or_made_twice(tmp_path: Path) -> None:
    with Crowd(tmp_path, queries=TASKS, projects=BATCHES) as crowd:
        crowd.sandbox.timing(running_seconds=3600.0)
        programs = [crowd.airflow.triggerer, crowd.add_triggerer()]
        programs[1].start()
        wait(crowd, lambda: len(crowd.triggerers()) == 2, "both triggerers")
        run_id = crowd.start()
        wait(crowd, lambda: crowd.count(run_id, "deferred") == TASKS, "all deferrals")
        # One that was given a trigger, and stalls before it has started it, has nothing to let go of.
        started = time.time() + FIRST_POLL_SECONDS
        wait(crowd, lambda: all_looked_at(crowd, started), "a look at each job")

        stalled = max(crowd.triggerers(), key=lambda each: len(crowd.held().get(each, ())))
        number = crowd.triggerers().index(stalled)  # whichever: on a busy machine one may hold them all
        stall(crowd, programs[number], number)
        programs[1 - number].kill()
        wait(crowd, lambda: crowd.held().keys() == {stalled}, "the triggerer that is left")
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


def all_looked_at(crowd: Crowd, since: float) -> bool:
    """Return whether each triggerer has looked at the jobs of all tasks that it holds."""
    looks, held = set(crowd.looks(since)), crowd.held()
    return None not in held and all(
        (number, index % BATCHES) in looks
        for number, triggerer in enumerate(crowd.triggerers())
        for index in held.get(triggerer, ())
    )


def stall(crowd: Crowd, program: Program, number: int) -> None:
    """Stop one of the triggerers until the other has its triggers, and let it find out."""
    triggerers = crowd.triggerers()
    stalled, other = triggerers[number], triggerers[1 - number]
    signal_all(program, signal.SIGSTOP)
    try:
        wait(crowd, lambda: crowd.held().keys() == {other}, "the other triggerer")
        beat = crowd.heartbeat(stalled)
    finally:
        signal_all(program, signal.SIGCONT)
    wait(crowd, lambda: crowd.heartbeat(stalled) != beat, "the return of the triggerer that stalled")
    returned = time.time()
    wait(crowd, lambda: let_go(crowd, returned), "the triggerer that stalled to let go")


def let_go(crowd: Crowd, since: float) -> bool:
    """Return whether only those look at the jobs of a project who hold tasks of it."""
    looks, held = crowd.looks(since), crowd.held()
    for number, triggerer in enumerate(crowd.triggerers()):
        mine = {index % BATCHES for index in held.get(triggerer, ())}
        for project in set(range(BATCHES)) - mine:
            last = [who for who, what in looks if what == project][-LOOKS:]
            if last != [1 - number] * LOOKS:
                return False
    return True


def signal_all(program: Program, number: signal.Signals) -> None:
    for pid in session_members(program.pid):
        os.kill(pid, number)


def wait(crowd: Crowd, condition: Callable[..., Any], what: str) -> None:
    crowd.airflow.wait(condition, WAIT_SECONDS, what, 0.5)
