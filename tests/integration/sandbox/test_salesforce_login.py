"""Ways to a token, and what tokens are good for."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import jwt
import pytest
import requests

from airflow_provider_jobs.sandbox import Sandbox as MakeSandbox
from tests.integration.sandbox.salesforce_api import SalesforceApi, error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ENVELOPE = """<?xml version="1.0" encoding="utf-8" ?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns:urn="urn:partner.soap.sforce.com">
<env:Header>{header}</env:Header><env:Body><urn:login><urn:username>{username}</urn:username>
<urn:password>{password}</urn:password></urn:login></env:Body></env:Envelope>"""


def token(salesforce: SalesforceApi, auth: Any = None, **form: str) -> requests.Response:
    url = f"{salesforce.sandbox.salesforce}/services/oauth2/token"
    return requests.post(url, data=form, auth=auth, timeout=30)


def refusal(reply: requests.Response) -> tuple[int, str, str]:
    document = reply.json()
    return reply.status_code, document["error"], document["error_description"]


def works(salesforce: SalesforceApi, given: str) -> bool:
    url = f"{salesforce.base}/limits"
    reply = requests.get(url, headers={"Authorization": f"Bearer {given}"}, timeout=30)
    return reply.status_code == 200


def assertion(salesforce: SalesforceApi, **claims: Any) -> str:
    account = salesforce.sandbox.salesforce_account
    whole = {
        "iss": account.consumer_key,
        "sub": account.username,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 180,
        **claims,
    }
    return jwt.encode(whole, salesforce.sandbox.salesforce_key_file.read_bytes(), algorithm="RS256")


def with_assertion(salesforce: SalesforceApi, **claims: Any) -> requests.Response:
    return token(salesforce, grant_type=JWT_BEARER, assertion=assertion(salesforce, **claims))


def with_password(salesforce: SalesforceApi, **changes: str) -> requests.Response:
    account = salesforce.sandbox.salesforce_account
    form = {
        "grant_type": "password",
        "client_id": account.consumer_key,
        "client_secret": account.consumer_secret,
        "username": account.username,
        "password": account.password + account.security_token,
    }
    return token(salesforce, **{**form, **changes})


def with_soap(
    salesforce: SalesforceApi,
    password: str,
    version: str = "64.0",
    organization: str = "",
    username: str = "",
) -> requests.Response:
    header = ""
    if organization:
        scope = f"<urn:organizationId>{organization}</urn:organizationId>"
        header = f"<urn:LoginScopeHeader>{scope}</urn:LoginScopeHeader>"
    username = username or salesforce.sandbox.salesforce_account.username
    body = ENVELOPE.format(header=header, username=username, password=escape(password))
    url = f"{salesforce.sandbox.salesforce}/services/Soap/u/{version}"
    return requests.post(url, data=body, headers={"Content-Type": "text/xml"}, timeout=30)


@pytest.mark.parametrize("exp", ["number", "text"])
def test_assertion(salesforce: SalesforceApi, exp: str) -> None:
    """The token works; nothing says when it ends."""
    moment = int(time.time()) + 180
    reply = with_assertion(salesforce, exp=str(moment) if exp == "text" else moment).json()
    assert "expires_in" not in reply
    assert reply["instance_url"] == salesforce.sandbox.salesforce
    assert reply["token_type"] == "Bearer"
    account = salesforce.sandbox.salesforce_account
    assert reply["id"].endswith(f"/id/{account.organization_id}/{account.user_id}")
    assert reply["access_token"].startswith(f"{account.organization_id[:15]}!")
    assert works(salesforce, reply["access_token"])


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"iss": "other"}, "invalid_client_id"),
        ({"sub": "other@example.com"}, "invalid_grant"),
        ({"aud": "https://test.salesforce.com"}, "invalid_grant"),
        ({"aud": ["https://login.salesforce.com"]}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"exp": 9999999999}, "invalid_grant"),
        ({"exp": "soon"}, "invalid_grant"),
    ],
)
def test_wrong_claims(salesforce: SalesforceApi, claims: Any, word: str) -> None:
    assert refusal(with_assertion(salesforce, **claims))[:2] == (400, word)


def test_wrong_signature(salesforce: SalesforceApi) -> None:
    head, body, signature = assertion(salesforce).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "n": 1}).encode()).decode().rstrip("=")
    for wrong in (f"{head}.{forged}.{signature}", f"{head}.{body}", "", "a.b.c"):
        assert refusal(token(salesforce, grant_type=JWT_BEARER, assertion=wrong))[1] == "invalid_grant"


def test_audience_is_the_my_domain_too(salesforce: SalesforceApi) -> None:
    """External Client Apps take no other."""
    own = salesforce.sandbox.salesforce
    assert with_assertion(salesforce, aud=own).status_code == 200
    refused = (400, "invalid_grant", "audience is invalid")
    assert refusal(with_assertion(salesforce, aud="https://acme.my.salesforce.com")) == refused
    salesforce.sandbox.salesforce_settings(audience="my_domain")
    assert with_assertion(salesforce, aud=own).status_code == 200
    assert refusal(with_assertion(salesforce)) == refused


@pytest.mark.parametrize("flow", ["password", "client_credentials", "jwt-bearer"])
def test_flows_that_an_org_blocks(salesforce: SalesforceApi, flow: str) -> None:
    salesforce.sandbox.salesforce_settings(blocked_flows=flow)
    account = salesforce.sandbox.salesforce_account
    app = {"client_id": account.consumer_key, "client_secret": account.consumer_secret}
    asks: dict[str, Callable[[], requests.Response]] = {
        "password": lambda: with_password(salesforce),
        "client_credentials": lambda: token(salesforce, grant_type="client_credentials", **app),
        "jwt-bearer": lambda: with_assertion(salesforce),
    }
    assert refusal(asks.pop(flow)())[:2] == (400, "invalid_grant")
    assert [ask().status_code for ask in asks.values()] == [200, 200]


def test_audience_of_a_sandbox_org(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.salesforce_settings(org="sandbox")
    assert refusal(with_assertion(salesforce))[2] == "audience is invalid"
    assert with_assertion(salesforce, aud="https://test.salesforce.com").status_code == 200


def test_password(salesforce: SalesforceApi) -> None:
    """The security token follows the password, unless the network is trusted."""
    assert works(salesforce, with_password(salesforce).json()["access_token"])
    bare = salesforce.sandbox.salesforce_account.password
    assert refusal(with_password(salesforce, password=bare)) == (
        400,
        "invalid_grant",
        "authentication failure",
    )
    assert refusal(with_password(salesforce, username="x@y.z"))[1] == "invalid_grant"
    assert refusal(with_password(salesforce, client_secret="x"))[1] == "invalid_client"
    assert refusal(with_password(salesforce, client_id="x"))[1] == "invalid_client_id"
    salesforce.sandbox.salesforce_settings(network="trusted")
    assert with_password(salesforce, password=bare).status_code == 200


def test_client_credentials(salesforce: SalesforceApi) -> None:
    """As Basic or in the form, but on the org's own host only."""
    account = salesforce.sandbox.salesforce_account
    pair = (account.consumer_key, account.consumer_secret)
    form = {"grant_type": "client_credentials"}
    assert works(salesforce, token(salesforce, auth=pair, **form).json()["access_token"])
    fields = {"client_id": pair[0], "client_secret": pair[1]}
    assert works(salesforce, token(salesforce, **form, **fields).json()["access_token"])
    assert refusal(token(salesforce, auth=(pair[0], "x"), **form))[1] == "invalid_client"
    assert refusal(token(salesforce, **form))[1] == "invalid_client_id"
    salesforce.sandbox.salesforce_settings(host="login")
    wanted = (400, "invalid_grant", "request not supported on this domain")
    assert refusal(token(salesforce, auth=pair, **form)) == wanted


def test_other_grant_types(salesforce: SalesforceApi) -> None:
    assert refusal(token(salesforce, grant_type="refresh_token"))[1] == "unsupported_grant_type"


def test_soap(salesforce: SalesforceApi) -> None:
    account = salesforce.sandbox.salesforce_account
    reply = with_soap(salesforce, account.password + account.security_token)
    assert reply.status_code == 200
    session = reply.text.partition("<sessionId>")[2].partition("</sessionId>")[0]
    assert works(salesforce, session)
    assert f"<serverUrl>{salesforce.sandbox.salesforce}/services/Soap/u/64.0/" in reply.text
    assert with_soap(salesforce, account.password, organization=account.organization_id).status_code == 200


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("65.0", "INVALID_OPERATION"),
        ("68.0", "INVALID_OPERATION"),
        ("30.0", "UNSUPPORTED_API_VERSION"),
        ("x", "UNSUPPORTED_API_VERSION"),
    ],
)
def test_soap_of_other_versions(salesforce: SalesforceApi, version: str, code: str) -> None:
    account = salesforce.sandbox.salesforce_account
    reply = with_soap(salesforce, account.password + account.security_token, version)
    assert reply.status_code == 500
    assert f"<sf:exceptionCode>{code}</sf:exceptionCode>" in reply.text


def test_soap_that_is_refused(salesforce: SalesforceApi) -> None:
    account = salesforce.sandbox.salesforce_account
    whole = account.password + account.security_token
    assert "LOGIN_MUST_USE_SECURITY_TOKEN" in with_soap(salesforce, account.password).text
    assert "INVALID_LOGIN" in with_soap(salesforce, "x").text
    assert "INVALID_LOGIN" in with_soap(salesforce, whole, username="x@y.z").text
    url = f"{salesforce.sandbox.salesforce}/services/Soap/u/64.0"
    for body in ("", "<a/>", "<!DOCTYPE a><a/>"):
        reply = requests.post(url, data=body, timeout=30)
        assert (reply.status_code, "INVALID_SOAP" in reply.text) == (500, True)
    salesforce.sandbox.salesforce_settings(soap_login="disabled")
    assert "SOAP API login() is disabled by default in this org." in with_soap(salesforce, whole).text


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic abc", "OAuth wrong"])
def test_no_token(salesforce: SalesforceApi, header: str) -> None:
    for path in ("limits", "jobs/query", "jobs/ingest/750/batches", "nothing"):
        reply = requests.get(f"{salesforce.base}/{path}", headers={"Authorization": header}, timeout=30)
        assert error(reply) == (401, "INVALID_SESSION_ID")
        assert reply.json()[0]["message"] == "Session expired or invalid"


def test_token_for_something_else(salesforce: SalesforceApi) -> None:
    given = salesforce.sandbox.issue_token("someone@example.com", scopes=["other"])
    headers = {"Authorization": f"Bearer {given}"}
    reply = requests.get(f"{salesforce.base}/limits", headers=headers, timeout=30)
    assert error(reply) == (403, "INVALID_SESSION_ID")


def test_tokens_end(salesforce: SalesforceApi) -> None:
    """By themselves, on request, or by a fault that meets one request."""
    first, second = (with_assertion(salesforce).json()["access_token"] for _ in "12")
    salesforce.fault("limits", action="token_expired")
    assert not works(salesforce, first)
    assert not works(salesforce, first)
    assert works(salesforce, second)
    salesforce.sandbox.expire_tokens()
    assert not works(salesforce, second)


def test_faults_of_logins(salesforce: SalesforceApi) -> None:
    salesforce.fault(r"login\.token", action="reply", status=400, reason="invalid_grant", message="expired")
    assert refusal(with_assertion(salesforce)) == (400, "invalid_grant", "expired")
    assert with_assertion(salesforce).status_code == 200


def test_credentials(tmp_path: Path) -> None:
    """They outlive a restart, only their owner can read them, and no log shows them."""
    with MakeSandbox(tmp_path) as sandbox:
        account = sandbox.salesforce_account
        told = sandbox.announcement()
        assert told["salesforce"] == sandbox.salesforce
        assert json.loads(sandbox.salesforce_account_file.read_text())["password"] == account.password
        key = sandbox.salesforce_key_file.read_text()
        for name in ("salesforce_account_file", "salesforce_key_file"):
            path = getattr(sandbox, name)
            assert told[name] == str(path)
            assert path.stat().st_mode & 0o077 == 0
        assert account.password not in repr(account)
        api = SalesforceApi(sandbox)
        assert with_password(api).status_code == 200
        assert account.password not in json.dumps(sandbox.requests())
        assert sandbox.requests()[-1]["account"] == account.username
        api.session.close()
    with MakeSandbox(tmp_path) as sandbox:
        assert sandbox.salesforce_account == account
        assert sandbox.salesforce_key_file.read_text() == key
