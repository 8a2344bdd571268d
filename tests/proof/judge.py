"""How each case has to end, by the rules of docs/errors.md, and what is wrong if it ended otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_jobs.sensors.base import JobSensor
from tests.proof.play import FAILED, RETRY, SUCCESS, TIMED_OUT, fits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.proof.faults import Fault
    from tests.proof.play import Case, Outcome
    from tests.proof.rows import Row
    from tests.proof.stage import Stage

#: Where a service is only looked at: whatever it refuses, it has said nothing about the job.
LOOKS = frozenset(
    {"bigquery.jobs.get", "salesforce.query.get", "salesforce.ingest.get", "redivis.uploads.get"}
)
#: A 404 there says that the job is gone.
GONE = frozenset({"salesforce.query.get", "salesforce.ingest.get"})
LOGINS = frozenset({"oauth.token", "salesforce.login.token"})
#: Each has a session behind it: where that is gone, another one begins.
SESSIONS = frozenset({"bigquery.upload.data", "redivis.upload.data"})
#: Reads what a job that has succeeded has left: the retry reads again, and does nothing twice.
RESULTS = frozenset(
    {
        *("salesforce.query.resultPages", "salesforce.query.results", "salesforce.ingest.results"),
        "bigquery.jobs.getQueryResults",
    }
)
#: Asked so that what is missing is named early: whoever may not ask learns it later.
AHEAD = frozenset({"bigquery.datasets.get"})
#: A table that is wanted no more, and goes by itself some days later.
LEFTOVERS = frozenset({"bigquery.tables.delete"})
#: One whose reply is lost is sent once more, by each attempt.
CREATES = frozenset({"salesforce.query.create", "salesforce.ingest.create"})
#: Nothing of foreign make is for users to read.
FOREIGN = re.compile(
    r"Traceback|urllib3|requests\.|http\.client|google\.auth|Max retries|HTTPConnectionPool"
    r"|\b(KeyError|TypeError|ValueError|AttributeError|JSONDecodeError|IncompleteRead|RemoteDisconnected"
    r"|ReadTimeout|ChunkedEncodingError|ProtocolError|RefreshError|BadStatusLine)\b"
)
#: What an error has to name: who was asked, by name or address.
THINGS = re.compile(r"BigQuery|Salesforce|Redivis|Google|127\.0\.0\.1|localhost|proof[-_]")


def ends(row: Row, operation: str, fault: Fault) -> str:
    """Return how the attempt ends that meets a fault once."""
    status = fault.status
    if fault.mends or status is None:
        return SUCCESS
    if issubclass(row.kind, JobSensor) or operation in LEFTOVERS:
        return SUCCESS  # a sensor looks again, until its timeout
    rules = {501: _unknown, 401: _unauthorized, 404: _missing, 409: _taken, 410: _gone}
    return rules.get(status, _refused)(row, operation)


def _refused(row: Row, operation: str) -> str:
    """403, and what has no rule of its own."""
    if operation in RESULTS and operation not in row.finds:
        return RETRY
    if _looks(row, operation) or operation == "bigquery.jobs.list" or operation in AHEAD:
        return SUCCESS
    return FAILED


def _gone(row: Row, operation: str) -> str:
    """410."""
    return SUCCESS if operation in SESSIONS else _refused(row, operation)


def _looks(row: Row, operation: str) -> bool:
    return operation in LOOKS and operation not in row.finds


def _unauthorized(row: Row, operation: str) -> str:
    """A token that can be renewed is renewed; Redivis has but one."""
    if operation == "salesforce.login.token":
        return RETRY  # as the code says that the sandbox answers: a session has ended
    if operation in LOGINS:
        return FAILED
    if operation.startswith("redivis."):
        return SUCCESS if _looks(row, operation) else FAILED
    return SUCCESS


def _unknown(row: Row, operation: str) -> str:
    """501: BigQuery's is final, the others' and that of a session are not."""
    final = operation == "oauth.token" or (
        operation.startswith("bigquery.") and operation not in {"bigquery.upload.data", "bigquery.jobs.list"}
    )
    return _refused(row, operation) if final else SUCCESS


def _missing(row: Row, operation: str) -> str:
    if operation in GONE:
        return RETRY
    if operation in row.lacks:
        return SUCCESS
    if operation in row.needs:
        return FAILED
    if operation in LOOKS or operation in SESSIONS or operation == "salesforce.query.resultPages":
        return SUCCESS
    return FAILED if operation in AHEAD else _refused(row, operation)


def _taken(row: Row, operation: str) -> str:
    """Of an id that BigQuery has seen, a job shows up within a minute, or the retry looks for it."""
    creates = operation in {"bigquery.jobs.insert", "bigquery.upload.multipart", "bigquery.upload.start"}
    if creates or operation in {"bigquery.upload.data", "redivis.versions.release"}:
        return RETRY
    if operation == "bigquery.tables.insert":
        return SUCCESS  # the load makes a table that is not there after all
    return _refused(row, operation)


def problems(stage: Stage, case: Case, outcome: Outcome) -> list[str]:
    """Return what is wrong with how a case ended."""
    found = []
    wanted = ends(case.row, case.operation, case.fault)
    allowed = {wanted} if case.times else {wanted, RETRY, TIMED_OUT, FAILED}
    if outcome.end not in allowed:
        found.append(f"it ends in {outcome.end}, not {' or '.join(sorted(allowed))}: {outcome.text}")
    if outcome.then not in {"", SUCCESS}:
        found.append(f"its retry ends in {outcome.then}")
    over = SUCCESS in {outcome.end, outcome.then}
    once = _once(case)
    if not fits(outcome.effect, once) and (over or not _less(outcome.effect, once)):
        found.append(f"it leaves {outcome.effect}, not {once}")
    if outcome.stray is not None:
        found.append(f"an error of foreign make comes out: {outcome.stray!r}")
    if outcome.text and outcome.end != TIMED_OUT:  # that one is Airflow's
        found += _text_problems(outcome.text)
    told = "\n".join([outcome.text, *outcome.lines])
    found += ["a secret is told" for secret in stage.secrets if secret in told]
    return found


def _text_problems(text: str) -> list[str]:
    found = []
    if match := FOREIGN.search(text):
        found.append(f"its text speaks of {match[0]}: {text}")
    if not THINGS.search(text):
        found.append(f"its text does not say who was asked: {text}")
    return found


def _once(case: Case) -> dict[str, int | range]:
    """Return what there has to be after success."""
    once = dict(case.row.once)
    if case.operation in LEFTOVERS:
        once["staged"] = range(2)
    if case.operation in CREATES and not case.times:
        once["jobs"] = range(1, 4)  # the first attempt's create is sent twice
    return once


def _less(effect: object, once: Mapping[str, int | range]) -> bool:
    """Return True of a task that failed before it did anything, or whose job was stopped."""
    assert isinstance(effect, dict)
    jobs = once["jobs"]
    most = max(jobs) if isinstance(jobs, range) else jobs
    return effect["jobs"] <= most and effect.get("rows", 0) in {0, once.get("rows", 0)}
