"""Where in a result a page begins, as text that tells its reader nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from airflow_provider_jobs.sandbox.salesforce.replies import bad

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
    except (ValueError, binascii.Error) as error:
        raise _refusal() from error
    if check != _check(job_id, text):
        raise _refusal()
    return place


def _check(job_id: str, text: str) -> str:
    return hashlib.sha256(f"{job_id}:{text}".encode()).hexdigest()[:CHECK_CHARACTERS]


def _refusal() -> Exception:
    return bad("INVALID_QUERY_LOCATOR", "invalid query locator")
