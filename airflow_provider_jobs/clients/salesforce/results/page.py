"""One page of results: bytes as they come, every record counted; and the list that names all pages.

Sources: https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-job-results.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-parallel-job-results.html
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_jobs.clients.salesforce.names import MOST_HEADER_BYTES, job_path
from airflow_provider_jobs.clients.salesforce.replies import NO_CONTENT, next_locator, url_locator
from airflow_provider_jobs.clients.salesforce.results.files import Draft, Part
from airflow_provider_jobs.core.http.limits import Limits
from airflow_provider_jobs.core.http.messages import number, pages
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.sources.csv_records import RecordCounter, record_end
from airflow_provider_jobs.errors import JobsError, ProtocolError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
    from airflow_provider_jobs.core.http.stream import StreamedReply
    from airflow_provider_jobs.jobs import JobRef

#: The locator of Salesforce that says: no page after this one.
END = "null"
#: For one page, which may take long: what counts is how often it fails, not when it began.
PAGE_RETRY = RetryPolicy(attempts=6, total_seconds=6 * 3600.0, cap_seconds=60.0)
#: A page whose count is wrong is read so often: a server that drops records drops them again.
_COUNTED_AT_MOST = 2
#: A reply with one of these has an end that can be told from a cut.
_FRAMES = ("Content-Length", "Transfer-Encoding", "Content-Encoding")
_USUAL_BYTES = Limits().page_bytes
#: Bytes that one record has at most. Salesforce takes 400,000 characters, of four bytes and with each quote
#: doubled 3.2 MB; this is five times that:
#: https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_common_limits.htm
MOST_RECORD_BYTES = 16 * 1024 * 1024
#: Pages that are decompressed, counted and hashed at a time, while others wait for the network: one more than
#: there are cores. Eight threads on two cores took an eighth more of the CPU for the same bytes.
_AT_WORK = (os.cpu_count() or 1) + 1
_NOT_CSV = ("text/html", "application/json", "application/xml", "text/xml")


class PageTooLarge(ProtocolError):
    """A page is larger than is taken of a service: another attempt would find the same."""

    retryable = False


class MiscountedPage(ProtocolError):
    """A page has not the records that it says it has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page has to be.

    :param path: Where it is.
    :param located: It says where the next one is.
    :param records: How many it must have; None if only the page itself tells.
    :param some: The job has records, so that an empty body is an error.
    :param most_records: The job's, of which a page cannot have more; None if they are not known.
    :param least_records: It has at least so many.
    """

    path: str
    located: bool = True
    records: int | None = None
    some: bool = False
    most_records: int | None = None
    least_records: int = 0


class Page:
    """One page, being read or whole.

    :param wanted_header: The SHA-256 of the header that it must have; None if no page had one so far.
    :param with_header: Yield its header too.
    :ivar begins_with_header: Its draft does.
    :ivar header_bytes: Of its own header, with the line end.
    :ivar header: The SHA-256 of its own header, None if it is empty.
    :ivar records: How many it has, once it was read to its end.
    :ivar locator: Of the next page; :data:`END` after the last.
    :ivar ends_a_line: False if its last line has no end.
    :ivar part: Its draft once that is whole, without a SHA-256 if it is but a part of a file.
    """

    part: Part

    def __init__(
        self,
        wanted: Wanted,
        wanted_header: str | None = None,
        *,
        with_header: bool,
        most_bytes: int = _USUAL_BYTES,
    ) -> None:
        self._wanted = wanted
        self._most_bytes = most_bytes
        self._bytes = 0
        self._wanted_header = wanted_header
        self.begins_with_header = with_header
        self._expected = wanted.records
        self._framed = True
        self.records = 0
        self.locator = END
        self.ends_a_line = True
        self.header: str | None = None
        self.header_bytes = 0

    def blocks(self, reply: StreamedReply) -> Iterator[bytes]:
        """Yield the page in blocks; complete once this has ended without an error.

        :raises ProtocolError: the page is not what its headers say.
        """
        self._check_headers(reply)
        counter = RecordCounter()
        blocks = self._bounded(reply.blocks, counter)
        head, end = b"", -1
        for block in blocks:
            head += block
            end = record_end(head)
            if end >= 0:
                break
            if len(head) > MOST_HEADER_BYTES:
                raise ProtocolError("a page of results begins without a header")
        if head:
            yield self._after_header(head, end if end >= 0 else len(head))
        yield from blocks
        self._check_count(counter)

    def _bounded(self, blocks: Iterator[bytes], counter: RecordCounter) -> Iterator[bytes]:
        """Yield blocks, counted, while they are no more than was announced: later the disk would be full."""
        for block in blocks:
            counter.take(block)
            self._bytes += len(block)
            found = counter.ends - 1
            for most in (self._expected, self._wanted.most_records):
                if most is not None and found > most:
                    raise MiscountedPage(f"a page of results has {found} records, and {most} were announced")
            if self._bytes > MOST_HEADER_BYTES + counter.records * MOST_RECORD_BYTES:
                raise PageTooLarge(f"a record of results has more than {MOST_RECORD_BYTES} bytes, and no end")
            _check_bytes(self._bytes, self._most_bytes)
            yield block

    def _check_headers(self, reply: StreamedReply) -> None:
        if reply.status == NO_CONTENT:
            return  # no records; whether there should be some is seen at the end
        kind = (reply.headers.get("Content-Type") or "").lower()
        if kind.startswith(_NOT_CSV) and reply.headers.get("Content-Length") != "0":
            raise ProtocolError(f"results were asked for, and {shown(kind, 100)} came")
        if self._wanted.located:
            self.locator = reply.headers.get("Sforce-Locator") or ""
            if not self.locator:
                raise ProtocolError(
                    "a page of results came without the locator of the next one: whether it is the last is "
                    "not known"
                )
        self._framed = any(name in reply.headers for name in _FRAMES)
        declared = reply.headers.get("Sforce-NumberOfRecords")
        if declared is not None:
            self._expected = number(declared)
            if self._expected is None:
                raise ProtocolError(f"a page of results says that it has {shown(declared, 50)!r} records")

    def _after_header(self, text: bytes, end: int) -> bytes:
        line, self.header_bytes = text[:end].rstrip(b"\r\n"), end
        self.header = hashlib.sha256(line).hexdigest()
        if self._wanted_header not in {None, self.header}:
            raise ProtocolError(f"a page of results begins with another header: {_words(line)!r}")
        return text if self.begins_with_header else text[end:]

    def _check_count(self, counter: RecordCounter) -> None:
        """See that the page has the records that were announced: the header is not one of them."""
        if counter.quoted:
            raise MiscountedPage("a page of results ends inside quotes: a part of it is missing")
        least = self._wanted.least_records
        counted = self._wanted.located or self._expected is not None or least
        if not self._framed and not (counter.complete and counted):
            raise MiscountedPage(
                "a page of results ends without the end of a line, or without a count of its records: it may "
                "have been cut"
            )
        lines = counter.records
        if not lines and (self._expected or self._wanted.some or least):
            raise MiscountedPage("an empty page came, and the job has records")
        self.records = max(0, lines - 1)
        self.ends_a_line = counter.complete or not (self.begins_with_header or self.records)
        if self._expected is not None and self.records != self._expected:
            raise MiscountedPage(
                f"a page of results has {self.records} records, and {self._expected} were announced"
            )
        if self.records < least:
            raise MiscountedPage(
                f"a page of results has {self.records} records, and the job tells of {least}"
            )


class PageFetcher:
    """Reads pages into drafts, again if need be; threads share it.

    :ivar header: The SHA-256 of the first page's header, which all others have; None until it is known.
    :ivar stopped: Set once nobody waits for a page any more.
    """

    def __init__(
        self, api: SalesforceApi, sink: LocalSink, output: Output, header: str | None = None
    ) -> None:
        self._api = api
        self._sink = sink
        self.output = output
        self._opening = threading.RLock()
        self.header = header
        self.stopped = threading.Event()
        self._turns = threading.Semaphore(_AT_WORK)

    def fetch(self, wanted: Wanted, params: Mapping[str, Any], name: str, *, with_header: bool) -> Page:
        """Read a page into a draft; one that is cut or miscounted is read again.

        :raises JobsError: the last attempt's, or the download was stopped.
        """
        miscounted = itertools.count(1)

        def step() -> Page:
            most_bytes = self._api.most_page_bytes
            page = Page(wanted, self.header, with_header=with_header, most_bytes=most_bytes)
            try:
                page.part = self._write(page, wanted.path, params, name)
            except MiscountedPage as error:
                error.retryable = next(miscounted) < _COUNTED_AT_MOST
                raise
            return page

        try:
            return self._api.repeat(step, PAGE_RETRY, self._sleep)
        except MiscountedPage as error:
            error.retryable = True  # by another attempt of the task
            raise

    def clean(self, keep: Collection[str] = ()) -> None:
        """Drop all drafts but those of these names; after a stop none is begun any more."""
        with self._opening:
            self._sink.clear(keep)

    def _write(self, page: Page, path: str, params: Mapping[str, Any], name: str) -> Part:
        with self._opening:  # who cleans up after a stop misses none
            self._check_stop()
            opened = self._sink.begin(name)
        with opened as file, self._api.csv(path, params) as reply:
            draft = Draft(file, compress=self.output.compress, hashed=self.output.split)

            def keep(packed: bytes) -> None:
                self._check_stop()
                draft.keep(packed)
                _check_bytes(file.tell(), self._api.most_page_bytes)

            # Its header cannot be cut from what is compressed: what follows refers to it.
            is_kept = self.output.compress and page.begins_with_header and reply.packed is not None
            turned = reply.in_turns(self._turns)
            with self._turns:
                for block in page.blocks(turned.keeping(keep) if is_kept else turned):
                    self._check_stop()
                    if not is_kept:
                        draft.write(block)
                draft.end()
            return Part(name, page.records, file.tell(), draft.sha256)

    def _sleep(self, seconds: float) -> None:
        """Sleep, unless the download is stopped meanwhile: it looks every second."""
        while seconds > 0 and not self.stopped.is_set():
            self._api.timing.sleep(min(seconds, 1.0))
            seconds -= 1.0

    def _check_stop(self) -> None:
        if self.stopped.is_set():
            raise JobsError("the download was stopped")


class ListedPage(NamedTuple):
    """A page as the list of pages names it.

    :param locator: None is the first page.
    :param list_locator: Of the part of the list that names it.
    """

    locator: str | None
    list_locator: str | None


def listed_pages(api: SalesforceApi, ref: JobRef, list_locator: str | None = None) -> Iterator[ListedPage]:
    """Yield the pages of a query's results, from a part of the list on.

    :raises NotFoundError: there is no list of pages.
    :raises ProtocolError: the list is not what the API describes.
    """

    def ask(locator: str | None) -> dict[str, Any]:
        return api.call("GET", f"{job_path(ref)}/resultPages", params={"locator": locator})

    seen: set[str | None] = set()
    following = partial(next_locator, name="locator")
    for document in pages(ask, following, "the list of result pages", list_locator):
        # The second names are not documented: node-sf-bulk2 expects them.
        entries = document.get("resultPages", document.get("resultChunks"))
        if not isinstance(entries, list):
            raise ProtocolError("the list of result pages holds no pages")
        for entry in entries:
            url = entry.get("resultUrl", entry.get("resultLink")) if isinstance(entry, dict) else entry
            locator = url_locator(url, "locator")
            if locator in seen:
                raise ProtocolError("the list of result pages names a page twice")
            seen.add(locator)
            yield ListedPage(locator, list_locator)
        list_locator = following(document)


def _check_bytes(count: int, most: int) -> None:
    if count > most:
        raise PageTooLarge(
            f"a page of results has more than {most} bytes: if that is right, raise max_page_mb of the "
            "connection, or set page_records"
        )


def _words(line: bytes) -> str:
    return shown(line.decode("utf-8", "replace"), 200)
