"""Tokens of a Salesforce org: one login for all threads of a process, another once its token is rejected."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from airflow_provider_jobs import __version__
from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.names import VERSION
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import AuthenticationError, JobsError
from airflow_provider_jobs.hooks.logins.salesforce import Grant, log_in
from airflow_provider_jobs.hooks.logins.salesforce_settings import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings
    from airflow_provider_jobs.jobs import JobRef


log = logging.getLogger(__name__)

#: A refused login is not tried again for so long: Salesforce locks users out who are refused too often.
REFUSED_SECONDS = 300.0
_PATIENCE = RetryPolicy(attempts=4, total_seconds=60.0)


class OrgToken(Protocol):
    """A token that knows its org."""

    @property
    def instance_url(self) -> str:
        """Return the org's address."""

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Replace a token that the org has rejected; return False if there is no other."""


class ReadyToken:
    """A token that somebody else has asked for: only the connection may hold a newer one.

    :param reread: Reads the connection again; None where that is not possible.
    """

    def __init__(self, settings: SalesforceSettings) -> None:
        self._grant = Grant(settings.access_token or "", settings.instance_url or "")
        self._lock = threading.RLock()  # on_kill runs in a signal handler, whatever its thread holds
        self.reread: Callable[[], SalesforceSettings] | None = None

    @property
    def instance_url(self) -> str:
        """Return the org's address."""
        return self._grant.instance_url

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
        return self._grant.headers

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Look whether the connection holds another token by now."""
        with self._lock:
            if self._grant.headers == rejected and self.reread:
                again = self.reread()
                if again.access_token and again.instance_url == self._grant.instance_url:
                    self._grant = Grant(again.access_token, self._grant.instance_url)
            return self._grant.headers != rejected


class LoginToken:
    """Tokens that a login gives: one login for all threads, another once the org rejects its token.

    :param transport: What sends the logins; None makes it.
    """

    def __init__(self, settings: SalesforceSettings, *, transport: Transport | None = None) -> None:
        self._settings = settings
        self._transport = transport or transport_of(settings, self)
        self._timing = self._transport.timing
        self._lock = threading.RLock()  # on_kill runs in a signal handler, whatever its thread holds
        self._grant: Grant | None = None
        self._refused: tuple[float, AuthenticationError] | None = None

    @property
    def instance_url(self) -> str:
        """Return the org's address, as the login tells it.

        :raises AuthenticationError: the login is refused.
        """
        return _PATIENCE.call(self._granted, timing=self._timing).instance_url

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request.

        :raises AuthenticationError: the login is refused.
        """
        return self._granted().headers

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Log in again unless a thread before this one has done so."""
        with self._lock:
            if self._grant and self._grant.headers == rejected:
                log.info("connection %s: the token has expired, logging in again", self._settings.conn_id)
                self._grant = None
        self._granted()
        return True

    def _granted(self) -> Grant:
        with self._lock:
            if self._grant is None:
                self._check_refusal()
                try:
                    grant = log_in(self._settings, self._transport)
                except AuthenticationError as error:
                    self._refused = self._timing.now() + REFUSED_SECONDS, error
                    raise
                except JobsError as error:
                    error.may_have_happened = False  # whatever became of the login: no job was touched
                    raise
                self._grant = self._grant or grant  # a signal handler may have logged in meanwhile
            return self._grant

    def _check_refusal(self) -> None:
        if self._refused and self._timing.now() < self._refused[0]:
            known = self._refused[1]
            raise AuthenticationError(str(known), status=known.status, reason=known.reason)


def transport_of(
    settings: SalesforceSettings, token: OrgToken, retry: RetryPolicy | None = None
) -> Transport:
    """Return what sends requests as the connection wants them sent."""
    return Transport(
        token,
        user_agent=f"airflow-provider-jobs/{__version__}",
        retry=retry,
        proxies=dict(settings.proxies) or None,
    )


def token_for(settings: SalesforceSettings) -> ReadyToken | LoginToken:
    """Return the token of these settings that all threads of this process share; asks for none yet."""
    # What concerns jobs only makes no other login.
    settings = replace(settings, version=VERSION, api_usage_limit=None)
    with _lock:
        if settings not in _tokens:
            if len(_tokens) >= _MOST_TOKENS:
                del _tokens[next(iter(_tokens))]
            ready = settings.flow is Flow.READY
            _tokens[settings] = ReadyToken(settings) if ready else LoginToken(settings)
        return _tokens[settings]


_MOST_TOKENS = 32
_tokens: dict[SalesforceSettings, ReadyToken | LoginToken] = {}
_lock = threading.Lock()


class DiscardingClient(SalesforceClient):
    """A client that leaves nothing of the jobs which it cancels."""

    def cancel(self, ref: JobRef) -> None:
        """Abort a job, see it end, and delete it; what is complete may still be wanted, and stays."""
        self.discard(ref)


@lru_cache(maxsize=32)
def shared_client(settings: SalesforceSettings, *, delete_cancelled: bool) -> SalesforceClient:
    """Return the one client of these settings in this process.

    :raises AuthenticationError: Salesforce refuses the login.
    """
    kind = DiscardingClient if delete_cancelled else SalesforceClient
    return _client(kind, settings, token_for(settings), None)


def fresh_client(settings: SalesforceSettings, retry: RetryPolicy) -> SalesforceClient:
    """Return a client that logs in by itself, whatever became of the login that others share."""
    shared = token_for(settings)
    token = LoginToken(settings) if isinstance(shared, LoginToken) else shared
    return _client(SalesforceClient, settings, token, retry)


def _client(
    kind: type[SalesforceClient], settings: SalesforceSettings, token: OrgToken, retry: RetryPolicy | None
) -> SalesforceClient:
    return kind(
        transport_of(settings, token, retry),
        token.instance_url,
        version=settings.version,
        client_id=settings.client_id,
        api_usage_limit=settings.api_usage_limit,
        retry=retry,
    )
