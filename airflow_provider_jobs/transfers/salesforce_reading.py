"""What a run reads of Salesforce: decided once, kept for its retries, and carried through its deferrals."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import zlib
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.transfers.bigquery_sql import Column
from airflow_provider_jobs.transfers.salesforce_fields import IS_DELETED, Selection
from airflow_provider_jobs.transfers.salesforce_window import FORMULAS, Cursor, Window, window_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.transfers.salesforce_soql import SoqlQuery

#: The times of a span, as JSON names them.
_TIMES = ("start", "end", "synced_to", "mark", "upper")


@dataclass(frozen=True, slots=True)
class Span:
    """Which records a run reads.

    :param mode: That of the task; but ``full`` of an incremental one whose target tells of no mark.
    :param window: None reads all.
    :param synced_to: Up to when the target is complete after the run; None leaves its mark alone.
    :param mark: That of the target before the run.
    :param upper: Without a window: the end of one that would be.
    """

    mode: str
    window: Window | None = None
    synced_to: dt.datetime | None = None
    mark: dt.datetime | None = None
    upper: dt.datetime | None = None

    @property
    def end(self) -> dt.datetime | None:
        """Until when records are read; None if nobody knows."""
        return self.window.end if self.window else self.upper

    def told(self, *, changed: bool) -> dict[str, Any]:
        """Return what a result says of it.

        :param changed: The run has written rows, and its mark with them.
        """
        marks = [each.isoformat() for each in (self.mark, self.synced_to if changed else None) if each]
        window = self.window
        return {
            "window": [window.start.isoformat(), window.end.isoformat()] if window else None,
            "mark_before": self.mark and self.mark.isoformat(),
            "mark_after": max(marks, default=None),
        }

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads."""
        ends = (self.window.start, self.window.end) if self.window else (None, None)
        times = dict(zip(_TIMES, (*ends, self.synced_to, self.mark, self.upper), strict=True))
        return {"mode": self.mode, **{name: each and each.isoformat() for name, each in times.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Span:
        """Read what :meth:`to_json` wrote."""
        start, end, *others = (
            dt.datetime.fromisoformat(data[name]) if data[name] else None for name in _TIMES
        )
        return cls(data["mode"], Window(start, end) if start and end else None, *others)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run reads.

    :param operation: ``queryAll`` where deleted records say so of themselves, otherwise ``query``.
    :param cursor: The field that tells which version of a record is the later one.
    """

    object_name: str
    operation: str
    soql: str
    cursor: str | None
    columns: tuple[Column, ...]
    span: Span

    @property
    def digest(self) -> str:
        """What tells the query from others."""
        return hashlib.sha256(f"{self.operation}:{self.soql}".encode()).hexdigest()[:20]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads.

        It is compressed: a trigger's row has it, which holds 64 KB where Airflow's database is MySQL, and of
        800 fields it would be 150 KB.
        """
        whole = {
            "object_name": self.object_name,
            "operation": self.operation,
            "soql": self.soql,
            "cursor": self.cursor,
            "columns": [astuple(column) for column in self.columns],
            "span": self.span.to_json(),
        }
        return {"zlib": base64.b64encode(zlib.compress(json.dumps(whole).encode())).decode()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reading:
        """Read what :meth:`to_json` wrote."""
        data = json.loads(zlib.decompress(base64.b64decode(data["zlib"])))
        columns = tuple(Column(*column) for column in data["columns"])
        return cls(**{**data, "columns": columns, "span": Span.from_json(data["span"])})


@dataclass(frozen=True, slots=True)
class Described:
    """An object, and what is wanted of it, as Salesforce shows them to this user now."""

    describe: Mapping[str, Any]
    cursor: Cursor
    selection: Selection
    query: SoqlQuery | None = None

    def reading(self, span: Span, where: str | None, columns: Sequence[str] = ()) -> Reading:
        """Return what a run reads.

        :param columns: Names of those to refresh; none reads all that are selected.
        """
        selection, field = self.selection, self.cursor.field
        if columns:
            selection = selection.only([*columns, *([field] if field else [])])
        elif span.mode == FORMULAS:
            selection = selection.refreshed(field)
        # Of a refresh, too: archived activities are seen by it alone, and the target has deleted records.
        deletions = any(each.path == IS_DELETED for each in self.selection.columns)
        stamp = field if any(each.path == field for each in selection.columns) else None
        soql = (
            self.query.text
            if self.query
            else window_query(
                selection.object_name, selection.paths, cursor=field, window=span.window, where=where
            )
        )
        operation = "queryAll" if deletions else "query"
        return Reading(selection.object_name, operation, soql, stamp, selection.columns, span)
