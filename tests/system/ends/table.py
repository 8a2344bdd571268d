"""Every end that a task can come to, and what has to be left of it: the one source of test and documentation.

``python -m tests.system.ends.table`` prints what docs/ends.md shows. The DAGs read it too.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Outcome:
    """What is left when everything is over.

    :param state: Of the task.
    :param jobs: The final state of each job that was made, oldest first.
    """

    state: str
    jobs: tuple[str, ...]

    def __str__(self) -> str:
        many = {0: "no job", 1: "1 job"}.get(len(self.jobs), f"{len(self.jobs)} jobs")
        return f"{self.state}; {many}: {', '.join(self.jobs)}" if self.jobs else f"{self.state}; {many}"


@dataclass(frozen=True)
class End:
    """One end.

    :param name: Of the DAG, and of what brings the end about in ``acts``.
    :param what: What happens, in the words of the documentation.
    :param task: Parameters of the task.
    :param unlike: Service -> its outcome, where it differs.
    :param timeout_seconds: Of the DAG run, if it has one.
    """

    name: str
    what: str
    outcome: Outcome
    task: Mapping[str, Any]
    unlike: Mapping[str, Outcome] = field(default_factory=dict)
    timeout_seconds: float | None = None

    def expected(self, service: str) -> Outcome:
        """Return what has to be left of it."""
        return self.unlike.get(service, self.outcome)


DEFERRED = {"deferrable": True, "inline_wait": 0}
#: Waits on the worker first, longer than any test: the time between submission and deferral.
LINGERING = {"deferrable": True, "inline_wait": 600}
INLINE = {"deferrable": False}
RETRIED = {"retries": 1}

ONE = Outcome("success", ("succeeded",))
TWO = Outcome("success", ("succeeded", "succeeded"))
FAILED = Outcome("failed", ("failed",))
AFTER_FAILURE = Outcome("success", ("failed", "succeeded"))
AFTER_CANCEL = Outcome("success", ("cancelled", "succeeded"))
AFTER_DELETE = Outcome("success", ("deleted", "succeeded"))


def ending(state: str) -> dict[str, Any]:
    """Return the outcome where the task ends and its job is stopped; Redivis has only deletion for that."""
    return {
        "outcome": Outcome(state, ("cancelled",)),
        "unlike": {"redivis": Outcome(state, ("deleted",))},
    }


ENDS = (
    End("success", "the job succeeds", ONE, DEFERRED),
    End("short", "the job ends within a second of the deferral", ONE, DEFERRED),
    End("failure", "the job fails", FAILED, DEFERRED),
    End(
        "retry",
        "the job fails, and the task has a retry",
        AFTER_FAILURE,
        DEFERRED | RETRIED,
        {"redivis": FAILED},  # the same file fails again
    ),
    End("mark_failed", "marked failed while deferred", task=DEFERRED, **ending("failed")),
    End("mark_success", "marked success while deferred", task=DEFERRED, **ending("success")),
    End("clear_deferred", "cleared while deferred", AFTER_CANCEL, DEFERRED, {"redivis": AFTER_DELETE}),
    End("clear_success", "cleared after success", TWO, DEFERRED, {"redivis": ONE}),
    End(
        "clear_running",
        "cleared while it waits on the worker",
        AFTER_CANCEL,
        INLINE,
        {"redivis": AFTER_DELETE},
    ),
    End("kill_before_submit", "worker killed before the job is made", ONE, DEFERRED | RETRIED),
    End(
        "kill_before_remember",
        "worker killed when the job is made, and nothing is noted yet",
        ONE,
        DEFERRED | RETRIED,
        {"salesforce": TWO},  # its id is known to the reply only
    ),
    End(
        "kill_before_defer", "worker killed between noting the job and the deferral", ONE, LINGERING | RETRIED
    ),
    End("kill_inline", "worker killed while it waits for the job", ONE, INLINE | RETRIED),
    End(
        "execution_timeout",
        "`execution_timeout` passes while deferred",
        task=DEFERRED | {"timeout_seconds": 20},
        **ending("failed"),
    ),
    End(
        "run_timeout",
        "`dagrun_timeout` passes while deferred",
        task=DEFERRED,
        timeout_seconds=3600,
        **ending("skipped"),
    ),
    End("triggerer_stop", "triggerer stopped (SIGTERM), a new one started", ONE, DEFERRED),
    End("triggerer_kill", "triggerer killed (SIGKILL), a new one started", ONE, DEFERRED),
    End("triggerer_move", "triggerer stalls; another takes its triggers, then it wakes up", ONE, DEFERRED),
)

SERVICES = ("bigquery", "redivis", "salesforce")
TITLES = {"bigquery": "BigQuery", "redivis": "Redivis", "salesforce": "Salesforce"}


def markdown(outcomes: Mapping[tuple[str, str], Outcome] | None = None) -> str:
    """Return the table that the documentation shows, or the same of what was seen.

    :param outcomes: By the end's name and the service.
    """
    heads = ["what happens", *(TITLES[service] for service in SERVICES)]
    rows = [heads]
    for end in ENDS:
        seen = [(outcomes or {}).get((end.name, service)) or end.expected(service) for service in SERVICES]
        rows.append([end.what, *map(str, seen)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown() + "\n")
