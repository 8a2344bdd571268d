"""Why no reply came, in words that hold no secret."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from airflow_provider_jobs.errors import TransportError


def transport_error(method: str, url: str, error: Exception, what: str = "no reply") -> TransportError:
    """Return the error of a request that got no reply, or not the whole of one.

    :param what: What came.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    cause = _root_cause(error)
    inner = error.args[0] if error.args else None
    unsent = isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError) or (
        isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)
    )
    refused_certificate = isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(
        error
    )
    return TransportError(
        f"{what} from {host} to {method}: {cause}",
        sent=not (unsent or refused_certificate),
        retryable=not refused_certificate,
    )


def _root_cause(error: BaseException) -> str:
    """Return the operating system's words, or the kind of the error: never a URL."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error.__context__, TimeoutError) or "timed out" in str(error):
        return "timed out"
    seen: BaseException | None = error
    name = type(error).__name__
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        if type(seen).__module__.startswith(("http.", "ssl")):
            name = type(seen).__name__
        seen = seen.__cause__ or seen.__context__
    return name
