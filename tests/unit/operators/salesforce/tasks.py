"""Doubles for the tests of Salesforce's operators."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.http.stream import StreamedReply
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from tests.unit import tasks
from tests.unit.tasks import faked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.task_run import Store

ORG = "acme.my.salesforce.com"
REF = JobRef("salesforce", ORG, "750000000000001", "v59.0/jobs/query", 1.0)
NUMBERS = {"object": "Account", "operation": "query", "record_count": 7, "processing_ms": 1500, "retries": 0}


def status(state: str = "succeeded", ref: JobRef = REF, **numbers: Any) -> JobStatus:
    words = {"pending": "UploadComplete", "running": "InProgress", "cancelled": "Aborted", "failed": "Failed"}
    return JobStatus(
        ref,
        JobState(state),
        words.get(state, "JobComplete"),
        url="https://x",
        statistics={**NUMBERS, **numbers},
    )


class Client:
    """Tells what it is told to tell, and keeps what it was asked."""

    scope = ORG
    version = "v59.0"

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks) or [status()]
        self.requests: list[Any] = []
        self.did: list[str] = []
        self.made = 0

    def knows(self, ref: JobRef) -> bool:
        return ref.scope == self.scope

    def submit(self, request: Any) -> Submission:
        self.requests.append(request)
        self.made += 1
        kind = "ingest" if request.media else "query"
        ref = JobRef("salesforce", ORG, f"75000000000000{self.made}", f"v59.0/jobs/{kind}")
        request.on_created(ref)
        if request.media:
            request.before_close()
        return Submission(status("pending", ref), adopted=False)

    def status(self, ref: JobRef) -> JobStatus:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, JobStatus)
        return found

    most_page_bytes = 1024**3

    def repeat(self, step: Any, *_: Any) -> Any:
        return step()

    @contextmanager
    def csv(self, path: str, params: Any) -> Iterator[StreamedReply]:
        """Send results without records."""
        nothing = b'"sf__Id","sf__Error","Name"\n'
        yield StreamedReply(200, {"Content-Length": str(len(nothing))}, iter([nothing]))

    def cancel(self, ref: JobRef) -> bool:
        self.did.append(f"cancel {ref.id}")
        return False

    def delete_job(self, ref: JobRef) -> None:
        self.did.append(f"delete {ref.id}")

    def failing_statement(self, status: JobStatus) -> None:
        return None


def context(store: Store | None = None, **changes: Any) -> Any:
    kept = {} if store is None else {"task_state_store": store}
    return {**tasks.context(**{"start_date": dt.datetime.now(dt.UTC), **changes}), **kept}


def run(task: Any, with_context: Any = None) -> Any:
    return tasks.run(task, with_context or context())


def query(client: Any, **changes: Any) -> Any:
    settings = {"task_id": "t", "soql": "SELECT Id", "poll_interval": 0.01, "inline_wait": 0.0, **changes}
    return faked(SalesforceQueryOperator(**settings), client)


def ingest(client: Any, source: Path, **changes: Any) -> Any:
    settings = {
        "task_id": "t",
        "object_name": "Account",
        "operation": "insert",
        "poll_interval": 0.01,
        **changes,
    }
    return faked(SalesforceIngestOperator(source=str(source), **settings), client)
