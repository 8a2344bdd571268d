"""What exists: datasets, versions, tables, uploads, temporary uploads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

QUEUED, RUNNING, COMPLETED, FAILED = "queued", "running", "completed", "failed"
APPEND, REPLACE = "append", "replace"


@dataclass
class Version:
    """One version of a dataset; unreleased until ``release_due`` has passed."""

    number: int  # from 1
    created_at: float
    released_at: float | None = None
    release_due: float = 0.0  # by time that is never set back
    notes: str = ""

    @property
    def tag(self) -> str:
        """The tag that it has, or will have."""
        return f"v{self.number}.0"


@dataclass
class Dataset:
    """A dataset and its versions, the oldest first."""

    reference_id: str
    owner: str
    owner_kind: str  # "organization" or "user"
    name: str
    created_at: float
    description: str = ""
    public_access: str = "none"
    versions: list[Version] = field(default_factory=list)


@dataclass
class Table:
    """A table of a dataset, from a version on.

    ``strategies`` and ``inherited_rows`` are by version number: what uploads do to the rows of the
    version before, and how many those are.
    """

    reference_id: str
    dataset_id: str
    name: str
    first_version: int
    created_at: float
    description: str = ""
    is_file_index: bool = False
    strategies: dict[str, str] = field(default_factory=dict)
    inherited_rows: dict[str, int] = field(default_factory=dict)


@dataclass
class TableUpload:
    """A file that became, or shall become, rows of a table."""

    number: int
    table_id: str
    version: int
    name: str
    options: dict[str, Any]  # the create fields
    created_at: float
    file: str | None = None  # the upload that brings, or has brought, the bytes
    original: bool = False  # whether the bytes come in the original flow
    arrived_at: float | None = None  # when the last byte was here
    arrived_after: float = 0.0  # the same, by time that is never set back
    polls: int = 0
    size: int | None = None
    md5: str = ""  # hexadecimal
    rows: int | None = None
    bad_records: int | None = None
    error: str | None = None
    processed: bool = False
    processed_at: float | None = None


@dataclass
class TempUpload:
    """A promise of a file; its URL holds the secret."""

    temp_id: str
    table_id: str
    name: str
    size: int
    resumable: bool
    secret_hash: str
    created_at: float
    file: str | None = None  # the complete upload
    used: bool = False  # by an upload of a table
