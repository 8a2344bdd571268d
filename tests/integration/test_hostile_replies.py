"""Services that send back what they were sent, write what looks like our log, or have no end."""

from __future__ import annotations

import html
import json
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.core.http.messages import pages as pages_of
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.sources.source import FileSource, Media
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    ProtocolError,
)
from airflow_provider_jobs.hooks.base import text_of
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobRef
from tests.unit.core.conftest import Answer, Loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Serve = Callable[..., Loopback]

WORD = 'S3CR3T/+%"&<ä {}'
NAMES = ("password", "client_secret", "refresh_token", "security_token", "consumer_key", "consumer_secret")
TOKEN = "AAA.tokenS3CR3T-1"
LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----"])
FORGED = "\n[2026-01-01] INFO - all is well\r\n\x1b[2J\u202eyadot\u2066"
JOB_ID = "750000000000001AAA"


def secret(name: str) -> str:
    return WORD.replace("{}", name)


def bigquery(url: str, **more: Any) -> Any:
    extra = {
        "project": "p",
        "api_endpoint": url,
        "access_token": TOKEN,
        "keyfile_dict": {"private_key": PEM, "client_secret": secret("client_secret")},
        "credential_config_file": json.dumps({"refresh_token": secret("refresh_token")}),
        **{name: secret(name) for name in NAMES[2:]},
        **more,
    }
    connection = Connection(
        conn_id="b", conn_type="bigquery_jobs", password=secret("password"), extra=json.dumps(extra)
    )
    return BigQueryHook("b").client_of(connection)


def salesforce(url: str, **more: Any) -> Any:
    extra = {
        "instance_url": url,
        "access_token": TOKEN,
        "private_key": PEM,
        **{name: secret(name) for name in NAMES[1:]},
        **more,
    }
    connection = Connection(
        conn_id="s",
        conn_type="salesforce_bulk",
        login="me",
        password=secret("password"),
        extra=json.dumps(extra),
    )
    return SalesforceHook("s").client_of(connection)


def redivis(url: str, **more: Any) -> Any:
    connection = Connection(
        conn_id="r", conn_type="redivis", host=f"{url}/api/v1", password=TOKEN,
        extra=json.dumps({"private_key": PEM} | {name: secret(name) for name in NAMES} | more),
    )  # fmt: skip
    return RedivisHook("r").client_of(connection)


CLIENTS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "bigquery": (bigquery, lambda client: client.get_job("j")),
    "salesforce": (salesforce, lambda client: client.get_job(JOB_ID)),
    "redivis": (redivis, lambda client: client.get_dataset("o.d")),
}
EVERY_SERVICE = pytest.mark.parametrize("service", CLIENTS)


def echoed() -> str:
    """Return all secrets in all spellings, and lines that nobody wrote."""
    spelled = [
        form(secret(name))
        for name in NAMES
        for form in (str, quote, quote_plus, lambda text: json.dumps(text)[1:-1], html.escape, repr)
    ]
    tokens = [TOKEN, f"Bearer {TOKEN}"]
    return " ".join([FORGED, *spelled, *tokens, PEM, *LINES, FORGED])


def refusal(service: str, status: int = 400) -> dict[str, Any]:
    said = echoed()
    documents: dict[str, Any] = {
        "bigquery": {"error": {"message": said, "errors": [{"reason": said}], "status": said}},
        "salesforce": [{"errorCode": said, "message": said}],
        "redivis": {"error": said, "error_description": said},
    }
    return {"status": status, "body": json.dumps(documents[service]).encode()}


def check_harmless(*texts: str) -> None:
    for text in texts:
        for part in ("S3CR3T", *(line[:12] for line in LINES), "\x1b", "\u202e", "\u2066", "\r"):
            assert part not in text
        assert "\n[2026" not in text


def shown(error: BaseException) -> str:
    return repr(error) + str(error) + "".join(traceback.format_exception(error)) + repr(vars(error))


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Loopback] = []

    def start(*answers: dict[str, Any]) -> Loopback:
        servers.append(Loopback(tuple(Answer(**each) for each in answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@EVERY_SERVICE
@pytest.mark.parametrize("status", [400, 401, 404, 409])
def test_a_refusal_shows_no_secret_and_is_one_line(
    service: str, status: int, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    make, ask = CLIENTS[service]
    client = make(serve(refusal(service, status)).url)
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        ask(client)
    check_harmless(shown(caught.value), caplog.text)
    assert "\n" not in str(caught.value)
    assert "***" in str(caught.value)


@EVERY_SERVICE
def test_a_failed_job_shows_no_secret_and_no_forged_line(service: str, serve: Serve) -> None:
    said = echoed()
    jobs: dict[str, dict[str, Any]] = {
        "bigquery": {
            "jobReference": {"projectId": "p", "jobId": "j"},
            "status": {"state": "DONE", "errorResult": {"reason": said, "message": said, "location": said}},
            "statistics": {"query": {"statementType": said}, "load": {"outputRows": said}},
            "configuration": {
                "query": {"destinationTable": dict.fromkeys(("projectId", "datasetId", "tableId"), said)}
            },
        },
        "salesforce": {
            "id": JOB_ID,
            "state": "Failed",
            "errorMessage": said,
            "object": said,
            "operation": said,
        },
        "redivis": {"name": said, "status": "failed", "errorMessage": said, "hash": said},
    }
    make, _ = CLIENTS[service]
    client = make(serve({"body": json.dumps(jobs[service]).encode()}).url)
    ref = {
        "bigquery": JobRef("bigquery", "p", "j"),
        "salesforce": client.ref(JOB_ID) if service == "salesforce" else None,
        "redivis": JobRef("redivis", "o.d:next.t", "/tables/o.d:next.t/uploads/u"),
    }[service]
    status = client.status(ref)
    check_harmless(str(JobFailed(status)), repr(status), str(status.to_json()), str(status.statistics))


def test_a_job_that_is_placed_at_a_secret_is_refused(serve: Serve) -> None:
    """Places go into XComs, rows and links as they are."""
    place = {"projectId": "p", "jobId": "j", "location": "EU"}
    for name in place:
        for said in (TOKEN, echoed(), f"x/{TOKEN}"):
            job = {"jobReference": {**place, name: said}, "status": {"state": "RUNNING"}}
            client = bigquery(serve({"body": json.dumps(job).encode()}).url)
            with pytest.raises(ProtocolError) as caught:
                client.status(JobRef("bigquery", "p", "j"))
            check_harmless(shown(caught.value))


def test_a_release_is_named_by_what_may_be_shown(serve: Serve) -> None:
    dataset = {"version": {"tag": echoed(), "isReleased": True}}
    client = redivis(serve({"body": json.dumps(dataset).encode()}).url)
    status = client.status(JobRef("redivis", "o.d", "release-after-v1.0"))
    check_harmless(str(status.to_json()))


@EVERY_SERVICE
@pytest.mark.parametrize("said", ["echoed", "list", "text", "number"])
def test_what_the_test_of_a_connection_says_shows_no_secret(
    service: str, said: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: dict[str, Any] = {
        "echoed": {"DailyApiRequests": {"Remaining": echoed()}, "jobs": echoed(), "nextPageToken": echoed()},
        "list": {"DailyApiRequests": [1], "jobs": [1]},
        "text": {"DailyApiRequests": "Remaining", "jobs": "x"},
        "number": {"DailyApiRequests": 5, "jobs": 5},
    }
    make, _ = CLIENTS[service]
    client = make(serve({"body": json.dumps(left[said]).encode()}).url)
    kind = {"bigquery": BigQueryHook, "salesforce": SalesforceHook, "redivis": RedivisHook}[service]
    monkeypatch.setattr(kind, "looked_up", lambda _: None)
    monkeypatch.setattr(kind, "client_of", lambda *_: client)
    _, message = kind("c").test_connection()
    check_harmless(message)
    assert "\n" not in message


@pytest.mark.parametrize("value", ["[" * 900 + "]" * 900, json.dumps(["1"] * 100_000), '{"a": NaN}', "NaN"])
def test_statistics_stay_small(value: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Transport.__init__

    def hurried(transport: Transport, *arguments: Any, **options: Any) -> None:
        begin(transport, *arguments, **{**options, "retry": RetryPolicy(attempts=1)})

    monkeypatch.setattr(Transport, "__init__", hurried)
    body = '{"jobReference": {"projectId": "p", "jobId": "j"}, "status": {"state": "DONE"}, "statistics": '
    body += '{"extract": {"destinationUriFileCounts": %s}}}'
    client = bigquery(serve({"body": (body % value).encode()}).url)
    try:
        status = client.status(JobRef("bigquery", "p", "j"))
    except ProtocolError:
        return
    assert len(json.dumps(status.to_json(), allow_nan=False)) < 20_000


@EVERY_SERVICE
def test_no_cookie_is_sent_back(service: str, serve: Serve) -> None:
    server = serve({"status": 404, "headers": {"Set-Cookie": "a=b; Path=/"}})
    make, ask = CLIENTS[service]
    client = make(server.url)
    for _ in range(2):
        with pytest.raises(JobsError):
            ask(client)
    assert [seen.headers["Cookie"] for seen in server.seen] == [None, None]


@EVERY_SERVICE
def test_a_connection_may_set_the_limits(service: str, serve: Serve) -> None:
    make, ask = CLIENTS[service]
    server = serve({"body": b" " * 600_000 + b"{}"})
    with pytest.raises(ProtocolError, match=r"more than 524288 bytes.*raise max_reply_mb"):
        ask(make(server.url, max_reply_mb=0.5))
    make(server.url, max_reply_mb="", max_page_mb=None)  # an empty field leaves it as usual


@EVERY_SERVICE
@pytest.mark.parametrize("value", [0, -1, "x", True, "nan", 1e12])
def test_a_limit_that_is_none_is_refused(service: str, value: Any) -> None:
    hook = {"bigquery": BigQueryHook, "salesforce": SalesforceHook, "redivis": RedivisHook}[service]("c")
    extra = {"access_token": "t", "project": "p", "instance_url": "http://127.0.0.1:9", "max_reply_mb": value}
    connection = Connection(conn_id="c", conn_type="x", password="p", extra=json.dumps(extra))
    with pytest.raises(ConfigurationError, match="max_reply_mb is not a number above 0"):
        hook.client_of(connection)


@EVERY_SERVICE
def test_a_list_that_always_goes_on_ends(service: str, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1000))

    pages: dict[str, Callable[[int], dict[str, Any]]] = {
        "bigquery": lambda number: {"nextPageToken": f"t{number}"},
        "salesforce": lambda number: {
            "done": False,
            "nextRecordsUrl": f"/x?queryLocator=t{number}",
            "records": [],
        },
        "redivis": lambda number: {"nextPageToken": f"t{number}", "results": []},
    }
    answers = [{"body": json.dumps(pages[service](next(numbers))).encode()} for _ in range(8)]
    make, _ = CLIENTS[service]
    client = make(serve(*answers, {"status": 400}).url)
    client_pages: Any = getattr(client, "list_job_pages", None)
    listed = {
        "bigquery": client_pages,
        "salesforce": client_pages,
        "redivis": lambda: client.list_upload_pages("o.d:next.t"),
    }[service]
    monkeypatch.setattr(pages_of, "__kwdefaults__", {"most_pages": 5})
    with pytest.raises(ProtocolError, match="goes on after 5 pages"):
        list(listed())


@pytest.mark.parametrize("resumable", [True, False])
def test_the_address_of_a_redivis_upload_is_not_shown(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, resumable: bool
) -> None:
    server = serve()
    address = f"{server.url}/bucket/S3CR3Tpath?X-Goog-Signature=S3CR3Tsign"
    given = {"results": [{"id": "i", "url": address, "resumable": resumable}]}
    server.answers = [
        Answer(status=404),
        Answer(body=json.dumps(given).encode()),
        *([Answer(status=201, headers={"Location": address + "&upload_id=S3CR3T"})] if resumable else []),
        Answer(status=400, body=json.dumps({"error": f"bad {address}", "message": f"at {address}"}).encode()),
    ]
    (tmp_path / "a.csv").write_bytes(b"a\n1\n")
    client = redivis(server.url)
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        client.put_upload("o.d:next.t", tmp_path / "a.csv", session_bytes=1)
    assert len(server.seen) > 2
    check_harmless(shown(caught.value), caplog.text)


def test_the_address_of_a_bigquery_upload_is_not_shown(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    address = f"{server.url}/upload/S3CR3Tpath?upload_id=S3CR3Tsession"
    error = {"error": {"message": f"bad upload_id=1&upload_id=S3CR3Tsession at {address}"}}
    server.answers = [
        Answer(headers={"Location": address}),
        Answer(status=400, body=json.dumps(error).encode()),
    ]
    (tmp_path / "a.csv").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    client = bigquery(server.url)
    job = {"jobReference": {"jobId": "j"}, "configuration": {"load": {}}}
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        client.upload_job(job, Media(FileSource(tmp_path / "a.csv")))
    assert [seen.method for seen in server.seen] == ["POST", "PUT"]
    check_harmless(shown(caught.value), caplog.text)


PASTED = {
    "key": json.dumps({"type": "service_account", "private_key": PEM, "client_email": "a@b.example"}),
    "PEM": PEM,
    "PEM of one line": PEM.replace("\n", "\\n"),
    "line": LINES[0] + "/" + LINES[1],
    "word": "S3CR3T",
}


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize("field", ["key_path", "credential_config_file", "private_key_file_path"])
def test_a_key_that_is_pasted_into_a_path_field_is_not_shown(
    field: str, pasted: str, caplog: pytest.LogCaptureFixture
) -> None:
    extra = {"project": "p", "consumer_key": "app-1", "domain": "acme.my", field: PASTED[pasted]}
    connection = Connection(conn_id="c", conn_type="x", login="me", extra=json.dumps(extra))
    hook = SalesforceHook("c") if field.startswith("private") else BigQueryHook("c")
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        hook.client_of(connection)
    check_harmless(shown(caught.value), caplog.text)


@pytest.mark.parametrize("pasted", ["key", "PEM"])
def test_a_key_that_is_pasted_into_a_path_of_a_task_is_not_shown(pasted: str) -> None:
    place = Path("/dev/null", PASTED[pasted].replace("/", "-"))
    for use in (lambda: LocalSink(place).check(["a"]), lambda: FileSource(place)):
        with pytest.raises(ConfigurationError) as caught:
            use()
        check_harmless(str(caught.value))


def test_what_a_key_file_holds_is_not_shown(serve: Serve, tmp_path: Path) -> None:
    """The file is no field of the connection; what is in it is as secret."""
    (tmp_path / "key.pem").write_text(PEM)
    assert text_of(str(tmp_path / "key.pem"), "the key") == PEM
    check_harmless(str(JobsError(f"refused: {LINES[0]}")))
