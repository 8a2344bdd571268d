"""Tokens of a Salesforce org: one login for all threads of a process, another once its token is rejected."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.names import VERSION
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, JobsError
from airflow_provider_jobs.hooks.base import fingerprint, transport_of
from airflow_provider_jobs.hooks.logins.salesforce import Grant, log_in
from airflow_provider_jobs.hooks.logins.salesforce_settings import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings

log = logging.getLogger(__name__)

#: A refused login is not tried again for so long, unless its key file changes: Salesforce locks users out
#: who are refused too often.
REFUSED_SECONDS = 300.0
_PATIENCE = RetryPolicy(attempts=4, total_seconds=60.0)


class ReadyToken:
    """A token that somebody else has asked for: only the connection may hold a newer one."""

    def __init__(self, settings: SalesforceSettings) -> None:
        self._grant = Grant(settings.access_token or "", settings.instance_url or "")
        self._lock = threading.RLock()  # on_kill runs in a signal handler, whatever its thread holds
        #: Reads the connection again; None where that is not possible.
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

    A key file is read at each login, and so may be replaced at any time.
    """

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        transport: Transport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._settings = settings
        self._retry = retry or _PATIENCE
        self._transport = transport or transport_of(self, proxies=dict(settings.proxies))
        self._timing = self._transport.timing
        self._lock = threading.RLock()  # on_kill runs in a signal handler, whatever its thread holds
        self._grant: Grant | None = None
        self._worked = False
        self._refused: tuple[float, bytes | None, AuthenticationError] | None = None

    @property
    def instance_url(self) -> str:
        """Return the org's address, as the login tells it."""
        return self._retry.call(self._granted, timing=self._timing).instance_url

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
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
                key = fingerprint(self._settings.key_file)  # before the file is read: no change is missed
                self._check_refusal(key)
                try:
                    grant = log_in(self._settings, self._transport)
                except AuthenticationError as error:
                    self._refused = self._timing.now() + REFUSED_SECONDS, key, error
                    raise
                except ConfigurationError as error:
                    if not self._worked:
                        raise
                    # A key file that is just being replaced must not end what waits.
                    raise AuthenticationError(str(error), status=401, reason="private_key") from None
                except JobsError as error:
                    error.may_have_happened = False  # whatever became of the login: no job was touched
                    raise
                self._worked = True
                self._grant = self._grant or grant  # a signal handler may have logged in meanwhile
            return self._grant

    def _check_refusal(self, key: bytes | None) -> None:
        """Raise the last refusal again while it lasts, and the key is still the refused one."""
        if self._refused is None:
            return
        until, refused, known = self._refused
        if self._timing.now() < until and key in {None, refused}:
            raise AuthenticationError(str(known), status=known.status, reason=known.reason)


def new_token(settings: SalesforceSettings, retry: RetryPolicy | None = None) -> ReadyToken | LoginToken:
    """Return a token of these settings that nobody else uses; asks for none yet.

    :param retry: How often a login is tried before the org's address is known.
    """
    return ReadyToken(settings) if settings.flow is Flow.READY else LoginToken(settings, retry=retry)


def token_for(settings: SalesforceSettings) -> ReadyToken | LoginToken:
    """Return the token of these settings that all threads of this process share; asks for none yet."""
    with _lock:
        # What concerns jobs only makes no other login.
        return _shared(replace(settings, version=VERSION, api_usage_limit=None))


_shared = lru_cache(maxsize=32)(new_token)
_lock = threading.Lock()
