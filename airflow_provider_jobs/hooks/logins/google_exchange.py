"""What google-auth asks for tokens with: the transport that everything else is sent by, and its rules.

google-auth's own follows redirects, with the signed assertion, and asks loopback through proxies.
Source: https://googleapis.dev/python/google-auth/latest/reference/google.auth.transport.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from google.auth import exceptions, transport

from airflow_provider_jobs.core.http.limits import LOGIN_BYTES
from airflow_provider_jobs.core.http.messages import (
    Reply,
    Request,
    check_url,
    is_loopback,
    is_metadata_server,
)
from airflow_provider_jobs.core.http.origins import host_of, origin_of
from airflow_provider_jobs.errors import ConfigurationError, TransportError
from airflow_provider_jobs.words import keep_secret, secret_values, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.core.http.origins import Origins
    from airflow_provider_jobs.core.http.transport import Transport

#: Longest time of one exchange, in seconds, where google-auth names none: as its own has it.
_SECONDS = 120.0
#: Fields of credentials that name who takes them, or gives tokens for them.
_TAKERS = frozenset(
    {"token_uri", "token_url", "token_info_url", "revoke_url", "service_account_impersonation_url"}
)
#: Where workload identity fetches what it shows to Google.
#: Source: https://google.aip.dev/auth/4117
_SOURCES = frozenset({"url", "region_url", "imdsv2_session_token_url"})
_UNIVERSE = "universe_domain"
_HOSTS = _TAKERS | _SOURCES | {_UNIVERSE}


class Exchange(transport.Request):  # type: ignore[misc]  # google-auth has no types
    """Sends what google-auth asks for, to addresses that the connection trusts.

    :param origins: Who may see credentials.
    """

    def __init__(self, conn_id: str, transport: Transport, origins: Origins) -> None:
        self._where = f"connection {conn_id}"
        self._transport = transport
        self._origins = origins
        #: Of the last reply.
        self.status: int | None = None
        #: The sources that credentials of the connection have named so far.
        self._sources: set[tuple[str, str, int]] = set()

    @property
    def session(self) -> Any:
        """The session, for google-auth to mount on it what proves who this machine is."""
        return self._transport.session

    def read(self, document: Mapping[str, Any]) -> None:
        """See that credentials name no address that they must not be sent to, and note their sources.

        :raises ConfigurationError: they do.
        """
        for name, value in _named(document):
            if name == _UNIVERSE:
                self._check_universe(value)
            elif name in _SOURCES:
                where = f"{self._where}: {name}"
                self._sources.add(origin_of(check_url(value, where, metadata=True)))
            else:
                check_url(value, f"{self._where}: {name}")
                self._check_taker(value, name)

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> _Response:
        """Send one request, once.

        :raises ConfigurationError: credentials would go to an address that the connection does not trust.
        :raises MovedError: the service points elsewhere.
        """
        if origin_of(check_url(url, f"{self._where}: the token service", metadata=True)) not in self._sources:
            self._check_taker(url, "the token service")
        # What proves who this machine is may be any text, and a refusal may hold it.
        keep_secret(*secret_values(dict(parse_qsl((body or b"").decode("utf-8", "replace")))))
        request = Request(
            method,
            url,
            headers=headers or {},
            content=body,
            authorized=False,
            within_seconds=timeout or _SECONDS,
            most_bytes=LOGIN_BYTES,
            metadata=True,
            certificate=options.get("cert"),
        )
        try:
            reply = self._transport.send(request, {})
        except TransportError as error:
            raise exceptions.TransportError(str(error)) from None
        self.status = reply.status
        return _Response(reply)

    def _check_universe(self, domain: str) -> None:
        """See that credentials are of the connection's cloud: google-auth derives hosts from its domain."""
        (own,) = self._origins.domains
        if domain != own:
            raise ConfigurationError(
                f"{self._where}: the credentials are of {shown(domain, 100)}, and the connection is of "
                f"{own}: set its universe_domain if that is right"
            )

    def _check_taker(self, url: str, name: str) -> None:
        """See that credentials may go to an address: Google's, the connection's, or this machine's own."""
        host = urlsplit(url).hostname or ""
        if not (self._origins.take_token(url) or is_loopback(host) or is_metadata_server(host)):
            (domain,) = self._origins.domains
            raise ConfigurationError(
                f"{self._where}: {name} is {host_of(url)}, which is neither in {domain} nor an endpoint of "
                "the connection, and so gets no credentials. If it is right, set universe_domain, or "
                "iam_endpoint"
            )


class _Response(transport.Response):  # type: ignore[misc]  # as above
    """A reply, in google-auth's words."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._reply.headers

    @property
    def data(self) -> bytes:
        return self._reply.body


def _named(document: Any) -> Iterator[tuple[str, str]]:
    """Yield what names a host in credentials, nested ones too: the fields and their values."""
    if isinstance(document, list):
        for each in document:
            yield from _named(each)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name in _HOSTS and value:
                yield name, str(value)
            else:
                yield from _named(value)
