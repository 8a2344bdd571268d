"""What became of ingested records.

Source: https://developer.salesforce.com/docs/platform/api-asynch/guide/get-job-successful-results.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce_assembly import Assembly, Fetched, OneFile, Parts
from airflow_provider_jobs.clients.salesforce_fetch import PageFetcher, Wanted
from airflow_provider_jobs.clients.salesforce_output import Downloaded, Output, Sink, downloaded
from airflow_provider_jobs.clients.salesforce_reference import INGEST, job_path, kind_of
from airflow_provider_jobs.clients.salesforce_results import Header
from airflow_provider_jobs.clients.salesforce_status import number
from airflow_provider_jobs.core.jobs import JobState
from airflow_provider_jobs.core.joint import parts
from airflow_provider_jobs.errors import ConfigurationError, JobsError

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.salesforce import SalesforceClient
    from airflow_provider_jobs.core.jobs import JobRef

#: The three sets of results, as the API spells them, and what our files are called.
INGESTED = {
    "successfulResults": "successful",
    "failedResults": "failed",
    "unprocessedrecords": "unprocessed",
}


def download_ingested(
    client: SalesforceClient, ref: JobRef, which: str, output: Output, sink: Sink
) -> Downloaded:
    """Write what became of the records of an ingest job, or of several, to a file, or to one for each job.

    :param which: One of :data:`INGESTED`.
    :raises ProtocolError: it has not the records that the job counts.
    """
    if which not in INGESTED:
        raise ConfigurationError(f"which is {which!r}: it is one of {', '.join(INGESTED)}")
    if kind_of(ref) != INGEST:
        raise ConfigurationError(f"{ref} is no ingest job")
    assembly: Assembly = (Parts if output.split else OneFile)(sink, output)
    fetcher = PageFetcher(client, sink, output, Header())
    try:
        for job_number, each in enumerate(parts(ref)):
            assembly.add(_ingested(client, each, which, assembly, fetcher, job_number))
        assembly.finish()
        files = list(assembly.parts)
        places = sink.publish(files)
    finally:
        assembly.close()
        fetcher.clean({output.name, *fetcher.drafts})
    return downloaded(ref, files, places, len(parts(ref)))


def _ingested(
    client: SalesforceClient,
    ref: JobRef,
    which: str,
    assembly: Assembly,
    fetcher: PageFetcher,
    job_number: int,
) -> Fetched:
    job = client.get_job(ref)
    status = client.read(job, ref)
    if not status.state.ended:
        raise JobsError(f"{ref} is {status.vendor_state}: its results can be read once it has ended")
    failed = number(job.get("numberRecordsFailed"))
    processed = number(job.get("numberRecordsProcessed"))
    records = None
    if status.state is JobState.SUCCEEDED and failed is not None and processed is not None:
        records = {"successfulResults": processed - failed, "failedResults": failed}.get(which)
    wanted = Wanted(f"{job_path(ref)}/{which}/", located=False, records=records)
    name = assembly.page_name(job_number)
    # A job may have an empty reply: the file's header is that of the first one that has any.
    with_header = assembly.has_header(job_number) or fetcher.header.digest is None
    page = fetcher.fetch(wanted, {}, name, with_header=with_header)
    fetcher.header.settle(page.header)
    return page
