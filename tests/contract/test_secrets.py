"""No token or key is shown: not by repr, not by errors, not by logs, not by rows in a database.

The canary plants a word of its own in each field of each connection, lets every login, operator and sensor
succeed and fail, and looks for the words in everything that is left.
"""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.hooks.base import StaticToken
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.logins.google import token_for
from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings
from airflow_provider_jobs.hooks.logins.salesforce import log_in
from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings
from airflow_provider_jobs.hooks.logins.salesforce_tokens import token_for as salesforce_token_for
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from airflow_provider_jobs.provider_info import get_provider_info
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.contract.secrets.connections import SHOWN, SIZES, TYPES, UNSHOWN
from tests.contract.secrets.dags.canary import ARGUMENTS, kinds
from tests.contract.secrets.play import Played, play
from tests.contract.secrets.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.http.retry import Timing

SECRET = "ya29.S3CR3T"
EXTRA = {
    "project": "p",
    "access_token": SECRET,
    "keyfile_dict": {"private_key": SECRET},
    "credential_config_file": {"client_secret": SECRET},
    "api_endpoint": "http://127.0.0.1:9",
}
#: What the canary's run writes down, a file each.
PLACES = (
    "database",
    "exceptions",
    "lineage",
    "logs",
    "metrics",
    "objects",
    "output",
    "said",
    "states",
    "triggers",
)
REPLIES = [
    Reply(401, {}, b'{"error": {"message": "bad token", "errors": [{"reason": "authError"}]}}'),
    Reply(403, {}, b'{"error": {"message": "denied", "errors": [{"reason": "accessDenied"}]}}'),
    Reply(503, {}, b"<html>"),
    Reply(200, {}, b"not json"),
    Reply(302, {"Location": f"https://example.com/?token={SECRET}"}, b""),
]


class Answering(Transport):
    """Gets the same reply to everything."""

    def __init__(self, reply: Reply, timing: Timing) -> None:
        super().__init__(StaticToken(SECRET), user_agent="x", timing=timing)
        self.reply = reply
        self.seen: list[Mapping[str, str]] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        self.seen.append(headers)
        return self.reply


def shown(error: BaseException) -> str:
    return repr(error) + str(error) + "".join(traceback.format_exception(error)) + repr(vars(error))


def test_no_object_shows_its_secret() -> None:
    settings = BigQuerySettings.from_connection("c", EXTRA)
    token, _ = token_for(settings)
    hook = BigQueryHook("c")
    connection = Connection(conn_id="c", conn_type="bigquery_jobs", extra=json.dumps(EXTRA))
    client = hook.client_of(connection)
    request = Request("GET", "https://example.com")
    for thing in (settings, token, hook, client, vars(hook), vars(client), client._transport, request):
        assert SECRET not in repr(thing)
        assert SECRET not in str(thing)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: str(reply.status))
def test_no_refusal_shows_the_token(reply: Reply, clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    transport = Answering(reply, clock.timing)
    client = BigQueryClient(transport, "p")
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        client.get_job("j")
    assert SECRET in str(transport.seen)
    assert SECRET not in shown(caught.value)
    assert SECRET not in caplog.text
    assert SECRET.encode() not in pickle.dumps(vars(caught.value))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", f"http://user:{SECRET}@127.0.0.1:9", f"http://127.0.0.1:9/?key={SECRET}"]
)
def test_no_lost_reply_shows_the_token_or_the_address(
    url: str, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    transport = Transport(
        StaticToken(SECRET), user_agent="x", timing=clock.timing, retry=RetryPolicy(attempts=2)
    )
    with caplog.at_level(logging.INFO), pytest.raises(JobsError) as caught:
        transport.call(Request("GET", url, params={"upload_id": SECRET}), lambda reply: reply)
    message = repr(caught.value) + str(caught.value) + "".join(traceback.format_exception(caught.value))
    assert SECRET not in message
    assert "trying again" in caplog.text
    assert SECRET not in caplog.text


def test_what_tells_of_a_retry_keeps_the_token(clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = BigQueryClient(Answering(REPLIES[2], clock.timing), "p")
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError):
        client.get_job("j")
    assert caplog.text.count("trying again") == 5
    assert SECRET not in caplog.text


def test_a_trigger_names_the_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"conn_type": "bigquery_jobs", "extra": EXTRA}))
    task = BigQueryQueryOperator(task_id="t", sql="SELECT 1", gcp_conn_id="c")
    assert task.client().project == "p"
    ref = {"service": "bigquery", "scope": "p", "id": "j"}
    trigger = JobTrigger(service="bigquery", hook_args=task.hook_args(), poll_interval=1, ref=ref)
    assert SECRET not in json.dumps(trigger.serialize())
    assert SECRET not in repr(vars(task))


SALESFORCE = {
    **dict.fromkeys(("consumer_key", "consumer_secret", "private_key"), SECRET),
    **dict.fromkeys(("security_token", "access_token"), SECRET),
    "instance_url": "http://127.0.0.1:9",
    "proxies": f"http://user:{SECRET}@127.0.0.1:9",
}


def salesforce(*leaving_out: str) -> Connection:
    extra = {name: value for name, value in SALESFORCE.items() if name not in leaving_out}
    return Connection(
        conn_id="c", conn_type="salesforce_bulk", login="me", password=SECRET, extra=json.dumps(extra)
    )


def test_nothing_of_salesforce_shows_its_secret() -> None:
    settings = SalesforceSettings.from_connection("c", salesforce())
    client = SalesforceHook("c").client_of(salesforce())
    token = salesforce_token_for(settings)
    assert SECRET in token.headers()["Authorization"]
    for thing in (settings, token, vars(token), SalesforceHook("c"), client, vars(client), client._transport):
        assert SECRET not in repr(thing)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: str(reply.status))
@pytest.mark.parametrize(
    "left_out", [["access_token", "private_key"], ["access_token", "private_key", "consumer_secret"]]
)
def test_no_refused_login_shows_a_secret(
    reply: Reply, left_out: list[str], clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings = SalesforceSettings.from_connection("c", salesforce(*left_out))
    transport = Answering(reply, clock.timing)
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        log_in(settings, transport)
    assert len(transport.seen) == 1
    assert SECRET not in shown(caught.value)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: str(reply.status))
def test_no_refusal_of_salesforce_shows_the_token(
    reply: Reply, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = SalesforceClient(Answering(reply, clock.timing), "https://acme.my.salesforce.com")
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        client.get_job("750000000000001")
    assert SECRET not in shown(caught.value)
    assert SECRET not in caplog.text


def test_a_trigger_of_salesforce_names_the_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", salesforce().as_json())
    task = SalesforceQueryOperator(task_id="t", soql="SELECT Id FROM User", salesforce_conn_id="c")
    ref = task.client().ref("750000000000001").to_json()
    trigger = JobTrigger(service="salesforce", hook_args=task.hook_args(), poll_interval=1, ref=ref)
    assert SECRET not in json.dumps(trigger.serialize())
    assert SECRET not in repr(vars(task))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("canary"))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_a_run_leaves_shows_a_secret(played: Played, place: str) -> None:
    """Every login, operator and sensor, at DEBUG, against services that send back all that they get."""
    (path,) = (each for each in played.places if each.stem == place)
    assert path.stat().st_size
    shown = played.words.in_files([path])
    assert not shown, "\n".join(shown)


def test_the_run_leaves_nothing_that_is_not_looked_at(played: Played) -> None:
    assert {each.stem for each in played.places} == set(PLACES)


def test_the_canary_would_be_seen(played: Played) -> None:
    """All words went out, but for those that are wrong before; so a place that is clean was kept clean."""
    arrived = "\n".join(text for server in played.echoes for text in server.arrived)
    for name in played.words.planted - played.words.unsent:
        assert Words({name: played.words.kept[name]}).found(arrived, "arrived"), name


def test_the_canary_lets_everything_succeed_and_fail(played: Played) -> None:
    states = played.states()
    for name in ("succeeded", "deferred"):
        assert states[name] == dict.fromkeys(ARGUMENTS, "success")
    for name in ("refused 401", "refused 403", "refused 500"):
        assert states[name] == dict.fromkeys(ARGUMENTS, "failed")


def test_every_operator_and_sensor_is_known() -> None:
    """The package is walked: what is new needs its arguments in the canary's DAG."""
    assert kinds().keys() == ARGUMENTS.keys()


@pytest.mark.parametrize("service", TYPES)
def test_every_field_of_every_connection_is_known(service: str) -> None:
    """A field is planted with a word that nothing may show, or says where to go and as whom."""
    (kind,) = (
        each for each in get_provider_info()["connection-types"] if each["connection-type"] == TYPES[service]
    )
    hidden = set(kind["ui-field-behaviour"]["hidden-fields"])
    fields = kind["conn-fields"] | dict.fromkeys({"host", "login", "password"} - hidden)
    assert fields.keys() <= UNSHOWN[service] | SHOWN[service] | SIZES
    secret = {
        name for name, field in kind["conn-fields"].items() if field["schema"].get("format") == "password"
    }
    assert secret == UNSHOWN[service] - {"password"}
