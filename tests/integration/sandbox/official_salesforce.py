"""Clients of Bulk API 2.0 for Node.js, unchanged, from a folder of their own: ``make node-clients``.

Their name keeps these tests out of every other run: they need node, and 60 packages of npm's.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.salesforce_api import joined

if TYPE_CHECKING:
    from tests.integration.sandbox.salesforce_api import SalesforceApi

MODULES = Path(__file__).parents[3] / ".node-clients/node_modules"
PROGRAM = Path(__file__).with_name("salesforce_program.cjs")
SECONDS = 60
SOQL = "SELECT Id, Name, Description FROM Account LIMIT 20"
CSV = 'Name,External_Id__c\n"Zoë, ""the"" first",NODE-1\nsecond,NODE-1\n'


def run(salesforce: SalesforceApi, client: str, action: str, *arguments: str) -> Any:
    """Let a client do something, and return what it prints."""
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_PATH": str(MODULES),
        "SALESFORCE_URL": salesforce.sandbox.salesforce,
        "SALESFORCE_TOKEN": salesforce.sandbox.salesforce_token,
    }
    done = subprocess.run(
        ["node", str(PROGRAM), client, action, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_sf_bulk2_follows_locators(salesforce: SalesforceApi) -> None:
    whole = salesforce.results(salesforce.query(SOQL)).content
    salesforce.sandbox.salesforce_settings(page_rows=7)
    found = run(salesforce, "node-sf-bulk2", "query", SOQL)
    assert found["state"] == "JobComplete"
    assert joined([page.encode() for page in found["pages"]]) == whole
    assert len(found["pages"]) == 3


def test_node_sf_bulk2_reads_pages_side_by_side(salesforce: SalesforceApi) -> None:
    """It goes by names that Salesforce does not document, and addresses behind the version."""
    whole = salesforce.results(salesforce.query(SOQL)).content
    salesforce.sandbox.salesforce_settings(page_rows=7, page_list="chunks", result_url="short")
    found = run(salesforce, "node-sf-bulk2", "pages", SOQL)
    assert joined([page.encode() for page in found["pages"]]) == whole


def test_jsforce_reads_a_query_of_one_page(salesforce: SalesforceApi) -> None:
    """Of several pages it fails: https://github.com/jsforce/jsforce/issues/1546."""
    whole = salesforce.results(salesforce.query(SOQL)).content.decode()
    found = run(salesforce, "jsforce", "query", SOQL)
    assert found["records"] == list(csv.DictReader(io.StringIO(whole, newline="")))


@pytest.mark.parametrize("client", ["node-sf-bulk2", "jsforce"])
def test_records_are_taken_and_rejected(salesforce: SalesforceApi, client: str) -> None:
    text = CSV.replace("NODE", client)
    found = run(salesforce, client, "insert", "Account", text)
    if client == "node-sf-bulk2":
        found = {name: list(csv.DictReader(io.StringIO(found[name]))) for name in ("successful", "failed")}
    accepted = {row["Name"]: row for row in found["successful"]}
    assert accepted['Zoë, "the" first']["sf__Created"] == "true"
    assert [row["sf__Error"].partition(":")[0] for row in found["failed"]] == ["DUPLICATE_VALUE"]
