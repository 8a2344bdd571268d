"""What a Salesforce task leaves in Airflow's state store for its next attempt: ids and places, no secrets.

A retry goes on with it; a clear, which raises ``max_tries``, begins anew. Airflow before 3.3 has no store.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context


#: Salesforce keeps a job, and its results, for 7 days after its end.
RETENTION = dt.timedelta(days=8)


class TaskMemory:
    """One entry of the store: what is kept holds for one piece of work, and for one clear.

    :param work: What has to be equal for a retry to go on: what is asked, and of which org.
    """

    def __init__(self, context: Context, key: str, work: Any) -> None:
        self._store: Any = context.get("task_state_store")
        self._key = key
        self._max_tries = context["ti"].max_tries
        self._work = hashlib.sha256(json.dumps(work, sort_keys=True, default=str).encode()).hexdigest()[:20]

    @property
    def lasts(self) -> bool:
        """True if the next attempt will find what is kept."""
        return self._store is not None

    def recall(self) -> Any:
        """Return what was kept of this work; None if nothing was."""
        kept = self._kept()
        return kept["kept"] if kept and kept["work"] == self._work else None

    def recall_other(self) -> Any:
        """Return what an attempt before this one has kept of other work; None if nothing was."""
        kept = self._kept()
        return kept["kept"] if kept and kept["work"] != self._work else None

    def remember(self, value: Any) -> None:
        """Keep a JSON value, in place of what was kept before."""
        if self._store is not None:
            kept = {"max_tries": self._max_tries, "work": self._work, "kept": value}
            self._store.set(self._key, kept, retention=RETENTION)

    def forget(self) -> None:
        """Drop what is kept."""
        if self._store is not None:
            self._store.delete(self._key)

    def _kept(self) -> Mapping[str, Any] | None:
        kept = self._store.get(self._key) if self._store is not None else None
        if not isinstance(kept, dict) or not {"max_tries", "work", "kept"} <= kept.keys():
            return None
        return kept if kept["max_tries"] == self._max_tries else None


#: Sessions live a day, at the one service that says so; BigQuery's live longer.
SESSION_RETENTION = dt.timedelta(days=1)


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
        return compat.decrypt(str(kept.get("session")), int(SESSION_RETENTION.total_seconds()))

    def remember(self, fingerprint: str, url: str) -> None:
        """Keep a session."""
        session = compat.encrypt(url) if self._store is not None else None
        if session:
            kept = {"source": _digest(fingerprint), "session": session}
            self._store.set(self._key, kept, retention=SESSION_RETENTION)

    def forget(self) -> None:
        """Drop the session."""
        if self._store is not None:
            self._store.delete(self._key)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
