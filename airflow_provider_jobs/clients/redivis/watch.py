"""Redivis's list of a table's uploads.

It tells neither errors nor bad records, so an upload that has ended is asked for by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.wait.job_list import JobList, Page
from airflow_provider_jobs.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobRef, JobStatus

_PAGE_UPLOADS = 1000
_FORBIDDEN = 403


@dataclass(kw_only=True)
class TableUploads(JobList):
    """The uploads of a table.

    :param parse: Returns the status of an upload, whole or as a list shows it.
    """

    parse: Callable[[Any, JobRef], JobStatus]
    listed_from: int = 3

    def where(self, ref: JobRef) -> tuple[str, str]:
        """Return the table and the upload's ``uri``; a release has a place of its own, and no list."""
        return (ref.scope if "/uploads/" in ref.id else str(ref)), ref.id

    def pages(self, refs: Sequence[JobRef]) -> Iterator[Page]:
        """Yield the uploads of the table."""
        for page in self.list_pages(refs[0].scope, maxResults=_PAGE_UPLOADS):
            found = page.get("results")
            uploads = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
            yield Page([(str(upload.get("uri")), upload) for upload in uploads])

    def read(self, job: Any, ref: JobRef, before: JobStatus | JobsError | None) -> JobStatus | None:
        """Return the status of an active upload."""
        status = self.parse(job, ref)
        return None if status.state.ended else status

    def may_not_list(self, error: JobsError) -> bool:
        """Return True of a token that may make uploads, and not list them."""
        return isinstance(error, ServiceError) and error.status == _FORBIDDEN
