"""Links to an org's setup."""

from airflow_provider_jobs.links.base import JobLink


class SalesforceJobLink(JobLink):
    """The job's page in the org's setup."""

    name = "Salesforce job"
