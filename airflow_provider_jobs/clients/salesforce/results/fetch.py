"""Has pages of results in drafts, read again if need be."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_jobs.clients.salesforce.results.files import Draft, Fetched, open_draft
from airflow_provider_jobs.clients.salesforce.results.page import MiscountedPage, Page
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import JobsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from airflow_provider_jobs.clients.salesforce.api import SalesforceApi
    from airflow_provider_jobs.clients.salesforce.results.files import Output, Sink
    from airflow_provider_jobs.clients.salesforce.results.page import Header, Wanted

#: For one page, which may take long: what counts is how often it fails, not when it began.
PAGE_RETRY = RetryPolicy(attempts=6, total_seconds=6 * 3600.0, cap_seconds=60.0)
#: A page whose count is wrong is read so often: a server that drops records drops them again.
_COUNTED_AT_MOST = 2


class PageFetcher:
    """Reads pages into drafts; threads share it.

    :ivar stopped: Set once nobody waits for a page any more.
    """

    def __init__(self, api: SalesforceApi, sink: Sink, output: Output, header: Header) -> None:
        self._api = api
        self._sink = sink
        self._output = output
        self._opening = threading.RLock()
        self.header = header
        self.stopped = threading.Event()

    def fetch(self, wanted: Wanted, params: Mapping[str, Any], name: str, *, with_header: bool) -> Fetched:
        """Read a page into a draft; one that is cut or miscounted is read again.

        :raises JobsError: the last attempt's, or the download was stopped.
        """
        miscounted = 0

        def step() -> Fetched:
            nonlocal miscounted
            page = Page(wanted, self.header, with_header=with_header)
            try:
                return self._write(page, wanted.path, params, name)
            except MiscountedPage as error:
                miscounted += 1
                error.retryable = miscounted < _COUNTED_AT_MOST
                raise

        try:
            return self._api.repeat(step, PAGE_RETRY, self._sleep)
        except MiscountedPage as error:
            error.retryable = True  # by another attempt of the task
            raise

    def clean(self, keep: Collection[str] = ()) -> None:
        """Drop all drafts but those of these names; after a stop none is begun any more."""
        with self._opening:
            self._sink.clear(keep)

    def _write(self, page: Page, path: str, params: Mapping[str, Any], name: str) -> Fetched:
        with self._open(name) as file, self._api.csv(path, params) as reply:
            draft = Draft(file, compress=self._output.compress, hashed=self._output.split)
            for block in page.blocks(reply):
                self._check_stop()
                draft.write(block)
            draft.end()
        return Fetched(
            name, page.records, draft.size_bytes, draft.sha256, page.ends_a_line, page.locator, page.header
        )

    def _open(self, name: str) -> BinaryIO:
        with self._opening:  # who cleans up after a stop misses none
            self._check_stop()
            return open_draft(self._sink.draft(name))

    def _sleep(self, seconds: float) -> None:
        """Sleep, unless the download is stopped meanwhile: it looks every second."""
        while seconds > 0 and not self.stopped.is_set():
            self._api.timing.sleep(min(seconds, 1.0))
            seconds -= 1.0

    def _check_stop(self) -> None:
        if self.stopped.is_set():
            raise JobsError("the download was stopped")
