"""How many requests a call has sent, for whoever wants to know; it says nothing about anybody else's."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Tally:
    """A count that goes up."""

    count: int = 0


_tally: ContextVar[Tally | None] = ContextVar("requests_sent", default=None)


@contextmanager
def counted_requests() -> Iterator[Tally]:
    """Count the requests that this thread sends meanwhile."""
    tally = Tally()
    before = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(before)


def count_request() -> None:
    """Note that a request is about to be sent."""
    if tally := _tally.get():
        tally.count += 1
