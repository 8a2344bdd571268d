"""What a BigQuery job reads and writes, and what its resource says of that: names and numbers, no SQL.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import JOB_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Tables and addresses that are told of one job, of what it reads and of what it writes: it goes into the row
#: of a task, and a job may read ten thousand files.
MOST_NAMES = 100
#: Characters of what the resource says in short.
_MOST_CHARACTERS = 3500
#: A longer text of the resource is left out of that.
_LONGEST = 200
_LEVELS = 5
#: What is in the resource and not in lineage: values of parameters, code, sessions, people.
_LEFT_OUT = frozenset(
    {
        "connectionProperties",
        "principal_subject",
        "queryParameters",
        "sessionInfo",
        "userDefinedFunctionResources",
        "user_email",
    }
)
#: Of a table's id: its partition, or its time. A name of a dataset has neither.
_DECORATION = re.compile(r"[$@].*", re.DOTALL)


def of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a job that has ended read and wrote.

    ``kind``; ``reads`` and ``writes``, tables as ``project.dataset.table`` and addresses as they are;
    ``written_rows`` and ``written_bytes`` of a query as its plan counts them; ``job``, what else the resource
    says, as JSON text. Nothing of a resource that is not what the API describes: no task fails by lineage.
    """
    try:
        return _of_job(job)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return {}


def _of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    configuration = job.get("configuration") or {}
    query = (job.get("statistics") or {}).get("query") or {}
    found = of_configuration(configuration)
    writes = found.get("writes") or names([query.get("ddlTargetTable")])
    if str(query.get("statementType")).startswith("DROP_"):  # there is nothing any more that could be told of
        writes = []
    read = names(query.get("referencedTables") or ())
    found |= {"writes": writes, "reads": [each for each in found.get("reads") or read if each not in writes]}
    last = (query.get("queryPlan") or [{}])[-1]
    for name, counter in (("written_rows", "recordsWritten"), ("written_bytes", "shuffleOutputBytes")):
        if str(last.get(counter, "")).isdigit():
            found[name] = int(last[counter])
    text = json.dumps(
        _facts({name: job.get(name) for name in ("jobReference", "status", "statistics", "configuration")})
    )
    return {**found, **({"job": text} if len(text) <= _MOST_CHARACTERS else {})}


def query_of(job: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the SQL of a job, its id, and the project of tables that are named without one."""
    query = job["configuration"].get("query") or {}
    project = (query.get("defaultDataset") or {}).get("projectId") or job["jobReference"]["projectId"]
    return query.get("query"), job["jobReference"]["jobId"], project


def of_configuration(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a configuration says by itself, as :func:`of_job` does: not what a query reads."""
    kind = next((each for each in JOB_TYPES if each in configuration), None)
    if kind is None:
        return {}
    what = configuration[kind] or {}
    if kind == "extract":
        reads, writes = names([what.get("sourceTable")]), _addresses(what, "destinationUri")
    else:
        tables = what.get("sourceTables") or [what.get("sourceTable")]
        reads = names(tables) if kind == "copy" else _addresses(what, "sourceUri")
        writes = names([what.get("destinationTable")])
    return {"kind": kind, "reads": reads, "writes": writes}


def names(tables: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """Return the names of tables, each once, without partitions and times."""
    found = {
        f"{table.get('projectId')}.{table['datasetId']}.{_DECORATION.sub('', str(table['tableId']))}": None
        for table in tables
        if table
    }
    return list(found)[:MOST_NAMES]


def _addresses(what: Mapping[str, Any], name: str) -> list[str]:
    given = what.get(f"{name}s") or [what.get(name)]
    return [each for each in ([given] if isinstance(given, str) else given) if each][:MOST_NAMES]


def _facts(value: Mapping[str, Any], levels: int = _LEVELS) -> dict[str, Any]:
    """Return numbers, flags and short texts of a resource; the SQL is the one text that is called query."""
    found: dict[str, Any] = {}
    for name, each in value.items():
        if name in _LEFT_OUT:
            continue
        if isinstance(each, dict):
            if levels and (inside := _facts(each, levels - 1)):
                found[name] = inside
        elif isinstance(each, int | float) or (
            isinstance(each, str) and name != "query" and len(each) <= _LONGEST
        ):
            found[name] = each
    return found
