"""Results of jobs: pages side by side, every record accounted for, interruptions survived.

From the service to the disk: :mod:`.page` counts one page and has it in a draft of its own, again if need be,
:mod:`.files` puts drafts in their order and says how far they came. This module decides which pages are read
when.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import DELIMITERS, INGEST, QUERY, job_path, kind_of
from airflow_provider_jobs.clients.salesforce.results.ahead import (
    listed_if_possible,
    one_after_another,
    side_by_side,
)
from airflow_provider_jobs.clients.salesforce.results.files import (
    Assembly,
    Checkpoint,
    LocalSink,
    Output,
    join_columns,
    published,
    read_draft,
)
from airflow_provider_jobs.clients.salesforce.results.page import (
    END,
    ListedPage,
    PageFetcher,
    Wanted,
    listed_pages,
)
from airflow_provider_jobs.clients.salesforce.results.rejected import (
    FAILED,
    SUCCESSFUL,
    fetch_list,
    settled,
    wanted_list,
)
from airflow_provider_jobs.core.http.limits import MOST_PAGES
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded
    from airflow_provider_jobs.clients.salesforce.results.page import Page
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
    total, sink = finished_total(api, ref), LocalSink(tempfile.gettempdir())
    try:
        fetcher = PageFetcher(api, sink, Output("page"))
        wanted = Wanted(f"{job_path(ref)}/results", some=total > 0, most_records=total)

        def fetch(_: int, locator: str | None) -> Page:
            params = {"locator": locator, "maxRecords": page_records}
            return fetcher.fetch(wanted, params, "page", with_header=locator is None)

        found, ends_a_line = 0, True
        for _, page in one_after_another(fetch, 0, None, total + MOST_PAGES):
            fetcher.header = fetcher.header or page.header
            if not ends_a_line:
                yield b"\n"
            yield from read_draft(sink, "page")
            found, ends_a_line = found + page.records, page.ends_a_line
            if found > total:
                break
        check_total(ref, found, total)
    finally:
        sink.clear()


def download(
    api: SalesforceApi,
    ref: JobRef,
    output: Output,
    sink: LocalSink,
    *,
    workers: int = WORKERS,
    page_records: int | None = None,
    checkpoint: Checkpoint | None = None,
    on_checkpoint: OnCheckpoint | None = None,
    on_whole: Callable[[], object] | None = None,
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
    :param on_whole: Called once every record is there, before a file gets its name.
    :raises ProtocolError: records are missing; nothing was published.
    :raises JobFailed: the query has failed.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ConfigurationError(f"workers is {workers}: it is 1 to {MOST_WORKERS}")
    check_query(ref)
    nothing = Checkpoint(ref.id, str(ref.location), asdict(output), page_records)
    known = checkpoint if checkpoint and checkpoint.work == nothing.work else nothing
    work = _Download(api, ref, output, sink, workers, page_records, on_checkpoint, known, on_whole)
    try:
        return work.run()
    finally:
        work.close()


@dataclass
class _Download:
    """One query's results on their way into files.

    :param done: What is whole, and what another attempt goes on with.
    """

    api: SalesforceApi
    ref: JobRef
    output: Output
    sink: LocalSink
    workers: int
    page_records: int | None
    on_checkpoint: OnCheckpoint | None
    done: Checkpoint
    on_whole: Callable[[], object] | None = None
    total: int = 0

    def __post_init__(self) -> None:
        self.assembly = Assembly(self.sink, self.output)
        self.fetcher = PageFetcher(self.api, self.sink, self.output, self.done.header)

    def run(self) -> Downloaded:
        """Read all pages, check the total, publish."""
        self.total = finished_total(self.api, self.ref)
        if not self.assembly.recall(self.done):
            log.info("what was downloaded of %s is not on this machine: it begins anew", self.ref)
            self._begin_anew()
        elif self.done.page_count:
            log.info("%s: going on after %s pages", self.ref, self.done.page_count)
        self._read()
        self.assembly.close()
        files, page_count = self.assembly.parts, self.done.page_count
        found = sum(part.record_count for part in files)
        if found != self.total:
            self._remember(None)  # no other attempt may go on with this
        check_total(self.ref, found, self.total)
        if self.on_whole:
            self.on_whole()
        done = published(self.sink, files, page_count)
        self._remember(None)
        log.info("results are written: records %s, pages %s, files %s", f"{found:,}", page_count, len(files))
        return done

    def close(self) -> None:
        """Let go of files; drop drafts, but those that another attempt goes on with."""
        self.assembly.close()
        self.fetcher.clean({part.name for part in self.done.parts} if self.on_checkpoint else ())

    def _begin_anew(self) -> None:
        self.assembly.close()
        self.done = Checkpoint(*self.done.work)
        self.assembly = Assembly(self.sink, self.output)
        self.fetcher.header = None

    def _read(self) -> None:
        places = self._listed_after() if self.done.listed else self._listed()
        if places:
            self._side_by_side(places)
            return
        if self.done.next_locator != END:
            first, most = self.done.next_locator, self.total + MOST_PAGES
            for _, page in one_after_another(self._fetch, self.done.page_count, first, most):
                self._take(page, next_locator=page.locator)

    def _listed(self) -> Iterator[ListedPage] | None:
        """Return all pages, None if they have to be followed one by one."""
        wanted = self.page_records is None and self.workers > 1 and self.total > 0
        if self.done.page_count or not wanted:
            return None
        return listed_if_possible(self.api, self.ref)

    def _listed_after(self) -> Iterator[ListedPage] | None:
        """Return the pages after the last whole one; all, if it is not listed as it was."""
        listed = listed_pages(self.api, self.ref, self.done.list_locator)
        for page in listed:
            if page == ListedPage(self.done.last_locator, self.done.list_locator):
                return listed
        log.warning("the pages of %s are listed in another way now: the download begins anew", self.ref)
        self._begin_anew()
        return self._listed()

    def _side_by_side(self, places: Iterator[ListedPage]) -> None:
        with Pool(self.workers) as pool:
            self.fetcher.stopped = pool.stopped
            numbered = enumerate(places, self.done.page_count)
            for place, page in side_by_side(pool, self.fetcher, self._fetch, numbered, 2 * self.workers):
                self._take(page, listed=True, list_locator=place.list_locator, last_locator=place.locator)

    def _fetch(self, page_number: int, locator: str | None) -> Page:
        return self.fetcher.fetch(
            Wanted(f"{job_path(self.ref)}/results", some=self.total > 0, most_records=self.total),
            {"locator": locator, "maxRecords": self.page_records},
            self.output.page_name(page_number),
            with_header=self.output.split or page_number == 0,
        )

    def _take(self, page: Page, **place: Any) -> None:
        self.fetcher.header = self.fetcher.header or page.header
        self.assembly.add(page.part, ends_a_line=page.ends_a_line)
        found = sum(part.record_count for part in self.assembly.parts)
        if found > self.total:
            self._remember(None)  # no other attempt may go on with this
            check_total(self.ref, found, self.total)
        if self.done.page_count > self.total + MOST_PAGES:
            raise ProtocolError(f"{self.ref} has {self.total} records, and its list of pages has no end")
        self._remember(
            replace(
                self.done,
                parts=tuple(self.assembly.parts),
                page_count=self.done.page_count + 1,
                header=self.fetcher.header,
                ends_a_line=page.ends_a_line,
                **place,
            )
        )

    def _remember(self, done: Checkpoint | None) -> None:
        self.done = done or Checkpoint(*self.done.work)
        if self.on_checkpoint:
            self.on_checkpoint(done)


def download_ingested(
    api: SalesforceApi,
    refs: Sequence[JobRef],
    which: str,
    output: Output,
    sink: LocalSink,
    known: Sequence[JobStatus] = (),
    resent: Collection[str] = (),
) -> Downloaded:
    """Write what became of the records of ingest jobs to one file, or to one for each job.

    :param which: One of :data:`INGESTED`.
    :param known: Statuses of the jobs whose numbers are right: see :func:`.settled`.
    :param resent: Ids of jobs whose records that a lock kept out went to later ones: these leave them out.
    :raises ProtocolError: it has not the records that the job counts.
    """
    if which not in INGESTED:
        raise ConfigurationError(f"which is {which!r}: it is one of {', '.join(INGESTED)}")
    for ref in refs:
        if kind_of(ref) != INGEST:
            raise ConfigurationError(f"{ref} is not an ingest job")
    again = resent if which == FAILED else ()
    delimiters = {ref.id: _delimiter(api, ref) for ref in refs if ref.id in again}
    wants = [_wanted(api, ref, which, known) for ref in refs]
    assembly = Assembly(sink, output)
    header: str | None = None
    empty: Page | None = None
    try:
        for job_number, wanted in enumerate(wants):
            name, delimiter = output.page_name(job_number), delimiters.get(refs[job_number].id)
            with_header = output.split or header is None
            page = fetch_list(api, sink, output, wanted, name, delimiter, with_header=with_header)
            if not output.split:
                if not page.records:  # with another header perhaps, or none
                    empty = empty if empty and empty.header else page
                    continue
                if header not in {None, page.header}:
                    assembly.close()
                    return _with_all_columns(api, refs, wants, output, sink, delimiters)
                header = page.header
            assembly.add(page.part, ends_a_line=page.ends_a_line)
        if empty and not assembly.parts:
            assembly.add(empty.part, ends_a_line=empty.ends_a_line)
        assembly.close()
        return published(sink, assembly.parts, len(refs))
    finally:
        assembly.close()
        sink.clear()


def _with_all_columns(
    api: SalesforceApi,
    refs: Sequence[JobRef],
    wants: Sequence[Wanted],
    output: Output,
    sink: LocalSink,
    delimiters: Mapping[str, str],
) -> Downloaded:
    """Write one file of jobs whose results have different columns: it has those of all."""
    drafts = Output(output.name)
    pages_of_jobs: list[Page] = []
    for job_number, wanted in enumerate(wants):
        name, delimiter = drafts.page_name(job_number), delimiters.get(refs[job_number].id)
        page = fetch_list(api, sink, drafts, wanted, name, delimiter, with_header=True)
        pages_of_jobs.append(page)
    names = [page.part.name for page in pages_of_jobs]
    part = join_columns(sink, output, names, _delimiter(api, refs[0]))
    check_total(refs[0], part.record_count, sum(page.records for page in pages_of_jobs))
    log.info("%s: %s jobs have different columns, the file has those of all", output.name, len(refs))
    return published(sink, [part], len(refs))


def _delimiter(api: SalesforceApi, ref: JobRef) -> str:
    return DELIMITERS.get(str(api.get_job(ref).get("columnDelimiter")), ",")


def _wanted(api: SalesforceApi, ref: JobRef, which: str, known: Sequence[JobStatus]) -> Wanted:
    status = next((each for each in known if each.ref == ref), None) or settled(api, _finished(api, ref))
    processed, failed = (status.statistics[name] for name in ("record_count", "failed_record_count"))
    if status.state is JobState.SUCCEEDED and failed is not None and processed is not None:
        return wanted_list(ref, which, {SUCCESSFUL: processed - failed, FAILED: failed}.get(which))
    return wanted_list(ref, which, least=(failed or 0) if which == FAILED else 0)


def check_query(ref: JobRef) -> None:
    """See that a job is a query; :class:`.ConfigurationError` if not."""
    if kind_of(ref) != QUERY:
        raise ConfigurationError(
            f"{ref} is not a query: what became of the records of an ingest job download_ingested reads"
        )


def finished_total(api: SalesforceApi, ref: JobRef) -> int:
    """Return how many records a query has that ended with success; :class:`.JobFailed` of another.

    :raises ConfigurationError: the job is not a query.
    """
    check_query(ref)
    try:
        status = _finished(api, ref)
    except NotFoundError:
        with suppress(ServiceError):  # an id does not tell what job it is of
            check_query(api.status(api.ref(ref.id, INGEST)).ref)
        raise
    if status.state is not JobState.SUCCEEDED:
        raise JobFailed(status)
    total: int | None = status.statistics["record_count"]
    if total is None:
        raise ProtocolError(f"{ref} has ended, and does not say how many records it has")
    return total


def _finished(api: SalesforceApi, ref: JobRef) -> JobStatus:
    """Return the status of a job, :class:`.JobsError` if it has not ended."""
    status = api.status(ref)
    if not status.state.ended:
        raise JobsError(f"{ref} is {status.vendor_state}: its results can be read once it has ended")
    return status


def check_total(ref: JobRef, found: int, total: int) -> None:
    """See that all records came; :class:`.ProtocolError` if not."""
    if found != total:
        raise ProtocolError(f"{ref} has {total} records, and its results have {found}: they cannot be used")
