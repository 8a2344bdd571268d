"""Uploads on their way: queued, running, then completed or failed, by time or by polls."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.redivis.model import COMPLETED, FAILED, QUEUED, RUNNING, TableUpload
from airflow_provider_jobs.sandbox.redivis.row_counts import Unreadable, count_rows
from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.redivis.catalog import Catalog
    from airflow_provider_jobs.sandbox.redivis.settings import RedivisSettings

LOGGER = logging.getLogger(__name__)
OPERATION = "redivis.uploads.run"  # what a fault names to meet the processing itself and no request
FILES_AT_ONCE = 2


class Processing:
    """Reads the files of uploads; what it finds shows when the timing allows."""

    def __init__(self, catalog: Catalog, platform: Platform, settings: RedivisSettings) -> None:
        self._catalog = catalog
        self._platform = platform
        self._settings = settings
        self._pool = ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="sandbox-redivis")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = threading.Event()

    def start(self) -> None:
        """Take up what had arrived when the sandbox ended."""
        for upload in self._catalog.all_uploads():
            if upload.arrived_at is not None and not upload.processed:
                self._submit(upload)

    def arrived(self, upload: TableUpload) -> None:
        """All bytes of an upload are here."""
        upload.arrived_at, upload.arrived_after = self._platform.clock.now(), self._platform.clock.passed()
        self._catalog.keep(upload)
        self._submit(upload)

    def status(self, upload: TableUpload, *, asked: bool = False) -> str | None:
        """Give the state; ``asked`` counts as a poll."""
        if upload.arrived_at is None:
            return None
        queued_polls, running_polls = self._settings.queued_polls, self._settings.running_polls
        polls = upload.polls
        upload.polls += asked
        timing = self._platform.timing.of(self._catalog.owner_of(upload))
        seconds = self._platform.clock.passed() - upload.arrived_after
        if polls < queued_polls or seconds < timing.pending_seconds:
            return QUEUED
        running_until = timing.pending_seconds + timing.running_seconds
        if polls < queued_polls + running_polls or seconds < running_until or not upload.processed:
            return RUNNING
        return COMPLETED if upload.error is None else FAILED

    async def close(self) -> None:
        """End all work; the next start begins it anew."""
        self._closing.set()
        await asyncio.gather(*self._tasks)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _submit(self, upload: TableUpload) -> None:
        task = asyncio.get_running_loop().create_task(self._process(upload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _process(self, upload: TableUpload) -> None:
        book = self._platform.uploads
        file = book.get(upload.file or "")
        if file is None:
            upload.error = "The file is gone."
        else:
            _, upload.md5 = await book.digests(file)
            upload.size = file.stored
            path = book.path(file)
            try:
                stopping = self._platform.stopping
                await self._platform.strike(OPERATION, f"/uploads/{upload.name}", stopping)
                found = await asyncio.get_running_loop().run_in_executor(
                    self._pool, count_rows, path, upload.options, self._closing
                )
                upload.rows, upload.bad_records = found.rows, found.bad
            except (Unreadable, Refusal) as problem:
                upload.error = str(problem)
            except Exception:  # the upload must end, whatever happened; the console gets the traceback
                LOGGER.exception("reading the upload %s failed unexpectedly", upload.number)
                upload.error = "An internal error occurred."
            if self._closing.is_set():
                return
            book.release(file)
        upload.processed, upload.processed_at = True, self._platform.clock.now()
        if self._catalog.exists(upload):
            self._catalog.keep(upload)
