"""Results of jobs: pages side by side, every record accounted for, interruptions survived.

From the service to the disk: :mod:`.page` reads and counts one page, :mod:`.fetch` has it in a draft of its
own, again if need be, :mod:`.assembly` puts drafts in their order, :mod:`.files` says where files are and how
far they came. This module decides which pages are read when.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections import deque
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import INGEST, QUERY, job_path, kind_of, lists_pages
from airflow_provider_jobs.clients.salesforce.replies import number
from airflow_provider_jobs.clients.salesforce.results.assembly import assembly_for
from airflow_provider_jobs.clients.salesforce.results.fetch import PageFetcher
from airflow_provider_jobs.clients.salesforce.results.files import (
    Checkpoint,
    LocalSink,
    Output,
    downloaded,
    read_draft,
)
from airflow_provider_jobs.clients.salesforce.results.page import (
    END,
    Header,
    ListedPage,
    Wanted,
    listed_pages,
)
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    NotFoundError,
    ProtocolError,
)
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.assembly import Assembly
    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded, Fetched, Sink
    from airflow_provider_jobs.jobs import JobRef, JobStatus

    #: Takes a checkpoint to remember, None to forget it.
    OnCheckpoint = Callable[[Checkpoint | None], None]

log = logging.getLogger(__name__)

#: Pages that are read at a time.
WORKERS = 8
#: As many connections are kept open.
MOST_WORKERS = 16
#: The three sets of results of an ingest job, as the API spells them, and what our files are called.
INGESTED = {
    "successfulResults": "successful",
    "failedResults": "failed",
    "unprocessedrecords": "unprocessed",
}


def open_results(api: SalesforceApi, ref: JobRef, page_records: int | None) -> Iterator[bytes]:
    """Yield a query's results, one whole page after another, the header once; see that all records came."""
    with tempfile.TemporaryDirectory(prefix="salesforce-results-") as folder:
        total, sink, header = _finished_total(api, ref), LocalSink(folder), Header()
        fetcher = PageFetcher(api, sink, Output("page"), header)
        wanted = Wanted(f"{job_path(ref)}/results", some=total > 0)

        def fetch(locator: str | None) -> Fetched:
            params = {"locator": locator, "maxRecords": page_records}
            return fetcher.fetch(wanted, params, "page", with_header=locator is None)

        found, ends_a_line = 0, True
        for page in _followed(fetch, None):
            header.settle(page.header)
            if not ends_a_line:
                yield b"\n"
            yield from read_draft(sink.draft(page.name))
            found, ends_a_line = found + page.record_count, page.ends_a_line
        _check_total(ref, found, total)


def download(
    api: SalesforceApi,
    ref: JobRef,
    output: Output,
    sink: Sink,
    *,
    workers: int = WORKERS,
    page_records: int | None = None,
    checkpoint: Checkpoint | None = None,
    on_checkpoint: OnCheckpoint | None = None,
) -> Downloaded:
    """Write the results of a finished query to files, and see that every record came.

    Pages are read side by side if the service lists them, otherwise one after another. Files appear under
    their names once all of them are whole. After an interruption the next attempt goes on behind the last
    whole page, if it is given the last checkpoint and a sink that still has the drafts.

    :param workers: Pages to read at a time.
    :param page_records: At most so many records a page; pages come one after another then.
    :param checkpoint: The last one of an earlier attempt; one of another download is ignored.
    :param on_checkpoint: Told after every whole page, and None once there is nothing to go on with. Without
        it no attempt follows: a download that fails leaves nothing behind.
    :raises ProtocolError: records are missing; nothing was published.
    :raises JobFailed: the query has failed.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ConfigurationError(f"workers is {workers}: it is 1 to {MOST_WORKERS}")
    if kind_of(ref) != QUERY:
        raise ConfigurationError(f"{ref} is not a query: what became of its records is downloaded by itself")
    if checkpoint and not checkpoint.is_of(ref, output, page_records):
        checkpoint = None
    work = _Download(api, ref, output, sink, workers, page_records, checkpoint, on_checkpoint)
    try:
        return work.run()
    finally:
        work.close()


class _StaleCheckpoint(Exception):
    """The list of pages is not what it was."""


class _Download:
    """One query's results on their way into files."""

    _assembly: Assembly
    _fetcher: PageFetcher
    _pages: int
    #: What another attempt goes on with.
    _last: Checkpoint | None

    def __init__(
        self,
        api: SalesforceApi,
        ref: JobRef,
        output: Output,
        sink: Sink,
        workers: int,
        page_records: int | None,
        checkpoint: Checkpoint | None,
        on_checkpoint: OnCheckpoint | None,
    ) -> None:
        self._api = api
        self._ref = ref
        self._output = output
        self._sink = sink
        self._workers = workers
        self._page_records = page_records
        self._on_checkpoint = on_checkpoint
        self._total = 0
        self._begin(checkpoint)

    def _begin(self, checkpoint: Checkpoint | None) -> None:
        """Go on behind a checkpoint; None begins anew."""
        self._last = checkpoint
        self._pages = checkpoint.page_count if checkpoint else 0
        self._assembly = assembly_for(self._sink, self._output)
        self._assembly.ends_a_line = checkpoint.ends_a_line if checkpoint else True
        header = Header(checkpoint.header if checkpoint else None)
        self._fetcher = PageFetcher(self._api, self._sink, self._output, header)

    def run(self) -> Downloaded:
        """Read all pages, check the total, publish."""
        self._total = _finished_total(self._api, self._ref)
        if self._last:
            self._recall(self._last)
        try:
            self._read(self._last)
        except _StaleCheckpoint:
            log.warning("the pages of %s are listed in another way now: the download begins anew", self._ref)
            self._assembly.close()
            self._begin(None)
            self._read(None)
        self._assembly.finish()
        files = self._assembly.parts
        found = sum(part.record_count for part in files)
        try:
            _check_total(self._ref, found, self._total)
        except ProtocolError:
            self._remember(None)  # no other attempt may go on with this
            raise
        places = self._sink.publish(files)
        self._remember(None)
        log.info("%s: %s records of %s pages are in %s files", self._ref, found, self._pages, len(files))
        return downloaded(self._ref, files, places, self._pages)

    def close(self) -> None:
        """Let go of files; drop drafts, but those that another attempt goes on with."""
        self._assembly.close()
        kept = self._last.parts if self._last and self._on_checkpoint else ()
        self._fetcher.clean({part.name for part in kept})

    def _recall(self, checkpoint: Checkpoint) -> None:
        """Go on with what a checkpoint tells of, if it is still there."""
        if self._assembly.recall(checkpoint.parts):
            log.info("%s: going on after %s pages", self._ref, self._pages)
        else:
            log.info("what was downloaded of %s is not on this machine: it begins anew", self._ref)
            self._begin(None)

    def _read(self, known: Checkpoint | None) -> None:
        places = self._listed_after(known) if known and known.listed else self._listed(known)
        if places:
            self._side_by_side(places)
            return
        for page in _followed(self._fetch_next, known.next_locator if known else None):
            self._take(page, listed=False, next_locator=page.locator)

    def _listed(self, known: Checkpoint | None) -> Iterator[ListedPage] | None:
        """Return all pages, None if they have to be followed one by one."""
        wanted = self._page_records is None and self._workers > 1 and self._total > 0
        if known or not wanted or not lists_pages(self._ref):
            return None
        pages = listed_pages(self._api, self._ref)
        try:
            return itertools.chain([next(pages)], pages)
        except StopIteration:
            return None
        except NotFoundError:
            self._api.get_job(self._ref)  # says so itself if it is the job that is gone
            return None

    def _listed_after(self, known: Checkpoint) -> Iterator[ListedPage]:
        """Return the pages after the last whole one."""
        last = ListedPage(known.last_locator, known.list_locator)
        pages = listed_pages(self._api, self._ref, known.list_locator)
        for page in pages:
            if page == last:
                return pages
            if page.list_locator != known.list_locator:
                break
        raise _StaleCheckpoint

    def _side_by_side(self, places: Iterator[ListedPage]) -> None:
        waiting: deque[tuple[ListedPage, Future[Fetched]]] = deque()

        def take_first() -> None:
            place, future = waiting.popleft()
            self._take_listed(place, pool.result(future))

        with Pool(self._workers) as pool:
            self._fetcher.stopped = pool.stopped
            for page_number, place in enumerate(places, self._pages):
                waiting.append((place, pool.submit(partial(self._fetch, page_number, place.locator))))
                while waiting and (len(waiting) >= 2 * self._workers or waiting[0][1].done()):
                    take_first()
            while waiting:
                take_first()

    def _take_listed(self, place: ListedPage, page: Fetched) -> None:
        if not self._fetcher.header.agrees(page.header):  # it came before the first page did
            page = self._fetch_next(place.locator)
        self._take(page, listed=True, list_locator=place.list_locator, last_locator=place.locator)

    def _fetch_next(self, locator: str | None) -> Fetched:
        return self._fetch(self._pages, locator)

    def _fetch(self, page_number: int, locator: str | None) -> Fetched:
        return self._fetcher.fetch(
            Wanted(f"{job_path(self._ref)}/results", some=self._total > 0),
            {"locator": locator, "maxRecords": self._page_records},
            self._assembly.page_name(page_number),
            with_header=self._assembly.has_header(page_number),
        )

    def _take(self, page: Fetched, *, listed: bool, **place: str | None) -> None:
        self._fetcher.header.settle(page.header)
        self._assembly.add(page)
        self._pages += 1
        self._remember(
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

    def _remember(self, checkpoint: Checkpoint | None) -> None:
        self._last = checkpoint
        if self._on_checkpoint:
            self._on_checkpoint(checkpoint)


def download_ingested(
    api: SalesforceApi, refs: Sequence[JobRef], which: str, output: Output, sink: Sink
) -> Downloaded:
    """Write what became of the records of ingest jobs to one file, or to one for each job.

    :param which: One of :data:`INGESTED`.
    :raises ProtocolError: it has not the records that the job counts.
    """
    if which not in INGESTED:
        raise ConfigurationError(f"which is {which!r}: it is one of {', '.join(INGESTED)}")
    for ref in refs:
        if kind_of(ref) != INGEST:
            raise ConfigurationError(f"{ref} is not an ingest job")
    assembly, header = assembly_for(sink, output), Header()
    fetcher = PageFetcher(api, sink, output, header)
    try:
        for job_number, ref in enumerate(refs):
            # A job may have an empty reply: the file's header is that of the first one that has any.
            with_header = assembly.has_header(job_number) or header.digest is None
            name = assembly.page_name(job_number)
            page = fetcher.fetch(_wanted(api, ref, which), {}, name, with_header=with_header)
            header.settle(page.header)
            assembly.add(page)
        assembly.finish()
        files = list(assembly.parts)
        places = sink.publish(files)
    finally:
        assembly.close()
        fetcher.clean()
    return downloaded(refs[0], files, places, len(refs))


def _wanted(api: SalesforceApi, ref: JobRef, which: str) -> Wanted:
    job, status = _finished(api, ref)
    failed, processed = number(job.get("numberRecordsFailed")), number(job.get("numberRecordsProcessed"))
    records = None
    if status.state is JobState.SUCCEEDED and failed is not None and processed is not None:
        records = {"successfulResults": processed - failed, "failedResults": failed}.get(which)
    return Wanted(f"{job_path(ref)}/{which}/", located=False, records=records)


def _finished_total(api: SalesforceApi, ref: JobRef) -> int:
    """Return how many records a finished query has.

    :raises JobFailed: it ended without success.
    """
    job, status = _finished(api, ref)
    if status.state is not JobState.SUCCEEDED:
        raise JobFailed(status)
    total = number(job.get("numberRecordsProcessed"))
    if total is None:
        raise ProtocolError(f"{ref} has ended, and does not say how many records it has")
    return total


def _finished(api: SalesforceApi, ref: JobRef) -> tuple[dict[str, Any], JobStatus]:
    """Return a job that has ended.

    :raises JobsError: it has not.
    """
    job = api.get_job(ref)
    status = api.read(job, ref)
    if not status.state.ended:
        raise JobsError(f"{ref} is {status.vendor_state}: its results can be read once it has ended")
    return job, status


def _check_total(ref: JobRef, found: int, total: int) -> None:
    """Compare what was read with what the job says.

    :raises ProtocolError: records are missing, or there are too many.
    """
    if found != total:
        raise ProtocolError(f"{ref} has {total} records, and its results have {found}: they cannot be used")


def _followed(fetch: Callable[[str | None], Fetched], locator: str | None) -> Iterator[Fetched]:
    """Yield pages, each as the one before names it.

    :param locator: Of the page to begin with; None is the first.
    :raises ProtocolError: a locator came twice: the results would never end.
    """
    seen: set[str | None] = set()
    while locator != END:
        if locator in seen:
            raise ProtocolError("the pages of results go in a circle: a locator came twice")
        seen.add(locator)
        page = fetch(locator)
        yield page
        locator = page.locator
