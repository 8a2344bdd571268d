"""What Salesforce's routes share: org, jobs and runner, and how a handler becomes an operation."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import API
from airflow_provider_jobs.sandbox.connection import wait_for_first
from airflow_provider_jobs.sandbox.documents import Documents
from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.identity import make_salesforce_identity
from airflow_provider_jobs.sandbox.salesforce.ids import SHORT
from airflow_provider_jobs.sandbox.salesforce.jobs import JobStore
from airflow_provider_jobs.sandbox.salesforce.limits import Limits
from airflow_provider_jobs.sandbox.salesforce.org import Org, SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.replies import missing, salesforce_error
from airflow_provider_jobs.sandbox.salesforce.runner import JobRunner
from airflow_provider_jobs.sandbox.salesforce.settings import SalesforceSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.platform import Platform

P = ParamSpec("P")
T = TypeVar("T")
BASE = "/services/data"
FOLDER = "salesforce"
SCOPES = frozenset({API})
CALLS_AT_ONCE = 4  # in the org, for requests; jobs have threads of their own
VERSION = re.compile(r"[1-9][0-9]{1,2}\.0")
OLDEST, NEWEST = 31, 68  # API versions; older ones are retired
BAD_LOGIN = ("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
NO_TOKEN = (
    "LOGIN_MUST_USE_SECURITY_TOKEN",
    f"{BAD_LOGIN[1]} Outside of trusted networks a security token has to follow the password.",
)


class SalesforceState:
    """One org, which is also the host where programs log in.

    :param sample_records: whether its objects have sample records.
    """

    def __init__(self, platform: Platform, *, sample_records: bool = True) -> None:
        self.platform = platform
        self.settings = SalesforceSettings()
        self.identity = make_salesforce_identity(platform.root)
        folder, clock = platform.root / FOLDER, platform.clock.now
        folder.mkdir(mode=0o700, exist_ok=True)
        self.documents = Documents(folder / "jobs.sqlite")
        self.limits = Limits(self.settings, self.documents, clock)
        self.store = JobStore(self.documents, folder / "results", clock, platform.uploads)
        self.org = Org(
            folder / "org", now=lambda: datetime.fromtimestamp(clock(), UTC), sample_records=sample_records
        )
        self.runner = JobRunner(self.store, self.org, self.limits, self.settings, platform)
        self._calls = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="sandbox-salesforce")

    async def ask(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the org off the event loop."""
        call = partial(method, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._calls, call)

    async def start(self) -> None:
        """Take up what was unfinished when the sandbox ended."""
        self.runner.start()

    async def stop(self) -> None:
        """End jobs, threads and files; waits for what the org is executing."""
        await self.runner.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._calls.shutdown)
        await loop.run_in_executor(None, self.org.close)
        self.limits.keep()
        self.documents.close()

    def route(self, method: str, path: str, name: str, handler: Handler, since: int = OLDEST) -> Route:
        """Give the route of one API method; ``path`` follows ``/services/data/vXX.X/``.

        :param since: the first API version that has it.
        """
        operation = self.operation(name, handler, since)
        return Route(f"{BASE}/v{{version}}/{path}", operation, methods=[method], name=f"salesforce.{name}")

    def both(self, method: str, path: str, name: str, handler: Handler, since: int = OLDEST) -> list[Route]:
        """Give the routes of one API method, without and with a slash at the end."""
        return [self.route(method, path + end, name, handler, since) for end in ("", "/")]

    def operation(self, name: str, handler: Handler, since: int = OLDEST) -> Operation:
        """Give the operation ``salesforce.<name>``."""
        return Operation(
            f"salesforce.{name}",
            self._prepared(handler, since),
            platform=self.platform,
            scopes=SCOPES,
            errors=self.error,
        )

    def error(self, refusal: Refusal) -> Reply:
        """Give the reply to a request that is refused."""
        reply = salesforce_error(refusal)
        return replace(reply, headers={**self.limits.headers(), **reply.headers})

    def _prepared(self, handler: Handler, since: int) -> Callable[[Call], Awaitable[Reply]]:
        async def handled(call: Call) -> Reply:
            if self.settings.latency_seconds:
                await wait_for_first(self.settings.latency_seconds, self.platform.stopping.wait())
            self.limits.count_request()
            if "version" in call.request.path_params:
                check_version(call.path("version"), since)
            try:
                reply = await handler(call)
            except SalesforceRefusal as refusal:
                raise Refusal(400, refusal.code, refusal.message) from refusal
            return replace(reply, headers={**self.limits.headers(), **reply.headers})

        return handled

    def issue_token(self, via: str) -> str:
        """Make a token of the org's user."""
        account = self.identity.account
        prefix = f"{account.organization_id[:SHORT]}!"
        return self.platform.tokens.issue(account.username, SCOPES, (via,), prefix=prefix).token

    def password_problem(
        self, username: str, password: str, organization_id: str = ""
    ) -> tuple[str, str] | None:
        """Give code and message of a login that fails; the security token follows the password."""
        account = self.identity.account
        if username.lower() != account.username:
            return BAD_LOGIN
        if password == account.password + account.security_token:
            return None
        if password != account.password:
            return BAD_LOGIN
        trusted = self.settings.network == "trusted" or organization_id == account.organization_id
        return None if trusted else NO_TOKEN


def version_number(version: str) -> int:
    """Give the number of an API version, 0 of what is not one."""
    return int(version.partition(".")[0]) if VERSION.fullmatch(version) else 0


def check_version(version: str, since: int) -> None:
    """Refuse an API version that there is not, or not any more.

    :raises Refusal: 404 or 410.
    """
    number = version_number(version)
    if 0 < number < OLDEST:
        message = "The requested API version is no longer supported."
        raise Refusal(410, "UNSUPPORTED_API_VERSION", message)
    if not since <= number <= NEWEST:
        raise missing()
