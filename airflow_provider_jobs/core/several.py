"""Several jobs that one reference stands for: their ids, with a space between them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.jobs import SHOWN_PROBLEMS, JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    News = Mapping[JobRef, JobStatus | JobsError]

#: No service's id holds it.
_AND = " "
_WORST_FIRST = (
    JobState.RUNNING,
    JobState.PENDING,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.SUCCEEDED,
)


def parts(ref: JobRef) -> list[JobRef]:
    """Return the jobs that a reference stands for: itself, or several."""
    return [replace(ref, id=each) for each in ref.id.split(_AND)]


def joint_ref(refs: Sequence[JobRef]) -> JobRef:
    """Return one reference for several jobs of one place."""
    return replace(refs[0], id=_AND.join(ref.id for ref in refs))


def joint_status(ref: JobRef | None, statuses: Sequence[JobStatus], *, what: str, key: str) -> JobStatus:
    """Return one status for all: active as long as one is, failed if one did.

    :param ref: What stands for them; None makes it.
    :param what: What several of them are called, in a failure report.
    :param key: Under which the statistics list theirs.
    """
    first = statuses[0]
    if len(statuses) == 1:
        return first if ref is None else replace(first, ref=ref)
    state = next(state for state in _WORST_FIRST if any(status.state is state for status in statuses))
    problems = [replace(each.problem, location=each.title) for each in statuses if each.problem]
    ended = sum(status.state is JobState.SUCCEEDED for status in statuses)
    return JobStatus(
        ref or joint_ref([status.ref for status in statuses]),
        state,
        f"{ended} of {len(statuses)} completed",
        title=f"{len(statuses)} {what}",
        problem=problems[0] if state.ended and problems else None,
        problems=tuple(problems[:SHOWN_PROBLEMS]) if state.ended else (),
        problem_count=len(problems) if state.ended else 0,
        statistics={
            key: [{"job_id": each.ref.id, "state": each.state, **each.statistics} for each in statuses]
        },
    )


def statuses_of(
    refs: Sequence[JobRef],
    ask: Callable[[Sequence[JobRef]], News],
    join: Callable[[JobRef, Sequence[JobStatus]], JobStatus],
) -> dict[JobRef, JobStatus | JobsError]:
    """Return the status of each reference, or the error that stands in its way.

    :param ask: Tells about single jobs.
    :param join: Makes one status of several jobs'.
    """
    singles = ask(list(dict.fromkeys(part for ref in refs for part in parts(ref))))
    found: dict[JobRef, JobStatus | JobsError] = {}
    for ref in refs:
        news = [singles[part] for part in parts(ref)]
        told = [each for each in news if isinstance(each, JobStatus)]
        errors = [each for each in news if isinstance(each, JobsError)]
        found[ref] = errors[0] if errors else join(ref, told)
    return found


T = TypeVar("T")


def for_each(things: Iterable[T], act: Callable[[T], object]) -> None:
    """Act on each.

    :raises JobsError: the first failure, once all have had their turn.
    """
    first: JobsError | None = None
    for thing in things:
        try:
            act(thing)
        except JobsError as error:
            first = first or error
    if first:
        raise first
