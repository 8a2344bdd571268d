"""Links to the pages of Redivis, whose addresses Redivis tells."""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.links.base import JobLink


class RedivisUploadLink(JobLink):
    """The page of the upload; of several, that of the one to look at first."""

    name = "Redivis upload"


class RedivisTableLink(JobLink):
    """The page of the table that an upload goes to."""

    name = "Redivis table"

    def url_of(self, job: Any) -> str:
        """Return the URL of the table: what an upload's begins with."""
        table, uploads, _ = super().url_of(job).partition("/uploads/")
        return table if uploads else ""


class RedivisDatasetLink(JobLink):
    """The page of the dataset that is released."""

    name = "Redivis dataset"
