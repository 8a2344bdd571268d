"""Keeps the addresses of upload sessions, which let anybody write, out of the HTTP library's log lines."""

from __future__ import annotations

import logging

_LOGGERS = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")


class _WithoutSecrets(logging.Filter):
    """Cuts the query of a URL, and whatever quotes a reply's headers."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            # The request's address, and all headers from the malformed one on: a session's Location too.
            record.msg, record.args, record.exc_info = "a reply has headers that cannot be read", (), None
        elif isinstance(record.args, tuple):
            cut = (each.partition("?")[0] if isinstance(each, str) else each for each in record.args)
            record.args = tuple(cut)
        return True


def hide_sessions() -> None:
    """Filter what the HTTP library logs in this process; a second call changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


_FILTER = _WithoutSecrets()
