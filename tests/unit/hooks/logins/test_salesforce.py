"""What each login sends, what its reply gives, and what a refusal tells."""

from __future__ import annotations

import base64
import json
import logging
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.dom import minidom

import jwt
import pytest
from airflow.sdk import Connection
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    ProtocolError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.hooks.logins.salesforce import Grant, log_in
from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

URL = "https://acme.my.salesforce.com"
GRANTED = {"access_token": "00D!TOKEN", "instance_url": f"{URL}/", "token_type": "Bearer"}
USER = {"login": "me@acme.com", "password": "P&SS"}
APP = {"consumer_key": "KEY", "consumer_secret": "APPSECRET"}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()

PUBLIC = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


class Answering(Transport):
    """Gets the same answer to everything, and keeps what it was asked."""

    def __init__(self, answer: Reply | Exception) -> None:
        nobody: Any = None  # logins need no token
        super().__init__(nobody, user_agent="x")
        self.answer = answer
        self.seen: list[Request] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        assert not headers
        self.seen.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @property
    def form(self) -> dict[str, str]:
        (request,) = self.seen
        assert isinstance(request.content, bytes)
        return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


def settings(extra: dict[str, Any], **fields: Any) -> SalesforceSettings:
    connection = Connection(conn_id="c", conn_type="salesforce_bulk", extra=json.dumps(extra), **fields)
    return SalesforceSettings.from_connection("c", connection)


def answering(document: Any, status: int = 200) -> Answering:
    return Answering(
        Reply(status, {}, document if isinstance(document, bytes) else json.dumps(document).encode())
    )


def soap(**elements: str) -> bytes:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in elements.items())
    return f'<?xml version="1.0"?><E xmlns:sf="urn:fault"><B><R>{inner}</R></B></E>'.encode()


def test_client_credentials() -> None:
    transport = answering(GRANTED)
    grant = log_in(settings({**APP, "domain": "acme.my"}), transport)
    assert grant == Grant("00D!TOKEN", URL)
    assert grant.headers == {"Authorization": "Bearer 00D!TOKEN"}
    assert transport.form == {"grant_type": "client_credentials"}
    (request,) = transport.seen
    assert (request.method, request.url) == ("POST", f"{URL}/services/oauth2/token")
    basic = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"KEY:APPSECRET"


def test_username_and_password() -> None:
    """The security token is a part of the password."""
    transport = answering(GRANTED)
    log_in(settings({**APP, "security_token": "TOK", "domain": "test"}, **USER), transport)
    assert transport.seen[0].url == "https://test.salesforce.com/services/oauth2/token"
    assert transport.form == {
        "grant_type": "password",
        "client_id": "KEY",
        "client_secret": "APPSECRET",
        "username": "me@acme.com",
        "password": "P&SSTOK",
    }


@pytest.mark.parametrize("place", ["text", "one line", "file"])
@pytest.mark.parametrize(
    ("domain", "audience"),
    [
        ("acme.my", "acme.my"),
        ("test", "test"),
        ("acme--dev.sandbox.my", "acme--dev.sandbox.my"),
        ("login", "login"),
    ],
)
def test_jwt_bearer(place: str, domain: str, audience: str, tmp_path: Path) -> None:
    extra = {"consumer_key": "KEY", "domain": domain}
    if place == "file":
        (tmp_path / "key.pem").write_text(PEM)
        extra["private_key_file_path"] = str(tmp_path / "key.pem")
    else:
        extra["private_key"] = PEM if place == "text" else PEM.replace("\n", "\\n")
    transport = answering(GRANTED)
    assert log_in(settings(extra, login="me@acme.com"), transport).instance_url == URL
    assert transport.seen[0].url == f"https://{domain}.salesforce.com/services/oauth2/token"
    assert transport.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(
        transport.form["assertion"],
        KEY.public_key(),
        algorithms=["RS256"],
        audience=f"https://{audience}.salesforce.com",
        issuer="KEY",
    )
    assert claims["sub"] == "me@acme.com"
    assert 0 < int(claims["exp"]) - time.time() <= 181


@pytest.mark.parametrize("version", ["59.0", "65.0", "70.0"])
def test_soap_stays_at_the_last_version_that_has_it(version: str, caplog: pytest.LogCaptureFixture) -> None:
    """Others log in at the jobs' version: https://github.com/simple-salesforce/simple-salesforce/issues/805."""
    transport = answering(soap(serverUrl=f"{URL}/services/Soap/u/64.0/00D", sessionId="00D!TOKEN&amp;"))
    given = settings({"security_token": "<T", "version": version, "domain": "acme.my"}, **USER)
    assert log_in(given, transport) == Grant("00D!TOKEN&", URL)
    (request,) = transport.seen
    assert request.url == f"{URL}/services/Soap/u/64.0"
    assert request.headers["SOAPAction"] == "login"
    assert isinstance(request.content, bytes)
    assert b"<n1:password>P&amp;SS&lt;T</n1:password>" in request.content
    assert "ends in summer 2027" in caplog.text
    assert "P&" not in caplog.text


def test_soap_with_an_organization_or_nothing_more() -> None:
    body = soap(serverUrl=f"{URL}/services", sessionId="T")
    for extra, text in (({"organization_id": "00D1"}, b"<urn:organizationId>00D1<"), ({}, b"<urn:login>")):
        transport = answering(body)
        log_in(settings(extra, **USER), transport)
        (request,) = transport.seen
        assert isinstance(request.content, bytes)
        assert text in request.content


@pytest.mark.parametrize(
    "head",
    [
        "",
        '<!DOCTYPE E [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE E SYSTEM "file:///etc/hostname">',
        "<",
    ],
    ids=["plain", "entities", "external", "broken"],
)
def test_a_reply_to_soap_goes_to_no_parser_of_xml(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    real = minidom.parseString

    def parse(text: bytes) -> Any:
        parsed.append(text)
        return real(text)

    monkeypatch.setattr(minidom, "parseString", parse)
    body = head.encode() + b"<E><sessionId>00D!T</sessionId><serverUrl>" + f"{URL}/services".encode()
    assert log_in(
        settings({"security_token": "T"}, **USER), answering(body + b"</serverUrl><x>&b;</x></E>")
    ) == (Grant("00D!T", URL))
    assert not [text for text in parsed if b"00D!T" in text or b"ENTITY" in text]


REFUSALS: list[tuple[dict[str, str], int, Any, str, str]] = [
    (
        APP,
        400,
        {"error": "invalid_client", "error_description": "bad secret"},
        "invalid_client: bad secret",
        "look at",
    ),
    (
        APP,
        400,
        {"error": "invalid_grant", "error_description": "no user"},
        "invalid_grant",
        "sandbox org's is test",
    ),
    (
        {**APP, "private_key": PEM},
        400,
        {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"},
        "user hasn't approved",
        "pre-authorize",
    ),
    (
        {**APP},
        400,
        {"error": "unsupported_grant_type", "error_description": "grant type not supported"},
        "unsupported_grant_type",
        "client credentials are for new apps",
    ),
    (APP, 401, {"error": "x"}, r"\(username and password\): x", ""),
    (APP, 403, b"<html>A page<script>SECRETPAGE", "HTTP 403: A page", ""),
    (APP, 400, [], "HTTP 400", ""),
    (
        {"security_token": "T"},
        500,
        soap(
            **{
                "faultcode": "INVALID_LOGIN",
                "sf:exceptionCode": "INVALID_LOGIN",
                "sf:exceptionMessage": "Nope",
            }
        ),
        "INVALID_LOGIN: Nope",
        "password with security token",
    ),
    (
        {"security_token": "T"},
        500,
        soap(
            faultcode="INVALID_OPERATION", faultstring="SOAP API login() is disabled by default in this org."
        ),
        "SOAP API login",
        "use client credentials",
    ),
]


@pytest.mark.parametrize(("extra", "status", "body", "says", "hint"), REFUSALS)
def test_a_refusal_is_told_with_what_to_look_at(
    extra: dict[str, str], status: int, body: Any, says: str, hint: str
) -> None:
    with pytest.raises(AuthenticationError, match=says) as caught:
        log_in(settings(extra, **USER), answering(body, status))
    text = str(caught.value)
    assert text.startswith("connection c: login.salesforce.com refused the login")
    assert hint in text
    assert not caught.value.retryable
    for secret in ("P&SS", "APPSECRET", "SECRETPAGE", "PRIVATE"):
        assert secret not in text + repr(caught.value)


@pytest.mark.parametrize("status", [420, 429, 503])
@pytest.mark.parametrize("extra", [APP, {"security_token": "T"}])
def test_a_service_that_is_busy_may_be_asked_again(extra: dict[str, str], status: int) -> None:
    transport = Answering(Reply(status, {"Retry-After": "7"}, b"<html>busy</html>"))
    with pytest.raises(ServiceError, match=f"HTTP {status}") as caught:
        log_in(settings(extra, **USER), transport)
    assert not isinstance(caught.value, AuthenticationError)
    assert (caught.value.retryable, caught.value.retry_after) == (True, 7.0)
    assert len(transport.seen) == 1


def test_a_host_that_does_not_answer_is_named() -> None:
    transport = Answering(TransportError("no reply from nowhere.salesforce.com to POST: no such host"))
    with pytest.raises(TransportError, match=r"connection c: no reply from nowhere.*is its domain") as caught:
        log_in(settings({**APP, "domain": "nowhere"}), transport)
    assert caught.value.retryable
    assert not caught.value.may_have_happened


@pytest.mark.parametrize(
    ("extra", "body", "kind", "says"),
    [
        (APP, {"access_token": "T"}, ProtocolError, "holds no token"),
        (APP, {"instance_url": URL}, ProtocolError, "holds no token"),
        (APP, [1], ProtocolError, "holds no token"),
        (APP, b"<html>", ProtocolError, "not JSON"),
        (APP, {"access_token": "T", "instance_url": "http://acme.com"}, ConfigurationError, "is refused"),
        ({"security_token": "T"}, soap(sessionId="T"), ProtocolError, "holds no token"),
        (
            {"security_token": "T"},
            soap(passwordExpired="true", sessionId="T", serverUrl=URL),
            AuthenticationError,
            "password has expired",
        ),
    ],
)
def test_a_reply_without_a_token_is_an_error(
    extra: dict[str, str], body: Any, kind: type[JobsError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        log_in(settings(extra, **USER), answering(body))


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"private_key_file_path": "/nowhere/key.pem"}, "/nowhere/key.pem cannot be read: No such file"),
        ({"private_key": "S3CR3T"}, "the private key is unusable"),
        ({"private_key": PEM[:200]}, "the private key is unusable"),
        ({"private_key": PUBLIC}, "the private key is unusable"),
    ],
)
def test_an_unusable_key_is_said(extra: dict[str, str], says: str) -> None:
    transport = answering(GRANTED)
    with pytest.raises(ConfigurationError, match=says) as caught:
        log_in(settings({"consumer_key": "K", **extra}, login="me"), transport)
    assert "S3CR3T" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not transport.seen


def test_a_login_is_logged_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        log_in(settings({**APP, "domain": "acme.my"}), answering(GRANTED))
    assert f"connection c: logged in to {URL}" in caplog.text
    assert "TOKEN" not in caplog.text
    assert "APPSECRET" not in caplog.text


@pytest.mark.parametrize(
    "place",
    [
        "https://na1.salesforce.com",
        "https://acme.my.salesforce.com",
        "https://acme--dev.sandbox.my.salesforce.com",
        "https://acme.my.salesforce.mil",
        "https://acme.my.sfcrmproducts.cn",
    ],
)
def test_a_login_for_all_orgs_may_name_any_host_of_salesforce(place: str) -> None:
    given = settings({**APP}, **USER)
    assert log_in(given, answering({**GRANTED, "instance_url": place})).instance_url == place


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example",
        "https://acme.my.salesforce.com.evil.example",
        "https://my.salesforce.com@evil.example",
        "https://127.0.0.1",
        "http://127.0.0.1",
        "https://acme.my.salesforce.com:444",
    ],
)
def test_a_login_names_no_host_of_others(place: str) -> None:
    """The message names both, and what to set if it is right."""
    with pytest.raises(
        ConfigurationError, match=r"login\.salesforce\.com names .* set instance_url"
    ) as caught:
        log_in(settings({**APP}, **USER), answering({**GRANTED, "instance_url": place}))
    assert place.rpartition("/")[2].rpartition("@")[2] in str(caught.value)


@pytest.mark.parametrize("name", ["<sessionId", "<a:sessionId x", "<sessionId>", "<" * 9, "<sessionId>&amp;"])
def test_a_reply_to_a_login_is_read_once(name: str) -> None:
    body = f"<x>{name * (400_000 // len(name))}".encode()
    began = time.thread_time()
    with pytest.raises(JobsError):
        log_in(settings({"security_token": "T"}, **USER), Answering(Reply(200, {}, body)))
    assert time.thread_time() - began < 2.0
