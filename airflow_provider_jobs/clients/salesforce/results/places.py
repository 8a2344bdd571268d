"""Where pages begin in a stream of results, so that another attempt goes on there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from airflow_provider_jobs.clients.salesforce.results.page import Page

#: Places that are remembered of one part besides its beginning: as JSON they are below 10 kB.
_MOST_PLACES = 24


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins.

    :param part_number: Of the part that it is in, the first is 0.
    :param page_number: The first of the results is 0.
    :param locator: Its own; None is the first page.
    :param list_locator: Where pages are listed: of the part of the list that names it.
    :param record_count: Records before it, in all parts.
    :param size_bytes: Bytes before it, in its part.
    :param ends_a_line: False if they lack a line end.
    :param sha256: Of the page as it came, decompressed; empty until it was read.
    """

    part_number: int = 0
    page_number: int = 0
    locator: str | None = None
    list_locator: str | None = None
    record_count: int = 0
    size_bytes: int = 0
    ends_a_line: bool = True
    sha256: str = ""

    def size_of(self, page: Page) -> int:
        """Return how many bytes of the part a page is here: of the first its header counts."""
        if not self.size_bytes:
            return page.part.size_bytes
        body = page.part.size_bytes - page.header_bytes
        return body + bool(body and not self.ends_a_line)

    def after(self, page: Page) -> Place:
        """Return the place behind a page here."""
        size = self.size_of(page)
        return replace(
            self,
            page_number=self.page_number + 1,
            record_count=self.record_count + page.records,
            size_bytes=self.size_bytes + size,
            ends_a_line=page.ends_a_line if size else self.ends_a_line,
            sha256="",
        )


@dataclass(frozen=True, slots=True)
class PartEnd:
    """What is known of a part once it was read to its end.

    :param record_count: Records of all parts up to here.
    :param size_bytes: Of this part.
    :param following: Where the next part begins; None after the last: all records of the job were found.
    """

    record_count: int
    size_bytes: int
    following: Place | None = None


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """How far a stream came: enough for another attempt to go on with the part that is being sent.

    :param location: Of the job: kind and version.
    :param listed: Its pages are listed; otherwise each names the next.
    :param places: In the part that is being sent: its beginning, and pages of it that were read.
    :param end: Of that part, once it is known.
    :param header: The SHA-256 of the pages' header.
    """

    job_id: str
    location: str
    part_bytes: int
    page_records: int | None
    listed: bool = False
    places: tuple[Place, ...] = ()
    end: PartEnd | None = None
    header: str | None = None

    @property
    def work(self) -> tuple[str, str, int, int | None]:
        """What is streamed, and how it is cut: the same for each attempt."""
        return self.job_id, self.location, self.part_bytes, self.page_records

    def with_page(self, here: Place, header: str | None) -> StreamProgress:
        """Return this with a page that was read, whose SHA-256 its place has; of many places some go.

        :param header: The SHA-256 of the page's.
        """
        first, *others = self.places
        if here.page_number == first.page_number:
            first = here
        elif here.size_bytes > self.places[-1].size_bytes:
            others.append(here)
        if len(others) >= _MOST_PLACES:
            older, younger = others[: _MOST_PLACES // 2], others[_MOST_PLACES // 2 :]
            others = [*older[1::2], *younger]  # an upload is not far behind what was read
        return replace(self, places=(first, *others), header=self.header or header)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads."""
        return asdict(self) | {"places": [asdict(place) for place in self.places]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StreamProgress:
        """Read what :meth:`to_json` wrote."""
        end = data["end"]
        if end:
            end = PartEnd(**end | {"following": end["following"] and Place(**end["following"])})
        return cls(**data | {"places": tuple(Place(**place) for place in data["places"]), "end": end})
