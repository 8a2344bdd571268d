"""Requests and replies, without what sends them."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from airflow_provider_jobs.core.http.limits import ERROR_BYTES, MOST_PAGES, MOST_TOKEN_CHARACTERS
from airflow_provider_jobs.core.http.retry import (
    LATER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    retry_after_seconds,
)
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.words import page_words, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Page = TypeVar("Page")

log = logging.getLogger(__name__)

#: Different warnings that are kept in mind, so that each is logged once: memory stays flat.
_MOST_WARNINGS = 1000
#: Characters of a warning that are logged.
_MOST_WARNING_CHARACTERS = 600
#: Characters that are shown of a page that came in place of a reply.
_MOST_PAGE_CHARACTERS = 300
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_ERRORS_BY_STATUS: dict[int, type[ServiceError]] = {
    _UNAUTHORIZED: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    :param params: Query parameters; a list repeats its name, None leaves it out.
    :param body: Sent as JSON.
    :param idempotent: False if a repetition could do the work twice.
    :param headers: Sent besides those that authorise.
    :param content: Sent as it is, in place of ``body``: bytes, or a :class:`Body`.
    :param authorized: False keeps the token from a storage host that must not see it.
    :param within_seconds: For who asks again soon anyway: sent once, and given up if the reply has not ended
        by then. None takes the connection's :class:`.Limits`, and repeats as the retry policy allows.
    :param most_bytes: Of the reply, decompressed; None takes the connection's :class:`.Limits`.
    :param metadata: The address may be that of a metadata server, which speaks plain http.
    :param certificate: The files of a client's certificate and its key.
    """

    method: str
    url: str = field(repr=False)  # that of an upload session is a secret
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    idempotent: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # a login's are secrets
    content: bytes | Body | None = field(default=None, repr=False)
    authorized: bool = True
    within_seconds: float | None = None
    most_bytes: int | None = None
    metadata: bool = False
    certificate: tuple[str, str] | None = None


class Body(Protocol):
    """A request body that is read once, in blocks; its length is known."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""

    def __len__(self) -> int:
        """Return how many bytes there are."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, read to its end. Header names are looked up in any case.

    :param host: Who sent it, for messages; empty if nobody knows.
    :param account: Who asked, likewise.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)  # a service may send back what it was sent
    body: bytes = field(repr=False)
    host: str = ""
    account: str = ""

    def json(self) -> Any:
        """Return the body's JSON document.

        :raises ProtocolError: it holds something else.
        """
        try:
            return json.loads(self.body, parse_constant=_no_number)
        except (ValueError, RecursionError):
            words = self.page_words
            told = f", but a page: {words}" if words else ""
            raise ProtocolError(f"{self._came} a body that is not JSON{told}") from None

    def json_object(self) -> dict[str, Any]:
        """Return the body's JSON object; an empty one for an empty body.

        :raises ProtocolError: it holds something else.
        """
        document = self.json() if self.body else {}
        if not isinstance(document, dict):
            raise ProtocolError(f"{self._came} a JSON {type(document).__name__}, not an object")
        return document

    @property
    def _came(self) -> str:
        return f"HTTP {self.status} came {f'from {self.host} ' if self.host else ''}with"

    @property
    def page_words(self) -> str:
        """What a page of HTML says that came in place of the service's own words; empty if none did."""
        return page_words(self.body.decode("utf-8", "replace"), _MOST_PAGE_CHARACTERS)

    @property
    def good(self) -> bool:
        """True if the request was carried out, or accepted."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP statuses themselves

    def refusal(
        self, service: str, reason: str, message: str, *, retryable: bool, later: bool = False
    ) -> ServiceError:
        """Return the error that this reply stands for.

        :param service: Who refuses.
        :param reason: The service's word for it, empty if it has none.
        :param retryable: The same request may succeed in seconds.
        :param later: It may succeed in some minutes, by the task's retries; if the service names a pause,
            that one counts.
        """
        pause = retry_after_seconds(self.headers)
        pause = LATER_SECONDS if later and pause is None else pause
        text = f"{service} answered {self.status} {shown(reason, 100)}".rstrip()
        text += f": {shown(message or self.page_words or 'no message')}"
        if self.status == _FORBIDDEN and self.account and not (retryable or later):
            text += f" (asked as {self.account})"
        if (retryable or later) and (pause or 0.0) > LONGEST_PAUSE_SECONDS and self.status != _UNAUTHORIZED:
            text += f" (come back in {pause:.0f} s)"
        return _ERRORS_BY_STATUS.get(self.status, ServiceError)(
            text,
            status=self.status,
            reason=reason or f"HTTP {self.status}",
            retryable=retryable or later,
            retry_after=pause,
        )


class Token(Protocol):
    """Where the headers that authorise a request come from; shared by the threads of a process."""

    def headers(self) -> dict[str, str]:
        """Return the headers, their token fetched or renewed if need be.

        :raises AuthenticationError: no token is given for these credentials.
        :raises TransportError: nobody could be asked for one.
        """

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Drop a token that the service rejected; return False if no other can be had."""


def _no_number(word: str) -> None:
    """Refuse NaN and Infinity, which are no JSON: databases do not take them."""
    raise ValueError(word)


def number(value: Any) -> int | None:
    """Return a whole number that a reply may hold as text; None if it is not one."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def listed(document: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects that a document lists under a name; none if it has no such list.

    :raises ProtocolError: something else is there.
    """
    found = (document.get(name) or []) if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ProtocolError(f"the reply has something else where {name} should be a list of objects")
    return found


def pages(
    ask: Callable[[str | None], Page],
    next_token: Callable[[Page], str | None],
    what: str,
    first: str | None = None,
    *,
    most_pages: int = MOST_PAGES,
) -> Iterator[Page]:
    """Yield the pages of a list.

    :param ask: Returns the page of a token; None is the first page.
    :param next_token: Returns the token of the page after this one, None after the last.
    :param what: What the message calls the list.
    :param most_pages: A list that goes on after these has no end.
    :raises ProtocolError: a token came twice, or too many did: the list would never end.
    """
    token, seen = first, {first}
    for _ in range(most_pages):
        page = ask(token)
        yield page
        token = next_token(page)
        if not token:
            return
        if not isinstance(token, str) or len(token) > MOST_TOKEN_CHARACTERS:
            raise ProtocolError(f"{what} names its next page by what is not a page token")
        if token in seen:
            raise ProtocolError(f"{what} goes in a circle: a page token came twice")
        seen.add(token)
    raise ProtocolError(f"{what} goes on after {most_pages} pages: narrow it by a filter")


def beginning(blocks: Iterator[bytes], most_bytes: int) -> bytes:
    """Return a body; of one that has more than these bytes, at least one byte more of its beginning."""
    taken: list[bytes] = []
    size = 0
    for block in blocks:
        taken.append(block)
        size += len(block)
        if size > most_bytes:
            break
    return b"".join(taken)


def refusal_body(blocks: Iterator[bytes]) -> bytes:
    """Return what a refusal says, or its beginning; nothing if that cannot be read: its status has to do."""
    try:
        return beginning(blocks, ERROR_BYTES)[:ERROR_BYTES]
    except ProtocolError:
        return b""


class WarnOnce:
    """Logs each warning once, however many replies carry it; threads share it."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, text: str) -> None:
        """Log a warning that was not logged before."""
        text = shown(text, _MOST_WARNING_CHARACTERS)
        if text not in self._seen and len(self._seen) < _MOST_WARNINGS:
            self._seen.add(text)
            log.warning("%s", text)


def check_url(url: str, what: str = "the address", *, metadata: bool = False) -> str:
    """Return the URL if credentials may travel to it.

    :param what: What the message calls it.
    :param metadata: True lets a metadata server pass too.
    :raises ConfigurationError: it is neither https nor on this machine.
    """
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"{what} is not a URL") from None
    if re.search(r"[\\\s\x00-\x20\x7f]", url) or scheme not in {"https", "http"} or not host:
        raise ConfigurationError(f"{what} is not a URL that begins with https://")
    if scheme == "http" and not (is_loopback(host) or (metadata and is_metadata_server(host))):
        raise ConfigurationError(
            f"{what} http://{host} is refused: credentials travel over https, or to this machine"
        )
    return url


def is_loopback(host: str) -> bool:
    """Return True if a host, by name or number, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_metadata_server(host: str) -> bool:
    """Return True if a host is one that a cloud gives each machine for itself: no other network is crossed.

    Sources: https://cloud.google.com/compute/docs/metadata/querying-metadata and
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
    """
    try:
        return ipaddress.ip_address(host).is_link_local or host == "fd00:ec2::254"
    except ValueError:
        return host == "metadata.google.internal"
