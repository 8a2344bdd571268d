"""Pages of a table's rows, as getQueryResults and tabledata.list give them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.request_parameters import (
    MOST_UINT64,
    Parameters,
    bad_value,
    make_token,
    read_token,
)
from airflow_provider_jobs.sandbox.bigquery.validation import invalid

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState

LARGEST_PAGE = 10_000  # rows, whatever maxResults says; clients have to follow the page token
FLOAT64, INT64, ISO8601 = "FLOAT64", "INT64", "ISO8601_STRING"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RowRequest:
    """Which rows, and how timestamps are written."""

    listing: list[str]  # what a page token is bound to
    start: int
    most_rows: int | None
    timestamps: str

    @classmethod
    def of(cls, given: Parameters, listing: list[str]) -> RowRequest:
        """Read the query parameters; a page token outdoes ``startIndex``."""
        token = given.text("pageToken")
        start = given.number("startIndex", MOST_UINT64) or 0
        return cls(
            listing=listing,
            start=start if token is None else read_token(token, *listing),
            most_rows=given.number("maxResults"),
            timestamps=timestamp_format(
                as_integers=given.flag("formatOptions.useInt64Timestamp"),
                name=given.text("formatOptions.timestampOutputFormat"),
            ),
        )


def timestamp_format(*, as_integers: bool, name: str | None) -> str:
    """Give the one format that the two options mean together."""
    if name in {None, "TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED"}:
        return INT64 if as_integers else FLOAT64
    if name not in {FLOAT64, INT64, ISO8601}:
        raise bad_value("formatOptions.timestampOutputFormat", str(name))
    if as_integers:
        raise invalid("useInt64Timestamp and timestampOutputFormat exclude each other.", "formatOptions")
    return str(name)


async def read_page(
    service: BigQueryState,
    table: dict[str, Any],
    request: RowRequest,
    *,
    with_schema: bool,
    columns: list[str] | None = None,
) -> dict[str, Any]:
    """Give ``totalRows``, ``rows``, ``pageToken`` and, if asked for, ``schema``."""
    names = str(table["projectId"]), str(table["datasetId"]), str(table["tableId"])
    resource = await service.ask(service.engine.get_table, *names)
    total = int(resource.get("numRows", 0))
    most = LARGEST_PAGE if request.most_rows is None else min(request.most_rows, LARGEST_PAGE)
    count = max(0, min(most, total - request.start))
    rows: list[dict[str, Any]] = []
    if count:
        rows = await service.ask(
            service.engine.read_rows,
            *names,
            start=request.start,
            count=count,
            int64_timestamps=request.timestamps != FLOAT64,
        )
    fields = resource.get("schema", {}).get("fields", [])
    if request.timestamps == ISO8601:
        rows = [_row_with_iso_times(row, fields) for row in rows]
    document: dict[str, Any] = {"totalRows": str(total)}
    if with_schema:
        document["schema"] = {"fields": fields}
    if rows:
        document["rows"] = rows if columns is None else _selected(rows, fields, columns)
    if request.start + len(rows) < total:
        document["pageToken"] = make_token(request.start + len(rows), *request.listing)
    return document


def _selected(
    rows: list[dict[str, Any]], fields: list[dict[str, Any]], columns: list[str]
) -> list[dict[str, Any]]:
    known = [str(field["name"]).lower() for field in fields]
    unknown = [column for column in columns if column.lower() not in known]
    if unknown:
        raise invalid(f"No such field: {unknown[0][:100]}.", "selectedFields")
    wanted = {column.lower() for column in columns}
    places = [place for place, name in enumerate(known) if name in wanted]
    return [{"f": [row["f"][place] for place in places]} for row in rows]


def _row_with_iso_times(row: dict[str, Any], fields: list[dict[str, Any]]) -> dict[str, Any]:
    cells = [{"v": _iso_value(cell["v"], field)} for cell, field in zip(row["f"], fields, strict=True)]
    return {"f": cells}


def _iso_value(value: Any, field: dict[str, Any]) -> Any:
    """Rewrite the timestamps in a value, at any depth."""
    if value is None:
        return None
    if isinstance(value, list):
        return [{"v": _iso_value(item["v"], field)} for item in value]
    if field["type"] in {"RECORD", "STRUCT"}:
        return _row_with_iso_times(value, field.get("fields", []))
    if field["type"] != "TIMESTAMP":
        return value
    moment = EPOCH + timedelta(microseconds=int(value))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
