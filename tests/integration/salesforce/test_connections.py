"""Every login, through real HTTP; and what a user reads when a connection is wrong."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_jobs.errors import AuthenticationError, UsageLimitReached
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from tests.integration.sandbox.conftest import wait_until
from tests.integration.task_run import Attempts, TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

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


def works(lab: SalesforceLab, conn_type: str, **fields: Any) -> None:
    lab.connect(conn_type, **fields)
    assert perform(lab.query(SOQL))["state"] == "succeeded"
    assert lab.requests("query.create")[-1]["status"] == 200


TYPES = pytest.mark.parametrize("conn_type", ["salesforce_bulk", "salesforce"])


@TYPES
def test_ready_token(lab: SalesforceLab, conn_type: str) -> None:
    works(lab, conn_type, access_token=lab.sandbox.salesforce_token)
    assert logins(lab) == []


def test_a_token_beside_a_password_wins(lab: SalesforceLab) -> None:
    """The other way round elsewhere: https://github.com/apache/airflow/issues/30016."""
    lab.connect("salesforce", **user(lab), security_token=lab.account.security_token)
    hook = SalesforceHook(session_id=lab.sandbox.salesforce_token)
    assert hook.create_query_job({"operation": "query", "query": SOQL})["state"] == "UploadComplete"
    assert logins(lab) == []


@TYPES
@pytest.mark.parametrize("org", ["production", "sandbox"])
def test_jwt_bearer(lab: SalesforceLab, conn_type: str, org: str) -> None:
    lab.sandbox.salesforce_settings(org=org)
    fields = {
        "login": lab.account.username,
        "consumer_key": lab.account.consumer_key,
        "domain": "test" if org == "sandbox" else "login",
    }
    works(lab, conn_type, **fields, private_key_file_path=str(lab.sandbox.salesforce_key_file))
    lab.mark += "x"
    works(
        lab, conn_type, **fields, private_key=lab.sandbox.salesforce_key_file.read_text().replace("\n", "\\n")
    )
    assert logins(lab) == ["/services/oauth2/token 200"] * 2


@TYPES
def test_username_and_password(lab: SalesforceLab, conn_type: str) -> None:
    works(lab, conn_type, **user(lab), **app(lab), security_token=lab.account.security_token)
    # Airflow's own hook takes SOAP where there is a security token.
    way = {"salesforce": "Soap/u/64.0", "salesforce_bulk": "oauth2/token"}[conn_type]
    assert logins(lab) == [f"/services/{way} 200"]


@TYPES
@pytest.mark.parametrize("version", ["59.0", "65.0"])
def test_soap(lab: SalesforceLab, conn_type: str, version: str, caplog: pytest.LogCaptureFixture) -> None:
    """Jobs may be of a version that has no such login any more."""
    fields = {"security_token": lab.account.security_token, "version": version}
    works(lab, conn_type, **user(lab), **fields)
    assert logins(lab) == ["/services/Soap/u/64.0 200"]
    assert f"/v{version}/" in lab.requests("query.create")[0]["path"]
    assert "ends in summer 2027" in caplog.text


def test_soap_with_an_organization(lab: SalesforceLab) -> None:
    works(lab, "salesforce", **user(lab), organization_id=lab.account.organization_id, security_token="")


def test_soap_in_a_trusted_network(lab: SalesforceLab) -> None:
    lab.sandbox.salesforce_settings(network="trusted")
    works(lab, "salesforce", **user(lab), security_token="", consumer_key="", proxies="")


@TYPES
def test_client_credentials(lab: SalesforceLab, conn_type: str) -> None:
    works(lab, conn_type, **app(lab))
    assert logins(lab) == ["/services/oauth2/token 200"]


def test_fields_have_their_old_names_too(lab: SalesforceLab) -> None:
    old = {f"extra__salesforce__{name}": value for name, value in app(lab).items()}
    works(lab, "salesforce", address=False, **old, extra__salesforce__instance_url=lab.sandbox.salesforce)


def test_proxies_of_any_spelling_do_no_harm(lab: SalesforceLab) -> None:
    """What is on this machine is reached without one; simple-salesforce takes no text at all."""
    for number, proxies in enumerate(("http://127.0.0.1:9", '{"https": "http://127.0.0.1:9"}')):
        lab.mark += str(number)
        works(lab, "salesforce", **user(lab), security_token=lab.account.security_token, proxies=proxies)


def test_an_expired_session_is_renewed_once_and_the_job_goes_on(lab: SalesforceLab) -> None:
    lab.connect(**app(lab))
    lab.slow(0.5)
    lab.fault("query.get", "token_expired")
    assert perform(lab.query(SOQL))["state"] == "succeeded"
    assert len(lab.jobs()) == 1
    assert logins(lab) == ["/services/oauth2/token 200"] * 2


@pytest.mark.parametrize("operation", ["query.create", "query.abort", "ingest.create"])
def test_any_request_is_repeated_with_a_new_session(lab: SalesforceLab, operation: str) -> None:
    lab.connect(**app(lab))
    lab.slow(5)
    lab.fault(operation, "token_expired")
    hook = SalesforceHook()
    made = hook.create_query_job({"operation": "query", "query": SOQL})
    assert hook.abort_job(made["id"])["state"] == "Aborted"
    hook.create_ingest_job({"object": "Account", "operation": "insert"})
    assert [each["status"] for each in lab.requests(operation)] == [401, 200]
    assert len(lab.jobs()) == 2


def test_all_threads_share_one_login(lab: SalesforceLab) -> None:
    lab.connect(**app(lab))
    together = threading.Barrier(8)

    def ask(number: int) -> Any:
        together.wait()
        return SalesforceHook().limits()["DailyApiRequests"]["Max"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {100_000}
        lab.sandbox.expire_tokens()
        assert set(pool.map(ask, range(8))) == {100_000}
    assert logins(lab) == ["/services/oauth2/token 200"] * 2


def test_a_rejected_ready_token_is_looked_up_again(lab: SalesforceLab) -> None:
    lab.connect(access_token="00D!OLD")
    hook = SalesforceHook()
    client = hook.get_conn()
    with pytest.raises(AuthenticationError, match="INVALID_SESSION_ID"):
        client.limits()
    lab.connect(access_token=lab.sandbox.salesforce_token)
    assert client.limits()["DailyApiRequests"]


@pytest.fixture
def key_file(lab: SalesforceLab, tmp_path: Path) -> Path:
    """Return a file that holds the connection's private key, which the org accepts."""
    path = tmp_path / "key.pem"
    shutil.copy(lab.sandbox.salesforce_key_file, path)
    names = {"login": lab.account.username, "consumer_key": lab.account.consumer_key}
    lab.connect(**names, private_key_file_path=str(path))
    return path


def another_key() -> str:
    """Return a key that the org does not know."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


def test_a_rotated_key_file_is_tried_at_once_while_a_task_is_deferred(
    lab: SalesforceLab, key_file: Path
) -> None:
    """A refused login waits for minutes, lest the user be locked out: but not for a key that is new."""
    lab.slow(2.0)
    task = lab.query(SOQL, deferrable=True, execution_timeout=dt.timedelta(seconds=30))
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(perform, task)
        wait_until(lambda: lab.requests("query.get") + lab.requests("query.list"))
        key_file.write_text(another_key())
        lab.sandbox.expire_tokens()
        wait_until(lambda: len(logins(lab)) == 2)
        shutil.copy(lab.sandbox.salesforce_key_file, key_file)
        assert ended.result(60)["state"] == "succeeded"
    assert logins(lab) == [f"/services/oauth2/token {status}" for status in (200, 400, 200)]


def test_a_key_file_that_is_still_the_refused_one_is_not_tried_again(
    lab: SalesforceLab, key_file: Path
) -> None:
    key_file.write_text(another_key())
    for _ in range(3):
        with pytest.raises(AuthenticationError, match="invalid_grant"):
            SalesforceHook().get_conn()
    assert logins(lab) == ["/services/oauth2/token 400"]
    key_file.write_text(another_key())
    for _ in range(3):
        with pytest.raises(AuthenticationError, match="invalid_grant"):
            SalesforceHook().get_conn()
    assert logins(lab) == ["/services/oauth2/token 400"] * 2
    shutil.copy(lab.sandbox.salesforce_key_file, key_file)
    assert SalesforceHook().limits()


def test_the_share_of_requests_is_kept(lab: SalesforceLab) -> None:
    used = SalesforceHook().limits()["DailyApiRequests"]
    lab.sandbox.salesforce_settings(daily_api_requests=(used["Max"] - used["Remaining"] + 3))
    lab.connect(access_token=lab.sandbox.salesforce_token, api_usage_limit="0.5")
    with pytest.raises(UsageLimitReached, match="api_usage_limit is 50%: no job was made"):
        perform(lab.query(SOQL))
    assert lab.jobs() == []


def test_who_may_not_see_limits_can_make_jobs_and_test_the_connection(
    lab: SalesforceLab, caplog: pytest.LogCaptureFixture
) -> None:
    message = "You do not have permission to view limits."
    lab.fault("limits", "reply", status=403, reason="INSUFFICIENT_ACCESS", message=message, times=0)
    lab.connect(access_token=lab.sandbox.salesforce_token, api_usage_limit="0.9")
    assert perform(lab.query(SOQL))["state"] == "succeeded"
    assert "api_usage_limit goes by what replies have told, since limits are not" in caplog.text
    host = lab.sandbox.salesforce.removeprefix("http://")
    assert SalesforceHook().test_connection() == (True, f"{host} answers")


def test_a_test_of_a_connection_asks_a_login_that_is_out_once(lab: SalesforceLab) -> None:
    """Who has pressed the button waits for it."""
    lab.connect(**app(lab))
    lab.fault("login.token", "reply", status=503, times=0)
    works, _ = SalesforceHook().test_connection()
    assert (works, len(lab.requests("login.token"))) == (False, 1)


def test_a_connection_can_be_tested(lab: SalesforceLab) -> None:
    lab.connect(**app(lab))
    for _ in range(2):
        found, message = SalesforceHook().test_connection()
        assert found
        host = lab.sandbox.salesforce.removeprefix("http://")
        left = re.fullmatch(rf"{host} answers, (\d+) API requests are left today", message)
        assert left
        assert 0 < int(left[1]) < lab.sandbox.salesforce_settings()["daily_api_requests"]
    assert len(logins(lab)) == 2  # each asks for itself


def test_no_secret_is_logged_kept_or_handed_on(lab: SalesforceLab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    run = Attempts()
    secrets = [lab.account.password, lab.account.security_token, lab.account.consumer_secret]
    for fields in (app(lab), {**user(lab), "security_token": lab.account.security_token}):
        lab.mark += "x"
        lab.connect("salesforce", **fields)
        task = lab.query(SOQL, deferrable=True)
        perform(task, run.context())
        token = SalesforceHook().get_conn()._transport._token.headers()["Authorization"]
        secrets += [
            token.removeprefix("Bearer "),
            base64.b64encode(":".join(app(lab).values()).encode()).decode(),
        ]
    shown = caplog.text + json.dumps([run.store.kept, run.xcoms], default=str) + repr(vars(task))
    for secret in secrets:
        assert secret not in shown


def test_a_task_needs_nothing_but_the_connection(lab: SalesforceLab) -> None:
    lab.connect(**app(lab))
    assert perform(lab.query(SOQL), TaskRun().context())["record_count"] > 0


@pytest.mark.parametrize("fields", [{}, {"domain": "login"}, {"audience": "address"}])
def test_an_external_client_app_takes_a_jwt_for_the_my_domain_alone(
    lab: SalesforceLab, fields: dict[str, str]
) -> None:
    lab.sandbox.salesforce_settings(audience="my_domain")
    named = {name: lab.sandbox.salesforce if value == "address" else value for name, value in fields.items()}
    who = {"login": lab.account.username, "consumer_key": lab.account.consumer_key}
    works(lab, "salesforce_bulk", **who, private_key=lab.sandbox.salesforce_key_file.read_text(), **named)
    assert logins(lab) == ["/services/oauth2/token 200"]


def test_the_audience_of_a_jwt_can_be_set(lab: SalesforceLab) -> None:
    lab.sandbox.salesforce_settings(org="sandbox")
    who = {"login": lab.account.username, "consumer_key": lab.account.consumer_key}
    key = {"private_key_file_path": str(lab.sandbox.salesforce_key_file)}
    works(lab, "salesforce_bulk", **who, **key, audience="https://test.salesforce.com")
    lab.mark += "x"
    lab.connect(**who, **key, audience="login")
    with pytest.raises(AuthenticationError, match=r"audience is invalid .*set the connection's audience"):
        SalesforceHook().limits()
