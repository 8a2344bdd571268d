"""What faults do to the results of queries: records or pages that are missing without a word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from airflow_provider_jobs.sandbox.fault_actions import Action, Exchange
from airflow_provider_jobs.sandbox.salesforce.pages import LOCATOR, PageReply

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.replies import Reply


@dataclass(frozen=True)
class DropRecord(Action):
    """Leave a record out of a page; ``count`` says whether the header knows."""

    record: int = 0
    count: Literal["adjusted", "kept"] = "adjusted"

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Leave it out."""
        if not isinstance(reply, PageReply):
            return reply
        return reply.without_record(self.record, adjusted=self.count == "adjusted")


@dataclass(frozen=True)
class SkipPage(Action):
    """Let a page's locator lead past the next page; leave a page, counted from 0, out of a list of pages."""

    page: int = 0

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Skip it."""
        if isinstance(reply, PageReply):
            return replace(reply, headers={**reply.headers, LOCATOR: reply.over_next})
        document = reply.document if isinstance(reply.document, dict) else {}
        for name in document.keys() & {"resultPages", "resultChunks"}:
            kept = [url for number, url in enumerate(document[name]) if number != self.page]
            return replace(reply, document={**document, name: kept})
        return reply


@dataclass(frozen=True)
class LockRecords(Action):
    """Let a lock keep the first records of an ingest job out; of ``salesforce.ingest.run``."""

    records: int = 1
    error: str = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"


SALESFORCE_ACTIONS: dict[str, type[Action]] = {
    "drop_record": DropRecord,
    "skip_page": SkipPage,
    "lock_records": LockRecords,
}
