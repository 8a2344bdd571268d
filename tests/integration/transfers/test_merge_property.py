"""Any batches in any order, repeated or not, make the table that a few lines of Python make."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice, select_fields
from tests.integration.transfers.route import EXAMPLES
from tests.integration.transfers.warehouse import Copy, Warehouse
from tests.unit.transfers.describes import describe, field

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

THING = describe(
    "Thing__c",
    field("Id", "id"),
    field("Name", "textarea"),
    field("Amount__c", "currency", scale=2),
    field("IsDeleted", "boolean"),
    field("SystemModstamp", "datetime"),
)
BEGIN = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
NASTY = [
    "",
    "null",
    "NA",
    '"',
    '","',
    "\r\n",
    "\r",
    "\n",
    "\0",
    "a\0b",
    "\u2028",
    " ",
    "\t",
    "\\",
    "'",
    "`",
    "😀",
    "\ufeff",
]
NAMES = st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=3).map("".join)
AMOUNTS = st.sampled_from(["", "0.0", "-1.5", "8.0E7", "1.6147805824397E13", "1.0E-4", "12345678901234.56"])
MOST_RECORDS, MOST_STAMPS = 10, 4


@dataclass(frozen=True)
class Version:
    """What a record is from one second on."""

    record: int
    second: int
    name: str
    amount: str
    deleted: bool

    def staged(self) -> dict[str, str]:
        stamp = f"2026-11-30T00:00:{self.second:02}.000Z"
        return {
            "Id": f"a{self.record}", "Name": self.name, "Amount__c": self.amount,
            "IsDeleted": str(self.deleted).lower(), "SystemModstamp": stamp,
        }  # fmt: skip

    def row(self) -> dict[str, Any]:
        values = {
            "Id": f"a{self.record}", "Name": self.name.replace("\0", "") or None,
            "Amount__c": Decimal(self.amount) if self.amount else None, "IsDeleted": self.deleted,
            "SystemModstamp": BEGIN + dt.timedelta(seconds=self.second),
        }  # fmt: skip
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Batch:
    """A load: versions, the mark of the run, and whether what is deleted goes."""

    versions: tuple[Version, ...]
    hour: int | None
    remove: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Batch]:
    """Batches of versions, some of them more than once."""
    places = [(record, second) for record in range(MOST_RECORDS) for second in range(MOST_STAMPS)]
    versions = [Version(*place, draw(NAMES), draw(AMOUNTS), draw(st.booleans())) for place in places]
    some = st.lists(st.sampled_from(versions), min_size=6, max_size=20).map(tuple)
    batch = st.builds(Batch, some, st.none() | st.integers(0, 23), st.booleans())
    made = draw(st.lists(batch, min_size=2, max_size=2))
    return draw(st.permutations([*made, draw(st.sampled_from(made))]))


class Model:
    """The target as it has to be: of each record the version, and the mark."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Version, int | None]] = {}

    def merge(self, batch: Batch) -> dict[str, int]:
        """Take a batch in; return how many rows met with what."""
        latest: dict[int, Version] = {}
        for version in batch.versions:
            before = latest.get(version.record)
            latest[version.record] = version if before is None or version.second > before.second else before
        counts = {"duplicates": len(batch.versions) - len(latest)}
        for version in latest.values():
            what = self._take(version, batch)
            counts[what] = counts.get(what, 0) + 1
        return counts

    def _take(self, version: Version, batch: Batch) -> str:
        there = self.rows.get(version.record)
        removed = batch.remove and version.deleted and batch.hour is not None
        if there and there[0].second > version.second:
            return "older"
        if removed:
            return "deleted" if self.rows.pop(version.record, None) else "absent"
        mark = batch.hour if batch.hour is not None else there and there[1]
        self.rows[version.record] = (version, mark)
        return "updated" if there else "inserted"


def until(hour: int | None) -> dt.datetime | None:
    return None if hour is None else BEGIN + dt.timedelta(hours=hour)


@settings(
    max_examples=EXAMPLES or 2,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(history=histories())
def test_batches_in_any_order_make_the_models_table(jobs_sandbox: Sandbox, history: list[Batch]) -> None:
    warehouse, model = Warehouse(jobs_sandbox), Model()
    copy = Copy(warehouse, select_fields(THING, FieldChoice(), cursor="SystemModstamp"), "SystemModstamp")
    for batch in history:
        records = [version.staged() for version in batch.versions]
        counts = copy.merge(*records, until=until(batch.hour), deleted="remove" if batch.remove else "keep")
        expected = model.merge(batch)
        assert {name: getattr(counts, name) for name in expected} == expected
        assert counts.loaded == counts.set_aside + counts.inserted + counts.updated + counts.deleted
    rows = {
        row["Id"]: {name: row[name] for name in row if name != "_loaded_at"}
        for row in warehouse.rows("target")
    }
    marks = {f"a{record}": until(mark) for record, (_, mark) in model.rows.items()}
    assert {name: row.pop("_synced_to", None) for name, row in rows.items()} == marks
    assert rows == {f"a{record}": version.row() for record, (version, _) in model.rows.items()}
