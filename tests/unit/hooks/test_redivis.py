"""The hook is the client of one connection, and nothing besides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, NotFoundError
from airflow_provider_jobs.hooks.redivis import RedivisHook, RedivisSettings
from airflow_provider_jobs.provider_info import get_provider_info

HOST = "http://127.0.0.1:9/api/v1"


def connection(**changes: Any) -> Connection:
    return Connection(
        **{"conn_id": "c", "conn_type": "redivis", "host": HOST, "password": "SECRET", **changes}
    )


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIVIS_API_TOKEN", raising=False)
    monkeypatch.delenv("REDIVIS_API_ENDPOINT", raising=False)


def settings(environment: dict[str, str] | None = None, **changes: Any) -> RedivisSettings:
    return RedivisSettings.from_connection("c", connection(**changes), environment or {})


def test_the_connection_goes_before_the_environment() -> None:
    environment = {"REDIVIS_API_TOKEN": "t", "REDIVIS_API_ENDPOINT": "https://redivis.example/api/v1/"}
    own = settings(environment)
    assert (own.token, own.endpoint) == ("SECRET", HOST)
    other = settings(environment, host=None, password=None)
    assert (other.token, other.endpoint) == ("t", "https://redivis.example/api/v1")
    assert settings(host=None).endpoint is None
    blank = settings(environment, host=" ", password=" ")
    assert (blank.token, blank.endpoint) == (other.token, other.endpoint)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        *((given, True) for given in (True, "true", "True", "TRUE", " true ", "1", 1)),
        *((given, False) for given in (False, "false", "False", "0", 0, "", " ", None)),
    ],
)
def test_the_storage_gets_the_token_if_the_connection_says_so(given: Any, *, sent: bool) -> None:
    assert settings(extra=json.dumps({"storage_token": given})).storage_token is sent
    assert not settings().storage_token


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": None}, "c has no API token"),
        ({"password": "  "}, "c has no API token"),
        ({"host": "http://198.51.100.1/api/v1"}, "credentials travel over https"),
        ({"host": "redivis.com/api/v1"}, "c: host is not a URL"),
        ({"host": "https://redivis.com"}, "ends in /api/v1"),
        ({"host": "https://[::1/api/v1"}, "c: host is not a URL"),
        ({"host": "https://:SECRET@[redivis.com"}, "c: host "),
        *(
            ({"extra": json.dumps({"storage_token": given})}, "c: storage_token is neither true nor false")
            for given in ("yes", "SECRET?", 2, ["true"], {"a": 1})
        ),
        ({"extra": "[1]"}, "not a JSON object"),
        ({"extra": "{broken"}, "not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        RedivisHook("c").client_of(connection(**changes))
    assert "SECRET" not in str(caught.value)


def test_equal_settings_share_a_client() -> None:
    first = RedivisHook("c").client_of(connection())
    assert isinstance(first, RedivisClient)
    assert RedivisHook("c").client_of(connection()) is first
    assert RedivisHook("c").client_of(connection(password="other")) is not first


def test_finds_the_connection_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_MINE", json.dumps({"conn_type": "redivis", "host": HOST, "password": "x"})
    )
    assert RedivisHook("mine").get_conn()


def test_nothing_shows_the_token() -> None:
    client = RedivisHook("c").client_of(connection())
    for thing in (settings(), RedivisHook("c"), client, vars(client), client._transport, client.transfers):
        assert "SECRET" not in repr(thing)


class Hook(RedivisHook):
    """Keeps what its client is asked."""

    calls: Any = None
    answer: Any = None

    def get_conn(self) -> Any:
        self.calls = []
        hook = self

        class Recorder:
            def __getattr__(self, name: str) -> Any:
                return lambda *arguments, **options: hook.calls.append((name, arguments, options))

        return Recorder()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create_upload", ("t", {})),
        ("put_upload", ("t", b"", "n")),
        ("get_upload", ("t", "n")),
        ("list_uploads", ("t",)),
        ("delete_upload", ("t", "n")),
        ("create_version", ("d",)),
        ("release_version", ("d", "notes")),
    ],
)
def test_its_methods_are_the_clients(name: str, arguments: tuple[Any, ...]) -> None:
    hook = Hook("c")
    getattr(hook, name)(*arguments)
    assert hook.calls == [(name, arguments, {})]


@pytest.mark.parametrize(
    ("answer", "works"),
    [
        ({}, True),
        (NotFoundError("none", status=404, reason="not_found"), True),
        (AuthenticationError("Redivis answered 401", status=401, reason="invalid_token"), False),
        (ConfigurationError("c has no API token"), False),
    ],
)
def test_a_connection_is_tested_by_a_question(answer: Any, *, works: bool) -> None:
    class Client:
        def get_dataset(self, dataset: str) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    class Testing(RedivisHook):
        def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]
            return connection()

        def client_of(self, connection: Connection, retry: Any = None) -> Any:
            assert retry.attempts == 1
            return Client()

    found, message = Testing("c").test_connection()
    assert found is works
    assert message


def test_the_form_fits_the_hook() -> None:
    (form,) = [
        each for each in get_provider_info()["connection-types"] if each["connection-type"] == "redivis"
    ]
    assert form["hook-class-name"] == f"{RedivisHook.__module__}.{RedivisHook.__name__}"
    assert form["hook-name"] == RedivisHook.hook_name
    assert set(form["conn-fields"]) == {"storage_token", "max_reply_mb", "max_call_seconds"}
