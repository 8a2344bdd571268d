"""What a task leaves in Airflow's state store for its next attempt: ids and places, no secret in clear.

Airflow before 3.3 has no store: there nothing is kept, and a retry begins anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

log = logging.getLogger(__name__)

#: Salesforce, the one service that says how long, keeps a job and its results for 7 days after its end.
RETENTION = dt.timedelta(days=8)
#: Upload sessions live a day, at the one service that says so; BigQuery's live longer.
SESSION_RETENTION = dt.timedelta(days=1)


#: In the log.
_SESSION = "the upload session"


class Entry:
    """One entry of the store, a JSON object."""

    def __init__(self, context: Context, key: str, retention: dt.timedelta) -> None:
        self._store: Any = context.get("task_state_store")
        self._key = key
        self._retention = retention

    @property
    def lasts(self) -> bool:
        """True if the next attempt will find what is kept."""
        return self._store is not None

    def forget(self) -> None:
        """Drop what is kept."""
        if self.lasts:
            self._store.delete(self._key)

    def _get(self) -> dict[str, Any]:
        kept = self._store.get(self._key) if self.lasts else None
        return kept if isinstance(kept, dict) else {}

    def _set(self, kept: dict[str, Any]) -> None:
        if self.lasts:
            self._store.set(self._key, kept, retention=self._retention)


class TaskMemory(Entry):
    """What is kept holds for one piece of work, and until a clear.

    :param work: What has to be equal for a retry to go on: what is asked, and of which org.
    :param since: The attempt since which the task was not cleared, as the attempts' log knows it.
    """

    def __init__(self, context: Context, key: str, work: Any, since: int = 1) -> None:
        super().__init__(context, key, RETENTION)
        self._max_tries = context["ti"].max_tries
        self._since = since
        self._work = _digest(json.dumps(work, sort_keys=True, default=str))[:20]

    def recall(self) -> Any:
        """Return what was kept of this work; None if nothing was."""
        kept = self._of_this_clear()
        return kept["kept"] if kept.get("work") == self._work else None

    def recall_other(self) -> Any:
        """Return what an attempt before this one has kept of other work; None if nothing was."""
        kept = self._of_this_clear()
        return kept["kept"] if kept.get("work", self._work) != self._work else None

    def recall_before(self, **work: str) -> dict[str, Any]:
        """Return the entry of the version before, which named its work by these fields; empty if none."""
        kept = self._get()
        wanted = {"max_tries": self._max_tries, **work}
        return kept if self._since == 1 and wanted.items() <= kept.items() else {}

    def remember(self, value: Any) -> None:
        """Keep a JSON value, in place of what was kept before."""
        since = {"since": self._since} if self._since > 1 else {}
        self._set({"max_tries": self._max_tries, **since, "work": self._work, "kept": value})

    def _of_this_clear(self) -> dict[str, Any]:
        kept = self._get()
        whole = {"work", "kept"} <= kept.keys() and kept.get("max_tries") == self._max_tries
        return kept if whole and kept.get("since", 1) == self._since else {}


class TaskSession(Entry):
    """The upload session of one file: encrypted, short-lived, gone on success.

    Without a Fernet key nothing is kept.
    """

    def __init__(self, context: Context, name: str) -> None:
        super().__init__(context, "upload_session_" + _digest(name)[:16], SESSION_RETENTION)

    def recall(self, fingerprint: str) -> str | None:
        """Return the session that was begun for these bytes."""
        kept: dict[str, Any] = {}
        with left_out(_SESSION):
            kept = self._get()
        if kept.get("source") != _digest(fingerprint):
            return None
        return compat.decrypt(str(kept.get("session")), int(SESSION_RETENTION.total_seconds()))

    def remember(self, fingerprint: str, url: str) -> None:
        """Keep a session."""
        if self.lasts and (session := compat.encrypt(url)):
            with left_out(_SESSION):
                self._set({"source": _digest(fingerprint), "session": session})

    def forget(self) -> None:
        """Drop what is kept."""
        with left_out(_SESSION):
            super().forget()


@contextmanager
def left_out(what: str) -> Iterator[None]:
    """Let what only saves time go without Airflow's store, if that is out, and say so in the log."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - Airflow's own, or of whatever keeps its states
        log.warning("%s is left out, since Airflow's store does not answer: %s", what, error)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
