"""The hook is the client of one connection, and nothing besides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.bigquery.replies import service_error
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import ConfigurationError, TransportError
from airflow_provider_jobs.hooks.base import note_old_name
from airflow_provider_jobs.hooks.bigquery import BigQueryHook

WORKFORCE = {
    "type": "external_account_authorized_user",
    "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/p",
    "client_id": "me",
    "client_secret": "SECRET",
    "refresh_token": "SECRET",
    "token_url": "https://sts.googleapis.com/v1/oauthtoken",
}
EXTRA = {"project": "p", "access_token": "SECRET", "api_endpoint": "http://127.0.0.1:9"}


def connection(conn_type: str = "bigquery_jobs", **changes: Any) -> Connection:
    return Connection(conn_id="c", conn_type=conn_type, extra=json.dumps({**EXTRA, **changes}))


class Hook(BigQueryHook):
    """Keeps what its client is asked."""

    calls: Any

    def get_conn(self) -> Any:
        calls: Any = []
        self.calls = calls

        class Recorder:
            def __getattr__(self, name: str) -> Any:
                return lambda *arguments, **options: calls.append((name, arguments, options))

        return Recorder()


@pytest.mark.parametrize("conn_type", ["bigquery_jobs", "google_cloud_platform"])
def test_takes_googles_connections_as_they_are(conn_type: str) -> None:
    client = BigQueryHook("c").client_of(connection(conn_type, location="EU"))
    assert isinstance(client, BigQueryClient)
    assert (client.project, client.location) == ("p", "EU")


def test_finds_the_connection_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "bigquery_jobs", "extra": EXTRA}))
    assert BigQueryHook("mine").get_conn().project == "p"


def test_equal_settings_share_a_client() -> None:
    first = BigQueryHook("c").client_of(connection())
    assert BigQueryHook("c").client_of(connection()) is first
    assert BigQueryHook("c", project_id="q").client_of(connection()) is not first


def test_a_task_chooses_the_project() -> None:
    assert BigQueryHook("c", project_id="q").client_of(connection()).project == "q"


@pytest.mark.parametrize(("own", "tables"), [("p", "p"), (None, "q")])
def test_tables_stay_in_the_project_of_the_connection(own: str | None, tables: str) -> None:
    """Where that names none, the project that pays is the only one known."""
    assert BigQueryHook("c", project_id="q").client_of(connection(project=own)).table_project == tables
    key = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    credentials: dict[str, Any] = {"access_token": None, "keyfile_dict": {**key, "project_id": "k"}}
    client = BigQueryHook("c", project_id="q").client_of(connection(project=own, **credentials))
    assert (client.project, client.table_project) == ("q", own or "k")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"project": None}, "name no project"),
        ({"project": "a/b"}, "project"),
        ({"api_endpoint": "http://198.51.100.1"}, "credentials travel over https"),
        ({"api_endpoint": "bigquery.googleapis.com"}, "c: api_endpoint is not a URL"),
        ({"is_anonymous": True}, "is_anonymous is not supported"),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        BigQueryHook("c").client_of(connection(**changes))


@pytest.mark.parametrize("extra", ["{broken", "[1]", '"text"', "7"])
def test_an_extra_field_that_is_no_object_is_refused(extra: str) -> None:
    """Airflow takes a broken one for an empty one: the task would run as somebody else."""
    broken = Connection(conn_id="c", conn_type="bigquery_jobs", extra=extra)
    with pytest.raises(ConfigurationError, match=r"connection c: .*extra"):
        BigQueryHook("c").client_of(broken)


def test_a_connection_without_extra_field_may_be_enough() -> None:
    empty = Connection(conn_id="c", conn_type="bigquery_jobs")
    with pytest.raises(ConfigurationError, match="connection c: the credentials are unusable"):
        BigQueryHook("c").client_of(empty)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda hook: hook.insert_job({"a": 1}), ("insert_job", ({"a": 1},), {})),
        (lambda hook: hook.get_job("j", location="EU"), ("get_job", ("j",), {"location": "EU"})),
        (lambda hook: hook.list_jobs(projection="full"), ("list_jobs", (), {"projection": "full"})),
        (lambda hook: hook.cancel_job("j"), ("cancel_job", ("j",), {"location": None})),
        (lambda hook: hook.delete_job("j", location="EU"), ("delete_job", ("j",), {"location": "EU"})),
        (
            lambda hook: hook.get_query_results("j", page_rows=1),
            ("get_query_results", ("j",), {"page_rows": 1}),
        ),
    ],
)
def test_hands_every_call_on(call: Any, expected: Any) -> None:
    hook = Hook("c")
    call(hook)
    assert hook.calls == [expected]


class TestTestConnection:
    """The button in Airflow's connection form."""

    def test_says_that_it_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def pages(self: BigQueryClient, **filters: Any) -> Any:
            assert filters == {"maxResults": 1}
            yield {}

        monkeypatch.setattr(BigQueryClient, "list_job_pages", pages)
        monkeypatch.setenv("AIRFLOW_CONN_C", connection().get_uri())
        assert BigQueryHook("c").test_connection() == (True, "BigQuery answers for project p")

    def test_says_what_is_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def pages(self: BigQueryClient, **filters: Any) -> Any:
            raise TransportError("no reply")
            yield

        monkeypatch.setattr(BigQueryClient, "list_job_pages", pages)
        monkeypatch.setenv("AIRFLOW_CONN_C", connection().get_uri())
        assert BigQueryHook("c").test_connection() == (
            False,
            "no reply; look at api_endpoint",
        )

    @pytest.mark.parametrize(
        ("status", "fields"), [(401, "; look at access_token"), (403, "; look at project"), (500, "")]
    )
    def test_names_the_fields_to_look_at(
        self, monkeypatch: pytest.MonkeyPatch, status: int, fields: str
    ) -> None:
        """Those that are filled in; what is wrong on the service's side is in no field."""

        def pages(self: BigQueryClient, **filters: Any) -> Any:
            raise service_error(Reply(status, {}, b"{}"))
            yield

        monkeypatch.setattr(BigQueryClient, "list_job_pages", pages)
        extra = json.dumps({"project": "p", "access_token": "SECRET-TOKEN"})
        found = Connection(conn_id="c", conn_type="bigquery_jobs", extra=extra)
        monkeypatch.setenv("AIRFLOW_CONN_C", found.get_uri())
        works, message = BigQueryHook("c").test_connection()
        assert not works
        assert message.partition("; look at ")[1:] == (fields[:10], fields[10:])
        assert "SECRET" not in message

    def test_a_name_that_airflow_shows_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        """Of our own form: a connection of Google's has no other name to give."""
        for kind, told in (("google_cloud_platform", False), ("bigquery_jobs", True)):
            note_old_name.cache_clear()
            extra = json.dumps({"project": "p", "credential_config_file": WORKFORCE})
            with caplog.at_level("INFO"):
                BigQueryHook("c").client_of(Connection(conn_id="c", conn_type=kind, extra=extra))
            assert ("rename it to credential_config_secret" in caplog.text) is told


def test_a_hook_shows_no_secret() -> None:
    hook = BigQueryHook("c")
    client = hook.client_of(connection())
    assert "SECRET" not in repr(hook) + repr(vars(hook)) + repr(client)
