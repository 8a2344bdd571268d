"""One end for one service while it happens: what can be seen of it, and what can be done to it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.system.ends.services import KNOWN, TESTER, tester_token
from tests.system.ends.table import Outcome

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator

    from airflow_provider_jobs.sandbox import Sandbox
    from tests.demo.airflow import Airflow
    from tests.system.ends.table import End

    #: What is waited for, and whether it has come.
    Cue = tuple[str, Callable[[], object]]

#: Jobs run until the test lets them end.
HELD_SECONDS = 3600.0


class Seen(NamedTuple):
    """What Airflow's database says of a task.

    :param triggerer: The id of the job of the triggerer that holds its trigger.
    """

    state: str | None = None
    try_number: int = 0
    triggerer: int | None = None


class Play:
    """One end for one service.

    :param sandbox: Of this end alone.
    """

    def __init__(self, airflow: Airflow, end: End, service: str, sandbox: Sandbox) -> None:
        self.airflow = airflow
        self.end = end
        self.service_name = service
        self.service = KNOWN[service]
        self.sandbox = sandbox
        self.dag_id = f"ends_{end.name}"
        self.run_id = ""
        #: The task as Airflow's database has it, renewed in each round.
        self.task = Seen()
        self.turn = False
        self.waits_for_turn = False
        self.problem = ""
        self.done = False
        self._token = tester_token(sandbox)
        self._since = 0.0
        sandbox.timing(project=self.service.timed, running_seconds=HELD_SECONDS)

    def __str__(self) -> str:
        return f"{self.end.name}, {self.service_name}"

    # What can be seen.

    @property
    def state(self) -> str | None:
        """The task's state."""
        return self.task.state

    @property
    def attempt(self) -> int:
        """The number of the task's attempt."""
        return self.task.try_number

    @property
    def triggerer(self) -> int | None:
        """The job id of the triggerer that holds the task's trigger."""
        return self.task.triggerer

    def jobs(self) -> list[str]:
        """Return the states of the jobs that were made."""
        return self.service.jobs(self.sandbox, self._token)

    def outcome(self) -> Outcome:
        """Return what is left of it now."""
        return Outcome(str(self.state), tuple(self.jobs()))

    def as_expected(self) -> bool:
        """Return whether that is what has to be left."""
        return self.state == self.end.expected(self.service_name).state and (
            self.outcome() == self.end.expected(self.service_name)
        )

    def requests(self, *operations: str) -> list[dict[str, Any]]:
        """Return the requests of the tasks and triggers."""
        return [
            entry
            for entry in self.sandbox.requests()
            if entry["operation"] in operations and entry["account"] != TESTER
        ]

    def looked(self) -> bool:
        """Return whether somebody has looked at the job since the last look was waited for."""
        return any(entry["started_at"] > self._since for entry in self.requests(*self.service.looks))

    def log(self) -> str:
        """Return the log of every attempt."""
        lines = []
        for number in range(1, self.attempt + 1):
            log = self.airflow.rest.task_log(self.dag_id, self.run_id, self.service_name, number)
            lines += [f"--- attempt {number}", *(json.dumps(line, ensure_ascii=False) for line in log)]
        return "\n".join(lines)

    def _all_in(self, *states: str) -> bool:
        tasks = self.airflow.rest.tasks(self.dag_id, self.run_id)
        return {task["state"] for task in tasks} <= set(states)

    # What can be waited for.

    def deferred(self) -> Iterator[Cue]:
        """Wait until the task is deferred, and the triggerer looks at its job."""
        yield "the deferral", lambda: self.state == "deferred"
        yield from self.look()

    def look(self) -> Iterator[Cue]:
        """Wait until somebody looks at the job again."""
        self._since = time.time()
        yield "a look at the job", self.looked

    def look_at_all(self) -> Iterator[Cue]:
        """Wait until the triggerer looks at the jobs of all tasks of the run, unless they have ended."""
        yield "the deferral", lambda: self.state in {"deferred", "skipped"}
        yield "all deferrals", lambda: self._all_in("deferred", "skipped")
        since = time.time()
        yield (
            "a look at all jobs",
            lambda: (
                self._all_in("skipped")
                or all(
                    any(entry["started_at"] > since for entry in self.requests(*service.looks))
                    for service in KNOWN.values()
                )
            ),
        )

    def own_turn(self) -> Iterator[Cue]:
        """Wait until what concerns all tasks has happened."""
        self.waits_for_turn = True
        yield "its turn", lambda: self.turn

    # What can be done.

    def release(self, seconds: float = 0.0) -> None:
        """Let jobs end, or last so long."""
        self.sandbox.timing(project=self.service.timed, running_seconds=seconds)

    def mark(self, state: str) -> None:
        """Mark the task."""
        self.airflow.rest.set_state(self.dag_id, self.run_id, self.service_name, state)

    def clear(self) -> None:
        """Clear the task."""
        self.airflow.rest.clear(self.dag_id, self.run_id, self.service_name)

    def age_run(self) -> None:
        """Let the run have begun a day before."""
        older = "UPDATE dag_run SET start_date = datetime('now', '-1 day') WHERE run_id = ? AND dag_id = ?"
        assert self.airflow.change(older, self.run_id, self.dag_id) == 1

    def signal_worker(self, number: signal.Signals) -> None:
        """Send a signal to the process that runs the task."""
        pid = self.airflow.rest.task(self.dag_id, self.run_id, self.service_name)["pid"]
        if os.getsid(pid) != self.airflow.scheduler.pid:
            raise ProcessLookupError(f"{pid} is no process of this Airflow")
        os.kill(pid, number)
