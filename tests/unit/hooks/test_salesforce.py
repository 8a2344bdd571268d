"""The hook is the client of one connection, and nothing besides."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.logins.salesforce_tokens import token_for
from airflow_provider_jobs.hooks.salesforce import DiscardingClient, SalesforceHook
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.provider_info import get_provider_info

URL = "http://127.0.0.1:9"
EXTRA = {"access_token": "S3CR3T", "instance_url": URL, "version": "61.0", "client_id": "reports"}


def connection(conn_type: str = "salesforce_bulk", **extra: Any) -> Connection:
    return Connection(conn_id="c", conn_type=conn_type, extra=json.dumps({**EXTRA, **extra}))


def test_the_client_is_of_the_connections_org_and_version() -> None:
    client = SalesforceHook("c").client_of(connection())
    assert isinstance(client, SalesforceClient)
    assert (client.instance_url, client.scope, client.version) == (URL, "127.0.0.1:9", "v61.0")
    assert SalesforceHook("c", version="62.0").client_of(connection()).version == "v62.0"


def test_a_connection_of_airflows_own_type_will_do() -> None:
    old = {f"extra__salesforce__{name}": value for name, value in EXTRA.items()}
    made = Connection(conn_id="c", conn_type="salesforce", extra=json.dumps(old))
    assert SalesforceHook("c").client_of(made) is SalesforceHook("c").client_of(connection())


def test_equal_settings_share_a_client() -> None:
    first = SalesforceHook("c").client_of(connection())
    assert SalesforceHook("c").client_of(connection()) is first
    assert SalesforceHook("c").client_of(connection(access_token="other")) is not first
    assert SalesforceHook("d").client_of(connection()) is not first


def test_a_token_of_the_caller_goes_first() -> None:
    client = SalesforceHook("c", session_id="MINE").client_of(connection())
    assert client._transport._token.headers() == {"Authorization": "Bearer MINE"}


def test_proxies_are_those_of_the_connection() -> None:
    client = SalesforceHook("c").client_of(connection(proxies="http://p:3128"))
    assert client._transport._proxies == {"http": "http://p:3128", "https": "http://p:3128"}


def test_what_is_cancelled_may_be_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SalesforceHook("c", delete_cancelled=True).client_of(connection())
    assert isinstance(client, DiscardingClient)
    deleted: list[JobRef] = []
    monkeypatch.setattr(client, "delete_aborted", deleted.append)
    ref = JobRef("salesforce", client.scope, "750000000000001", "v59.0/jobs/query")
    for state in ("JobComplete", "Aborted"):
        monkeypatch.setattr(client, "call", lambda *_, state=state, **__: {"state": state})
        assert client.cancel(ref) is (state == "JobComplete")
    assert deleted == [ref]
    assert not isinstance(SalesforceHook("c").client_of(connection()), DiscardingClient)


def test_what_is_wrong_with_a_connection_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"connection c: .*needs instance_url"):
        SalesforceHook("c").client_of(connection(instance_url=""))


def test_finds_the_connection_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ready token is looked up there again once it is rejected."""
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "salesforce", "extra": EXTRA}))
    hook = SalesforceHook("mine")
    hook.get_conn()
    token = token_for(hook._settings(hook.get_connection("mine")))
    rejected = token.headers()
    assert not token.renew(rejected)
    newer = {**EXTRA, "access_token": "NEWER"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "salesforce", "extra": newer}))
    assert token.renew(rejected)
    assert token.headers() == {"Authorization": "Bearer NEWER"}


def test_nothing_shows_the_token() -> None:
    client = SalesforceHook("c").client_of(connection())
    for thing in (SalesforceHook("c"), client, vars(client), client._transport, vars(client._transport)):
        assert "S3CR3T" not in repr(thing)


SPAN = (dt.datetime(2026, 11, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 2, tzinfo=dt.UTC))


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self.calls.append((name, arguments, options))


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("create_query_job", ({"query": "SELECT"},), {"version": "60.0"}),
        ("create_ingest_job", ({"object": "A"},), {}),
        ("upload_job_data", ("750", b"x"), {}),
        ("close_job", ("750",), {}),
        ("get_job", ("750", "ingest"), {}),
        ("list_jobs", ("query",), {"jobType": "V2Query"}),
        ("abort_job", ("750", "query"), {}),
        ("delete_job", ("750", "ingest"), {"version": "60.0"}),
        ("open_results", ("750",), {"page_records": 5}),
        ("limits", (), {}),
        ("describe_global", (), {}),
        ("describe", ("Account",), {"version": "60.0"}),
        ("get_updated", ("Account", *SPAN), {}),
        ("get_deleted", ("Account", *SPAN), {"version": "60.0"}),
    ],
)
def test_its_methods_are_the_clients(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(SalesforceHook, "get_conn", lambda hook: recorder)
    getattr(SalesforceHook("c"), name)(*arguments, **options)
    ((called, positional, named),) = recorder.calls
    assert (called, positional) == (name, arguments)
    assert {key: value for key, value in named.items() if value is not None} == options


def test_the_form_fits_the_hook() -> None:
    (form,) = [
        each
        for each in get_provider_info()["connection-types"]
        if each["connection-type"] == "salesforce_bulk"
    ]
    assert form["hook-class-name"] == f"{SalesforceHook.__module__}.{SalesforceHook.__name__}"
    assert form["hook-name"] == SalesforceHook.hook_name
    fields = form["conn-fields"]
    assert set(form["ui-field-behaviour"]["placeholders"]) <= set(fields)
    for name in ("consumer_secret", "private_key", "security_token", "access_token", "proxies"):
        assert fields[name]["schema"]["format"] == "password"
    for name in (each for each in fields if not each.startswith("max_")):
        value = {"version": "60.0", "api_usage_limit": "0.5", "instance_url": "other.my"}.get(name, "value")
        hook = SalesforceHook("c")
        base: dict[str, Any] = {
            "login": "me",
            "password": "p",
            "conn_id": "c",
            "conn_type": "salesforce_bulk",
        }
        ready = {"access_token": "T", "instance_url": URL} if name == "access_token" else {}
        with_it = hook._settings(Connection(extra=json.dumps({**ready, name: value}), **base))
        assert with_it != hook._settings(Connection(extra="{}", **base)), name
