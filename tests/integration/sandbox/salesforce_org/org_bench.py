"""An org under test, and what its answers should be, computed without DuckDB's or the org's help."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.salesforce.org import Org

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox.salesforce.org import IngestOutcome

# The org's clock: a Wednesday.
NOW = datetime(2024, 5, 15, 12, 30, 15, 123456, tzinfo=UTC)

CONTACTS = 3_000


class OrgBench:
    """A small org with a clock that stands still."""

    def __init__(self, folder: Path, contacts: int = CONTACTS) -> None:
        self.folder = folder
        self.org = Org(folder / "org", contacts=contacts, now=lambda: NOW)

    def rows(self, object_name: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Give all records as Python has them, in the order in which they were made."""
        self.query(f"SELECT Id FROM {object_name} LIMIT 1")  # noqa: S608 - SOQL
        cursor = self.org._store._connection.cursor()
        records = cursor.execute(f'SELECT * FROM "{object_name}" ORDER BY rowid')  # noqa: S608 - names of tests
        names = [each[0] for each in records.description]
        found = [dict(zip(names, row, strict=True)) for row in records.fetchall()]
        return [row for row in found if deleted or not row.get("IsDeleted")]

    def by_id(self, object_name: str) -> dict[str, dict[str, Any]]:
        """Give all records by their id, the deleted ones too."""
        return {row["Id"]: row for row in self.rows(object_name, deleted=True)}

    def bytes_of(self, soql: str, **options: Any) -> bytes:
        into = self.folder / "results.csv"
        self.org.run_query(soql, into=into, **options)
        return into.read_bytes()

    def query(self, soql: str, **options: Any) -> list[list[str]]:
        """Give the records that a query finds, without the header."""
        return read_csv(self.bytes_of(soql, **options))[1:]

    def column(self, soql: str, **options: Any) -> list[str]:
        """Give the first value of each record."""
        return [row[0] for row in self.query(soql, **options)]

    def ingest(
        self, object_name: str, operation: str, data: str | list[list[str]], **options: Any
    ) -> IngestOutcome:
        """Run an ingest job on CSV text, or on rows of which the first is the header."""
        path = self.folder / "data.csv"
        path.write_bytes((data if isinstance(data, str) else write_csv(data)).encode())
        key = options.pop("key", None)
        return self.org.ingest(object_name, operation, key, path, into=self.folder / "ingest", **options)

    def errors(self, object_name: str, operation: str, data: list[list[str]], **options: Any) -> list[str]:
        """Give the errors of an ingest job, in the order of its data (whose rows have to differ)."""
        outcome = self.ingest(object_name, operation, data, **options)
        found = {tuple(row[2:]): row[1] for row in read_csv(outcome.failed.read_bytes())[1:]}
        return [found.get(tuple(row), "") for row in data[1:]]


def read_csv(data: bytes, **dialect: Any) -> list[list[str]]:
    """Read CSV with Python's own module."""
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True, **dialect))


def write_csv(rows: list[list[str]]) -> str:
    """Write CSV with Python's own module."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def spelled(value: Any) -> str:
    """Spell a value as Bulk API 2.0 does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    if isinstance(value, time):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return java_double(value) if isinstance(value, float) else str(value)


def java_double(number: float) -> str:
    """Spell a number as Java's Double.toString does."""
    if number == 0:
        return str(number)  # a negative zero stays one
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    shown = "".join(map(str, digits))
    power = len(digits) + int(exponent) - 1
    minus = "-" if sign else ""
    if -3 <= power < 7:
        plain = format(Decimal(repr(number)).normalize(), "f")
        return plain if "." in plain else plain + ".0"
    return f"{minus}{shown[0]}.{shown[1:] or '0'}E{power}"


def expected_csv(rows: list[list[Any]], delimiter: str = ",", line_ending: str = "\n") -> bytes:
    """Give the bytes of a header and records."""
    lines = (delimiter.join('"' + spelled(cell).replace('"', '""') + '"' for cell in row) for row in rows)
    return "".join(line + line_ending for line in lines).encode()
