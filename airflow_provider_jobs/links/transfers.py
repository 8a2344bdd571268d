"""Links of transfers, whose jobs are of two services."""

from airflow_provider_jobs.links.base import JobLink


class TransferJobLink(JobLink):
    """The page of the job that the task is at, in its service's console."""

    name = "Job"
