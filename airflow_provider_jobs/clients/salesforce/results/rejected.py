"""What became of the records of an ingest job, as its results tell: its counters may come late.

Source: https://developer.salesforce.com/docs/platform/api-asynch/guide/get-job-failed-results.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import job_path
from airflow_provider_jobs.clients.salesforce.results.files import read_draft
from airflow_provider_jobs.clients.salesforce.results.page import MOST_RECORD_BYTES
from airflow_provider_jobs.core.sources.csv_records import RecordCounter, records_of, values_of
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
    from airflow_provider_jobs.clients.salesforce.results.page import Page
    from airflow_provider_jobs.jobs import JobRef, JobStatus

SUCCESSFUL, FAILED = "successfulResults", "failedResults"
#: In the error of a record that another transaction held, or of one that it belongs to, also where a trigger
#: or a flow of the org met the lock.
_LOCK = re.compile(r"UNABLE_TO_LOCK_ROW|unable to obtain exclusive access", re.IGNORECASE)
#: Where rejected records have their error: after the id, before what was sent.
_ERROR_AT = 1


def by_lock(values: Sequence[str]) -> bool:
    """Return True if a rejected record was kept out by a lock."""
    return len(values) > _ERROR_AT and bool(_LOCK.search(values[_ERROR_AT]))


def count_records(api: SalesforceApi, ref: JobRef, which: str) -> int:
    """Return how many records a file of a job's results has, read to its end.

    :param which: :data:`SUCCESSFUL` or :data:`FAILED`.
    :raises ConfigurationError: it is another word.
    """
    if which not in (SUCCESSFUL, FAILED):
        raise ConfigurationError(f"which is {which!r}: it is one of {SUCCESSFUL}, {FAILED}")

    def step() -> int:
        counter = RecordCounter()
        with api.csv(f"{job_path(ref)}/{which}/", {}) as reply:
            for block in reply.blocks:
                counter.take(block)
        if counter.quoted:
            raise ProtocolError(f"the {which} of {ref} end inside quotes: a part of them is missing")
        return max(0, counter.records - 1)

    return api.repeat(step)


def settled(api: SalesforceApi, status: JobStatus, sent: int | None = None) -> JobStatus:
    """Return the status of a complete job with the numbers that its results have; of another as it is.

    A job may be complete before its counters are: 0 rejected records are believed of ``failedResults`` alone.

    :param sent: How many records the job was sent; None if nobody knows.
    """
    if status.state is not JobState.SUCCEEDED:
        return status
    told = status.statistics
    failed = max(told.get("failed_record_count") or 0, count_records(api, status.ref, FAILED))
    processed = told.get("record_count")
    if None not in {sent, processed} and processed != sent:
        found = failed + count_records(api, status.ref, SUCCESSFUL)
        processed = found if found == sent else processed
    return replace(status, statistics={**told, "record_count": processed, "failed_record_count": failed})


def leave_out_locked(sink: LocalSink, page: Page, delimiter: str | None) -> None:
    """Drop the records that a lock kept out from the draft of a page; with no delimiter leave it alone."""
    if delimiter is None:
        return
    draft, kept, count = page.part.name, f"{page.part.name}.kept", 0
    with sink.begin(kept) as file:
        for at, record in enumerate(records_of(read_draft(sink, draft), MOST_RECORD_BYTES)):
            is_header = at == 0 and page.begins_with_header
            if is_header or not by_lock(values_of(record, delimiter)):
                file.write(record)
                count += not is_header
        size = file.tell()
    sink.drop(draft)
    page.part, page.records = replace(page.part, name=kept, size_bytes=size, record_count=count), count
