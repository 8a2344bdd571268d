"""One page of results: bytes as they come, every record counted; and the list that names all pages.

Sources: https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-job-results.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/query-get-parallel-job-results.html
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import MOST_HEADER_BYTES, job_path
from airflow_provider_jobs.clients.salesforce.replies import next_locator, url_locator
from airflow_provider_jobs.core.http.messages import pages
from airflow_provider_jobs.core.sources.csv_records import RecordCounter, record_end
from airflow_provider_jobs.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.core.http.stream import StreamedReply
    from airflow_provider_jobs.jobs import JobRef

#: The locator of Salesforce that says: no page after this one.
END = "null"
#: A reply with one of these has an end that can be told from a cut.
_FRAMES = ("Content-Length", "Transfer-Encoding", "Content-Encoding")
_NOT_CSV = ("text/html", "application/json", "application/xml", "text/xml")


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page has to be.

    :param path: Where it is.
    :param located: It says where the next one is.
    :param records: How many it must have; None if only the page itself tells.
    :param some: The job has records, so that an empty body is an error.
    """

    path: str
    located: bool = True
    records: int | None = None
    some: bool = False


class Page:
    """One page being read.

    :param with_header: Yield its header too.
    :ivar records: How many it has, once it was read to its end.
    :ivar locator: Of the next page; :data:`END` after the last.
    :ivar ends_a_line: False if its last line has no end.
    :ivar header: The digest of its header, None if it is empty.
    """

    def __init__(self, wanted: Wanted, header: Header, *, with_header: bool) -> None:
        self._wanted = wanted
        self._header = header
        self._with_header = with_header
        self._expected = wanted.records
        self._framed = True
        self.records = 0
        self.locator = END
        self.ends_a_line = True
        self.header: str | None = None

    def blocks(self, reply: StreamedReply) -> Iterator[bytes]:
        """Yield the page in blocks; complete once this has ended without an error.

        :raises ProtocolError: the page is not what its headers say.
        """
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
                    raise ProtocolError("a page of results begins without a header")
                continue
            rest, head = self._after_header(head, end), None
            if rest:
                yield rest
        if head and (rest := self._after_header(head, len(head))):
            yield rest
        self._check_count(counter)

    def _look_at(self, reply: StreamedReply) -> None:
        kind = (reply.headers.get("Content-Type") or "").lower()
        if kind.startswith(_NOT_CSV):
            raise ProtocolError(f"results were asked for, and {kind[:100]} came")
        if self._wanted.located:
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
            try:
                self._expected = int(declared)
            except ValueError:
                raise ProtocolError(f"a page of results says that it has {declared[:50]!r} records") from None

    def _after_header(self, text: bytes, end: int) -> bytes:
        self.header = self._header.check(text[:end])
        return text if self._with_header else text[end:]

    def _check_count(self, counter: RecordCounter) -> None:
        """See that the page has the records that were announced: the header is not one of them."""
        if counter.quoted:
            raise MiscountedPage("a page of results ends inside quotes: a part of it is missing")
        if not counter.complete and not self._framed:
            raise MiscountedPage("a page of results ends without the end of a line: it may have been cut")
        lines = counter.records
        if not lines and (self._expected or self._wanted.some):
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


def listed_pages(api: SalesforceApi, ref: JobRef, list_locator: str | None = None) -> Iterator[ListedPage]:
    """Yield the pages of a query's results, from a part of the list on.

    Besides the names that are documented, those are read that node-sf-bulk2 expects.

    :raises NotFoundError: there is no list of pages.
    :raises ProtocolError: the list is not what the API describes.
    """

    def ask(locator: str | None) -> dict[str, Any]:
        return api.call("GET", f"{job_path(ref)}/resultPages", params={"locator": locator})

    seen: set[str | None] = set()
    following = partial(next_locator, name="locator")
    for document in pages(ask, following, "the list of result pages", list_locator):
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
