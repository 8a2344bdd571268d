"""Pages of a query's result: which records each has, its locator, and the reply that carries it.

A locator tells where in the result a page begins, as text that tells its reader nothing.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.replies import bad
from airflow_provider_jobs.sandbox.streaming import Pieces, Sending

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.org import ResultFile
    from airflow_provider_jobs.sandbox.salesforce.settings import SalesforceSettings

COUNT, LOCATOR = "Sforce-NumberOfRecords", "Sforce-Locator"
LAST = "null"  # in place of a locator: there is no further page
MOST_CHARACTERS = 200
CHECK_CHARACTERS = 12


@dataclass(frozen=True)
class Place:
    """The first record of a page, and how many it has where that is settled."""

    first: int
    count: int | None = None


def make_locator(job_id: str, place: Place) -> str:
    """Spell a place in a job's result."""
    text = f"{place.first}:{'' if place.count is None else place.count}"
    return base64.urlsafe_b64encode(f"{text}:{_check(job_id, text)}".encode()).decode().rstrip("=")


def read_locator(job_id: str, locator: str) -> Place:
    """Give the place.

    :raises Refusal: 400, it is not a locator, or it is another job's.
    """
    try:
        padded = locator[:MOST_CHARACTERS].encode("ascii") + b"=" * (-len(locator) % 4)
        text, _, check = base64.urlsafe_b64decode(padded).decode("ascii").rpartition(":")
        first, _, count = text.partition(":")
        place = Place(int(first), int(count) if count else None)
    except ValueError as error:
        raise _refusal() from error
    if check != _check(job_id, text):
        raise _refusal()
    return place


def _check(job_id: str, text: str) -> str:
    return hashlib.sha256(f"{job_id}:{text}".encode()).hexdigest()[:CHECK_CHARACTERS]


def _refusal() -> Exception:
    return bad("INVALID_QUERY_LOCATOR", "invalid query locator")


@dataclass(frozen=True)
class Pages:
    """The pages that the settings cut a result into."""

    job_id: str
    result: ResultFile
    settings: SalesforceSettings

    def place(self, first: int) -> Place:
        """Give the page that begins at a record."""
        size = max(1, self.settings.page_rows)
        if self.settings.page_sizes == "uneven":
            size -= zlib.crc32(f"{self.job_id}:{first}".encode()) % (size // 2 + 1)
        return Place(first, min(max(1, size), self.result.record_count - first))

    def locator(self, first: int) -> str:
        """Give the locator of what begins at a record, or ``null`` behind the last."""
        return make_locator(self.job_id, Place(first)) if first < self.result.record_count else LAST


@dataclass(frozen=True)
class PageReply(Reply):
    """A page of records; faults can take records out of it, or out of the way behind it."""

    result: ResultFile | None = None
    place: Place = field(default_factory=lambda: Place(0))
    over_next: str = LAST  # the locator of the page after the next

    def without_record(self, record: int, *, adjusted: bool) -> PageReply:
        """Give the page without one of its records; ``adjusted``: the count says so."""
        count = self.place.count or 0
        if self.result is None or self.pieces is None or record >= count:
            return self
        start, stop = self.result.page(self.place.first, count)
        gap_start, gap_stop = self.result.page(self.place.first + record, 1)
        ranges = ((0, self.result.header_bytes), (start, gap_start), (gap_stop, stop))
        headers = (
            {**self.headers, COUNT: str(count - 1)} if adjusted and COUNT in self.headers else self.headers
        )
        return replace(self, pieces=replace(self.pieces, ranges=ranges), headers=headers)


def page_reply(call: Call, pages: Pages, place: Place) -> PageReply:
    """Give the reply that carries a page."""
    result, settings = pages.result, pages.settings
    following = place.first + (place.count or 0)
    headers = csv_headers(settings) | {LOCATOR: pages.locator(following)}
    if result.record_count or settings.empty_count_header == "zero":
        headers[COUNT] = str(place.count)
    ranges = ((0, result.header_bytes), result.page(place.first, place.count or 0))
    over_next = LAST
    if following < result.record_count:
        over_next = pages.locator(following + (pages.place(following).count or 0))
    packed = wants_gzip(call, settings)
    return PageReply(
        headers=headers | ({"Content-Encoding": "gzip"} if packed else {}),
        pieces=Pieces(result.path, ranges, gzip=packed),
        sending=Sending(bytes_per_second=settings.bytes_per_second),
        result=result,
        place=place,
        over_next=over_next,
    )


def file_reply(call: Call, path: Path, settings: SalesforceSettings) -> Reply:
    """Give the reply that carries a whole file of CSV."""
    packed = wants_gzip(call, settings)
    return Reply(
        headers=csv_headers(settings) | ({"Content-Encoding": "gzip"} if packed else {}),
        pieces=Pieces(path, ((0, path.stat().st_size),), gzip=packed),
        sending=Sending(bytes_per_second=settings.bytes_per_second),
    )


def csv_headers(settings: SalesforceSettings) -> dict[str, str]:
    """Give what every reply with CSV says."""
    return {"Content-Type": "text/csv" + ("; charset=UTF-8" if settings.charset == "given" else "")}


def wants_gzip(call: Call, settings: SalesforceSettings) -> bool:
    """Tell whether the client takes gzip, and gets it."""
    accepted = call.request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    return settings.gzip == "asked" and any(
        coding.partition(";")[0] == "gzip" and not coding.endswith((";q=0", ";q=0.0")) for coding in accepted
    )
