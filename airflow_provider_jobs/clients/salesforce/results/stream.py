"""A query's results as a stream of bytes into an upload: no file of all of them, no record too few.

Pages are read ahead into a spool of a few drafts, each counted before its first byte is given. What an upload
has not confirmed the upload keeps; what lies further back is read from Salesforce again, which keeps results
for 7 days, from the page on where it lies.
"""

from __future__ import annotations

import itertools
import json
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import job_path
from airflow_provider_jobs.clients.salesforce.results.ahead import (
    listed_if_possible,
    one_after_another,
    one_ahead,
    side_by_side,
)
from airflow_provider_jobs.clients.salesforce.results.download import (
    MOST_WORKERS,
    WORKERS,
    check_query,
    check_total,
    finished_total,
)
from airflow_provider_jobs.clients.salesforce.results.files import Output
from airflow_provider_jobs.clients.salesforce.results.page import (
    ListedPage,
    PageFetcher,
    PageTooLarge,
    Wanted,
    listed_pages,
)
from airflow_provider_jobs.clients.salesforce.results.places import PartEnd, Place, StreamProgress
from airflow_provider_jobs.core.http.limits import MOST_PAGES
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import (
    ConfigurationError,
    ProtocolError,
    ResultsUnavailable,
    ServiceError,
    SourceChanged,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Self

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
    from airflow_provider_jobs.clients.salesforce.results.page import Page
    from airflow_provider_jobs.core.sources.source import Reader
    from airflow_provider_jobs.jobs import JobRef

#: BigQuery reads a CSV file with line ends inside quotes up to 4 GiB:
#: https://cloud.google.com/bigquery/quotas#load_jobs
PART_BYTES = 2 * 1024**3
#: Pages on disk at a time: as many as are read, and as many that wait.
SPOOL_PAGES = 2 * WORKERS
#: One is sent while the next is read.
FEWEST_SPOOLED = 2


class ResultStream:
    """The results of a finished query as sources for uploads, one after another; a context manager.

    Nothing is left on the disk once it is closed, and nothing goes on in threads for long.

    The records of all parts are compared with those of the job at the end of the last: if that fails, any
    part may be the one that lacks some, and all have to be sent again, as jobs of other names.

    :param sink: Where the spool is; nobody else uses its drafts.
    :param workers: Pages to read at a time, where the service lists them.
    :param spool_pages: Pages on disk at most.
    :param part_bytes: The size of a part at most.
    :param page_records: At most so many records a page; pages come one after another then.
    :param progress: The last one of an earlier attempt; one of another stream is ignored.
    :param on_progress: Told after every page, and when the end of a part is known, before its last byte is.
    :raises ConfigurationError: an argument is out of its range, or the job is not a query.
    """

    def __init__(
        self,
        api: SalesforceApi,
        ref: JobRef,
        sink: LocalSink,
        *,
        workers: int = WORKERS,
        spool_pages: int = SPOOL_PAGES,
        part_bytes: int = PART_BYTES,
        page_records: int | None = None,
        progress: StreamProgress | None = None,
        on_progress: Callable[[StreamProgress], None] | None = None,
    ) -> None:
        if not 1 <= workers <= MOST_WORKERS:
            raise ConfigurationError(f"workers is {workers}: it is 1 to {MOST_WORKERS}")
        if spool_pages < FEWEST_SPOOLED:
            raise ConfigurationError(f"spool_pages is {spool_pages}: it is at least {FEWEST_SPOOLED}")
        check_query(ref)
        nothing = StreamProgress(ref.id, str(ref.location), part_bytes, page_records)
        self.progress = progress if progress and progress.work == nothing.work else nothing
        self.ref = ref
        self.total = 0
        self._api = api
        self._sink = sink
        self._workers = workers
        self._spool_pages = spool_pages
        self._on_progress = on_progress
        self._spool: Generator[tuple[ListedPage, Page]] | None = None
        #: A page that was read when the part before it was full, and its place.
        self._held: tuple[Place, ListedPage, Page] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading, and empty the spool."""
        spool, self._spool, self._held = self._spool, None, None
        if spool is not None:
            spool.close()

    def parts(self) -> Iterator[ResultPart]:
        """Yield the parts from the one on that an earlier attempt was at; each begins with the header.

        Who asks for the next is done with the one before: what nobody has read of that is read now.

        :raises JobFailed: the query has failed.
        :raises ProtocolError: records are missing, or pages are listed in another way than before.
        :raises ResultsUnavailable: Salesforce could not be reached, or refused.
        """
        with self._reading():
            self.total = finished_total(self._api, self.ref)
            if not self.progress.places:
                self._begin()
        while True:
            part = ResultPart(self, self.progress.places[0])
            yield part
            if self.progress.end is None:
                with closing(part.open(self.progress.places[-1].size_bytes)) as reader:
                    while reader.read(BLOCK_BYTES):
                        pass
            if part.end.following is None:
                return
            self._tell(replace(self.progress, places=(part.end.following,), end=None))

    def blocks(self, part: ResultPart, offset: int) -> Generator[bytes]:
        """Yield the bytes of the part that is being sent, from an offset on.

        :raises SourceChanged: a page is not what it was, or the part ends before.
        :raises ResultsUnavailable: Salesforce could not be reached, or refused.
        """
        whole, skipped = False, offset
        try:
            place = [each for each in self.progress.places if each.size_bytes <= offset][-1]
            skipped -= place.size_bytes
            with self._reading():
                for block in self._from(place):
                    if skipped < len(block):
                        yield block[skipped:]
                    skipped = max(0, skipped - len(block))
            if skipped:
                raise SourceChanged(f"{part.name} ends {skipped} bytes before what was sent of it")
            whole = True
        finally:
            if not (whole and self._held):
                self.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what Salesforce refuses into what an upload does not take for an answer to itself."""
        try:
            yield
        except (TransportError, ServiceError) as error:
            unread = ResultsUnavailable(f"{self.ref} completed, and its results could not be read: {error}")
            unread.retry_after = error.retry_after
            raise unread from None
        except ProtocolError as error:
            if str(self.ref) not in str(error):  # of a page, or of bytes: they do not know whose they are
                error.args = (f"the results of {self.ref}: {error}",)
            raise

    def _begin(self) -> None:
        wanted = self.progress.page_records is None and self._workers > 1 and self.total > 0
        listed = listed_if_possible(self._api, self.ref) if wanted else None
        first = next(listed) if listed else ListedPage(None, None)
        place = Place(locator=first.locator, list_locator=first.list_locator)
        self._tell(replace(self.progress, listed=listed is not None, places=(place,)))

    def _from(self, place: Place) -> Iterator[bytes]:
        """Yield the bytes of a part from a page on; remember every page, and the end."""
        most = self.progress.part_bytes
        for listed, page in self._pages(place):
            place = replace(place, locator=listed.locator, list_locator=listed.list_locator)
            size = place.size_of(page)
            if size > most:
                raise PageTooLarge(f"a page has {size} bytes, and a part at most {most}: set page_records")
            here = replace(place, sha256=page.part.sha256)
            if place.size_bytes + size > most:
                following = replace(here, part_number=here.part_number + 1, size_bytes=0, ends_a_line=True)
                self._held = (following, listed, page)
                self._end(place, following)
                return
            self._note(here, page)
            yield from self._bytes(place, page)
            self._sink.drop(page.part.name)
            place = place.after(page)
            self._check(place)
        self._check_total(place)
        self._end(place)

    def _bytes(self, place: Place, page: Page) -> Iterator[bytes]:
        size = place.size_of(page)
        with self._sink.read(page.part.name) as file:
            if place.size_bytes:
                file.seek(page.header_bytes)
                if size and not place.ends_a_line:
                    yield b"\n"
            while block := file.read(BLOCK_BYTES):
                yield block

    def _check(self, place: Place) -> None:
        """See that there are not more records, or pages, than the job has."""
        if place.record_count > self.total:
            self._check_total(place)
        if place.page_number > self.total + MOST_PAGES:
            raise ProtocolError(f"{self.ref} has {self.total} records, and its list of pages has no end")

    def _check_total(self, place: Place) -> None:
        if place.record_count != self.total:
            self._tell(replace(self.progress, places=(), end=None))  # no other attempt may go on with this
        check_total(self.ref, place.record_count, self.total)

    def _note(self, here: Place, page: Page) -> None:
        """Remember where a page begins; see that it is the same as before, if it was read before."""
        known = {each.page_number: each.sha256 for each in self.progress.places}
        if known.get(here.page_number) not in {None, "", here.sha256}:
            begin = replace(self.progress.places[0], sha256="")
            self._tell(replace(self.progress, places=(begin,), end=None))
            raise SourceChanged(f"page {here.page_number} of {self.ref} is not what it was when it was sent")
        self._tell(self.progress.with_page(here, page.header))

    def _end(self, place: Place, following: Place | None = None) -> None:
        self._tell(replace(self.progress, end=PartEnd(place.record_count, place.size_bytes, following)))

    def _tell(self, progress: StreamProgress) -> None:
        if progress != self.progress:
            self.progress = progress
            if self._on_progress:
                self._on_progress(progress)

    def _pages(self, place: Place) -> Iterator[tuple[ListedPage, Page]]:
        """Yield the page of a place and those after it: the spool stays open, for the next part."""
        if self._held and self._held[0] == place:
            _, listed, page = self._held
            self._held = None
            yield listed, page
        else:
            self.close()
            self._spool = self._spooled(place)
        while self._spool and (found := next(self._spool, None)):
            yield found

    def _spooled(self, place: Place) -> Generator[tuple[ListedPage, Page]]:
        """Read pages into drafts, from a place on, and yield each."""
        fetcher = PageFetcher(self._api, self._sink, Output("page.csv", split=True), self.progress.header)
        fetch = partial(self._fetch, fetcher)
        try:
            with Pool(min(self._workers, self._spool_pages)) as pool:
                fetcher.stopped = pool.stopped
                if self.progress.listed:
                    numbered = enumerate(self._listed_from(place), place.page_number)
                    yield from side_by_side(pool, fetcher, fetch, numbered, self._spool_pages)
                else:
                    most = self.total + MOST_PAGES
                    chain = one_after_another(fetch, place.page_number, place.locator, most)
                    for locator, page in one_ahead(pool, chain):
                        yield ListedPage(locator, None), page
        finally:
            fetcher.clean()

    def _fetch(self, fetcher: PageFetcher, page_number: int, locator: str | None) -> Page:
        page = fetcher.fetch(
            Wanted(f"{job_path(self.ref)}/results", some=self.total > 0, most_records=self.total),
            {"locator": locator, "maxRecords": self.progress.page_records},
            fetcher.output.page_name(page_number),
            with_header=True,
        )
        if not self.progress.listed:  # where pages are listed, a later one may have come first
            fetcher.header = fetcher.header or page.header
        return page

    def _listed_from(self, place: Place) -> Iterator[ListedPage]:
        listed = listed_pages(self._api, self.ref, place.list_locator)
        for page in listed:
            if page.locator == place.locator:
                return itertools.chain([page], listed)
        raise ProtocolError(
            f"the pages of {self.ref} are not listed as they were when the stream began: begin another query"
        )


class ResultPart:
    """A part of a query's results, as a source for an upload. One reader at a time.

    :ivar number: The first is 0.
    """

    #: Only its end tells.
    size = None

    def __init__(self, stream: ResultStream, first: Place) -> None:
        self._stream = stream
        self._first = first
        self.number = first.part_number
        self.name = f"{stream.ref.id}-{first.part_number:05d}.csv"
        cut = json.dumps([stream.progress.work, stream.progress.listed, first.page_number])
        self.fingerprint = f"{stream.ref.scope}:{cut}"

    def open(self, offset: int = 0) -> Reader:
        """Return a reader from an offset on: it begins with the page where that lies.

        :raises SourceChanged: the stream is at another part.
        """
        self._check_turn()
        return _BlockReader(self._stream.blocks(self, offset))

    def check(self) -> None:
        """See that the part was read to its end, and in the last one all records were found."""
        self._check_turn()
        _ = self.end

    @property
    def is_counted(self) -> bool:
        """True if it was read to its end before, perhaps by an earlier attempt."""
        return self._stream.progress.end is not None

    @property
    def end(self) -> PartEnd:
        """What is known since it was read to its end.

        :raises SourceChanged: it was not.
        """
        end = self._stream.progress.end
        if end is None:
            raise SourceChanged(f"{self.name} was not read to its end")
        return end

    @property
    def record_count(self) -> int:
        """Its records, once it was read to its end."""
        return self.end.record_count - self._first.record_count

    def _check_turn(self) -> None:
        places = self._stream.progress.places
        if not places or places[0].part_number != self.number:
            raise SourceChanged(f"the stream has left {self.name}: parts are sent in turn")


class _BlockReader:
    """Reads blocks as a file; after an error there is no end, but the error again."""

    def __init__(self, blocks: Generator[bytes]) -> None:
        self._blocks = blocks
        self._block, self._at = b"", 0
        self._failed: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        if self._failed:
            raise self._failed
        try:
            if self._at == len(self._block):
                self._block, self._at = next(self._blocks, b""), 0
        except BaseException as error:
            self._failed = error
            raise
        end = len(self._block) if size < 0 else min(self._at + size, len(self._block))
        taken = self._block[self._at : end]  # all of a block is not copied
        self._at = end
        return taken

    def close(self) -> None:
        self._failed = self._failed or ValueError("the reader is closed")
        self._blocks.close()
