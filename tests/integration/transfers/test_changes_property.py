"""Whatever changes in an org, and whatever becomes of the runs between: the target is the org in the end."""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.wait import single as polling
from airflow_provider_jobs.errors import JobsError
from tests.integration.task_run import Attempts
from tests.integration.transfers.route import EXAMPLES, Route
from tests.integration.transfers.stopping import StoppedError, at, stop

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

NASTY = st.sampled_from(
    ["", 'a","b', 'a,"",b', "x\r\ny", "x\ny", "\u2028", "NA", "null", "\\N", " x ", "Zoë 😀", '"', "x\0y"]
)
WHICH = st.integers(0, 7)
BROKEN = {"action": "reply", "reason": "backendError", "message": "broken"}
#: What becomes of a run's first attempt; its second one is left alone.
FAULTS: dict[str, dict[str, Any]] = {
    "the query fails": {"operation": r"salesforce\.query\.run", **BROKEN},
    "a page lacks a record": {"operation": r"salesforce\.query\.results", "action": "drop_record"},
    "the load fails": {"operation": r"bigquery\.jobs\.run", "nth": 2, **BROKEN},
    "the merge fails": {"operation": r"bigquery\.jobs\.run", "nth": 3, **BROKEN},
    "the merge's reply is lost": {
        "operation": r"bigquery\.jobs\.insert",
        "action": "drop_reply_after_accepting",
        "nth": 2,
    },
}
STOPS = ("_after_query", "_check_loaded", "change", "note_done", "drop_staging", "result")
#: Fields that are not looked at, for speed.
LEFT_OUT = (
    "Type", "ParentId", "OwnerId", "BillingStreet", "BillingCity", "BillingState", "BillingPostalCode",
    "BillingCountry", "Phone", "Website", "AnnualRevenue", "NumberOfEmployees", "Active__c", "Industry",
    "CreatedById", "LastModifiedById", "CreatedDate", "LastModifiedDate",
)  # fmt: skip
COPIED = ("Id", "External_Id__c", "Name", "Description", "IsDeleted", "MasterRecordId")


@dataclass(frozen=True)
class Step:
    """Changes in the org, and a run after them.

    :param mode: ``incremental``, or ``window`` of an hour that is long past.
    :param fate: What becomes of the first attempt; None leaves it alone.
    """

    changes: tuple[tuple[str, int, str], ...]
    mode: str
    fate: str | None


CHANGES = st.tuples(
    st.sampled_from(
        ["write", "write", "write", "delete", "undelete", "purge", "merge", "begin", "commit", "add", "hide"]
    ),
    WHICH,
    NASTY,
)
STEPS = st.builds(
    Step,
    st.lists(CHANGES, min_size=1, max_size=5).map(tuple),
    st.sampled_from(["incremental", "incremental", "incremental", "window"]),
    st.none() | st.sampled_from([*FAULTS, *STOPS]),
)


class Org:
    """Accounts of one mark, the changes that a story makes to them, and their copy."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.field = f"F{route.mark}__c"
        #: Whether the story's field was made, and whether the user may see it.
        self.made = self.seen = False
        self.purged: set[str] = set()
        self.opened: list[str] = []

    def change(self, what: str, which: int, text: str) -> None:
        """Change something, if there is something to change."""
        route = self.route
        gone = {row["Id"] for row in route.records()} - {row["Id"] for row in route.records(deleted=False)}
        there = sorted(row["Id"] for row in route.records(deleted=False))
        values = {"Description": text, **({self.field: text[:5]} if self.seen else {})}
        if what == "write":
            route.at_once(which, (which + 3) % 8, **values)
        elif what == "begin":
            self.opened.append(route.begin(which, which + 10, **values))
        elif what == "commit" and self.opened:
            route.sandbox.salesforce_transaction("commit", id=self.opened.pop(0))
        elif what in {"add", "hide"}:
            self._change_field(what)
        elif what == "merge" and len(there) > 1:
            self._records("merge", there[which % (len(there) - 1)], into=there[-1])
        elif what == "delete" and there:
            self._records("delete", there[which % len(there)])
        elif what in {"undelete", "purge"} and gone:
            self._records(what, sorted(gone)[which % len(gone)])

    def _records(self, action: str, record: str, **more: Any) -> None:
        self.purged |= {record} if action == "purge" else set()
        self.route.sandbox.salesforce_records(action, object="Account", ids=[record], **more)

    def _change_field(self, what: str) -> None:
        schema = {"object": "Account", "field": self.field}
        if what == "hide" and self.seen:
            self.route.sandbox.salesforce_schema("hide", **schema)
            self.seen = False
        elif what == "add" and not self.made:
            self.route.sandbox.salesforce_schema("add", type="string", length=40, **schema)
            self.made = self.seen = True

    def run(self, mode: str, fate: str | None = None) -> None:
        """Copy; of a first attempt that ends badly there is a second one."""
        run = Attempts(run_id=uuid.uuid4().hex)
        how: dict[str, Any] = {"mode": mode, "fields": None, "exclude_fields": LEFT_OUT}
        how["on_new_field"] = "backfill"
        if mode == "window":
            how["window"] = (
                self.route.now() - dt.timedelta(hours=2),
                self.route.now() - dt.timedelta(hours=1),
            )
        with pytest.MonkeyPatch.context() as patch:
            if fate in FAULTS:
                self.route.sandbox.faults(**FAULTS[fate])
            elif fate:
                at(patch, fate, stop)
            try:
                self.route.run(run, **how)
            except (JobsError, StoppedError):
                failed = True
            else:
                failed = False
        self.route.sandbox.clear_faults()
        if failed:
            self.route.run(run, 2, **how)

    def check(self) -> None:
        """See that the target is the org, but for records of which the org knows no more."""
        table = self.route.warehouse.resource("target") or {}
        copied = any(each["name"] == self.field for each in table["schema"]["fields"])
        names = [*COPIED, *([self.field] if self.seen and copied else [])]
        found = {row["Id"]: [row.get(name) for name in names] for row in self.route.warehouse.rows("target")}
        for row in self.route.records(*names):
            values: list[Any] = [row[name].replace("\0", "") or None for name in names]
            values[names.index("IsDeleted")] = row["IsDeleted"] == "true"
            assert found.pop(row["Id"]) == values
        assert found.keys() <= self.purged
        assert self.route.tables() == ["target"]


@settings(
    max_examples=EXAMPLES or 2,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(STEPS, min_size=2, max_size=3))
def test_any_changes_and_any_runs(bare_sandbox: Sandbox, steps: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(polling, "FLOOR_SECONDS", 0.05)
        patch.setattr(tempfile, "tempdir", folder)
        route = Route(bare_sandbox, patch, Path(folder))
        org = Org(route)
        route.at_once(*range(5))
        route.later()
        org.run("full")
        for step in steps:
            for each in step.changes:
                org.change(*each)
            route.later()
            org.run(step.mode, step.fate)
        for opened in org.opened:
            route.sandbox.salesforce_transaction("commit", id=opened)
        route.later()
        org.run("incremental")
        org.check()
        assert list(Path(folder).iterdir()) == []
        route.lab.end()
