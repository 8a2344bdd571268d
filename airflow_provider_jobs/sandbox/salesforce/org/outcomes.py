"""What queries and ingest jobs give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class QueryShape:
    """What a query that passed the checks will read.

    :param object_name: the queried object in its own spelling; the job's ``object``.
    :param columns: the header of the results, in the order of SELECT; ``Account.Name`` for a parent's field.
    :param types: the types of these fields.
    :param records: the records that a row has values of: "" is the object's own, "Account" its parent.
    :param chunkable: whether Salesforce could split it by primary key: neither ORDER BY nor LIMIT.
    """

    object_name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    records: tuple[str, ...]
    chunkable: bool


@dataclass(frozen=True)
class IngestOutcome:
    """What became of the records of an ingest job that ended as ``JobComplete``.

    Each file is complete CSV with a header, in the job's delimiter and line ending, in no particular order.

    :param successful: ``sf__Id,sf__Created`` and the job's own columns.
    :param failed: ``sf__Id,sf__Error`` and the job's own columns.
    :param unprocessed: the job's own columns.
    :param processed: records that were looked at: ``numberRecordsProcessed``, failed ones included.
    :param failed_count: ``numberRecordsFailed``.
    :param unprocessed_count: records that were left because of the limit.
    """

    successful: Path
    failed: Path
    unprocessed: Path
    processed: int
    failed_count: int
    unprocessed_count: int
