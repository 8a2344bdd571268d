"""Several jobs of one task, which one reference stands for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.replies import console_url
from airflow_provider_jobs.core import several as joint
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.jobs import SHOWN_PROBLEMS, JobProblem, JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


#: Numbers of load jobs that say something together.
SUMMED = ("row_count", "bad_record_count", "input_file_count", "input_bytes", "output_bytes")


def joint_ref(refs: Sequence[JobRef]) -> JobRef:
    """Return one reference for several jobs; it is as young as the youngest, which may not be visible yet.

    :raises JobsError: they are in several places: one reference cannot say where each is.
    """
    places = sorted({f"{ref.scope}:{ref.location}" for ref in refs})
    if len(places) > 1:
        raise JobsError(f"the jobs of one task are in several places: {', '.join(places)}")
    created = [ref.created_at for ref in refs if ref.created_at is not None]
    return replace(joint.joint_ref(refs), created_at=max(created, default=None))


def joint_status(ref: JobRef | None, statuses: Sequence[JobStatus]) -> JobStatus:
    """Return one status for all: active as long as one is, failed if one did; None makes their reference."""
    if len(statuses) == 1:
        return statuses[0]
    ref = ref or joint_ref([status.ref for status in statuses])
    status = joint.joint_status(ref, statuses, what="BigQuery jobs", key="jobs")
    # The page to look at first: of a job that failed if one did, of one that still runs.
    telling = next(each for each in statuses if each.state is status.state)
    jobs = [
        {"project_id": each.ref.scope, "location": each.ref.location, **job, "url": console_url(each.ref)}
        for each, job in zip(statuses, status.statistics["jobs"], strict=True)
    ]
    status = replace(status, url=console_url(telling.ref), statistics={**_sums(jobs), "jobs": jobs})
    return _with_problems(status, statuses) if status.problem else status


def _sums(jobs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the sums of the numbers that every job tells."""
    common = set.intersection(*(set(job) for job in jobs))
    return {name: sum(job[name] for job in jobs) for name in SUMMED if name in common}


def _with_problems(status: JobStatus, statuses: Sequence[JobStatus]) -> JobStatus:
    """Return the status of jobs that ended badly, with what went wrong in each."""
    bad = [each for each in statuses if each.problem]
    problems = [
        _of_job(each, problem) for each in bad for problem in each.problems or (each.problem,) if problem
    ]
    worst = [each for each in bad if each.state is status.state]
    return replace(
        status,
        problem=_of_job(worst[0], worst[0].problem) if worst and worst[0].problem else status.problem,
        problems=tuple(problems[:SHOWN_PROBLEMS]),
        problem_count=sum(max(each.problem_count, 1) for each in bad),
        # A new attempt sends again what failed, so it can help only if it can help each of them.
        retryable=all(each.retryable for each in bad if each.state is JobState.FAILED)
        and status.state is JobState.FAILED,
    )


def _of_job(status: JobStatus, problem: JobProblem) -> JobProblem:
    place = ", ".join(part for part in (status.ref.id, problem.location) if part)
    return replace(problem, location=place)
