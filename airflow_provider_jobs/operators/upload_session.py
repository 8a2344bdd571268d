"""What an upload leaves for the next attempt of its task, and what it tells the log meanwhile."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Sessions live a day, at the one service that says so; BigQuery's live longer.
RETENTION = dt.timedelta(days=1)
#: Between two lines of progress.
_QUIET_SECONDS = 10.0
_PERCENT_STEP = 10


class TaskSession:
    """The session of one file in Airflow's state store of the task: encrypted, short-lived, gone on success.

    Without a store (Airflow before 3.3) or without a Fernet key nothing is kept, and a retry begins anew.
    """

    def __init__(self, context: Context, name: str) -> None:
        self._store: Any = context.get("task_state_store")
        self._key = "upload_session_" + hashlib.sha256(name.encode()).hexdigest()[:16]

    def recall(self, fingerprint: str) -> str | None:
        """Return the session that was begun for these bytes."""
        kept = self._store.get(self._key) if self._store is not None else None
        if not isinstance(kept, dict) or kept.get("source") != _digest(fingerprint):
            return None
        return compat.decrypt(str(kept.get("session")), int(RETENTION.total_seconds()))

    def remember(self, fingerprint: str, url: str) -> None:
        """Keep a session."""
        session = compat.encrypt(url) if self._store is not None else None
        if session:
            kept = {"source": _digest(fingerprint), "session": session}
            self._store.set(self._key, kept, retention=RETENTION)

    def forget(self) -> None:
        """Drop the session."""
        if self._store is not None:
            self._store.delete(self._key)


class ProgressLog:
    """Writes how far an upload is: every ten percent, and not more often than every ten seconds."""

    def __init__(self, log: Any, name: str) -> None:
        self._log = log
        self._name = name
        self._began = self._last = time.monotonic()
        self._percent = 0
        self._first: int | None = None

    def __call__(self, sent: int, total: int | None) -> None:
        """Take note of the bytes sent, and of the bytes in all if they are known."""
        now = time.monotonic()
        self._first = sent if self._first is None else self._first
        percent = int(sent * 100 / total) if total else 0
        ended = sent == total
        if not ended and now < self._last + _QUIET_SECONDS and percent < self._percent + _PERCENT_STEP:
            return
        if not ended and now < self._last + 1.0:
            return
        self._last, self._percent = now, percent
        rate = (sent - self._first) / max(now - self._began, 0.001)
        if total is None:
            self._log.info("%s: %s sent, %s/s", self._name, _megabytes(sent), _megabytes(rate))
        else:
            left = (total - sent) / rate if rate else 0.0
            self._log.info(
                "%s: %s of %s (%d %%), %s/s, %.0f s left",
                *(self._name, _megabytes(sent), _megabytes(total), percent, _megabytes(rate), left),
            )


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
