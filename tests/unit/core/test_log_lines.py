from __future__ import annotations

from airflow_provider_jobs.core.log_lines import begun_lines, called, called_each
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus


class Counted(JobRef):
    """Counts how often a job is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return super().__eq__(other)

    __hash__ = JobRef.__hash__


def jobs(count: int) -> list[JobRef]:
    return [Counted("bigquery", "shop", f"job-{number}", "US") for number in range(count)]


def running(ref: JobRef) -> JobStatus:
    return JobStatus(ref, JobState.RUNNING, "RUNNING")


def test_one_job_has_no_number() -> None:
    [ref] = jobs(1)
    names = called_each([ref])
    assert list(begun_lines(running(ref), names, "submitted")) == [f"submitted {ref}"]
    assert called(ref, names) == "the job"


def test_each_of_several_jobs_has_its_number() -> None:
    refs = jobs(3)
    names = called_each(refs)
    assert list(begun_lines(running(refs[1]), names, "adopted", "b.csv")) == [
        f"adopted job 2 of 3, {refs[1]}, for b.csv"
    ]
    assert called(refs[2], names) == "job 3 of 3"
    elsewhere = JobRef("bigquery", "shop", "job-2", "EU")
    assert called(elsewhere, names) == "the job"


def test_no_job_of_many_is_compared_with_all_others() -> None:
    refs = jobs(500)
    Counted.compared = 0
    names = called_each(refs)
    lines = [line for ref in refs for line in begun_lines(running(ref), names, "submitted")]
    assert len({*lines, *(called(ref, names) for ref in refs)}) == 1000
    assert Counted.compared <= len(refs)
