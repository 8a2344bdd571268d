"""What a user reads when a connection to Salesforce is wrong, and who is not harmed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException

from airflow_provider_jobs.errors import AuthenticationError, JobsError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from tests.integration.task_run import perform
from tests.integration.test_connections import free_port

if TYPE_CHECKING:
    from tests.integration.salesforce.lab import SalesforceLab

SOQL = "SELECT Id FROM User"


def app(lab: SalesforceLab) -> dict[str, str]:
    return {"consumer_key": lab.account.consumer_key, "consumer_secret": lab.account.consumer_secret}


def user(lab: SalesforceLab) -> dict[str, str]:
    return {"login": lab.account.username, "password": lab.account.password}


def logins(lab: SalesforceLab) -> list[str]:
    """Return where logins arrived, and what became of them."""
    return [
        f"{each['path']} {each['status']}" for each in lab.sandbox.requests() if "login" in each["operation"]
    ]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"address": False}, "connection salesforce_default holds no way to log in"),
    "http": (
        {"instance_url": "http://acme.my.salesforce.com", "access_token": "t"},
        "credentials travel over",
    ),
    "pages": (
        {"instance_url": "https://acme.lightning.force.com", "access_token": "t"},
        "use https://acme.my.",
    ),
    "token without an org": ({"access_token": "t", "address": False}, "needs instance_url"),
    "no My Domain": (
        {"consumer_key": "k", "consumer_secret": "s", "address": False},
        "set domain, such as acme.my, or instance_url; login.salesforce.com does not take them",
    ),
    "no key file": (
        {"login": "me", "consumer_key": "k", "private_key_file_path": "/nowhere.pem"},
        "private_key_file_path /nowhere.pem cannot be read: No such file",
    ),
    "unusable key": (
        {"login": "me", "consumer_key": "k", "private_key": "S3CR3T"},
        "the private key is unusable",
    ),
    "wrong token": ({"access_token": "S3CR3T"}, "Salesforce answered 401 INVALID_SESSION_ID"),
    "wrong app": ({"consumer_key": "k", "consumer_secret": "S3CR3T"}, "invalid_client_id: client identifier"),
    "wrong password": (
        {"login": "me", "password": "S3CR3T", "consumer_key": "k", "consumer_secret": "s"},
        "refused the login (username and password): invalid_client_id",
    ),
    "wrong SOAP password": (
        {"login": "me", "password": "S3CR3T"},
        "INVALID_LOGIN: Invalid username, password",
    ),
    "version": ({"access_token": "t", "version": "new"}, "version is 'new'"),
    "retired version": ({"version": "20.0"}, "410"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_connection_is_told_in_one_sentence(lab: SalesforceLab, name: str) -> None:
    fields, text = WRONG[name]
    if not fields.keys() - {"version"}:
        fields = {**fields, "access_token": lab.sandbox.salesforce_token}
    lab.connect(**fields)
    # A ready token that has ended may be another at the task's next try; nobody can tell it from a wrong one.
    kind = AuthenticationError if name == "wrong token" else AirflowFailException
    with pytest.raises(kind) as caught:
        perform(lab.query(SOQL))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "S3CR3T" not in str(caught.value)
    found, message = SalesforceHook().test_connection()
    look_at = "; look at access_token" if name == "wrong token" else ""
    assert (found, message) == (False, f"{caught.value}{look_at}")
    assert lab.pauses == []


def test_a_password_without_its_security_token(lab: SalesforceLab) -> None:
    lab.connect("salesforce", **user(lab))
    with pytest.raises(
        AirflowFailException, match=r"LOGIN_MUST_USE_SECURITY_TOKEN: .*\(set security_token\)"
    ):
        perform(lab.query(SOQL))
    assert lab.account.password not in str(lab.sandbox.requests())


def test_a_soap_login_that_is_switched_off(lab: SalesforceLab) -> None:
    lab.sandbox.salesforce_settings(soap_login="disabled")
    lab.connect("salesforce", **user(lab), security_token=lab.account.security_token)
    with pytest.raises(AirflowFailException, match="use client credentials"):
        perform(lab.query(SOQL))


def test_client_credentials_at_a_shared_host(lab: SalesforceLab) -> None:
    lab.sandbox.salesforce_settings(host="login")
    lab.connect(**app(lab))
    with pytest.raises(AirflowFailException, match="not supported on this domain"):
        perform(lab.query(SOQL))


def test_a_user_is_not_locked_out(lab: SalesforceLab) -> None:
    """However often tasks ask, a login that was refused is sent once."""
    lab.connect(**{**app(lab), "consumer_secret": "wrong"})
    for _ in range(5):
        with pytest.raises(AirflowFailException, match="invalid_client"):
            perform(lab.query(SOQL))
    assert logins(lab) == ["/services/oauth2/token 400"]


@pytest.mark.parametrize("action", [{"action": "reply", "status": 503}, {"action": "cut"}])
def test_a_login_that_is_out_is_tried_again(lab: SalesforceLab, action: dict[str, Any]) -> None:
    lab.connect(**app(lab))
    lab.fault("login.token", **action)
    assert perform(lab.query(SOQL))["state"] == "succeeded"
    assert len(lab.pauses) == 1


def test_a_host_that_is_not_there(lab: SalesforceLab) -> None:
    lab.connect(**app(lab), instance_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(
        JobsError, match=r"Connection refused; is its domain or instance_url right\?"
    ) as caught:
        perform(lab.query(SOQL))
    assert caught.value.retryable


def test_missing_connection(lab: SalesforceLab) -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        perform(lab.query(SOQL, salesforce_conn_id="nowhere"))


BLOCKED = {
    "password": "authentication failure .this org blocks the username-password flow",
    "client_credentials": "no client credentials user enabled .this org blocks the client credentials flow",
    "jwt-bearer": "user hasn't approved this consumer .let an administrator pre-authorize",
}


@pytest.mark.parametrize("flow", BLOCKED)
def test_a_flow_that_the_org_blocks_is_named(lab: SalesforceLab, flow: str) -> None:
    lab.sandbox.salesforce_settings(blocked_flows=flow)
    key = {"private_key": lab.sandbox.salesforce_key_file.read_text()}
    fields = {
        "password": {**user(lab), **app(lab), "security_token": lab.account.security_token},
        "client_credentials": app(lab),
        "jwt-bearer": {"login": lab.account.username, "consumer_key": lab.account.consumer_key, **key},
    }
    lab.connect(**fields[flow])
    with pytest.raises(AirflowFailException, match=BLOCKED[flow]):
        perform(lab.query(SOQL))
