"""Tokens: refused where they must be, and got the way google-auth gets them."""

from __future__ import annotations

import json
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
import requests
from google.auth import crypt, identity_pool, impersonated_credentials, jwt
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account

from tests.integration.sandbox.conftest import Api, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox

SCOPE_ROOT = "https://www.googleapis.com/auth/"
SCOPES = [SCOPE_ROOT + "cloud-platform"]
ACCOUNT = "jobs@sandbox-project.iam.gserviceaccount.com"


@pytest.fixture
def transport() -> Iterator[Request]:
    with requests.Session() as session:
        yield Request(session)


def with_token(api: Api, authorization: str | None) -> requests.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return requests.get(api.base + "jobs", headers=headers, timeout=10)


def user_of(api: Api, credentials: Any) -> str:
    """Insert a job with these credentials and give the account that BigQuery saw."""
    body = {"configuration": {"query": {"query": "SELECT 1", "useLegacySql": False}}}
    with AuthorizedSession(credentials) as session:
        reply = session.post(api.base + "jobs", json=body, timeout=10)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["user_email"])


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [(None, "required"), ("Basic abc", "required"), ("Bearer ", "required"), ("Bearer wrong", "authError")],
)
def test_missing_and_unknown_tokens(api: Api, authorization: str | None, expected: str) -> None:
    reply = with_token(api, authorization)
    assert (reply.status_code, reason(reply)) == (401, expected)
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_expired_token(sandbox: Sandbox, api: Api) -> None:
    good = sandbox.issue_token("a@example.com")
    expired = sandbox.issue_token("a@example.com", seconds=-1)
    assert with_token(api, f"Bearer {good}").status_code == 200
    assert with_token(api, f"Bearer {expired}").status_code == 401
    assert sandbox.expire_tokens() >= 1
    assert with_token(api, f"Bearer {good}").status_code == 401
    assert with_token(api, f"Bearer {sandbox.token}").status_code == 200


def test_scopes(sandbox: Sandbox, api: Api) -> None:
    """Reading is enough for list, not for insert; an unrelated scope opens nothing."""
    reader = Api(
        sandbox.bigquery,
        sandbox.issue_token("a@example.com", scopes=[SCOPE_ROOT + "cloud-platform.read-only"]),
        api.project,
    )
    assert reader.get("jobs").status_code == 200
    refused = reader.post("jobs", {"configuration": {"query": {"query": "SELECT 1"}}})
    assert (refused.status_code, reason(refused)) == (403, "insufficientPermissions")
    loader = sandbox.issue_token("a@example.com", scopes=[SCOPE_ROOT + "devstorage.read_write"])
    reader.session.headers["Authorization"] = f"Bearer {loader}"
    assert reader.insert("job-1")["status"]["state"] == "PENDING"
    assert reader.get("jobs/job-1").status_code == 403
    reader.session.close()


def test_key_file(sandbox: Sandbox, api: Api) -> None:
    """The key file works as it is, and only its owner can read it."""
    assert stat.S_IMODE(sandbox.key_file.stat().st_mode) == 0o600
    credentials = service_account.Credentials.from_service_account_file(str(sandbox.key_file), scopes=SCOPES)
    assert credentials.project_id == "sandbox-project"
    assert user_of(api, credentials) == ACCOUNT


def test_key_file_as_default_credentials(sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(sandbox.key_file))
    credentials, project = google.auth.default(scopes=SCOPES)
    assert project == "sandbox-project"
    assert user_of(api, credentials) == ACCOUNT


def test_key_of_wrong_scope(sandbox: Sandbox, api: Api) -> None:
    credentials = service_account.Credentials.from_service_account_file(
        str(sandbox.key_file), scopes=[SCOPE_ROOT + "drive"]
    )
    with AuthorizedSession(credentials) as session:
        assert session.get(api.base + "jobs", timeout=10).status_code == 403


def test_expired_token_of_a_key_is_renewed(sandbox: Sandbox, api: Api) -> None:
    """google-auth meets a 401 with a fresh token; the second request of the two succeeds."""
    credentials = service_account.Credentials.from_service_account_file(str(sandbox.key_file), scopes=SCOPES)
    with AuthorizedSession(credentials) as session:
        session.get(api.base + "jobs", timeout=10)
        first = credentials.token
        sandbox.expire_tokens()
        assert session.get(api.base + "jobs", timeout=10).status_code == 200
    assert credentials.token != first


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody@else.example"},
        {"aud": "https://elsewhere.example/token"},
        {"aud": ["https://oauth2.googleapis.com/token"]},
        {"exp": 1},
        {"iat": 4102444800, "exp": 4102448400},
        {"scope": ""},
    ],
)
def test_assertion_with_wrong_claims(sandbox: Sandbox, transport: Request, changes: dict[str, Any]) -> None:
    signer = crypt.RSASigner.from_service_account_file(str(sandbox.key_file))
    now = int(time.time())
    claims = {
        "iss": ACCOUNT,
        "aud": f"{sandbox.url}/token",
        "iat": now,
        "exp": now + 3600,
        "scope": SCOPES[0],
    }
    assert exchange(sandbox, jwt.encode(signer, claims)).status_code == 200
    reply = exchange(sandbox, jwt.encode(signer, claims | changes))
    assert reply.status_code == 400
    assert reply.json()["error"] in {"invalid_grant", "invalid_scope"}


@pytest.mark.parametrize("assertion", ["", "a.b.c", "no", "e30.e30.e30", "ü.ü.ü"])
def test_malformed_assertion(sandbox: Sandbox, assertion: str) -> None:
    reply = exchange(sandbox, assertion)
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


def test_assertion_signed_by_another_key(sandbox: Sandbox) -> None:
    signer = crypt.RSASigner.from_service_account_file(str(sandbox.key_file))
    now = int(time.time())
    claims = {
        "iss": ACCOUNT,
        "aud": f"{sandbox.url}/token",
        "iat": now,
        "exp": now + 3600,
        "scope": SCOPES[0],
    }
    head, body, _ = jwt.encode(signer, claims).decode().split(".")
    assert exchange(sandbox, f"{head}.{body}.{'A' * 342}").json()["error"] == "invalid_grant"


def exchange(sandbox: Sandbox, assertion: str | bytes) -> requests.Response:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return requests.post(f"{sandbox.url}/token", data=form, timeout=10)


def test_workload_identity_file(sandbox: Sandbox, api: Api) -> None:
    """A token file is exchanged at STS, and the result for the service account's token."""
    credentials = identity_pool.Credentials.from_file(str(sandbox.workload_identity_file), scopes=SCOPES)
    assert user_of(api, credentials) == ACCOUNT


def test_workload_identity_without_impersonation(sandbox: Sandbox, api: Api) -> None:
    info = json.loads(sandbox.workload_identity_file.read_text())
    del info["service_account_impersonation_url"]
    credentials = identity_pool.Credentials.from_info(info, scopes=SCOPES)
    assert user_of(api, credentials).startswith("principal://")


def test_wrong_subject_token(sandbox: Sandbox, transport: Request, tmp_path: Any) -> None:
    info = json.loads(sandbox.workload_identity_file.read_text())
    (tmp_path / "subject").write_text("another")
    info["credential_source"]["file"] = str(tmp_path / "subject")
    credentials = identity_pool.Credentials.from_info(info, scopes=SCOPES)
    with pytest.raises(GoogleAuthError, match="invalid_grant"):
        credentials.refresh(transport)


def test_impersonation_chain(sandbox: Sandbox, api: Api) -> None:
    """The job belongs to the last account; the sandbox remembers the way there."""
    target, delegate = "target@p.iam.gserviceaccount.com", "delegate@p.iam.gserviceaccount.com"
    source = service_account.Credentials.from_service_account_file(str(sandbox.key_file), scopes=SCOPES)
    credentials = impersonated_credentials.Credentials(
        source,
        target_principal=target,
        target_scopes=SCOPES,
        delegates=[delegate],
        iam_endpoint_override=f"{sandbox.url}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
    )
    assert user_of(api, credentials) == target
    ways = [grant["via"] for grant in sandbox.platform.tokens.overview() if grant["email"] == target]
    assert ways[-1] == [ACCOUNT, delegate]


def test_impersonation_needs_a_token(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken"
    reply = requests.post(url, json={"scope": SCOPES}, timeout=10)
    assert (reply.status_code, reason(reply)) == (401, "required")


def test_lifetime_of_tokens_can_be_set(sandbox: Sandbox, transport: Request) -> None:
    control(sandbox, "POST", "tokens/lifetime", {"seconds": 120})
    credentials = service_account.Credentials.from_service_account_file(str(sandbox.key_file), scopes=SCOPES)
    credentials.refresh(transport)
    control(sandbox, "POST", "tokens/lifetime", {"seconds": 3600})
    seconds = (credentials.expiry - datetime.now(UTC).replace(tzinfo=None)).total_seconds()
    assert 100 < seconds <= 120


def control(sandbox: Sandbox, method: str, path: str, document: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    url = f"{sandbox.url}/sandbox/{path}"
    return requests.request(method, url, json=document, headers=headers, timeout=10)


def test_control_endpoints_need_the_announced_token(sandbox: Sandbox) -> None:
    """Any other token, however good for the API, is refused."""
    token = sandbox.issue_token("a@example.com")
    for authorization in ("", f"Bearer {token}"):
        headers = {"Authorization": authorization}
        reply = requests.get(f"{sandbox.url}/sandbox/requests", headers=headers, timeout=10)
        assert (reply.status_code, reason(reply)) == (401, "authError")


def test_overview_of_tokens_shows_no_token(sandbox: Sandbox) -> None:
    issued = control(sandbox, "POST", "tokens", {"email": "a@example.com", "seconds": 60}).json()["token"]
    shown = control(sandbox, "GET", "tokens").text
    assert "a@example.com" in shown
    assert issued not in shown
    assert sandbox.token not in shown
