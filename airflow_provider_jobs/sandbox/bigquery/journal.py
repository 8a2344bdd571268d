"""Jobs on disk, so that they outlive a restart of the sandbox."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    sequence INTEGER PRIMARY KEY,
    document TEXT NOT NULL
)
"""


class Journal:
    """One row a job, rewritten whenever the job changes; used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A crash of the machine may lose the last moments; a crash of the process loses nothing.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(SCHEMA)

    def read(self) -> Iterable[tuple[int, dict[str, Any]]]:
        """Give all jobs, oldest first."""
        rows = self._connection.execute("SELECT sequence, document FROM job ORDER BY sequence")
        return [(sequence, json.loads(document)) for sequence, document in rows]

    def write(self, sequence: int, document: dict[str, Any]) -> None:
        """Keep a job as it is now."""
        row = (sequence, json.dumps(document))
        self._connection.execute("INSERT OR REPLACE INTO job (sequence, document) VALUES (?, ?)", row)

    def remove(self, sequence: int) -> None:
        """Forget a job."""
        self._connection.execute("DELETE FROM job WHERE sequence = ?", (sequence,))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
