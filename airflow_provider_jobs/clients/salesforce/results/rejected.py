"""What became of the records of an ingest job, as its results tell: its counters may come late.

Source: https://developer.salesforce.com/docs/platform/api-asynch/guide/get-job-failed-results.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import job_path
from airflow_provider_jobs.clients.salesforce.results.files import Draft, Output, Part, read_draft
from airflow_provider_jobs.clients.salesforce.results.page import (
    MOST_RECORD_BYTES,
    Page,
    PageFetcher,
    Wanted,
)
from airflow_provider_jobs.core.sources.csv_records import records_of, values_of
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
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


def wanted_list(ref: JobRef, which: str, records: int | None = None, least: int = 0) -> Wanted:
    """Return what a file of a job's results has to be.

    :param least: Records that it has at least; the job tells of no fewer.
    """
    return Wanted(f"{job_path(ref)}/{which}/", located=False, records=records, least_records=least)


def failed_records(api: SalesforceApi, ref: JobRef, records: int | None = None) -> Iterator[bytes]:
    """Ask once for the records that a job rejected, and yield them, the header first.

    They are all of them once this has ended.

    :param records: How many they have to be; None if only the reply itself tells.
    :raises ProtocolError: the reply is not CSV, or a part of it is missing.
    """
    wanted = wanted_list(ref, FAILED, records)
    page = Page(wanted, with_header=True, most_bytes=api.most_page_bytes)
    yield from records_of(_blocks(api, page, wanted), MOST_RECORD_BYTES)


def _blocks(api: SalesforceApi, page: Page, wanted: Wanted) -> Iterator[bytes]:
    try:
        with api.csv(wanted.path, {}) as reply:
            yield from page.blocks(reply)
    except ProtocolError as error:  # of bytes: it does not know whose they are
        error.args = (f"{wanted.path}: {error}",)
        raise


def count_records(api: SalesforceApi, ref: JobRef, which: str, least: int = 0) -> int:
    """Return how many records a file of a job's results has, read to its end, again if a part is missing.

    :param which: :data:`SUCCESSFUL` or :data:`FAILED`.
    :param least: It has at least so many.
    :raises ConfigurationError: it is another word.
    :raises ProtocolError: a part of the file is missing, each time.
    """
    if which not in (SUCCESSFUL, FAILED):
        raise ConfigurationError(f"which is {which!r}: it is one of {SUCCESSFUL}, {FAILED}")

    wanted = wanted_list(ref, which, least=least)

    def step() -> int:
        page = Page(wanted, with_header=True, most_bytes=api.most_page_bytes)
        for _ in _blocks(api, page, wanted):
            pass
        return page.records

    return api.repeat(step)


def settled(api: SalesforceApi, status: JobStatus, sent: int | None = None) -> JobStatus:
    """Return the status of a complete job with the numbers that its results have; of another as it is.

    A job may be complete before its counters are: 0 rejected records are believed of ``failedResults`` alone.

    :param sent: How many records the job was sent; None if nobody knows.
    :raises ProtocolError: ``failedResults`` is not whole, or has fewer records than the job rejected.
    """
    if status.state is not JobState.SUCCEEDED:
        return status
    told = status.statistics
    failed = count_records(api, status.ref, FAILED, told.get("failed_record_count") or 0)
    processed = told.get("record_count")
    if None not in {sent, processed} and processed != sent:
        found = failed + count_records(api, status.ref, SUCCESSFUL)
        processed = found if found == sent else processed
    return replace(status, statistics={**told, "record_count": processed, "failed_record_count": failed})


def fetch_list(
    api: SalesforceApi,
    sink: LocalSink,
    output: Output,
    wanted: Wanted,
    name: str,
    delimiter: str | None,
    **how: bool,
) -> Page:
    """Read a file of a job's results into a draft.

    :param delimiter: Leave out the records that a lock kept out, in a file with this one; None keeps all.
    :param how: As of :meth:`.PageFetcher.fetch`.
    """
    if delimiter is None:
        return PageFetcher(api, sink, output).fetch(wanted, {}, name, **how)
    every, kept = f"{name}.every", b""
    page = PageFetcher(api, sink, Output(name)).fetch(wanted, {}, every, **how)
    page.records = 0
    with sink.begin(name) as file:
        draft = Draft(file, compress=output.compress, hashed=output.split)
        for at, record in enumerate(records_of(read_draft(sink, every), MOST_RECORD_BYTES)):
            is_header = at == 0 and page.begins_with_header
            if is_header or not by_lock(values_of(record, delimiter)):
                draft.write(record)
                kept = record
                page.records += not is_header
        draft.end()
        page.part = Part(name, page.records, file.tell(), draft.sha256)
    page.ends_a_line = not kept or kept.endswith(b"\n")
    sink.drop(every)
    return page
