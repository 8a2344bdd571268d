"""Reads pages of results into drafts, again if need be."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.results.assembly import Fetched
from airflow_provider_jobs.clients.salesforce.results.files import Draft, Output, Sink
from airflow_provider_jobs.clients.salesforce.results.page import PAGE_PATIENCE, Header, MiscountedPage, Page
from airflow_provider_jobs.errors import ConfigurationError, JobsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient

#: A page whose count is wrong is read so often: a server that drops records drops them again.
_COUNTED_AT_MOST = 2


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


class PageFetcher:
    """Reads pages into drafts; threads share it."""

    def __init__(self, client: SalesforceClient, sink: Sink, output: Output, header: Header) -> None:
        self.client = client
        self.sink = sink
        self.header = header
        self.stopped = threading.Event()
        self._output = output
        #: Names of drafts that were begun.
        self.drafts: set[str] = set()

    def fetch(self, wanted: Wanted, params: Mapping[str, Any], name: str, *, with_header: bool) -> Fetched:
        """Read a page into a draft; one that is cut or miscounted is read again."""
        miscounted = 0

        def step() -> Fetched:
            nonlocal miscounted
            self._check_stop()
            page = Page(
                self.client,
                wanted.path,
                params,
                self.header,
                with_header=with_header,
                located=wanted.located,
                expected=wanted.records,
                some=wanted.some,
            )
            try:
                return self._write(page, name)
            except MiscountedPage as error:
                miscounted += 1
                error.retryable = miscounted < _COUNTED_AT_MOST
                raise

        try:
            return self.client.repeat(step, PAGE_PATIENCE, self._sleep)
        except MiscountedPage as error:
            error.retryable = True  # by another attempt of the task
            raise

    def clean(self, names: set[str]) -> None:
        """Drop drafts."""
        for name in names:
            self.sink.discard(name)

    def _write(self, page: Page, name: str) -> Fetched:
        self.drafts.add(name)
        path = self.sink.draft(name)
        try:
            file = path.open("wb")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
        with file:
            draft = Draft(file, compress=self._output.compress, hashed=self._output.split)
            for block in page.blocks():
                self._check_stop()
                draft.write(block)
            draft.end()
        return Fetched(
            name, page.records, draft.size_bytes, draft.sha256, page.ends_a_line, page.locator, page.header
        )

    def _sleep(self, seconds: float) -> None:
        """Sleep, unless the download is stopped meanwhile: it looks every second."""
        while seconds > 0 and not self.stopped.is_set():
            self.client.timing.sleep(min(seconds, 1.0))
            seconds -= 1.0

    def _check_stop(self) -> None:
        if self.stopped.is_set():
            raise JobsError("the download was stopped")
