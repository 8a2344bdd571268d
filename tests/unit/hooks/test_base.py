"""What the hooks of all services share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs import __version__
from airflow_provider_jobs.errors import ConfigurationError, TransportError
from airflow_provider_jobs.hooks.base import JobsHook, StaticToken, extra_of, fingerprint, transport_of

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.core.http.retry import RetryPolicy


class Hook(JobsHook[str]):
    """A client is a word, and says so."""

    conn_name_attr = "some_conn_id"
    answer: Exception | None = None
    attempts: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.some_conn_id = "mine"

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> str:
        self.attempts = retry.attempts if retry else None
        return str(connection.host)

    def probe(self, client: str) -> str:
        if self.answer:
            raise self.answer
        return f"{client} answers"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Hook:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", "generic://somewhere")
    return Hook()


def test_the_client_is_that_of_the_connection(hook: Hook) -> None:
    assert hook.get_conn() == "somewhere"
    assert hook.attempts is None


def test_a_connection_is_tested_by_one_question(hook: Hook) -> None:
    assert hook.test_connection() == (True, "somewhere answers")
    assert hook.attempts == 1
    hook.answer = TransportError("no reply")
    assert hook.test_connection() == (False, "no reply")


def test_a_bug_is_not_told_as_a_broken_connection(hook: Hook) -> None:
    hook.answer = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        hook.test_connection()


def test_what_a_service_adds_has_to_be_there() -> None:
    bare: Any = JobsHook[Any]()
    with pytest.raises(NotImplementedError):
        bare.client_of(None)
    with pytest.raises(NotImplementedError):
        bare.probe(None)


def test_a_ready_token_is_all_there_is() -> None:
    token = StaticToken("t", {"x-goog-user-project": "q"})
    assert token.headers() == {"Authorization": "Bearer t", "x-goog-user-project": "q"}
    token.headers().clear()
    assert not token.renew(token.headers())
    assert token.headers()
    assert StaticToken("t").headers() == {"Authorization": "Bearer t"}


def test_requests_say_who_sends_them() -> None:
    transport = transport_of(StaticToken("t"), proxies={"https": "http://p:3128"})
    assert transport._session.headers["User-Agent"] == f"airflow-provider-jobs/{__version__}"
    assert transport._proxies == {"https": "http://p:3128"}


@pytest.mark.parametrize(("text", "extra"), [(None, {}), ("", {}), ('{"a": 1}', {"a": 1})])
def test_extra_fields_are_a_json_object(text: str | None, extra: dict[str, Any]) -> None:
    assert extra_of("c", Connection(conn_id="c", conn_type="generic", extra=text)) == extra


@pytest.mark.parametrize("text", ["{broken", "[1]", '"text"', "7", "null"])
def test_other_extra_fields_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="connection c: the extra field is not a JSON object"):
        extra_of("c", Connection(conn_id="c", conn_type="generic", extra=text))


def test_a_fingerprint_tells_contents_apart(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert fingerprint(str(path)) is None
    path.write_text("one")
    one = fingerprint(str(path))
    path.write_text("two")
    two = fingerprint(str(path))
    path.write_text("one")
    assert one == fingerprint(str(path)) != two
    assert None not in {one, two}
    assert b"one" not in (one or b"")


@pytest.mark.parametrize("path", [None, "", "a\0b", "/", "x" * 5000])
def test_what_cannot_be_read_has_no_fingerprint(path: str | None) -> None:
    assert fingerprint(path) is None
