"""A connection of Airflow's type ``salesforce`` logs in as Airflow's own hook does, whatever it holds."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from airflow.providers.salesforce.hooks.salesforce import SalesforceHook as AirflowsHook
from airflow.sdk import Connection
from requests.adapters import BaseAdapter
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.hooks.logins.salesforce import log_in
from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox

GRANTED = json.dumps({"access_token": "T", "instance_url": "https://acme.my.salesforce.com"}).encode()
SOAP = b"<r><sessionId>T</sessionId><serverUrl>https://acme.my.salesforce.com/services</serverUrl></r>"
#: Of a field each is a value that it may have; None leaves it out.
FIELDS: dict[str, tuple[Any, ...]] = {
    "login": (None, "me@acme.com"),
    "password": (None, "P<SS"),
    "security_token": (None, "", "s3cr3t-code"),
    "organization_id": (None, "00D1"),
    "consumer_key": (None, "KEY"),
    "consumer_secret": (None, "SECRET"),
    "private_key": (None, "text"),
    "private_key_file_path": (None, "file"),
    "domain": (None, "", "test", "acme.my"),
}


def told(url: str, body: bytes | str) -> dict[str, Any]:
    """Return what a login says: where, which way, and as whom."""
    text = body.decode() if isinstance(body, bytes) else body
    parts = urlsplit(url)
    if "Soap" in parts.path:
        names = ("username", "password", "organizationId")
        said = {name: re.findall(rf"<\w+:{name}>([^<]*)<", text) for name in names}
        return {"host": parts.netloc, "way": "SOAP", **said}
    form = {name: values[0] for name, values in parse_qs(text).items()}
    if assertion := form.pop("assertion", None):
        claims = jwt.decode(assertion, options={"verify_signature": False})
        form |= {name: claims[name] for name in ("iss", "sub", "aud")} | {"signed": assertion.split(".")[0]}
    return {"host": parts.netloc, "way": form.pop("grant_type"), **form}


class Answering(BaseAdapter):
    """Takes what simple-salesforce sends, and grants it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def send(self, request: Any, *_: Any, **__: Any) -> requests.Response:
        self.seen.append(told(request.url, request.body))
        reply = requests.Response()
        reply.status_code = 200
        reply._content = SOAP if "Soap" in request.url else GRANTED
        return reply

    def close(self) -> None:
        """Nothing is open."""


class Ours(Transport):
    """Takes what we send, and grants it."""

    def __init__(self) -> None:
        nobody: Any = None
        super().__init__(nobody, user_agent="x")
        self.seen: list[dict[str, Any]] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        assert isinstance(request.content, bytes)
        self.seen.append(told(request.url, request.content))
        return Reply(200, {}, SOAP if "Soap" in request.url else GRANTED)


def combinations() -> list[dict[str, Any]]:
    return [
        {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
        for values in itertools.product(*FIELDS.values())
    ]


def airflows(conn: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what Airflow's hook sends for a connection; nothing if it finds no login."""
    monkeypatch.setattr(AirflowsHook, "get_connection", lambda *_: Connection(conn_id="c", **conn))
    adapter = Answering()
    session = requests.Session()
    session.mount("https://", adapter)
    try:
        AirflowsHook("c", session=session).get_conn()
    except (TypeError, SalesforceAuthenticationFailed):
        return []
    return adapter.seen


def test_the_login_is_that_of_airflows_own_hook(
    jobs_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = jobs_sandbox.salesforce_key_file.read_text()
    (tmp_path / "key.pem").write_text(pem)
    keys = {"text": pem, "file": str(tmp_path / "key.pem")}
    found: dict[str, int] = {}
    for fields in combinations():
        extra = {name: keys.get(value, value) for name, value in fields.items()}
        of_connection = {name: extra.pop(name, None) for name in ("login", "password")}
        conn = {"conn_type": "salesforce", "extra": json.dumps(extra), **of_connection}
        expected = airflows(conn, monkeypatch)
        if not expected:
            continue
        settings = SalesforceSettings.from_connection("c", Connection(conn_id="c", **conn))
        transport = Ours()
        log_in(settings, transport)
        assert transport.seen == expected, fields
        found[expected[0]["way"].rpartition(":")[2]] = found.get(expected[0]["way"].rpartition(":")[2], 0) + 1
    assert found.keys() == {"SOAP", "password", "jwt-bearer", "client_credentials"}
