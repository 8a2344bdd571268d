"""Which fields a request body may have: those of BigQuery's discovery document, and no others.

``fields.json`` holds names and types of revision 20261009 of
https://bigquery.googleapis.com/discovery/v1/apis/bigquery/v2/rest: message -> field -> type, where a
list holds its item's type and ``{"*": type}`` is a map.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from airflow_provider_jobs.sandbox.bigquery.engine import ApiError

JOB_TYPES = ("query", "load", "extract", "copy")
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")
LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,62}")
LABEL_KEY = re.compile(r"[^\W\dA-Z_][\w-]{0,62}")
LABEL_VALUE = re.compile(r"[\w-]{0,63}")
INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
# As texts, in any case: safe_strtob of https://github.com/protocolbuffers/protobuf reads all of these.
TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
MOST_LABELS = 64
MOST_LEVELS = 64  # of objects and lists in a request; a schema may have 15 levels of structs


def invalid(message: str, location: str = "") -> ApiError:
    """Give the refusal of a value."""
    return ApiError(400, "invalid", message, location)


@cache
def messages() -> dict[str, dict[str, Any]]:
    """Give what ``fields.json`` holds."""
    text = files(__package__).joinpath("fields.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def check_message(document: dict[str, Any], message: str) -> dict[str, Any]:
    """Give the document as the API spells it: names in camel case, truth values as such, lists as lists.

    :raises ApiError: 400, an unknown field or a value of the wrong type: the first is named.
    """
    return dict(_checked(document, message, "", MOST_LEVELS))


def check_job(document: dict[str, Any], project: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give configuration and reference of a Job resource that may be inserted, as check_message gives them.

    :raises ApiError: 400, naming what is wrong.
    """
    configuration = document.get("configuration")
    if isinstance(configuration, dict) and "link" in configuration:
        raise invalid("Link jobs are no longer supported; use a copy job.", "configuration.link")
    document = check_message(document, "Job")
    configuration, reference = document.get("configuration"), document.get("jobReference") or {}
    if not isinstance(configuration, dict):
        raise ApiError(400, "required", "Required parameter is missing: configuration", "configuration")
    kinds = [kind for kind in JOB_TYPES if configuration.get(kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) if kinds else "none"
        message = (
            f"Job configuration must contain exactly one of {', '.join(JOB_TYPES)}; it contains {found}."
        )
        raise invalid(message, "configuration")
    if configuration.get("dryRun") and kinds[0] != "query":
        raise invalid("Only query jobs can be run dry.", "configuration.dryRun")
    _check_labels(configuration.get("labels") or {})
    _check_reference(reference, project)
    return {**configuration, "jobType": kinds[0].upper()}, reference


def check_job_id(job_id: str) -> str:
    """Give the job id back, if it is one."""
    if JOB_ID.fullmatch(job_id) is None:
        message = (
            f"Invalid job ID {job_id[:100]!r}. Job IDs must be alphanumeric (plus underscores and dashes) "
            "and must be at most 1024 characters long."
        )
        raise invalid(message, "jobReference.jobId")
    return job_id


def check_location(location: str) -> str:
    """Give the location as BigQuery spells it: multi-regions in capitals, regions in small letters."""
    if LOCATION.fullmatch(location) is None:
        raise invalid(f"Invalid location {location[:100]!r}.", "location")
    return location.upper() if location.upper() in {"US", "EU"} else location.lower()


def _check_reference(reference: dict[str, Any], project: str) -> None:
    named = reference.get("projectId")
    if named not in {None, "", project}:
        message = f"Project ID in jobReference ({str(named)[:100]!r}) does not match the URL's ({project!r})."
        raise invalid(message, "jobReference.projectId")
    if "jobId" in reference:
        check_job_id(str(reference["jobId"]))
    if reference.get("location"):
        check_location(str(reference["location"]))


def _check_labels(labels: dict[str, Any]) -> None:
    if len(labels) > MOST_LABELS:
        raise invalid(f"A job may have {MOST_LABELS} labels.", "configuration.labels")
    for key, value in labels.items():
        good = LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value) and value == value.lower()
        if not good or key != key.lower():
            message = (
                f"Label {key[:80]!r}: {value[:80]!r} is invalid: small letters, digits, dashes, underscores, "
                "at most 63 characters; keys start with a letter."
            )
            raise invalid(message, "configuration.labels")


def _checked(value: Any, kind: Any, path: str, levels: int) -> Any:
    """Give a value that fits to a type of ``fields.json``; it may be nested that deep."""
    if value is None or kind == "any":
        return value
    if levels == 0:
        raise invalid("The request is nested too deeply.")
    if isinstance(kind, list):
        # One value where several may be is a list of one.
        value = value if isinstance(value, list) else [value]
        return [_checked(item, kind[0], f"{path}[{n}]", levels - 1) for n, item in enumerate(value)]
    if isinstance(kind, str) and kind not in messages():
        if isinstance(value, list):
            # Several values where one may be: the first of them counts, and nothing says so. Seen with a list
            # of queries: https://github.com/apache/airflow/pull/21575.
            return _checked(value[0] if value else None, kind, path, levels - 1)
        return _checked_scalar(value, kind, path)
    if not isinstance(value, dict):
        raise _mistyped(path, "an object")
    if isinstance(kind, dict):
        return {name: _checked(item, kind["*"], f"{path}.{name}", levels - 1) for name, item in value.items()}
    checked = {}
    for given, item in value.items():
        name = _field_name(given, messages()[kind], path)
        checked[name] = _checked(item, messages()[kind][name], f"{path}.{name}".lstrip("."), levels - 1)
    return checked


def _field_name(given: str, known: dict[str, Any], path: str) -> str:
    """Give the field that a name means: the API takes camel case, and the snake case of protocol buffers."""
    if given in known:
        return given
    camel = re.sub("_([a-z0-9])", lambda found: found[1].upper(), given)
    if camel not in known or given != given.lower():
        raise _unknown(given, path)
    return camel


def _checked_scalar(value: Any, kind: str, path: str) -> Any:
    """Give text, number or truth; numbers and truth may come as text, but not the other way round."""
    text = value if isinstance(value, str) else ""
    if kind == "boolean" and text.lower() in TRUTH:
        return TRUTH[text.lower()]
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    good = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": (isinstance(value, int) and not isinstance(value, bool)) or bool(INTEGER.fullmatch(text)),
        "number": (isinstance(value, (int, float)) and not isinstance(value, bool)) or bool(text),
    }
    if not good[kind]:
        raise _mistyped(path, f"of type {kind}")
    return value


def _mistyped(path: str, wanted: str) -> ApiError:
    return invalid(f"Invalid value at '{path}': it must be {wanted}.", path)


def _unknown(name: str, path: str) -> ApiError:
    place = f" at '{path}'" if path else ""
    message = f'Invalid JSON payload received. Unknown name "{name[:100]}"{place}: Cannot find field.'
    return invalid(message, f"{path}.{name}"[:200].lstrip("."))
