"""docs/messages.md has the errors that a user can meet: classes, reasons of services, and only real texts."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_jobs import errors
from airflow_provider_jobs.clients.bigquery.replies import RETRYABLE_JOB_REASONS
from airflow_provider_jobs.clients.salesforce import replies as salesforce

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
#: What Google's page of error messages lists.
#: Source: https://cloud.google.com/bigquery/docs/error-messages
LISTED = {
    *(
        "accessDenied",
        "attributeError",
        "backendError",
        "badGateway",
        "billingNotEnabled",
        "billingTierLimitExceeded",
    ),
    *("blocked", "duplicate", "internalError", "invalid", "invalidQuery", "invalidUser", "jobBackendError"),
    *(
        "jobInternalError",
        "jobRateLimitExceeded",
        "notFound",
        "notImplemented",
        "proxyAuthenticationRequired",
    ),
    *(
        "quotaExceeded",
        "rateLimitExceeded",
        "resourceInUse",
        "resourcesExceeded",
        "responseTooLarge",
        "stopped",
    ),
    *("tableUnavailable", "timeout"),
}
#: Where the messages of this package stand; the other tables have those of services.
OURS = ("Parameters, files and targets", "Google logins", "Salesforce logins", "Redivis logins", "Network")
#: Said by a service, by Airflow or by the network, or put together of parts.
THEIRS = (
    "The conn_id",
    "audience is invalid",
    "hasn't approved",
    "unsupported_grant_type",
    "invalid_grant",
    "INVALID_SESSION_ID",
    "as the ",
    "answered 301",
    "no reply from",
    "only a part of",
)


def rows(section: str) -> list[tuple[str, ...]]:
    body = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [re.split(r" *\| *", line.strip("| ")) for line in body.splitlines() if line.startswith("| ")]
    return [tuple(each) for each in cells[1:]]


def named(section: str) -> set[str]:
    return {name for first, *_ in rows(section) for name in re.findall(r"`([^`]+)`", first)}


def test_every_class_of_errors_has_cause_and_cure() -> None:
    kinds = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.JobsError)
    }
    assert named("By the exception") == kinds


def test_every_reason_of_bigquery_is_there() -> None:
    assert named("BigQuery's reasons") >= LISTED | RETRYABLE_JOB_REASONS


def test_every_code_of_salesforce_is_there() -> None:
    words = salesforce.LATER.pattern + "|UNABLE_TO_LOCK_ROW|SERVER_UNAVAILABLE|QUERY_TIMEOUT"
    codes = set(re.findall(r"[A-Z][A-Za-z_]{6,}", words))
    assert named("Salesforce's codes") >= codes | salesforce._HINTS.keys()


def test_what_other_pages_name_is_there() -> None:
    """The table of what retries names reasons and codes."""
    table = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").partition("## What retries")[2]
    table = table.partition("The others:")[0]
    found = set(re.findall(r"`([a-z]+[A-Z]\w+|[A-Z]+_[A-Z_]+)`", table)) - {"jobTimeoutMs"}
    assert found
    assert found <= named("BigQuery's reasons") | named("Salesforce's codes")


def texts() -> str:
    """Return every text of the package, with … for what is put in."""
    found = []
    for path in sorted((ROOT / "airflow_provider_jobs").rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(
                        str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


TEXTS = texts()


@pytest.mark.parametrize("section", OURS)
def test_a_message_is_one_that_the_package_writes(section: str) -> None:
    """Each part of it that is not put in: no row is left of a message that has changed."""
    assert rows(section)
    for first, *_ in rows(section):
        for message in re.findall(r"`([^`]+)`", first):
            if any(each in message for each in THEIRS):
                continue
            for part in message.split("…"):
                assert part.strip(" :,") in TEXTS, (message, part)
