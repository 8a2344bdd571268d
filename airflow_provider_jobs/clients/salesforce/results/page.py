"""Results of jobs, page by page: bytes as they come, every record counted.

Sources: https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-job-results.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-parallel-job-results.html
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.names import job_path
from airflow_provider_jobs.clients.salesforce.replies import next_locator, number, url_locator
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.sources.csv_records import RecordCounter, record_end
from airflow_provider_jobs.errors import JobFailed, JobsError, ProtocolError
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.core.http.stream import StreamedReply
    from airflow_provider_jobs.jobs import JobRef

#: For one page, which may take long: what counts is how often it fails, not when it began.
PAGE_PATIENCE = RetryPolicy(attempts=6, total_seconds=6 * 3600.0, cap_seconds=60.0)
#: The locator of Salesforce that says: no page after this one.
END = "null"
#: Longer than the header of 5,000 fields can be.
MOST_HEADER_BYTES = 4 * 1024 * 1024
#: A reply with one of these has an end that can be told from a cut.
_FRAMES = ("Content-Length", "Transfer-Encoding", "Content-Encoding")
_NO_CSV = ("text/html", "application/json", "application/xml", "text/xml")


class MiscountedPage(ProtocolError):
    """A page has not the records that it says it has."""


class Header:
    """The first line of the first page; that of each other page is the same.

    :param digest: What an earlier attempt saw.
    """

    def __init__(self, digest: str | None = None) -> None:
        self.digest = digest

    def check(self, line: bytes) -> str:
        """Return the digest of a page's header; compare it, if the first page is known.

        :raises ProtocolError: it is another.
        """
        digest = hashlib.sha256(line.rstrip(b"\r\n")).hexdigest()
        if not self.agrees(digest):
            raise ProtocolError(f"a page of results begins with another header: {line[:200]!r}")
        return digest

    def agrees(self, digest: str | None) -> bool:
        """Return whether nothing is known against a header."""
        return self.digest is None or digest in {None, self.digest}

    def settle(self, digest: str | None) -> None:
        """Take the header of the first page that has one for that of all."""
        self.digest = self.digest or digest


class Page:
    """One page being read.

    :param located: The reply has to say where the next page is.
    :param expected: The records that it must have; None if only the page itself tells.
    :param some: The job has records, so that an empty body is an error.
    :ivar records: How many it has, once it was read to its end.
    :ivar locator: Of the next page; :data:`END` after the last.
    :ivar ends_a_line: False if its last line has no end.
    :ivar header: The digest of its header, None if it is empty.
    """

    def __init__(
        self,
        client: SalesforceClient,
        path: str,
        params: Mapping[str, Any],
        header: Header,
        *,
        with_header: bool,
        located: bool = True,
        expected: int | None = None,
        some: bool = False,
    ) -> None:
        self._client = client
        self._path = path
        self._params = params
        self._header = header
        self._with_header = with_header
        self._located = located
        self._expected = expected
        self._some = some
        self._framed = True
        self.records = 0
        self.locator = END
        self.ends_a_line = True
        self.header: str | None = None

    def blocks(self) -> Iterator[bytes]:
        """Yield the page in blocks; complete once this has ended without an error.

        :raises ProtocolError: the page is not what its headers say.
        """
        with self._client.csv(self._path, self._params) as reply:
            self._look_at(reply)
            counter = RecordCounter()
            head: bytes | None = b""
            for block in reply.blocks:
                counter.take(block)
                if head is None:
                    yield block
                    continue
                head += block
                end = record_end(head)
                if end < 0:
                    if len(head) > MOST_HEADER_BYTES:
                        raise ProtocolError("a page of results begins with no header")
                    continue
                rest, head = self._after_header(head, end), None
                if rest:
                    yield rest
            if head and (rest := self._after_header(head, len(head))):
                yield rest
            self._account(counter)

    def _look_at(self, reply: StreamedReply) -> None:
        kind = (reply.headers.get("Content-Type") or "").lower()
        if kind.startswith(_NO_CSV):
            raise ProtocolError(f"results were asked for, and {kind[:100]} came")
        if self._located:
            locator = reply.headers.get("Sforce-Locator")
            if not locator:
                raise ProtocolError(
                    "a page of results came without the locator of the next one: whether it is the last is "
                    "not known"
                )
            self.locator = locator
        self._framed = any(name in reply.headers for name in _FRAMES)
        declared = reply.headers.get("Sforce-NumberOfRecords")
        if declared is not None:
            self._expected = number(declared.strip())
            if self._expected is None:
                raise ProtocolError(f"a page of results says that it has {declared[:50]!r} records")

    def _after_header(self, text: bytes, end: int) -> bytes:
        self.header = self._header.check(text[:end])
        return text if self._with_header else text[end:]

    def _account(self, counter: RecordCounter) -> None:
        if counter.quoted:
            raise MiscountedPage("a page of results ends inside quotes: a part of it is missing")
        if not counter.complete and not self._framed:
            raise MiscountedPage("a page of results ends without the end of a line: it may have been cut")
        lines = counter.records
        if not lines and (self._expected or self._some):
            raise MiscountedPage("an empty page came, and the job has records")
        self.records = max(0, lines - 1)
        self.ends_a_line = counter.complete or not (self._with_header or self.records)
        if self._expected is not None and self.records != self._expected:
            raise MiscountedPage(
                f"a page of results has {self.records} records, and {self._expected} were announced"
            )


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page as the list of pages names it.

    :param locator: None is the first page.
    :param list_locator: Of the part of the list that names it.
    """

    locator: str | None
    list_locator: str | None


def listed_pages(
    client: SalesforceClient, ref: JobRef, list_locator: str | None = None
) -> Iterator[ListedPage]:
    """Yield the pages of a query's results, from a part of the list on.

    Besides the names that are documented, those are read that node-sf-bulk2 expects.

    :raises NotFoundError: there is no list of pages.
    :raises ProtocolError: the list is not what the API describes.
    """
    seen: set[str | None] = set()
    lists: set[str | None] = set()
    while True:
        lists.add(list_locator)
        document = client.call("GET", f"{job_path(ref)}/resultPages", params={"locator": list_locator})
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
        list_locator = next_locator(document, "locator")
        if list_locator is None:
            return
        if list_locator in lists:
            raise ProtocolError("the list of result pages goes in a circle")


def finished_total(client: SalesforceClient, ref: JobRef) -> int:
    """Return how many records a finished job has processed.

    :raises JobFailed: it ended without success.
    :raises JobsError: it has not ended.
    """
    job = client.get_job(ref)
    status = client.read(job, ref)
    if not status.state.ended:
        raise JobsError(f"{ref} is {status.vendor_state}: its results can be read once it has ended")
    if status.state is not JobState.SUCCEEDED:
        raise JobFailed(status)
    total = number(job.get("numberRecordsProcessed"))
    if total is None:
        raise ProtocolError(f"{ref} has ended, and does not say how many records it has")
    return total


def check_total(ref: JobRef, found: int, total: int) -> None:
    """Compare what was read with what the job says.

    :raises ProtocolError: records are missing, or there are too many.
    """
    if found != total:
        raise ProtocolError(f"{ref} has {total} records, and its results have {found}: they cannot be used")


def next_page(seen: set[str], locator: str | None) -> str | None:
    """Return the locator to ask with next; None asks for the first page.

    :raises ProtocolError: it was asked with before.
    """
    if locator in seen:
        raise ProtocolError("the pages of results go in a circle: a locator came twice")
    if locator is not None:
        seen.add(locator)
    return locator


def result_blocks(client: SalesforceClient, ref: JobRef, page_records: int | None) -> Iterator[bytes]:
    """Yield a query's results, one page after another, the header once; see that all records came."""
    total = finished_total(client, ref)
    header, found, seen = Header(), 0, set[str]()
    following: str | None = None
    while following != END:
        params = {"locator": next_page(seen, following), "maxRecords": page_records}
        path, first = f"{job_path(ref)}/results", following is None
        page = Page(client, path, params, header, with_header=first, some=total > 0)
        yield from _whatever_happens(client, page)
        found, following = found + page.records, page.locator
        if not page.ends_a_line and following != END:
            yield b"\n"
    check_total(ref, found, total)


def _whatever_happens(client: SalesforceClient, page: Page) -> Iterator[bytes]:
    """Yield a page's blocks; after a failure it is read again, and what was given already left out."""
    given = digest = failures = 0
    while True:
        left, again = given, 0
        try:
            for block in page.blocks():
                known, fresh = block[:left], block[left:]
                left -= len(known)
                again = zlib.crc32(known, again)
                if not left and again != digest:
                    raise ProtocolError("a page of results was read again, and is another now")
                if fresh:
                    given += len(fresh)
                    again = digest = zlib.crc32(fresh, digest)
                    yield fresh
            if left:
                raise ProtocolError("a page of results was read again, and is shorter now")
        except JobsError as error:
            failures += 1
            if not error.retryable or failures >= PAGE_PATIENCE.attempts:
                raise
            client.pause(error, failures)
        else:
            return
