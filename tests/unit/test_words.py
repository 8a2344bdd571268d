"""What may be shown: no secret in any spelling, one line, cut."""

from __future__ import annotations

import html
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery import names as bigquery
from airflow_provider_jobs.clients.redivis import names as redivis
from airflow_provider_jobs.clients.salesforce import names as salesforce
from airflow_provider_jobs.core.drafts import Drafts
from airflow_provider_jobs.core.http.messages import WarnOnce
from airflow_provider_jobs.core.http.origins import untrusted
from airflow_provider_jobs.core.http.path import checked_path, path_of
from airflow_provider_jobs.core.http.transport import _moved
from airflow_provider_jobs.errors import ConfigurationError, JobFailed, JobsError, ServiceError
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.words import keep_secret, looks_like_path, secret_values, shown, shown_lines

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = 'p/ä"<&>\\ s3cr3t+%'
LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "MzEfYyjiWA4R4/M2bS1+fWIc"]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""])
FORMS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "URL": quote,
    "path": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "small digits": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of JavaScript": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "XML": html.escape,
    "Python": lambda text: repr(text)[1:-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_however_it_is_written(form: str) -> None:
    keep_secret(SECRET)
    if form == "small digits":
        assert "%c3%a4" in FORMS[form](SECRET)
    assert shown(f"no: {FORMS[form](SECRET)}!") == "no: ***!"


@pytest.mark.parametrize("line", [*LINES, PEM, PEM.replace("\n", "\\n"), json.dumps(PEM), "\n".join(LINES)])
def test_no_line_of_a_key_is_shown(line: str) -> None:
    keep_secret(PEM)
    assert not [each for each in LINES if each[:8] in shown(f"bad key {line} here")]
    keep_secret(PEM.replace("\n", "\\n"))  # as a form of one line has it


def test_what_looks_like_a_secret_is_masked_whoever_it_belongs_to() -> None:
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJyb2JvdCJ9.c2lnbmF0dXJlIG9mIGl0"
    for text, left in (
        (f"refused {jwt}", "refused ***"),
        ("Authorization: Bearer abcDEF1234567890abc", "Authorization: Bearer ***"),
        ("got ya29.a0AfH6SMBx-y_z", "got ***"),
        ("session 00D50000000IehZ!AQcAQH0dMHZfz9", "session ***"),
        (
            "PUT https://x.example/u?name=a&upload_id=AbC123&b=1",
            "PUT https://x.example/u?name=a&upload_id=***&b=1",
        ),
        ("at https://me:pass@proxy.example:3128", "at https://me:***@proxy.example:3128"),
        ("at https://me:p@ss:w@proxy.example:3128/x@y", "at https://me:***@proxy.example:3128/x@y"),
        ("at https://t0ken@proxy.example:3128", "at https://***@proxy.example:3128"),
        ("at https://t0ken:@proxy.example:3128", "at https://***:@proxy.example:3128"),
        ('{"private_key": "abc\\"def", "x": 1}', '{"private_key": "***", "x": 1}'),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII", "a ***"),
    ):
        assert shown(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Bearer authentication is required",
        "bad secret, wrong password or token",
        "Unrecognized name: nope at [2:8]",
        "see https://cloud.google.com/bigquery/docs/error-messages?hl=en#x",
        "gs://bucket/folder/file-0001.csv",
        "naïve café 東京 😀",
        "a\u00a0b",
    ],
)
def test_plain_words_stay(text: str) -> None:
    keep_secret("secret", "token", "ab")
    assert shown(text) == text


@given(st.text(max_size=300))
def test_what_is_shown_is_one_line_that_every_store_takes(text: str) -> None:
    found = shown(text)
    assert len(found.splitlines()) <= 1
    found.encode("utf-8")
    assert shown(found) == found
    assert not set(found) & set("\x1b\u202e\u2066\u200f\u061c\x85\u2028\r\n\t\x00")


def test_control_characters_are_escaped() -> None:
    assert shown("a\nb\x1b[31m\u202ec\ud800") == "a\\nb\\x1b[31m\\u202ec\\ud800"


def test_a_text_is_cut_after_it_was_masked() -> None:
    keep_secret("S3CR3T-of-some-length")
    text = "x" * 90 + "S3CR3T-of-some-length"
    assert shown(text, 100) == "x" * 90 + "***"
    assert shown("y" * 101, 100) == "y" * 99 + "…"
    assert "S3CR" not in shown(text, 95)


@pytest.mark.parametrize(
    "text",
    ["eyJ" + "eyJ-" * 50_000, "-----BEGIN PRIVATE KEY-----" * 20_000, "://a:" * 50_000, "?key=" * 50_000,
     '"password": "' * 20_000, "bearer " * 50_000, "\n" * 500_000],
    ids=["JWT", "PEM", "URL", "query", "JSON", "bearer", "lines"],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.thread_time()
    shown(text)
    shown_lines(text[:50_000])
    assert time.thread_time() - began < 2.0


def test_errors_show_no_more_than_that() -> None:
    keep_secret("S3CR3T-word")
    said = "no S3CR3T-word\n2026-01-01 INFO all is well\x1b[2J"
    for error in (
        JobsError(said),
        ConfigurationError(said),
        ServiceError(said, status=400, reason=said),
    ):
        assert str(error) == "no ***\\n2026-01-01 INFO all is well\\x1b[2J"
        assert "S3CR3T" not in repr(error) + repr(vars(error))
    assert len(str(JobsError("x" * 100_000))) <= 8000


def test_a_report_has_the_lines_that_we_wrote_only() -> None:
    keep_secret("S3CR3T-word")
    said = "no S3CR3T-word\n  job: of another"
    problem = JobProblem(said, said, said)
    status = JobStatus(
        JobRef("bigquery", "p", said), JobState.FAILED, said, title=said, problem=problem,
        problems=(problem, problem), problem_count=2, statement=said,
        statistics={"table": said, "list": [said], "n": 3},
    )  # fmt: skip
    lines = str(JobFailed(status)).split("\n")
    assert len(lines) == 4
    assert [line.split(":")[0] for line in lines][1:] == ["  statement", "  error 1", "  job"]
    back = JobStatus.from_json(
        json.loads(json.dumps(status.to_json() | {"ref": JobRef("b", "p", "j").to_json()}))
    )
    assert "S3CR3T" not in str(status.statistics) + str(back) + "".join(lines)
    assert back.statistics["n"] == 3


def test_a_warning_of_a_service_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    keep_secret("S3CR3T-word")
    with caplog.at_level(logging.WARNING):
        WarnOnce()("it warns: S3CR3T-word\nno" + "x" * 10_000)
    assert caplog.messages[0].startswith("it warns: ***\\nnox")
    assert len(caplog.messages[0]) == 600


@pytest.mark.parametrize(
    ("document", "secrets"),
    [
        ({"password": "w0rd1", "login": "me", "host": "h.example"}, {"w0rd1"}),
        ({"extra__salesforce__security_token": "w0rd1"}, {"w0rd1"}),
        (
            {"keyfile_dict": {"type": "service_account", "private_key": "w0rd1", "private_key_id": "7"}},
            {"w0rd1"},
        ),
        ({"keyfile_dict": '{"private_key": "w0rd1", "client_email": "a@b"}'}, {"w0rd1"}),
        ({"keyfile_dict": "not json"}, {"not json"}),
        ({"credential_config_file": {"client_secret": "w0rd1", "token_url": "https://x"}}, {"w0rd1"}),
        ({"credential_config_file": "/keys/federation.json"}, set()),
        ({"credential_config_secret": {"client_secret": "w0rd1", "token_url": "https://x"}}, {"w0rd1"}),
        ({"credential_config_secret": "/keys/federation.json"}, set()),
        ({"key_path": "/keys/robot.json"}, set()),
        ({"key_path": '{"private_key": "w0rd1"}'}, {"w0rd1"}),
        ({"key_path": "w0rd1"}, {"w0rd1"}),
        ({"private_key_file_path": PEM}, {PEM}),
        ({"project": PEM}, {PEM}),
        ({"proxies": "http://me:w0rd%21@proxy:1"}, {"w0rd%21", "w0rd!"}),
        ({"proxies": {"https": "http://me:w0rd1@proxy:1"}}, {"w0rd1"}),
        ({"proxies": {"https": "http://me:w0rd@1@proxy:1"}}, {"w0rd@1"}),
        ({"proxies": "http://who.knows@proxy:1"}, set()),  # a name, or a host to be taken for another
        ({"api_key": 12345678, "storage_token": True, "token_uri": "https://t"}, {"12345678"}),
        ({"session_id": "w0rd1", "client_id": "me", "consumer_key": "w0rd2"}, {"w0rd1", "w0rd2"}),
        ({"consumer_api_key": "w0rd1"}, {"w0rd1"}),
        ({"my_secrets": {"one": "w0rd1", "more": ["w0rd2"]}}, {"w0rd1", "w0rd2"}),
    ],
)
def test_the_secret_fields_of_a_connection_are_known(document: Any, secrets: set[str]) -> None:
    assert set(secret_values(document)) == secrets


@pytest.mark.parametrize("path", ["/keys/robot.json", "robot.json", "C:\\keys\\robot.pem", "keys/a b/robot"])
def test_a_path_looks_like_one(path: str) -> None:
    assert looks_like_path(path)


@pytest.mark.parametrize(
    "text", [PEM, '{"a": "/b"}', "ya29.S3CR3T", "word", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA/x"]
)
def test_a_key_does_not_look_like_a_path(text: str) -> None:
    assert not looks_like_path(text)


def test_the_oldest_secrets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_jobs import words  # noqa: PLC0415 - its insides

    monkeypatch.setattr(words, "_MOST_SECRETS", 3)
    monkeypatch.setattr(words, "_secrets", words._Secrets())
    keep_secret("old-one-1", "old-one-2", "old-one-3")
    keep_secret("old-one-1")  # used again
    keep_secret("old-one-4")
    assert shown("old-one-1 old-one-2 old-one-3 old-one-4") == "*** old-one-2 *** ***"


LONG = "S3CR3T" * 40


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "show",
    [
        lambda: path_of(f"../{LONG}"),
        lambda: checked_path(LONG),
        lambda: bigquery.check_job_id(f"/{LONG}"),
        lambda: bigquery.check_project(f"/{LONG}"),
        lambda: bigquery.table_reference(f"/{LONG}", "p", "t"),
        lambda: redivis.upload_uri(LONG),
        lambda: redivis.upload_name(f"{LONG * 3}"),
        lambda: salesforce.api_version(LONG),
        lambda: salesforce.check_job_id(LONG),
        lambda: Drafts("/").draft(f"/{LONG}"),
        lambda: _raise(_moved("https://a.example/", f"https://{LONG}.example/", 302)),
        lambda: _raise(untrusted("https://a.example", f"https://{LONG}{LONG}.example/", "x", "y")),
    ],
)
def test_a_secret_that_was_pasted_for_a_name_is_masked_before_it_is_cut(show: Callable[[], Any]) -> None:
    keep_secret(LONG)
    with pytest.raises(JobsError) as caught:
        show()
    assert "S3CR3T" not in str(caught.value)
    assert "***" in str(caught.value)
