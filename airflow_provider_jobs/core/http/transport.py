"""The one place that sends HTTP: one session, one token, a timeout on everything."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from airflow_provider_jobs.core.http.failures import hide_sessions, hides_path, transport_error
from airflow_provider_jobs.core.http.limits import ERROR_BYTES, Limits
from airflow_provider_jobs.core.http.messages import (
    Reply,
    Request,
    Token,
    check_url,
    is_loopback,
    refusal_body,
)
from airflow_provider_jobs.core.http.retry import LATER_SECONDS, RetryPolicy, Timing, seconds_of_date
from airflow_provider_jobs.core.http.stream import StreamedReply, blocks_of, streamed, whole
from airflow_provider_jobs.core.http.timed import BoundedAdapter, Bounds, bounds
from airflow_provider_jobs.errors import ConfigurationError, JobsError, MovedError
from airflow_provider_jobs.words import keep_secret, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = TypeVar("Answer", Reply, StreamedReply)

#: Longest wait for a connection, in seconds.
CONNECT_SECONDS = 10.0
#: Connections to one host that are kept: 16 threads look at jobs or send files, others list and cancel.
MOST_CONNECTIONS = 32
#: A path of fewer characters is no secret: it lets nobody write.
_PLACE_CHARACTERS = 16
_UNAUTHORIZED = 401
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: What is on this machine is not asked for through a proxy, which would see the token in clear.
_NO_PROXY = {"http": "", "https": ""}

hide_sessions()


class Transport:
    """Sends requests for one connection.

    :param read_seconds: Longest silence of the server.
    :param proxies: Scheme and proxy; they go before those of the environment.
    :param limits: What is taken of the service at most.
    :param account: Returns whose token it is, for messages; empty if nobody knows.
    """

    def __init__(
        self,
        token: Token,
        *,
        user_agent: str,
        retry: RetryPolicy | None = None,
        timing: Timing | None = None,
        read_seconds: float = 60.0,
        proxies: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        account: Callable[[], str] = str,
    ) -> None:
        self.timing = timing or Timing()
        self.retry = retry or RetryPolicy()
        self.limits = limits or Limits()
        #: How much the service's clock is ahead of ours, as the last reply told it to a second.
        self.ahead_seconds = 0.0
        self._token = token
        self._account = account
        self._timeout = (CONNECT_SECONDS, read_seconds)
        self._session = _Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "gzip"})
        self._session.cookies.set_policy(
            DefaultCookiePolicy(allowed_domains=[])
        )  # none is kept, none is sent
        self._proxies = dict(proxies or {})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, BoundedAdapter(pool_connections=4, pool_maxsize=MOST_CONNECTIONS))

    def call(self, request: Request, parse: Callable[[Reply], T]) -> T:
        """Send a request, repeated as the policy allows, and return what ``parse`` makes of the reply.

        A token that the service rejects is renewed once.

        :raises ConfigurationError: the address is neither https nor on this machine.
        :raises MovedError: the service sends us elsewhere.
        :raises JobsError: what ``parse`` or the last attempt raised.
        """
        if request.within_seconds is not None:
            return parse(self._renewing(request, self.send))
        return self.repeat(lambda: parse(self._renewing(request, self.send)), idempotent=request.idempotent)

    def repeat(self, step: Callable[[], T], *, idempotent: bool = True) -> T:
        """Take a step again and again as the retry policy allows."""
        on_retry = partial(log.warning, "%s; trying again in %.1f s")
        return self.retry.call(step, timing=self.timing, idempotent=idempotent, on_retry=on_retry)

    def once(self, request: Request) -> Reply:
        """Send a request once and return the reply, whatever it says; a rejected token is renewed for later.

        :raises TransportError: no reply came.
        """
        headers = self._authorization(request)
        reply = self.send(request, headers)
        if reply.status == _UNAUTHORIZED and request.authorized:
            self._token.renew(headers)
        return reply

    @property
    def session(self) -> requests.Session:
        """The HTTP library's own, for an adapter of a host that wants one."""
        return self._session

    @contextmanager
    def stream(self, request: Request) -> Iterator[StreamedReply]:
        """Send a request once and lend the reply, its body unread; a token that is rejected is renewed once.

        :raises TransportError: no reply came.
        """
        with closing(self._renewing(request, self.open)) as reply:
            yield reply

    def _renewing(self, request: Request, send: Callable[[Request, Mapping[str, str]], Answer]) -> Answer:
        headers = self._authorization(request)
        reply = send(request, headers)
        if reply.status != _UNAUTHORIZED or not request.authorized:
            return reply
        with ExitStack() as unread:
            if isinstance(reply, StreamedReply):
                unread.callback(reply.close)
            if not self._token.renew(headers):
                unread.pop_all()
                return reply
        return send(request, self._authorization(request))

    def _authorization(self, request: Request) -> Mapping[str, str]:
        headers = self._token.headers() if request.authorized else {}
        _keep_secret(headers)
        return headers

    def open(self, request: Request, headers: Mapping[str, str]) -> StreamedReply:
        """Send a request once and return the reply, its body unread."""
        limits = self.limits
        response = self._exchange(
            request, headers, self._bounds(request, limits.page_seconds, limits.page_bytes)
        )
        return streamed(response)

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        """Send a request once and return the reply, read to its end; of a long refusal the beginning."""
        most_bytes = request.most_bytes or self.limits.reply_bytes
        its = self._bounds(request, self.limits.call_seconds, max(most_bytes, ERROR_BYTES))
        with closing(self._exchange(request, headers, its)) as response:
            host = urlsplit(request.url).netloc.rpartition("@")[2]
            account = self._account() if headers else ""
            unread = Reply(response.status_code, response.headers, b"", host, account)
            body = whole(response, most_bytes) if unread.good else refusal_body(blocks_of(response))
            return replace(unread, body=body)

    @staticmethod
    def _bounds(request: Request, seconds: float, most_bytes: int) -> Bounds:
        within = math.inf if request.within_seconds is None else request.within_seconds
        return Bounds(min(seconds, within), time.monotonic() + within, most_bytes)

    def _exchange(self, request: Request, headers: Mapping[str, str], its: Bounds) -> requests.Response:
        """Send a request and return the reply, of which only the head is read."""
        url = check_url(request.url, metadata=request.metadata)
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise ConfigurationError(
                "this is not a token: it holds line ends, or characters that no token has"
            )
        _keep_secret(request.headers)
        # The address to which bytes, or no token, are sent was given to us: it may let anybody write.
        secret_place = request.content is not None or not request.authorized
        if secret_place:
            parts = urlsplit(url)
            keep_secret(*(part for part in (parts.path, parts.query) if len(part) >= _PLACE_CHARACTERS))
        hidden, bounded = hides_path.set(secret_place), bounds.set(its)
        try:
            response = self._requested(request, url, headers)
        except requests.RequestException as error:
            # The original's text holds the whole URL.
            raise transport_error(request.method, request.url, error) from None
        finally:
            hides_path.reset(hidden)
            bounds.reset(bounded)
        self._compare_clocks(response.headers)
        place = response.headers.get("Location")
        if place and response.status_code in _REDIRECTS and "Content-Range" not in request.headers:
            response.close()
            if request.authorized and headers:
                with suppress(JobsError):
                    self._token.renew(headers)  # another login may name the new address
            raise _moved(url, place, response.status_code)
        return response

    def _requested(self, request: Request, url: str, headers: Mapping[str, str]) -> requests.Response:
        connect_seconds, read_seconds = self._timeout
        if request.within_seconds is not None:
            connect_seconds = min(connect_seconds, request.within_seconds)
            read_seconds = min(read_seconds, request.within_seconds)
        body: Any = request.content
        more = dict(request.headers)
        if request.body is not None:
            body = _json(request.body)
            more["Content-Type"] = "application/json"
        return self._session.request(
            request.method,
            url,
            params={
                name: str(value).lower() if isinstance(value, bool) else value
                for name, value in request.params.items()
            },
            data=body,
            headers=more,
            auth=partial(_authorize, headers),
            # While a body leaves, the first of the two bounds every block of it.
            timeout=(connect_seconds, read_seconds) if request.content is None else read_seconds,
            allow_redirects=False,  # a redirect would carry the token to another host
            proxies=dict(self._proxies if _may_use_proxy(url) else _NO_PROXY),
            cert=request.certificate,
            stream=True,
        )

    def _compare_clocks(self, headers: Mapping[str, str]) -> None:
        date = seconds_of_date(headers.get("Date"))
        if date is not None:
            self.ahead_seconds = date - self.timing.now()

    def service_time(self, ours: float) -> float:
        """Return what the service's clock shows when ours shows that, in seconds since 1970.

        Times of two clocks say nothing about what came first. A reply tells the service's: its ``Date``.
        """
        return ours + self.ahead_seconds


class _Session(requests.Session):
    """Follows no redirect: requests would read its address all the same, and break at a malformed one."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


def _moved(url: str, place: str, status: int) -> MovedError:
    """Return the error of a redirect; of the addresses nothing but the hosts is shown."""
    host = urlsplit(url).hostname
    try:
        there = urlsplit(urljoin(url, place))
        # Not its hostname, which is in small letters: what is secret would not be known in them.
        target = re.sub(r":\d*$", "", there.netloc.rpartition("@")[2]) or "nowhere"
        where = "another address of its own" if there.hostname == host else shown(target, 253)
    except ValueError:
        where = "what is not an address"
    return MovedError(
        f"{host} answered {status} and points to {where}, where no token is sent unasked: if it was "
        "renamed, set the new host in the connection; if not, a proxy may stand in between",
        status=status,
        reason=f"HTTP {status}",
        retryable=True,
        retry_after=LATER_SECONDS,
    )


def _may_use_proxy(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and not is_loopback(parts.hostname or "")


def _keep_secret(headers: Mapping[str, str]) -> None:
    """See that no message shows the credentials of these headers."""
    if value := headers.get("Authorization"):
        keep_secret(value, value.rpartition(" ")[2])


def _authorize(headers: Mapping[str, str], prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Set the headers last, so that no .netrc entry can replace the token."""
    prepared.headers.update(headers)
    return prepared


def _json(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from None
