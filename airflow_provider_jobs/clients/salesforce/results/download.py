"""Downloads results to files: pages side by side, every record accounted for, interruptions survived.

What belongs to it, from the service to the disk: ``salesforce_results`` reads and counts one page,
``salesforce_fetch`` has it in a draft of its own, again if need be, ``salesforce_assembly`` puts drafts in
their order, ``salesforce_output`` says where files are and how far they came. This module decides which pages
are read when; ``salesforce_ingested`` does the same for what became of ingested records.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import INGEST, QUERY, job_path, kind_of, lists_pages
from airflow_provider_jobs.clients.salesforce.replies import number
from airflow_provider_jobs.clients.salesforce.results.assembly import Assembly, Fetched, OneFile, Parts
from airflow_provider_jobs.clients.salesforce.results.fetch import PageFetcher, Wanted
from airflow_provider_jobs.clients.salesforce.results.files import (
    Checkpoint,
    Downloaded,
    Output,
    Sink,
    downloaded,
)
from airflow_provider_jobs.clients.salesforce.results.page import (
    END,
    Header,
    ListedPage,
    check_total,
    finished_total,
    listed_pages,
    next_page,
)
from airflow_provider_jobs.core.several import parts
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError, ProtocolError
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.jobs import JobRef


log = logging.getLogger(__name__)

#: Pages that are read at a time.
WORKERS = 8
#: As many connections are kept open.
MOST_WORKERS = 16
#: Takes a checkpoint to remember, None to forget it.
Memory = Callable[[Checkpoint | None], None]


def download(
    client: SalesforceClient,
    ref: JobRef,
    output: Output,
    sink: Sink,
    *,
    workers: int = WORKERS,
    page_records: int | None = None,
    checkpoint: Checkpoint | None = None,
    on_checkpoint: Memory | None = None,
) -> Downloaded:
    """Write the results of a finished query to files, and see that every record came.

    Pages are read side by side if the service lists them, otherwise one after another. Files appear under
    their names once all of them are whole. After an interruption the next attempt goes on behind the last
    whole page, if it is given the last checkpoint and a sink that still has the drafts.

    :param workers: Pages to read at a time.
    :param page_records: At most so many records a page; pages come one after another then.
    :param checkpoint: The last one of an earlier attempt; one of another download is ignored.
    :param on_checkpoint: Told after every whole page, and None once there is nothing to go on with.
    :raises ProtocolError: records are missing; nothing was published.
    :raises JobFailed: the query has failed.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ConfigurationError(f"workers is {workers}: it is 1 to {MOST_WORKERS}")
    if kind_of(ref) != QUERY:
        raise ConfigurationError(f"{ref} is no query: what became of its records is downloaded by itself")
    total = finished_total(client, ref)
    work = _Download(client, ref, output, sink, total, workers, page_records, on_checkpoint)
    try:
        return work.run(checkpoint)
    finally:
        work.close()


class _StaleCheckpoint(Exception):
    """The list of pages is not what it was."""


class _Download:
    """One query's results on their way into files."""

    def __init__(
        self,
        client: SalesforceClient,
        ref: JobRef,
        output: Output,
        sink: Sink,
        total: int,
        workers: int,
        page_records: int | None,
        tell: Memory | None,
    ) -> None:
        self._client = client
        self._ref = ref
        self._output = output
        self._sink = sink
        self._total = total
        self._workers = workers
        self._page_records = page_records
        self._tell = tell or (lambda _: None)
        self._remembered = tell is not None
        self._wanted = Wanted(f"{job_path(ref)}/results", some=total > 0)
        self._assembly = self._new_assembly()
        self._begin()

    def _new_assembly(self) -> Assembly:
        return (Parts if self._output.split else OneFile)(self._sink, self._output)

    def _begin(self, digest: str | None = None) -> None:
        self._assembly.close()
        self._assembly = self._new_assembly()
        self._fetcher = PageFetcher(self._client, self._sink, self._output, Header(digest))
        self._pages = 0

    def run(self, checkpoint: Checkpoint | None) -> Downloaded:
        """Read all pages, check the total, publish."""
        known = self._recalled(checkpoint)
        try:
            self._read(known)
        except _StaleCheckpoint:
            log.warning("the pages of %s are listed in another way now: the download begins anew", self._ref)
            self._begin()
            self._read(None)
        self._assembly.finish()
        files = self._assembly.parts
        found = sum(part.record_count for part in files)
        try:
            check_total(self._ref, found, self._total)
        except ProtocolError:
            self._remembered = False  # no other attempt may go on with this
            self._tell(None)
            raise
        places = self._sink.publish(files)
        self._tell(None)
        log.info("%s: %s records of %s pages are in %s files", self._ref, found, self._pages, len(files))
        return downloaded(self._ref, files, places, self._pages)

    def close(self) -> None:
        """Let go of files; drop drafts, but those that another attempt goes on with."""
        files = {part.name for part in self._assembly.parts}
        self._assembly.close()
        self._fetcher.clean(
            self._fetcher.drafts - files if self._remembered else self._fetcher.drafts | files
        )

    def _recalled(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """Return the checkpoint if what it tells of is still there."""
        if checkpoint is None or not checkpoint.is_of(self._ref, self._output, self._page_records):
            return None
        self._begin(checkpoint.header)
        if not self._assembly.recall(checkpoint.parts):
            log.info("what was downloaded of %s is not on this machine: it begins anew", self._ref)
            self._begin()
            return None
        self._assembly.ends_a_line = checkpoint.ends_a_line
        self._pages = checkpoint.page_count
        log.info("%s: going on after %s pages", self._ref, self._pages)
        return checkpoint

    def _read(self, known: Checkpoint | None) -> None:
        places = self._listed_after(known) if known and known.listed else self._listed(known)
        if places:
            self._side_by_side(places)
        else:
            self._one_by_one(known)

    def _listed(self, known: Checkpoint | None) -> Iterator[ListedPage] | None:
        """Return all pages, None if they have to be followed one by one."""
        wanted = self._page_records is None and self._workers > 1 and self._total > 0
        if known or not wanted or not lists_pages(self._ref):
            return None
        pages = listed_pages(self._client, self._ref)
        try:
            return itertools.chain([next(pages)], pages)
        except StopIteration:
            return None
        except NotFoundError:
            self._client.get_job(self._ref)  # says so itself if it is the job that is gone
            return None

    def _one_by_one(self, known: Checkpoint | None) -> None:
        seen: set[str] = set()
        following = known.next_locator if known else None
        while following != END:
            page = self._fetch(self._pages, next_page(seen, following))
            self._take(page, listed=False, next_locator=page.locator)
            following = page.locator

    def _listed_after(self, known: Checkpoint) -> Iterator[ListedPage]:
        """Return the pages after the last whole one."""
        last = ListedPage(known.last_locator, known.list_locator)
        pages = listed_pages(self._client, self._ref, known.list_locator)
        for page in pages:
            if page == last:
                return pages
            if page.list_locator != known.list_locator:
                break
        raise _StaleCheckpoint

    def _side_by_side(self, places: Iterator[ListedPage]) -> None:
        waiting: deque[tuple[ListedPage, Future[Fetched]]] = deque()
        with ThreadPoolExecutor(self._workers, "salesforce-page") as pool:
            try:
                for page_number, place in zip(itertools.count(self._pages), places, strict=False):
                    waiting.append((place, pool.submit(self._fetch, page_number, place.locator)))
                    while waiting and (len(waiting) >= 2 * self._workers or waiting[0][1].done()):
                        self._take_first(waiting)
                while waiting:
                    self._take_first(waiting)
            except BaseException:
                self._fetcher.stopped.set()
                for _, future in waiting:
                    future.cancel()
                raise

    def _take_first(self, waiting: deque[tuple[ListedPage, Future[Fetched]]]) -> None:
        place, future = waiting.popleft()
        page = future.result()
        if not self._fetcher.header.agrees(page.header):  # it came before the first page did
            page = self._fetch(self._pages, place.locator)
        self._take(page, listed=True, list_locator=place.list_locator, last_locator=place.locator)

    def _fetch(self, page_number: int, locator: str | None) -> Fetched:
        params = {"locator": locator, "maxRecords": self._page_records}
        name = self._assembly.page_name(page_number)
        return self._fetcher.fetch(
            self._wanted, params, name, with_header=self._assembly.has_header(page_number)
        )

    def _take(self, page: Fetched, *, listed: bool, **place: str | None) -> None:
        self._fetcher.header.settle(page.header)
        self._assembly.add(page)
        self._pages += 1
        self._tell(
            Checkpoint(
                job_id=self._ref.id,
                location=str(self._ref.location),
                output=asdict(self._output),
                page_records=self._page_records,
                parts=tuple(self._assembly.parts),
                page_count=self._pages,
                header=self._fetcher.header.digest,
                listed=listed,
                ends_a_line=self._assembly.ends_a_line,
                **place,
            )
        )


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
