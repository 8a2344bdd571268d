"""What every service of the sandbox shares."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.connection import ConnectionCut, wait_for_first
from airflow_provider_jobs.sandbox.fault_actions import Exchange
from airflow_provider_jobs.sandbox.faults import FaultBook
from airflow_provider_jobs.sandbox.request_log import RequestLog
from airflow_provider_jobs.sandbox.timing import TimingBook
from airflow_provider_jobs.sandbox.uploads.settings import UploadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message

    from airflow_provider_jobs.sandbox.auth import TokenBook
    from airflow_provider_jobs.sandbox.clock import Clock
    from airflow_provider_jobs.sandbox.fault_actions import Action
    from airflow_provider_jobs.sandbox.uploads.book import UploadBook


@dataclass(frozen=True)
class Platform:
    """What every service of the sandbox shares."""

    root: Path
    url: str  # of this server, without a slash at the end
    tokens: TokenBook
    uploads: UploadBook
    clock: Clock
    upload_settings: UploadSettings = field(default_factory=UploadSettings)
    faults: FaultBook = field(default_factory=FaultBook)
    timing: TimingBook = field(default_factory=TimingBook)
    log: RequestLog = field(default_factory=RequestLog)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def strike(self, operation: str, path: str, *ends: asyncio.Event) -> list[Action]:
        """Let faults act on what is not a request, such as a job, and give them; at its end they end too.

        :raises Refusal: a fault refuses it.
        """

        async def ended() -> Message:
            await wait_for_first(None, *(each.wait() for each in ends))
            return {"type": "http.disconnect"}

        actions = self.faults.actions_named(operation, path)
        exchange = Exchange(ended, "", self.tokens, self.stopping, self.clock)
        with contextlib.suppress(ConnectionCut):  # it has no connection: it hung for a while, and goes on
            for action in actions:
                await action.before(exchange)
        return actions
