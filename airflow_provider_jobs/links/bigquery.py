"""Links to the Google Cloud console."""

from airflow_provider_jobs.links.base import JobLink


class BigQueryJobLink(JobLink):
    """The job's page in the console, with the location that BigQuery reported."""

    name = "BigQuery job"
