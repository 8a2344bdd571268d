"""What went from Salesforce by BigQuery to Redivis, compared with the org as another client reads it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.demo import salesforce
from tests.demo.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.demo.salesforce import Org, Record
    from tests.demo.sandbox_process import SandboxProcess

# The bucket, the tables and the file of the example DAG.
BUCKET = "crm-exports"
COPY, TABLE = "opportunity", "sales"
FILE = "published/sales.csv"
PUBLISHED = "acme.crm"
# What the copy is of.
DEALS = "SELECT Id FROM Opportunity WHERE StageName = 'Closed Won'"

#: Of an account and a month: how many deals, and what they are worth.
Sales = dict[tuple[str, str], tuple[int, Decimal | None]]


@dataclass(frozen=True)
class Sold:
    """The copy of the deals, what was made of it, and what became of that in Redivis."""

    copied_rows: int
    deals: int
    content: bytes
    uploads: list[tuple[str, int, str]]
    version: str

    @classmethod
    def collect(cls, sandbox: SandboxProcess) -> Sold:
        """Read it."""
        uploads = sandbox.redivis_uploads(f"{PUBLISHED}.{TABLE}")
        return cls(
            copied_rows=sandbox.row_count(salesforce.DATASET, COPY),
            deals=len(sandbox.salesforce_records(DEALS, deleted=True)),
            content=(sandbox.buckets / BUCKET / FILE).read_bytes(),
            uploads=[(each["status"], each["numRows"], each["hash"]) for each in uploads],
            version=sandbox.redivis_version(PUBLISHED),
        )

    def checks(self, org: Org) -> Iterator[Check]:
        """Every deal of the org is in the copy, and its sum in what is released."""
        deals = [deal for deal in org.deals if deal["StageName"] == "Closed Won"]
        copy = f"BigQuery's {salesforce.DATASET}.{COPY}"
        what = (
            f"{self.deals:,} won opportunities in {copy}, {self.deals - len(deals)} deleted ones among them"
        )
        yield Check(what, (self.deals, True), (self.copied_rows, self.deals > len(deals)))
        sales, found = _sales(deals), _read(self.content)
        what = f"{len(sales):,} sums by account and month in {FILE}: those of the org, every value"
        yield Check(what, 0, len(sales.items() ^ found.items()))
        md5 = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        what = f"{len(sales):,} rows in Redivis's {PUBLISHED}.{TABLE}: one upload, the extracted file"
        yield Check(what, [("completed", len(sales), md5)], self.uploads)
        yield Check(f"{PUBLISHED} is released as v1.0", "v1.0", self.version)


def _sales(deals: Iterable[Record]) -> Sales:
    amounts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for deal in deals:
        amounts[deal["Account.Name"], f"{deal['CloseDate'][:7]}-01"].append(deal["Amount"])
    return {key: (len(each), _sum(each)) for key, each in amounts.items()}


def _sum(amounts: Iterable[str]) -> Decimal | None:
    """Add up what there is, as SQL does."""
    given = [Decimal(amount) for amount in amounts if amount]
    return sum(given, Decimal(0)) if given else None


def _read(content: bytes) -> Sales:
    return {
        (row["account"], row["month"]): (int(row["deals"]), Decimal(row["amount"]) if row["amount"] else None)
        for row in csv.DictReader(io.StringIO(content.decode(), newline=""))
    }
