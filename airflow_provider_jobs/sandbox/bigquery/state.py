"""What BigQuery's routes share: engine, jobs and runner, and how a handler becomes an operation."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import CLOUD_PLATFORM, SCOPE_ROOT
from airflow_provider_jobs.sandbox.bigquery.engine import ApiError, Engine
from airflow_provider_jobs.sandbox.bigquery.job_resources import full
from airflow_provider_jobs.sandbox.bigquery.jobs import JobStore
from airflow_provider_jobs.sandbox.bigquery.reply_fields import REPLIES, check_mask
from airflow_provider_jobs.sandbox.bigquery.runner import JobRunner
from airflow_provider_jobs.sandbox.documents import Documents
from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Refusal, Reply, google_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.platform import Platform

P = ParamSpec("P")
T = TypeVar("T")
BASE = "/bigquery/v2/projects/{project}"
CALLS_AT_ONCE = 8  # engine calls of requests; jobs have threads of their own
WRITE_SCOPES = frozenset({SCOPE_ROOT + "bigquery", CLOUD_PLATFORM})
READ_SCOPES = WRITE_SCOPES | {CLOUD_PLATFORM + ".read-only"}
INSERT_SCOPES = WRITE_SCOPES | {
    SCOPE_ROOT + "devstorage." + right for right in ("full_control", "read_only", "read_write")
}


class BigQueryState:
    """One BigQuery, with all its projects."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.engine = Engine(platform.root)
        self.store = JobStore(Documents(platform.root / "jobs.sqlite"), platform.clock.now)
        self.runner = JobRunner(self.store, self.engine, platform)
        self._calls = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="sandbox-call")

    @property
    def buckets(self) -> Path:
        """The folder whose folders are the ``gs://`` buckets."""
        return self.platform.root / "buckets"

    async def ask(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the engine off the event loop."""
        call = partial(method, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._calls, call)

    async def every_job(self) -> list[dict[str, Any]]:
        """Give the jobs of all projects, oldest first."""
        return [full(job, self.platform.url) for job in self.store.all()]

    async def start(self) -> None:
        """Take up what was pending when the sandbox ended."""
        self.runner.start()

    async def stop(self) -> None:
        """End jobs, threads and files."""
        await self.runner.close()
        await asyncio.get_running_loop().run_in_executor(None, self._calls.shutdown)
        self.store.close()
        self.engine.close()

    def route(self, method: str, path: str, name: str, handler: Handler) -> Route:
        """Give the route of one API method; ``path`` follows ``projects/{projectId}/``."""
        return Route(f"{BASE}/{path}", self.operation(name, method, handler), methods=[method], name=name)

    def operation(self, name: str, method: str, handler: Handler) -> Operation:
        """Give the operation ``bigquery.<name>``, with the scopes that its kind of method accepts."""
        scopes = READ_SCOPES if method == "GET" else WRITE_SCOPES
        if name == "jobs.insert" or name.startswith("upload."):
            scopes = INSERT_SCOPES
        reply = REPLIES.get(name)
        return Operation(
            f"bigquery.{name}",
            _refusing(handler),
            platform=self.platform,
            scopes=scopes,
            errors=google_error,
            check_mask=None if reply is None else partial(check_mask, kind=reply),
        )


def _refusing(handler: Handler) -> Callable[[Call], Awaitable[Reply]]:
    async def handled(call: Call) -> Reply:
        try:
            return await handler(call)
        except ApiError as error:
            raise Refusal(error.status, error.reason, error.message, location=error.location) from error

    return handled
