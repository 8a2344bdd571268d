"""Jobs as documents: what a new one may say, and what is told of one.

See https://developer.salesforce.com/docs/platform/api-asynch/guide/query-create-job.html and
https://developer.salesforce.com/docs/platform/api-asynch/guide/create-job.html.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.salesforce.jobs import FAILED, INGEST, OPEN, QUERY, Job
from airflow_provider_jobs.sandbox.salesforce.org import DELIMITERS, LINE_ENDINGS, OPERATIONS
from airflow_provider_jobs.sandbox.salesforce.replies import api_error, bad

if TYPE_CHECKING:
    from collections.abc import Mapping

QUERY_OPERATIONS = ("query", "queryAll")
FORM_FIELDS = frozenset({"operation", "contentType", "columnDelimiter", "lineEnding"})
QUERY_FIELDS = FORM_FIELDS | {"query"}
INGEST_FIELDS = FORM_FIELDS | {"object", "externalIdFieldName", "assignmentRuleId"}
JOB_TYPES = {QUERY: "V2Query", INGEST: "V2Ingest"}


def read_query(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the checked fields of a new query job, under the names of ``Job``.

    :raises Refusal: 400, naming what is wrong.
    """
    given = _known(document, QUERY_FIELDS)
    return {
        "operation": _choice(given, "operation", QUERY_OPERATIONS),
        "query": _text(given, "query"),
        **_form(given),
    }


def read_ingest(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the checked fields of a new ingest job, under the names of ``Job``.

    :raises Refusal: 400, naming what is wrong.
    """
    given = _known(document, INGEST_FIELDS)
    operation = _choice(given, "operation", OPERATIONS)
    external = _text(given, "externalIdFieldName") if "externalIdFieldName" in given else ""
    if operation == "upsert" and not external:
        raise bad("INVALIDJOB", "InvalidJob : External ID was blank for upsert")
    if operation != "upsert" and external:
        raise bad("INVALIDJOB", f"InvalidJob : externalIdFieldName is not allowed for {operation}")
    return {
        "operation": operation,
        "object_name": _text(given, "object"),
        "external_id_field": external,
        "assignment_rule_id": _text(given, "assignmentRuleId") if "assignmentRuleId" in given else "",
        **_form(given),
    }


def _known(document: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    unknown = sorted(document.keys() - names)
    if unknown:
        raise bad("JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0][:100]}"')
    return {name: value for name, value in document.items() if value is not None}


def _form(given: Mapping[str, Any]) -> dict[str, str]:
    """Check what CSV looks like."""
    _choice({"contentType": "CSV", **given}, "contentType", ("CSV",))
    return {
        "delimiter": _choice({"columnDelimiter": "COMMA", **given}, "columnDelimiter", tuple(DELIMITERS)),
        "line_ending": _choice({"lineEnding": "LF", **given}, "lineEnding", tuple(LINE_ENDINGS)),
    }


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise api_error(f"Error processing request: {name} is required")
    return value


def _choice(given: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = _text(given, name)
    if value not in choices:
        raise api_error(f"Error processing request: {name} must be one of {', '.join(choices)}")
    return value


def job_resource(job: Job, version_type: str) -> dict[str, Any]:
    """Give a job as the reply to its creation shows it."""
    resource: dict[str, Any] = {
        "id": job.job_id,
        "operation": job.operation,
        "object": job.object_name,
        "createdById": job.created_by,
        "createdDate": spelled_time(job.created_at),
        "systemModstamp": spelled_time(job.modified_at),
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": job.version if version_type == "text" else float(job.version),
        "lineEnding": job.line_ending,
        "columnDelimiter": job.delimiter,
    }
    if job.external_id_field:
        resource["externalIdFieldName"] = job.external_id_field
    if job.assignment_rule_id:
        resource["assignmentRuleId"] = job.assignment_rule_id
    if job.kind == INGEST and job.state == OPEN:
        resource["contentUrl"] = f"services/data/v{job.version}/jobs/ingest/{job.job_id}/batches"
    return resource


def listed_job(job: Job, version_type: str) -> dict[str, Any]:
    """Give a job as lists show it."""
    return job_resource(job, version_type) | {"jobType": JOB_TYPES[job.kind]}


def whole_job(job: Job, version_type: str) -> dict[str, Any]:
    """Give all that is told of a job."""
    resource = listed_job(job, version_type) | {
        "numberRecordsProcessed": job.processed,
        "retries": job.retries,
        "totalProcessingTime": job.processing_ms,
    }
    if job.kind == QUERY:
        resource["isPkChunkingSupported"] = job.pk_chunking
    else:
        resource |= {
            "numberRecordsFailed": job.failed,
            "apiActiveProcessingTime": job.processing_ms * 2 // 3,
            "apexProcessingTime": job.processing_ms // 4,
        }
    if job.state == FAILED or job.error_message:
        resource["errorMessage"] = job.error_message
    return resource


def spelled_time(moment: float) -> str:
    """Give a moment as Salesforce's JSON spells it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
