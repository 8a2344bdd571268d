"""Links to the Google Cloud console."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_jobs.links.base import JobLink

_CONSOLE = "https://console.cloud.google.com/bigquery?"


class BigQueryJobLink(JobLink):
    """The job's page in the console, with the location that BigQuery reported."""

    name = "BigQuery job"


class BigQueryTableLink(JobLink):
    """The page of the table that a job writes or extracts; results that are kept for a day have none."""

    name = "BigQuery table"

    def url_of(self, job: Any) -> str:
        """Return the URL of the table, empty if the job has none, or a lakehouse's."""
        names = ("destination_table", "source_table")
        table = next(filter(None, map(job.get, names)), None) if isinstance(job, dict) else None
        if not isinstance(table, str):
            return ""
        where, _, name = table.rpartition(".")
        domain, colon, rest = where.rpartition(":")  # example.com:project
        project, _, dataset = rest.partition(".")
        name = name.partition("$")[0]  # the page is of the table, not of its partition
        if not (project and dataset and name) or dataset.startswith("_") or "." in dataset:
            return ""
        project = f"{domain}{colon}{project}"
        place = {"project": project, "p": project, "d": dataset, "t": name, "page": "table"}
        return _CONSOLE + urlencode(place, safe=":", quote_via=quote)
