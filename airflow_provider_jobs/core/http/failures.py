"""Why no reply came, in words that hold no secret."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from airflow_provider_jobs.errors import TransportError
from airflow_provider_jobs.words import shown

#: What the HTTP libraries name in words of their own.
_WORDS = {
    "RemoteDisconnected": "the connection was closed",
    "IncompleteRead": "the connection was closed",
    "ChunkedEncodingError": "the connection was closed",
    "ProtocolError": "the connection was closed",
    "BadStatusLine": "what came is not HTTP",
}
#: True while a request is sent whose path is a secret.
hides_path: ContextVar[bool] = ContextVar("hides_path", default=False)


def transport_error(method: str, url: str, error: Exception, what: str = "no reply") -> TransportError:
    """Return the error of a request to which no reply came, or only ``what``."""
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
    """Return the operating system's words, or ours for the kind of the error: never a URL."""
    timeout = isinstance(error, requests.Timeout) or isinstance(error.__context__, TimeoutError)
    if timeout or "timed out" in str(error):
        return "timed out"
    seen: BaseException | None = error
    name = type(error).__name__
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        if type(seen).__module__.startswith(("http.", "ssl")):
            name = type(seen).__name__
        seen = seen.__cause__ or seen.__context__
    return _WORDS.get(name, name)


class _WithoutSecrets(logging.Filter):
    """Cuts the query of a URL, the path too of a session's, and whatever quotes a reply's headers."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            # The request's address, and all headers from the malformed one on: a session's Location too.
            record.msg, record.args, record.exc_info = "a reply has headers that cannot be read", (), None
        elif isinstance(record.args, tuple):
            record.args = tuple(_cut(each) if isinstance(each, str) else each for each in record.args)
        return True


def _cut(text: str) -> str:
    if hides_path.get() and (text.startswith("/") or "://" in text):
        return "/…"
    return shown(text.partition("?")[0])


def hide_sessions() -> None:
    """Filter what the HTTP library logs in this process."""
    without_secrets = _WithoutSecrets()
    for name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(without_secrets)
