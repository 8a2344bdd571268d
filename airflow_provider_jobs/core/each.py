"""The same for each of several, where one failure must leave out no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.errors import JobsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def for_each(things: Iterable[T], act: Callable[[T], object]) -> None:
    """Act on each.

    :raises JobsError: the first failure, once all have had their turn.
    """
    first: JobsError | None = None
    for thing in things:
        try:
            act(thing)
        except JobsError as error:
            first = first or error
    if first:
        raise first
