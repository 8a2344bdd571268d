"""A query's result pages in their order, read into drafts before their turn comes."""

from __future__ import annotations

import itertools
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import lists_pages
from airflow_provider_jobs.clients.salesforce.results.page import END, listed_pages
from airflow_provider_jobs.core.http.messages import pages
from airflow_provider_jobs.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.page import ListedPage, Page, PageFetcher
    from airflow_provider_jobs.core.wait.threads import Pool
    from airflow_provider_jobs.jobs import JobRef

    #: Reads the page of a number and a locator.
    Fetch = Callable[[int, str | None], Page]


def listed_if_possible(api: SalesforceApi, ref: JobRef) -> Iterator[ListedPage] | None:
    """Return all pages of a query that has records, None if they have to be followed one by one."""
    if not lists_pages(ref):
        return None
    listed = listed_pages(api, ref)
    try:
        first = next(listed, None)
    except NotFoundError:
        api.get_job(ref)  # says so itself if it is the job that is gone
        return None
    return itertools.chain([first], listed) if first else None


def side_by_side(
    pool: Pool,
    fetcher: PageFetcher,
    fetch: Fetch,
    places: Iterable[tuple[int, ListedPage]],
    most_drafts: int,
) -> Iterator[tuple[ListedPage, Page]]:
    """Yield listed pages in their order; who takes one lets go of its draft before the next.

    :param places: Each with the number of its page.
    :param most_drafts: Pages that are read, or wait, at a time, that which is yielded included.
    """
    waiting: deque[tuple[int, ListedPage, Future[Page]]] = deque()

    def first() -> tuple[ListedPage, Page]:
        number, place, future = waiting.popleft()
        page = pool.result(future)
        if fetcher.header and page.header not in {None, fetcher.header}:
            page = fetch(number, place.locator)  # it came before the first page did
        fetcher.header = fetcher.header or page.header
        return place, page

    for number, place in places:
        waiting.append((number, place, pool.submit(partial(fetch, number, place.locator))))
        if len(waiting) >= most_drafts:
            yield first()
    while waiting:
        yield first()


def one_after_another(
    fetch: Fetch, number: int, locator: str | None, most_pages: int
) -> Iterator[tuple[str | None, Page]]:
    """Yield a page and those that follow it, each with its locator, which the page before it names.

    :param number: Of the first.
    """
    numbers = itertools.count(number)
    found = pages(
        lambda at: (at, fetch(next(numbers), at)),
        lambda read: None if read[1].locator == END else read[1].locator,
        "the chain of result pages",
        locator,
        most_pages=most_pages,
    )
    yield from found


def one_ahead(pool: Pool, found: Iterator[tuple[str | None, Page]]) -> Iterator[tuple[str | None, Page]]:
    """Yield pages that are followed one by one, while the next is read."""
    future = pool.submit(partial(next, found, None))
    while (one := pool.result(future)) is not None:
        future = pool.submit(partial(next, found, None))
        yield one
