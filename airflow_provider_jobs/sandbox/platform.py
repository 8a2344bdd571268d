"""What every service of the sandbox shares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.faults import FaultBook
from airflow_provider_jobs.sandbox.request_log import RequestLog
from airflow_provider_jobs.sandbox.timing import TimingBook
from airflow_provider_jobs.sandbox.uploads.settings import UploadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox.auth import TokenBook
    from airflow_provider_jobs.sandbox.clock import Clock
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
