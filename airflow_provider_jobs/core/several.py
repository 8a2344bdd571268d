"""Several jobs of one task: one state, one report, one summary, one parallel cancel."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import (
    AuthenticationError,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import SHOWN_PROBLEMS, JobProblem, JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_jobs.core.http.retry import Timing
    from airflow_provider_jobs.core.work import CancelClient

#: Cancels that go out at once: Airflow kills a task's process five seconds after it has told it to stop.
CANCELS_AT_ONCE = 8
#: How long who cancels waits for its threads in all: they may need a lock that it holds.
JOIN_SECONDS = 1.0
#: Between two asks for the same end, in seconds.
_PAUSE_SECONDS = 0.5
#: Jobs or files that a result lists, the first of them; of the others it has ids and sums. It is an XCom.
MOST_LISTED = 20
#: Between the ids in the one text that a result names several jobs by; no service's id holds it.
_AND = " "
#: Of more than :data:`MOST_LISTED` jobs what all ids begin with is written once: ``job_{1,2,3}``.
_SHORTENED = re.compile(r"([^{}, ]*)\{([^{} ]*)\}")
#: XCom of an attempt after the first: which one it is, and which jobs it follows. Those are not to be
#: cancelled by an attempt before it that is told late that it is over.
ATTEMPT_KEY = "job_attempt"
_WORST_FIRST = (
    JobState.RUNNING,
    JobState.PENDING,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.SUCCEEDED,
)


@dataclass(frozen=True, slots=True)
class Several:
    """What several jobs of one service are called, and what is told of them together.

    :param title: In a failure report.
    :param key: Under which a result lists them.
    :param shared: Fields of a job's summary that are told once, if all jobs have the same.
    :param summed: Numbers of a job's summary that are added up, if all jobs tell them.
    :param listed: Lists of a job's summary that are told once, of all jobs together: the first entries.
    """

    title: str = "jobs"
    key: str = "jobs"
    shared: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()


def joined_ids(refs: Sequence[JobRef]) -> str:
    """Return the one text that a result's ``job_id`` names jobs by; :func:`split_ids` reads it."""
    ids = [ref.id for ref in refs]
    if len(ids) <= MOST_LISTED or any(re.search(r"[{}, ]", each) for each in ids):
        return _AND.join(ids)
    start = os.path.commonprefix(ids)  # noqa: RUF071 - of characters
    return f"{start}{{{','.join(each.removeprefix(start) for each in ids)}}}"


def split_ids(job_id: str) -> list[str]:
    """Return the ids that the ``job_id`` of a result names."""
    if (found := _SHORTENED.fullmatch(job_id)) and found[2].count(",") >= MOST_LISTED:
        return [found[1] + rest for rest in found[2].split(",")]
    return job_id.split(_AND)


def later_refs(carried: Mapping[str, Any]) -> list[JobRef]:
    """Return the jobs of a task that are made, and begun one after another once those before have ended."""
    return [JobRef.from_json(each) for each in carried.get("later", ())]


def refs_of(document: Mapping[str, Any]) -> list[JobRef]:
    """Read the jobs of a trigger's row or event; the version before wrote one ``ref`` of joined ids."""
    if "refs" in document:
        return [JobRef.from_json(each) for each in document["refs"]]
    ref = JobRef.from_json(document["ref"])
    return [replace(ref, id=each) for each in split_ids(ref.id)]


def documents(statuses: Sequence[JobStatus]) -> list[dict[str, Any]]:
    """Return JSON objects of which each is a status; of several jobs without what is told of one alone."""
    if len(statuses) > 1:
        short = [{name: each.lineage[name] for name in each.lineage if name != "job"} for each in statuses]
        statuses = [replace(each, lineage=told) for each, told in zip(statuses, short, strict=True)]
    return [each.to_json() for each in statuses]


def names(things: Sequence[object], count: int | None = None) -> str:
    """Return what a message calls jobs, or fields: the first by name, since what follows has to have room.

    :param count: How many there are, if these are the first of them.
    """
    left = (count or len(things)) - MOST_LISTED
    return ", ".join(map(str, things[:MOST_LISTED])) + (f" and {left} more" if left > 0 else "")


def state_of(statuses: Sequence[JobStatus]) -> JobState:
    """Return one state for all: active as long as one is, failed if one did."""
    return next(state for state in _WORST_FIRST if any(status.state is state for status in statuses))


def summary(
    statuses: Sequence[JobStatus], of_one: Callable[[JobStatus], dict[str, Any]], several: Several
) -> dict[str, Any]:
    """Return what a result says: of one job its summary, of several what they share, sums, and the first.

    All are listed if they do not share what tells where they are.
    """
    each = [of_one(status) for status in statuses]
    if len(each) == 1:
        return each[0]
    same = [name for name in several.shared if len({str(job.get(name)) for job in each}) == 1]
    return {
        **{name: each[0][name] for name in same if name in each[0]},
        "job_id": joined_ids([status.ref for status in statuses]),
        "state": state_of(statuses),
        **{name: sum(job[name] for job in each) for name in several.summed if _all_tell(each, name)},
        **{name: found for name in several.listed if (found := _taken_out(each, name))},
        f"{several.key.removesuffix('s')}_count": len(each),
        several.key: each[:MOST_LISTED] if len(same) == len(several.shared) else each,
        **({"url": _telling(statuses).url} if "url" in each[0] else {}),
    }


def report(statuses: Sequence[JobStatus], several: Several) -> JobStatus:
    """Return one status that tells what went wrong in each of several jobs."""
    if len(statuses) == 1:
        return statuses[0]
    state, telling = state_of(statuses), _telling(statuses)
    bad = [status for status in statuses if status.problem]
    problems = [
        _placed(problem, _name(status, statuses))
        for status in bad
        for problem in status.problems or (status.problem,)
        if problem
    ]
    completed = sum(status.state is JobState.SUCCEEDED for status in statuses)
    failed = [status for status in statuses if status.state is JobState.FAILED]
    return JobStatus(
        replace(statuses[0].ref, id=joined_ids([status.ref for status in statuses])),
        state,
        f"{completed} of {len(statuses)} completed",
        title=f"{len(statuses)} {several.title}",
        problem=_placed(telling.problem, _name(telling, statuses)) if telling.problem else None,
        problems=tuple(problems[:SHOWN_PROBLEMS]),
        problem_count=sum(max(status.problem_count, 1) for status in bad),
        # A new attempt sends again what failed, so it can help only if it can help each of them.
        retryable=state is JobState.FAILED and all(status.retryable for status in failed),
        url=telling.url,
    )


def followed_later(follows: Any, try_number: int, refs: Sequence[JobRef]) -> bool:
    """Return True if the XCom :data:`ATTEMPT_KEY` says that a later attempt follows one of these jobs."""
    if not isinstance(follows, dict) or int(follows.get("try_number") or 0) <= try_number:
        return False
    return bool({ref.id for ref in refs} & set(split_ids(str(follows.get("job_id")))))


def cancel_all(client: CancelClient, refs: Sequence[JobRef]) -> dict[JobRef, bool | JobsError]:
    """Ask once for the end of jobs, several at a time and the newest first.

    The caller may be a signal handler that has seconds left, and holds whatever lock its thread held before:
    it takes its turn as each of the threads does, and does itself what they wait for that lock to do.

    :return: For each job whether there was nothing to stop, or what stood in the way.
    """
    turns = iter(list(refs)[::-1])  # all threads take from it
    outcomes: dict[JobRef, bool | JobsError] = {}

    def take_turns() -> None:
        for ref in turns:
            cancel(ref)

    def cancel(ref: JobRef) -> None:
        try:
            outcomes[ref] = bool(client.cancel(ref))
        except JobsError as error:
            outcomes[ref] = error

    threads = [
        threading.Thread(target=take_turns, name="cancel-jobs", daemon=True) for _ in refs[1:CANCELS_AT_ONCE]
    ]
    for thread in threads:
        thread.start()
    take_turns()
    until = time.monotonic() + JOIN_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    for ref in refs:
        if ref not in outcomes:
            cancel(ref)
    return dict(outcomes)


class Cancels:
    """The end of jobs, asked for until the service has taken it, and what is true of each then.

    Who has just made a job may be told that there is none, or that it cannot be stopped: that says nothing
    about a moment later. The caller decides how long it asks, and waits in between.

    :param why: Why the jobs are to end, for the log.
    """

    def __init__(self, client: CancelClient, refs: Sequence[JobRef], why: str) -> None:
        self._client = client
        self._why = why
        self._left = list(refs)
        self._outcomes: dict[JobRef, bool | JobsError] = {}

    def ask(self) -> bool:
        """Ask for the end of all jobs that are left; return True if asking again may help."""
        self._outcomes |= cancel_all(self._client, self._left)
        self._left = [ref for ref in self._left if _may_be_taken_later(self._outcomes[ref])]
        return bool(self._left)

    def insist(self, seconds: float, timing: Timing, log: Any) -> bool:
        """Ask, again for some seconds if that may help; return False if a job may run on.

        :param log: Gets what is true then.
        """
        until = timing.now() + seconds
        while self.ask() and timing.now() < until:
            timing.sleep(_PAUSE_SECONDS)
        self.tell(log)
        return not self.failed

    @property
    def failed(self) -> bool:
        """True if a job may run on."""
        return any(isinstance(outcome, JobsError) for outcome in self._outcomes.values())

    def tell(self, log: Any) -> None:
        """Write to the log what is true of each job."""
        asked = [ref for ref, outcome in self._outcomes.items() if outcome is False]
        over = [ref for ref, outcome in self._outcomes.items() if outcome is True]
        if asked:
            log.info("asked %s to stop, since %s", names(asked), self._why)
        if over:
            log.info("%s had ended by itself, before it could be stopped", names(over))
        for ref, outcome in self._outcomes.items():
            if isinstance(outcome, NotFoundError):
                log.warning("%s could not be cancelled, since it is not found: %s", ref, outcome)
            elif isinstance(outcome, JobsError):
                log.warning("%s could not be cancelled, and may run on: %s", ref, outcome)


def _may_be_taken_later(outcome: bool | JobsError) -> bool:
    """Return True if a cancel was answered, and not taken."""
    refused = isinstance(outcome, ServiceError | ProtocolError)
    return refused and not isinstance(outcome, AuthenticationError)


def _telling(statuses: Sequence[JobStatus]) -> JobStatus:
    """Return the status to look at first: of a job that failed if one did, of one that still runs."""
    state = state_of(statuses)
    return next(status for status in statuses if status.state is state)


def _name(status: JobStatus, statuses: Sequence[JobStatus]) -> str:
    """Return what tells a job from the others: its title if that does, else its id."""
    titles = [each.title for each in statuses]
    return status.title if titles.count(status.title) == 1 else status.ref.id


def _placed(problem: JobProblem, name: str) -> JobProblem:
    return replace(problem, location=", ".join(part for part in (name, problem.location) if part))


def _taken_out(jobs: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """Return the first entries of a list that the jobs have, which they have no longer."""
    return [entry for job in jobs for entry in job.pop(name, [])][:SHOWN_PROBLEMS]


def _all_tell(jobs: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(job.get(name), int) for job in jobs)
