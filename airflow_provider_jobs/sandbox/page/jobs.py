"""Jobs of the three services in one shape, as the status page shows them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery import job_resources
from airflow_provider_jobs.sandbox.bigquery.jobs import DONE
from airflow_provider_jobs.sandbox.bigquery.validation import JOB_TYPES
from airflow_provider_jobs.sandbox.salesforce.job_fields import whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ENDED

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery import jobs as bigquery_jobs
    from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState
    from airflow_provider_jobs.sandbox.redivis.model import TableUpload
    from airflow_provider_jobs.sandbox.redivis.state import RedivisState
    from airflow_provider_jobs.sandbox.salesforce import jobs as salesforce_jobs
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

LIST_CHARACTERS = 200  # of a job's text and error, where it is one of many
# The page's state for each of the services; any other is "running".
STATES = {
    **dict.fromkeys(("PENDING", "Open", "UploadComplete", "waiting for its bytes", "queued"), "pending"),
    **dict.fromkeys(("DONE", "JobComplete", "completed"), "done"),
    **dict.fromkeys(("Failed", "failed"), "failed"),
    "Aborted": "cancelled",
}


@dataclass(frozen=True)
class Jobs:
    """Every job; used on the event loop. Times are seconds since 1970 by the services' clock."""

    bigquery: BigQueryState
    redivis: RedivisState
    salesforce: SalesforceState

    def newest(self, most: int) -> dict[str, Any]:
        """Give how many there are, and the newest of them, newest first; statements of scripts are none."""
        jobs, uploads = self.salesforce.store.all(), self.redivis.catalog.all_uploads()
        found = [
            *(self._bigquery(job) for job in self.bigquery.store.newest(most)),
            *(self._salesforce(job) for job in jobs[-most:]),
            *(self._redivis(upload) for upload in uploads[-most:]),
        ]
        newest = heapq.nlargest(most, found, key=lambda job: job["created"])
        for job in newest:
            job["text"] = " ".join(job["text"][: 4 * LIST_CHARACTERS].split())[:LIST_CHARACTERS]
            job["error"] = job["error"][:LIST_CHARACTERS]
        return {"total": self.bigquery.store.count() + len(jobs) + len(uploads), "newest": newest}

    def whole(self, key: str) -> dict[str, Any] | None:
        """Give one job with all its text, and the API's document of it; None: there is no such job."""
        service, _, rest = key.partition("/")
        if service == "BigQuery":
            job = self.bigquery.store.known(*rest.split("/", 1)) if "/" in rest else None
            if job is None:
                return None
            children = [self._bigquery(child) for child in self.bigquery.store.children(job)]
            document = job_resources.full(job, self.bigquery.platform.url)
            return self._bigquery(job) | {"statements": children, "document": document}
        if service == "Salesforce":
            kept = self.salesforce.store.known(rest)
            style = self.salesforce.settings.api_version_type
            return None if kept is None else self._salesforce(kept) | {"document": whole_job(kept, style)}
        upload = self.redivis.catalog.numbered(int(rest)) if rest.isdecimal() else None
        return None if upload is None else self._redivis(upload) | {"document": vars(upload)}

    def _bigquery(self, job: bigquery_jobs.Job) -> dict[str, Any]:
        kind = next(kind for kind in JOB_TYPES if job.configuration.get(kind) is not None)
        labels = job.configuration.get("labels") or {}
        problems = [job.error_result, *job.errors] if job.error_result else job.errors
        errors = [
            ": ".join(each[name] for name in ("reason", "message") if name in each) for each in problems
        ]
        state = STATES.get(job.state, "running")
        if job.state == DONE and job.error_result:
            state = "cancelled" if errors[0].startswith("stopped: Job execution was cancelled") else "failed"
        return {
            **_named("BigQuery", f"{job.project}/{job.job_id}", kind, job.project),
            "task": " · ".join(labels[name] for name in ("airflow-dag", "airflow-task") if name in labels),
            "text": _text(kind, job.configuration[kind]),
            "state": state,
            "word": job.state,
            "created": job.created_ms / 1000,
            "started": job.started_ms and job.started_ms / 1000,
            "ended": job.ended_ms and job.ended_ms / 1000,
            "error": "\n".join(dict.fromkeys(errors)),
        }

    def _salesforce(self, job: salesforce_jobs.Job) -> dict[str, Any]:
        by = f" by {job.external_id_field}" if job.external_id_field else ""
        rejected = f"{job.failed} of {job.processed} records were rejected." if job.failed else ""
        return {
            **_named("Salesforce", job.job_id, job.operation, job.object_name),
            "text": job.query or f"{job.operation} {job.object_name}{by}",
            "state": STATES.get(job.state, "running"),
            "word": job.state,
            "created": job.created_at,
            "started": job.started_at,
            "ended": job.modified_at if job.state in ENDED else None,
            "error": job.error_message or rejected,
        }

    def _redivis(self, upload: TableUpload) -> dict[str, Any]:
        catalog, processing = self.redivis.catalog, self.redivis.processing
        table = catalog.name_of(catalog.identified(upload.table_id))
        word = processing.status(upload) or "waiting for its bytes"
        timing = self.redivis.platform.timing.of(catalog.owner_of(upload))
        state, started = STATES.get(word, "running"), (upload.arrived_at or 0) + timing.pending_seconds
        over = state in {"done", "failed"}
        bad = f"{upload.bad_records} bad records were skipped." if upload.bad_records else ""
        return {
            **_named("Redivis", str(upload.number), "upload", table),
            "text": f"{upload.name}\n→ {table}",
            "state": state,
            "word": word,
            "created": upload.created_at,
            "started": None if state == "pending" else started,
            "ended": max(upload.processed_at or 0, started + timing.running_seconds) if over else None,
            "error": (upload.error or bad) if over else "",
        }


def _named(service: str, path: str, kind: str, place: str) -> dict[str, str]:
    job_id = path.rpartition("/")[2]
    return {"key": f"{service}/{path}", "service": service, "kind": kind, "id": job_id, "place": place}


def _text(kind: str, details: dict[str, Any]) -> str:
    """Give a query's SQL; of other jobs what goes where."""
    if kind == "query":
        return str(details.get("query") or "")
    tables = [details.get("sourceTable"), *(details.get("sourceTables") or [])]
    sources = [*(details.get("sourceUris") or []), *map(_table, tables)]
    targets = [*(details.get("destinationUris") or []), details.get("destinationUri")]
    targets.append(_table(details.get("destinationTable")))
    ways = [",\n".join(filter(None, each)) for each in (sources, targets)]
    return f"{ways[0] or 'the bytes of an upload'}\n→ {ways[1]}"


def _table(reference: dict[str, str] | None) -> str:
    return ".".join(filter(None, map((reference or {}).get, ("datasetId", "tableId"))))
