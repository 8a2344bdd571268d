"""Where a token may go, and where bytes may, when a reply or a file names the address."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_jobs.core.http.messages import check_url, is_loopback
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

#: Longer names no host has.
_MOST_HOST_CHARACTERS = 253
_PORTS = {"https": 443, "http": 80}


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address that :func:`.check_url` lets pass.

    Source: https://www.rfc-editor.org/rfc/rfc6454#section-4
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def host_of(url: str) -> str:
    """Return scheme, host and port of an address, for messages: the rest of one may be a secret."""
    try:
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return shown(where, _MOST_HOST_CHARACTERS) if parts.netloc else "no host"
    except ValueError:
        return "what is not an address"


@dataclass(frozen=True, slots=True)
class Origins:
    """The addresses that one connection's token may go to.

    :param own: Addresses that the connection itself names; scheme, host and port count.
    :param domains: The vendor's, as its documentation lists them: hosts in them count, over https and at its
        usual port.
    """

    own: tuple[str, ...] = field(repr=False)  # an address may hold a password
    domains: tuple[str, ...] = ()

    def take_token(self, url: str) -> bool:
        """Return True if the token may go to an address."""
        try:
            origin = origin_of(check_url(url))
        except ConfigurationError:
            return False
        return origin in map(origin_of, self.own) or self._is_vendors(*origin)

    def take_bytes(self, url: str) -> bool:
        """Return True if bytes may go to an address: over https, or from loopback to loopback."""
        try:
            scheme, _, _ = origin_of(check_url(url))
        except ConfigurationError:
            return False
        return scheme == "https" or all(is_loopback(origin_of(own)[1]) for own in self.own)

    def _is_vendors(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, port) != ("https", _PORTS["https"]) or not re.fullmatch(r"[a-z0-9.-]+", host):
            return False
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)


def untrusted(named_by: str, url: str, what: str, advice: str) -> ConfigurationError:
    """Return the error of an address where nothing is sent.

    :param named_by: The address of whose reply named it.
    :param what: What it is said to be.
    :param advice: What to do if it is right.
    """
    return ConfigurationError(
        f"{host_of(named_by)} names {host_of(url)} as {what}, which is refused: the connection does not "
        f"trust it, and nothing is sent there. {advice}; if it is wrong, a proxy may stand in between"
    )
