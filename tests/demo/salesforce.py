"""What went out of Salesforce and came into it, compared with the org as another client reads it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.demo import report
from tests.demo.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.demo.sandbox_process import SandboxProcess

Record = dict[str, str]

# Where the example DAG sends the deals to, and from which amount on it asks for them.
DATASET = "crm"
DEALS_TABLE = "won_deals"
AT_LEAST = 10_000
DEALS = "SELECT Id, Name, Account.Name, Owner.Name, Amount, CloseDate, StageName FROM Opportunity"
# The task that has its job deleted after the download.
DELETING_TASK = "all_contacts"
# The file that the example DAG writes, and sends.
SENT_FILE = "shipments.csv"
# What begins the names of the columns that Salesforce adds.
ADDED = "sf__"
REASON = "sf__Error"
TITLES = ("task", "file", "sha256", "records", "bytes")


@dataclass(frozen=True)
class Written:
    """A file that a task has written, and what its result says of it."""

    task_id: str
    path: Path
    said: dict[str, Any]
    content: bytes

    @classmethod
    def collect(cls, tasks: Iterable[report.TaskReport]) -> list[Written]:
        """Read the files of all results."""
        return [
            cls(task.task_id, Path(file["path"]), file, Path(file["path"]).read_bytes())
            for task in tasks
            for file in task.job.get("files", [])
        ]

    @cached_property
    def records(self) -> list[Record]:
        """The records, as the csv module reads them."""
        content = gzip.decompress(self.content) if self.path.suffix == ".gz" else self.content
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))

    @property
    def as_said(self) -> bool:
        """Whether it has the records, the size and the sum that the result says."""
        sha256 = hashlib.sha256(self.content).hexdigest()
        found = (len(self.records), len(self.content), sha256)
        return found == (self.said["record_count"], self.said["size_bytes"], self.said["sha256"])

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the demo's table."""
        counts = (f"{self.said[name]:,}" for name in ("record_count", "size_bytes"))
        return self.task_id, report.shortened(self.path.name), f"{self.said['sha256'][:12]}…", *counts


@dataclass(frozen=True)
class Org:
    """What the org holds, all of it: no filter of a query is trusted, nor a count of a job."""

    deals: list[Record]
    contacts: list[Record]
    cases: list[Record]

    @classmethod
    def collect(cls, sandbox: SandboxProcess) -> Org:
        """Ask simple-salesforce for the records."""
        sandbox.hurry_salesforce()
        return cls(
            deals=sandbox.salesforce_records(DEALS),
            contacts=sandbox.salesforce_records("SELECT Id, IsDeleted FROM Contact", deleted=True),
            cases=sandbox.salesforce_records("SELECT Id FROM Case"),
        )

    def won_deals(self) -> list[Record]:
        """Those that the example DAG asks for."""
        return [
            {name: value for name, value in deal.items() if name != "StageName"}
            for deal in self.deals
            if deal["StageName"] == "Closed Won"
            and (not deal["Amount"] or Decimal(deal["Amount"]) > AT_LEAST)
        ]


@dataclass(frozen=True)
class Moved:
    """What the Salesforce DAGs have done, as files, the org and BigQuery show it."""

    tasks: dict[str, report.TaskReport]
    files: list[Written]
    sent: list[Record]
    copied: set[str]
    kept_jobs: list[str]
    creates: int
    loaded: dict[str, tuple[str | None, Decimal | None]]
    org: Org

    @classmethod
    def collect(cls, sandbox: SandboxProcess, tasks: Iterable[report.TaskReport], folder: Path) -> Moved:
        """Read it.

        :param folder: where the DAGs write.
        """
        told = list(tasks)
        ours = {task.task_id: task for task in told if "api_version" in task.job}
        with (folder / SENT_FILE).open(encoding="utf-8", newline="") as file:
            sent = list(csv.DictReader(file))
        deals = sandbox.rows(DATASET, DEALS_TABLE)
        return cls(
            tasks=ours,
            files=Written.collect(ours.values()),
            sent=sent,
            copied={task.stages["query"] for task in told if "query" in task.stages},
            kept_jobs=sandbox.salesforce_jobs(),
            creates=sandbox.salesforce_creates(),
            loaded={str(id_): (account, _number(amount)) for id_, _, account, _, amount, _ in deals},
            org=Org.collect(sandbox),  # the last: it makes jobs too
        )

    def lines(self) -> Iterator[str]:
        """Tell of each file, and of each record that Salesforce has rejected."""
        yield from report.table([TITLES, *(file.cells for file in self.files)])
        for record in self._outcome("failed"):
            yield f"\nSalesforce rejected {record['External_Id__c']}: {record[REASON]}"

    def checks(self) -> Iterator[Check]:
        """Every record is accounted for, on both sides, and each task made one job."""
        differing = [file.path.name for file in self.files if not file.as_said]
        what = f"{len(self.files)} files hold the records, bytes and sha256 that the results say"
        yield Check(what, [], differing)
        yield from self._deals_checks()
        yield from self._count_checks()
        yield from self._shipment_checks()
        ids = {str(task.job["job_id"]) for task in self.tasks.values()} | self.copied
        kept = sorted(ids - {str(self.tasks[DELETING_TASK].job["job_id"])})
        what = f"Salesforce was asked for {len(ids)} jobs, of which one was deleted after its download"
        yield Check(what, (len(ids), kept), (self.creates, self.kept_jobs))

    def _deals_checks(self) -> Iterator[Check]:
        deals, expected = self._records("won_deals"), self.org.won_deals()
        what = f"{len(expected):,} won deals in the file: those that simple-salesforce finds, every value"
        yield Check(what, (0, 0), _difference(expected, deals))
        wanted = {deal["Id"]: (deal["Account.Name"] or None, _number(deal["Amount"])) for deal in expected}
        missing, other = len(wanted.keys() - self.loaded.keys()), wanted.items() ^ self.loaded.items()
        worth = f"{sum(amount or 0 for _, amount in wanted.values()):,}"
        table = f"BigQuery's {DATASET}.{DEALS_TABLE}"
        yield Check(
            f"{len(wanted):,} won deals in {table}, worth {worth} on both sides",
            (0, 0),
            (missing, len(other)),
        )
        nulls = [[values[at] for values in wanted.values()].count(None) for at in (0, 1)]
        found = [[values[at] for values in self.loaded.values()].count(None) for at in (0, 1)]
        what = f"{nulls[0]:,} of them without an account and {nulls[1]:,} without an amount are null there"
        yield Check(what, (nulls, True), (found, all(nulls)))

    def _count_checks(self) -> Iterator[Check]:
        found, expected = self._records("all_contacts"), self.org.contacts
        deleted = sum(contact["IsDeleted"] == "true" for contact in expected)
        parts = sum(file.task_id == "all_contacts" for file in self.files)
        what = f"{len(expected):,} contacts in {parts} parts, {deleted} deleted ones among them, each once"
        contacts = ({"Id": contact["Id"], "IsDeleted": contact["IsDeleted"]} for contact in found)
        yield Check(what, (0, 0), _difference(expected, contacts))
        cases = len(self.org.cases)
        said = self.tasks["cases_are_read"].job["record_count"]
        yield Check(f"{cases:,} cases in the job that was started and left alone", cases, said)

    def _shipment_checks(self) -> Iterator[Check]:
        good = [record for record in self.sent if record["Pieces__c"].isdecimal()]
        bad = [record for record in self.sent if record not in good]
        found = [_difference(good, map(_own, self._outcome("successful")))]
        found += [_difference(bad, map(_own, self._outcome("failed")))]
        reasons = [record["External_Id__c"] for record in self._outcome("failed") if record[REASON]]
        what = f"{len(good)} of {len(self.sent)} shipments accepted, {len(bad)} rejected with the reason"
        names = [record["External_Id__c"] for record in bad]
        yield Check(what, ([(0, 0), (0, 0)], names, 0), (found, reasons, len(self._outcome("unprocessed"))))
        back = self._records("read_back")
        yield Check("the accepted ones are read back, every value", (0, 0), _difference(good, back))

    def _records(self, task_id: str) -> list[Record]:
        return [record for file in self.files if file.task_id == task_id for record in file.records]

    def _outcome(self, which: str) -> list[Record]:
        return [record for file in self.files if file.said.get("records") == which for record in file.records]


def _number(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def _own(record: Mapping[str, str]) -> Record:
    """Leave out what Salesforce has added."""
    return {name: value for name, value in record.items() if not name.startswith(ADDED)}


def _difference(expected: Iterable[Record], found: Iterable[Record]) -> tuple[int, int]:
    """Count what is missing, and what is there without being expected; only columns have an order."""
    wanted, there = (Counter(tuple(each.items()) for each in side) for side in (expected, found))
    return (wanted - there).total(), (there - wanted).total()
