"""No rejected record is hidden, and what stands in the way is told in words that help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import JobsError, MovedError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.salesforce import rejections
from tests.integration.salesforce.lab import SalesforceLab, csv_rows, write
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_jobs.jobs import JobRef


def late(lab: SalesforceLab, monkeypatch: pytest.MonkeyPatch, **counters: int) -> None:
    """Let the org tell these counters of an ingest job, whatever has become of its records."""
    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient  # noqa: PLC0415 - imports requests

    get = SalesforceClient.get_job

    def told(client: Any, job: JobRef, *arguments: Any, **how: Any) -> Any:
        found = get(client, job, *arguments, **how)
        if found["jobType"] == "V2Ingest" and found["state"] == "JobComplete":
            lab.sandbox.force_salesforce_job(found["id"], **counters)
            found = get(client, job, *arguments, **how)
        return found

    monkeypatch.setattr(SalesforceClient, "get_job", told)


@pytest.mark.parametrize("counters", [{"failed": 0}, {"failed": 1}, {"failed": 0, "processed": 0}])
@pytest.mark.parametrize("files", [False, True])
def test_counters_that_come_late_hide_no_rejected_record(
    lab: SalesforceLab,
    ingest: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counters: dict[str, int],
    *,
    files: bool,
) -> None:
    names = {"failed": "numberRecordsFailed", "processed": "numberRecordsProcessed"}
    late(lab, monkeypatch, **{names[name]: number for name, number in counters.items()})
    results = tmp_path / "results"
    with pytest.raises(AirflowFailException, match="3 of 13 records were rejected") as caught:
        ingest(write(lab, tmp_path, 10, bad=3), Attempts(), **({"results_path": results} if files else {}))
    assert str(caught.value).count("REQUIRED_FIELD_MISSING") == 3
    if files:
        assert len(csv_rows((results / "failed.csv").read_bytes())) == 3
        assert len(csv_rows((results / "successful.csv").read_bytes())) == 10
    borne = ingest(write(lab, tmp_path, 0, bad=3, name="b.csv"), max_failed_records=3)
    assert borne["failed_record_count"] == borne["record_count"] == 3


def test_a_long_value_hides_no_other_rejected_record(
    lab: SalesforceLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The csv module's own limit is 131,072 characters, and more than what is read at once."""
    monkeypatch.setattr(rejections, "NICE_SECONDS", 120.0)  # how busy this machine is must not count
    path = tmp_path / "a.csv"
    rows = [
        f"{lab.mark}-{name},{'y' * size}," for name, size in (("first", 0), ("long", 1_500_000), ("last", 0))
    ]
    path.write_text("External_Id__c,Description,Name\n" + "\n".join(rows) + "\n")
    results = tmp_path / "results"
    with pytest.raises(AirflowFailException, match="3 of 3 records were rejected") as caught:
        perform(lab.ingest(path, results_path=results))
    text = str(caught.value)
    for name in ("first", "long", "last"):
        assert f"External_Id__c {lab.mark}-{name})" in text
    assert len(text) < 6000
    assert len((results / "failed.csv").read_text()) > 1_500_000


PAGE = """<!DOCTYPE html><html><head><title>Blocked</title><style>b {color: red}</style>
<script>location = "https://evil.example/?s=1"</script></head><body><h1>Access&nbsp;denied</h1>
<p>The proxy of ACME lets nobody through: ask <b>Zoë</b>. Token: %s</p></body></html>"""


@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize("operation", ["query.create", "query.results", "ingest.data", "login.token"])
def test_a_page_of_html_shows_its_words(
    lab: SalesforceLab, tmp_path: Path, operation: str, status: int
) -> None:
    """They are somebody's reason; what they hold of secrets is masked, and their markup left out."""
    secret = lab.account.consumer_secret
    lab.connect(consumer_key=lab.account.consumer_key, consumer_secret=secret)
    lab.fault(operation, "answer", status=status, body=PAGE % secret, times=0)
    task = task_of(lab, tmp_path, operation)
    with pytest.raises(
        (AirflowFailException, JobsError), match="Access denied The proxy of ACME lets"
    ) as caught:
        perform(task)
    text = str(caught.value)
    assert str(status) in text
    assert "ask Zoë . Token: ***" in text
    assert not [word for word in (secret, "evil", "color", "<") if word in text]


def task_of(lab: SalesforceLab, tmp_path: Path, operation: str) -> Any:
    """Return a task that sends a request of this operation."""
    if operation.startswith("ingest"):
        return lab.ingest(write(lab, tmp_path, 1))
    return lab.query(results_path=tmp_path / "q.csv")


NEW_HOST = "acme2.my.salesforce.com"


@pytest.mark.parametrize(
    "operation",
    ["query.create", "query.results", "ingest.create", "ingest.data", "ingest.close"],
)
def test_a_redirect_names_the_new_host_wherever_it_comes(
    lab: SalesforceLab, tmp_path: Path, operation: str
) -> None:
    lab.fault(
        operation, "redirect", status=307, location=f"https://{NEW_HOST}/services/data?s=3CR3T", times=0
    )
    with pytest.raises((MovedError, JobsError), match=NEW_HOST) as caught:
        perform(task_of(lab, tmp_path, operation))
    assert "3CR3T" not in str(caught.value)


@pytest.mark.parametrize("kind", ["query", "ingest"])
def test_404_at_create_names_the_version(lab: SalesforceLab, tmp_path: Path, kind: str) -> None:
    version = {"query": "46.0", "ingest": "40.0"}[kind]
    task = (
        lab.query(api_version=version)
        if kind == "query"
        else lab.ingest(write(lab, tmp_path), api_version=version)
    )
    with pytest.raises(AirflowFailException, match=rf"404.*API version {version}.*api_version"):
        perform(task)
    assert lab.jobs() == []
    with pytest.raises(JobsError, match="it may have been deleted"):
        SalesforceHook().get_job("750000000000001", kind)
    with pytest.raises(JobsError, match=r"410.*does not have API version 30\.0"):
        SalesforceHook().get_conn().limits("30.0")


LINES: dict[str, tuple[bytes, str]] = {
    "CR": (b"Name,Phone\rA,1\rB,2\r", r"its header ends with CR"),
    "CR, no last one": (b"Name\rA", r"its header ends with CR"),
    "CR, then LF": (b"Name\rA\nB\n", r"its header ends with CR"),
    "LF, then CRLF": (b"Name\nA\nB\r\nC\n", "record 2 ends with CRLF, and the header with LF"),
    "CRLF, then LF": (b"Name\r\nA\r\nB\nC\r\n", "record 2 ends with LF, and the header with CRLF"),
    "LF, then CR": (b"Name\nA\rB\n", "record 1 ends with CR, and the header with LF"),
    "CRLF, CR last": (b"Name\r\nA\r", "record 1 ends with CR, and the header with CRLF"),
    "after a long value": (b'Name\n"' + b"x\r\n" * 300_000 + b'"\n"a"\r\n', "record 2 ends with CRLF"),
}


@pytest.mark.parametrize("name", LINES)
def test_line_ends_that_salesforce_does_not_take_are_told(
    lab: SalesforceLab, tmp_path: Path, name: str
) -> None:
    content, says = LINES[name]
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(AirflowFailException, match=says) as caught:
        perform(lab.ingest(tmp_path / "a.csv"))
    assert "LF or CRLF" in str(caught.value)
    assert lab.jobs() == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_inside_of_values_are_left_as_they_are(
    lab: SalesforceLab, tmp_path: Path, end: str
) -> None:
    values = [f"{lab.mark} a\rb", f"{lab.mark} c\nd", f"{lab.mark} e\r\nf\r"]
    rows = [f'"{value}",{lab.mark}-{number}' for number, value in enumerate(values)]
    (tmp_path / "a.csv").write_bytes(end.join(["Name,External_Id__c", *rows, ""]).encode())
    assert perform(lab.ingest(tmp_path / "a.csv"))["record_count"] == 3
    soql = "SELECT Name FROM Account WHERE External_Id__c LIKE 'MARK%' ORDER BY External_Id__c"
    soql = soql.replace("MARK", lab.mark)
    found = csv_rows(b"".join(lab.client.open_results(lab.finished(soql))))
    assert [row["Name"] for row in found] == values
