"""JSON documents on disk, so that what a service knows outlives a restart of the sandbox."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, name)
)
"""


class Documents:
    """One row a document, rewritten whenever it changes; thread safe."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A crash of the machine may lose the last moments; a crash of the process loses nothing.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(SCHEMA)

    def read(self, kind: str) -> list[dict[str, Any]]:
        """Give all documents of a kind, in the order of their first writing."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM document WHERE kind = ? ORDER BY rowid", (kind,)
            )
            return [json.loads(body) for (body,) in rows]

    def write(self, kind: str, name: str, document: dict[str, Any]) -> None:
        """Keep a document as it is now."""
        row = (kind, name, json.dumps(document))
        with self._lock:
            self._connection.execute(
                "INSERT INTO document (kind, name, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
                row,
            )

    def remove(self, kind: str, name: str) -> None:
        """Forget a document."""
        with self._lock:
            self._connection.execute("DELETE FROM document WHERE kind = ? AND name = ?", (kind, name))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
