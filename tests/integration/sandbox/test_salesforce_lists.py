"""Lists of jobs: pages, filters, order, and jobs of other APIs among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.sandbox.salesforce_api import ACCOUNTS, SalesforceApi, error

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES, INGESTS = 7, 3


@pytest.fixture(scope="module")
def listed_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def api(listed_sandbox: Sandbox) -> Iterator[SalesforceApi]:
    """An org of its own, with a known number of jobs."""
    api = SalesforceApi(listed_sandbox)
    if not listed_sandbox.salesforce_jobs():
        for number in range(QUERIES):
            api.create(f"{ACCOUNTS} LIMIT {number + 1}" if number % 2 else ACCOUNTS)
        for _ in range(INGESTS):
            api.create_ingest()
    yield api
    settings = {"list_page": 1000, "list_order": "newest", "list_url": "documented", "foreign_jobs": 0}
    listed_sandbox.salesforce_settings(**settings)
    api.session.close()


def everything(api: SalesforceApi, kind: str = "query", **filters: str) -> list[list[Any]]:
    """Give the pages, taking from each URL only the locator."""
    pages, document = [], api.get(f"jobs/{kind}", **filters)
    while True:
        pages.append(document["records"])
        if document["done"]:
            assert document["nextRecordsUrl"] is None
            return pages
        (locator,) = parse_qs(urlsplit(document["nextRecordsUrl"]).query)["queryLocator"]
        document = api.get(f"jobs/{kind}", queryLocator=locator)


def types(pages: list[list[Any]]) -> list[str]:
    return [job["jobType"] for page in pages for job in page]


def test_all_kinds(api: SalesforceApi) -> None:
    """A list of queries has all jobs of the org, one of ingest jobs only those."""
    assert types(everything(api)) == ["V2Ingest"] * INGESTS + ["V2Query"] * QUERIES
    assert types(everything(api, "ingest")) == ["V2Ingest"] * INGESTS
    job = everything(api, jobType="V2Query")[0][0]
    assert not {"numberRecordsProcessed", "errorMessage", "retries"} & job.keys()
    assert {"id", "state", "createdDate", "operation", "object", "apiVersion"} <= job.keys()


def test_pages(api: SalesforceApi) -> None:
    """The URL of the next page has the documented wrong path; a new job shifts nothing."""
    api.sandbox.salesforce_settings(list_page=4)
    first = api.get("jobs/query")
    assert first["nextRecordsUrl"].startswith("/services/data/v59.0/jobs/ingest?queryLocator=01g")
    whole = [job["id"] for page in everything(api) for job in page]
    assert len(set(whole)) == QUERIES + INGESTS
    assert [len(page) for page in everything(api)] == [4, 4, 2]
    api.sandbox.salesforce_settings(list_url="right")
    assert "/jobs/query?" in api.get("jobs/query")["nextRecordsUrl"]


def test_more_than_a_thousand(api: SalesforceApi) -> None:
    """Foreign jobs have other states, text as version, and fewer fields."""
    api.sandbox.salesforce_settings(foreign_jobs=1995)
    pages = everything(api)
    assert [len(page) for page in pages] == [1000, 1000, 5]
    foreign = [job for page in pages for job in page if job["jobType"] in {"Classic", "BigObjectIngest"}]
    assert len(foreign) == 1995
    assert foreign[0]["state"] == "Closed"
    assert foreign[0]["apiVersion"] == "52.0"
    assert "columnDelimiter" not in foreign[0]
    assert types(everything(api, jobType="V2Query")) == ["V2Query"] * QUERIES
    assert set(types(everything(api, jobType="Classic"))) == {"Classic"}


def test_order(api: SalesforceApi) -> None:
    def ids() -> list[str]:
        return [job["id"] for page in everything(api) for job in page]

    newest = ids()
    api.sandbox.salesforce_settings(list_order="oldest")
    assert ids() == newest[::-1]
    api.sandbox.salesforce_settings(list_order="shuffled")
    assert ids() not in (newest, newest[::-1])
    assert sorted(ids()) == sorted(newest)


def test_filters(api: SalesforceApi) -> None:
    chunked = types(everything(api, jobType="V2Query", isPkChunkingEnabled="true"))
    plain = types(everything(api, jobType="V2Query", isPkChunkingEnabled="false"))
    assert (len(chunked), len(plain)) == (4, 3)
    assert len(types(everything(api, concurrencyMode="parallel"))) == QUERIES + INGESTS
    assert types(everything(api, concurrencyMode="serial")) == []
    for wrong in ({"jobType": "x"}, {"isPkChunkingEnabled": "x"}, {"concurrencyMode": "x"}):
        assert error(api.call("GET", "jobs/query", params=wrong)) == (400, "API_ERROR")
    for locator in ("x", "01g-1000", ""):
        reply = api.call("GET", "jobs/query", params={"queryLocator": locator})
        assert error(reply) == (400, "INVALID_QUERY_LOCATOR")
