"""A schema guessed from the first rows of a file.

https://cloud.google.com/bigquery/docs/schema-detect
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.files.csv_rows import records
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.types import Field, read_schema, schema_resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.files.load_options import LoadOptions

# "BigQuery … scans up to the first 500 rows of data".
_SAMPLE_ROWS = 500

_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
# The first that matches every value of a column is its type.
_KINDS = (
    ("INTEGER", re.compile(r"[+-]?\d{1,18}")),
    ("FLOAT", re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")),
    ("BOOLEAN", re.compile(r"true|false|t|f|yes|no|y|n", re.IGNORECASE)),
    ("DATE", re.compile(_DAY)),
    ("TIME", re.compile(_CLOCK)),
    ("TIMESTAMP", re.compile(rf"{_DAY}(?:[ T]{_CLOCK}(?: ?(?:Z|UTC|[+-]\d{{1,2}}(?::?\d{{2}})?))?)?")),
)


def kind_of(values: Iterable[str]) -> str:
    """Give the narrowest type that every text is a value of."""
    texts = [value.strip() for value in values]
    if not texts:
        return "STRING"
    return next((kind for kind, pattern in _KINDS if all(map(pattern.fullmatch, texts))), "STRING")


def detect_csv(path: Path, options: LoadOptions) -> tuple[tuple[Field, ...], int]:
    """Guess the schema of a CSV file; also give how many lines to skip, a header included."""
    skip = options.rows_to_skip
    # The row before the data may hold the names: of N rows to skip, N-1 are, and the next is looked at.
    reading = replace(options, skip_rows=max(skip - 1, 0))
    sample = [each.cells for each in islice(records(path, reading), _SAMPLE_ROWS) if not each.problem]
    if not sample:
        raise JobProblem("invalid", "Failed to detect schema: the file has no rows")
    first, rest = sample[0], sample[1:]
    headed = options.skip_rows != 0 and _is_header([cell for cell, _ in first], rest, options)
    if not headed and not skip:
        rest = sample
    kinds = [kind_of(_column(rest, index, options)) for index in range(max(map(len, sample)))]
    names = [cell for cell, _ in first] if headed else []
    fields = [
        Field(_clean(names[index]) if index < len(names) else f"{_generic(kind)}_field_{index}", kind)
        for index, kind in enumerate(kinds)
    ]
    return _distinct(fields), max(skip, 1) if headed else skip


def _is_header(first: Sequence[str], rest: Sequence[Any], options: LoadOptions) -> bool:
    """Whether it is a row of texts above columns that are not all texts."""
    if not all(cell and kind_of([cell]) == "STRING" for cell in first):
        return False
    return any(kind_of(_column(rest, index, options)) != "STRING" for index in range(len(first)))


def _column(rows: Sequence[Any], index: int, options: LoadOptions) -> list[str]:
    cells = (row[index] for row in rows if index < len(row))
    return [cell for cell, was_quoted in cells if cell and (was_quoted or cell not in options.null_markers)]


def _generic(kind: str) -> str:
    return {"INTEGER": "int64", "FLOAT": "double", "BOOLEAN": "bool"}.get(kind, kind.lower())


def _clean(name: str) -> str:
    cleaned = re.sub(r"\W", "_", name.strip())
    return cleaned if re.match(r"[^\W\d]", cleaned) else f"_{cleaned}"


def _distinct(fields: Sequence[Field]) -> tuple[Field, ...]:
    seen: dict[str, int] = {}
    result = []
    for each in fields:
        count = seen[each.name.lower()] = seen.get(each.name.lower(), 0) + 1
        result.append(each if count == 1 else replace(each, name=f"{each.name}_{count - 1}"))
    return tuple(result)


def detect_json(documents: Iterable[Any]) -> tuple[Field, ...]:
    """Guess the schema of JSON rows: every key that the first rows have."""
    sample = [each for each in islice(documents, _SAMPLE_ROWS) if isinstance(each, dict)]
    fields = _detect_record(sample)
    if not fields:
        raise JobProblem("invalid", "Failed to detect schema: the file has no rows")
    return read_schema(schema_resource(fields))  # refuses names that no column can have


def _detect_record(sample: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    values: dict[str, list[Any]] = {}
    for row in sample:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return tuple(_detect_field(name, found) for name, found in values.items())


def _detect_field(name: str, values: Sequence[Any]) -> Field:
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        flat = [item for value in lists for item in value]
        return replace(_detect_field(name, flat), mode="REPEATED")
    present = [value for value in values if value is not None]
    records_ = [value for value in present if isinstance(value, dict)]
    if records_:
        return Field(name, "RECORD", fields=_detect_record(records_))
    texts = [value if isinstance(value, str) else _text(value) for value in present]
    return Field(name, kind_of(texts))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
