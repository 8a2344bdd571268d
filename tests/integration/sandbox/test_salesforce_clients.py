"""Clients of others against the sandbox: simple-salesforce, with each of its logins, and Airflow's hook."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow.providers.salesforce.hooks.salesforce import SalesforceHook
from simple_salesforce import Salesforce
from simple_salesforce.bulk2 import SFBulk2Handler
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceOperationError,
)

from tests.integration.sandbox.salesforce_api import ACCOUNTS, PlainAdapter, SalesforceApi, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = f"{ACCOUNTS} LIMIT 20"


@pytest.fixture
def session(salesforce: SalesforceApi) -> Iterator[requests.Session]:
    """A session for clients that insist on https."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", PlainAdapter(salesforce.sandbox.salesforce))
        yield session


@pytest.fixture
def handler(salesforce: SalesforceApi) -> Iterator[Any]:
    handler = SFBulk2Handler(salesforce.sandbox.salesforce_token, f"{salesforce.base}/jobs/")
    yield handler
    handler.session.close()


@pytest.mark.parametrize("page_rows", [3, 1000])
def test_query(salesforce: SalesforceApi, handler: Any, page_rows: int) -> None:
    whole = salesforce.results(salesforce.query(SMALL)).content
    salesforce.sandbox.salesforce_settings(page_rows=page_rows)
    pages = [page.encode() for page in handler.Account.query(SMALL, wait=0.01)]
    assert joined(pages) == whole


def test_query_all_by_many_records_a_page(handler: Any) -> None:
    pages = list(handler.Account.query_all(SMALL, max_records=7, wait=0.01))
    counts = [len(list(csv.DictReader(io.StringIO(page, newline="")))) for page in pages]
    assert counts == [7, 7, 6]


def test_download(salesforce: SalesforceApi, handler: Any, tmp_path: Path) -> None:
    whole = salesforce.results(salesforce.query(SMALL)).content
    salesforce.sandbox.salesforce_settings(page_rows=6)
    found = handler.Account.download(SMALL, str(tmp_path), wait=0.01)
    assert joined([Path(each["file"]).read_bytes() for each in found]) == whole
    assert [each["number_of_records"] for each in found] == [6, 6, 6, 2]


def test_ingest(salesforce: SalesforceApi, handler: Any) -> None:
    """Records come in, change, and go; without a charset, this client takes UTF-8 for something else."""
    salesforce.sandbox.salesforce_settings(charset="given")
    (made,) = handler.Account.insert(records=[{"Name": "Ümlaut & Söhne"}, {"Name": 'Say "hi"'}], wait=0.05)
    assert (made["numberRecordsProcessed"], made["numberRecordsFailed"]) == (2, 0)
    rows = list(csv.DictReader(io.StringIO(handler.Account.get_successful_records(made["job_id"]))))
    assert {row["Name"] for row in rows} == {"Ümlaut & Söhne", 'Say "hi"'}
    changed = [{"Id": row["sf__Id"], "Name": f"{row['Name']} 2"} for row in rows]
    (updated,) = handler.Account.update(records=changed, wait=0.05)
    assert updated["numberRecordsFailed"] == 0
    gone = [{"Id": row["sf__Id"]} for row in rows]
    (deleted,) = handler.Account.delete(records=gone, wait=0.05)
    assert deleted["numberRecordsProcessed"] == 2
    assert list(csv.DictReader(io.StringIO(handler.Account.get_failed_records(made["job_id"])))) == []
    everything = handler.Account.get_all_ingest_records(made["job_id"])
    assert [len(everything[kind]) for kind in ("successfulRecords", "failedRecords")] == [2, 0]


def test_delete_of_a_job_fails_in_the_client(salesforce: SalesforceApi, handler: Any) -> None:
    """A reply without a body is right, and this client does not expect it."""
    job = salesforce.query(SMALL)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        handler.Account._client.delete_job(job["id"], is_query=True)
    assert salesforce.call("GET", f"jobs/query/{job['id']}").status_code == 404


def test_errors(salesforce: SalesforceApi, handler: Any) -> None:
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        list(handler.Account.query("SELECT Foo FROM Account", wait=0.01))
    salesforce.fault(r"query\.run", action="reply", reason="QUERY_TIMEOUT", message="too long")
    with pytest.raises(SalesforceOperationError, match="QUERY_TIMEOUT : too long"):
        list(handler.Account.query(SMALL, wait=0.01))
    salesforce.fault(r"query\.get", action="token_expired")
    with pytest.raises(SalesforceExpiredSession):
        list(handler.Account.query(SMALL, wait=0.01))


def logins(salesforce: SalesforceApi) -> dict[str, dict[str, Any]]:
    account = salesforce.sandbox.salesforce_account
    user = {"username": account.username, "password": account.password}
    app = {"consumer_key": account.consumer_key, "consumer_secret": account.consumer_secret}
    key = str(salesforce.sandbox.salesforce_key_file)
    return {
        "token": {
            "session_id": salesforce.sandbox.salesforce_token,
            "instance_url": salesforce.sandbox.salesforce,
        },
        "soap": {**user, "security_token": account.security_token},
        "soap in a trusted network": {**user, "organizationId": account.organization_id},
        "password": {**user, "password": account.password + account.security_token, **app},
        "jwt": {
            "username": account.username,
            "consumer_key": account.consumer_key,
            "privatekey_file": key,
        },
        "client": {**app, "domain": "acme.my"},
    }


@pytest.mark.parametrize("kind", ["token", "soap", "soap in a trusted network", "password", "jwt", "client"])
def test_login(salesforce: SalesforceApi, session: requests.Session, kind: str) -> None:
    client = Salesforce(session=session, version="59.0", **logins(salesforce)[kind])
    assert client.limits()["DailyBulkV2QueryJobs"]["Max"] == 10_000
    assert len(list(client.bulk2.Account.query(SMALL, wait=0.01))) == 1
    assert client.api_usage["api-usage"].total == 100_000


def test_refused_logins(salesforce: SalesforceApi, session: requests.Session) -> None:
    """Each with the words that the client shows."""
    flows = logins(salesforce)
    with pytest.raises(SalesforceAuthenticationFailed, match="not available in the API version"):
        Salesforce(session=session, version="65.0", **flows["soap"])
    with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
        Salesforce(session=session, **{**flows["soap"], "password": "x"})
    with pytest.raises(SalesforceAuthenticationFailed, match="audience is invalid"):
        Salesforce(session=session, domain="test", **flows["jwt"])
    salesforce.sandbox.salesforce_settings(host="login")
    with pytest.raises(SalesforceAuthenticationFailed, match="not supported on this domain"):
        Salesforce(session=session, **flows["client"])


def test_hook_of_airflow(
    salesforce: SalesforceApi, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"instance_url": salesforce.sandbox.salesforce, "version": "59.0"}
    connection = json.dumps({"conn_type": "salesforce", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_SANDBOX", connection)
    hook = SalesforceHook(
        "salesforce_sandbox", session_id=salesforce.sandbox.salesforce_token, session=session
    )
    assert len(list(hook.get_conn().bulk2.Account.query(SMALL, wait=0.01))) == 1
