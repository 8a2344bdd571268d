"""Results of query jobs: pages, locators, lists of pages, and how they are sent."""

from __future__ import annotations

import csv
import gzip
import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.salesforce_api import ACCOUNTS, SalesforceApi, error, joined

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = "SELECT Id, CaseNumber, Subject, Description FROM Case LIMIT 500"
DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}


def rows(content: bytes, delimiter: str = ",") -> list[list[str]]:
    """Give the rows of a CSV, header first."""
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))


@pytest.mark.parametrize("name", ["COMMA", "TAB", "PIPE", "SEMICOLON", "CARET", "BACKQUOTE"])
@pytest.mark.parametrize("line_ending", ["LF", "CRLF"])
def test_format(salesforce: SalesforceApi, name: str, line_ending: str) -> None:
    """Every delimiter and line ending carries the same values, newlines and quotes among them."""
    reference = rows(salesforce.results(salesforce.query(CASES)).content)
    job = salesforce.query(CASES, columnDelimiter=name, lineEnding=line_ending)
    content = salesforce.results(job).content
    assert rows(content, DELIMITERS[name]) == reference
    assert content.endswith(b"\r\n" if line_ending == "CRLF" else b"\n")
    assert len(reference) == job["numberRecordsProcessed"] + 1
    assert reference[0] == ["Id", "CaseNumber", "Subject", "Description"]


@pytest.mark.parametrize("sizes", ["even", "uneven"])
@pytest.mark.parametrize("page_rows", [3, 7, 100_000])
def test_pages(salesforce: SalesforceApi, page_rows: int, sizes: str) -> None:
    """Pages, by locators or by their list, make up the whole; asked again, they are the same."""
    soql = "SELECT Id, Subject, Description FROM Case LIMIT 60"
    whole = salesforce.results(salesforce.query(soql)).content
    salesforce.sandbox.salesforce_settings(page_rows=page_rows, page_sizes=sizes)
    job = salesforce.query(soql)
    pages = salesforce.pages(job)
    assert joined([page.content for page in pages]) == whole
    counts = [int(page.headers["Sforce-NumberOfRecords"]) for page in pages]
    assert (sum(counts), max(counts) <= page_rows) == (60, True)
    assert [len(rows(page.content)) - 1 for page in pages] == counts
    full = set(counts[:-1])
    assert full <= ({page_rows} if sizes == "even" else set(range((page_rows + 1) // 2, page_rows + 1)))
    if page_rows == 3:  # more than twenty pages: not all the same by chance
        assert len(full) == (1 if sizes == "even" else 2)
    assert [page.content for page in salesforce.pages(job)] == [page.content for page in pages]
    listed = [salesforce.call("GET", url).content for url in salesforce.page_urls(job)]
    assert listed == [page.content for page in pages]


def test_locators_tell_nothing(salesforce: SalesforceApi) -> None:
    """Text without padding, good for one job only; the literal null ends."""
    salesforce.sandbox.salesforce_settings(page_rows=4)
    job, other = salesforce.query(f"{ACCOUNTS} LIMIT 9"), salesforce.query(f"{ACCOUNTS} LIMIT 9")
    locators = [page.headers["Sforce-Locator"] for page in salesforce.pages(job)]
    assert locators[-1] == "null"
    assert all(locator and "=" not in locator for locator in locators)
    for wrong in (locators[0][:-2], "null", "", "äö", "MTAwMDA"):
        assert error(salesforce.results(job, locator=wrong)) == (400, "INVALID_QUERY_LOCATOR")
    assert error(salesforce.results(other, locator=locators[0])) == (400, "INVALID_QUERY_LOCATOR")


def test_most_records(salesforce: SalesforceApi) -> None:
    """The parameter maxRecords is an upper bound, and the page's own limit one below it."""
    salesforce.sandbox.salesforce_settings(page_rows=5)
    job = salesforce.query(f"{ACCOUNTS} LIMIT 9")
    whole = joined([page.content for page in salesforce.pages(job)])
    for most, counts in ((2, [2, 2, 2, 2, 1]), (1000, [5, 4])):
        pages = salesforce.pages(job, maxRecords=most)
        assert [int(page.headers["Sforce-NumberOfRecords"]) for page in pages] == counts
        assert joined([page.content for page in pages]) == whole
    for wrong in ("0", "-1", "x", "9" * 5000):
        assert error(salesforce.results(job, maxRecords=wrong)) == (400, "API_ERROR")


def test_list_of_pages(salesforce: SalesforceApi) -> None:
    """Five URLs a call; the settings spell them in each way that is known."""
    salesforce.sandbox.salesforce_settings(page_rows=2)
    job = salesforce.query(f"{ACCOUNTS} LIMIT 11")
    path = f"/services/data/v59.0/jobs/query/{job['id']}"
    document = salesforce.get(f"jobs/query/{job['id']}/resultPages")
    assert (len(document["resultPages"]), document["done"]) == (5, False)
    assert all(each["resultUrl"].startswith(f"{path}/results?locator=") for each in document["resultPages"])
    assert document["nextRecordsUrl"].startswith(f"{path}/resultpages?locator=")
    last = salesforce.get(document["nextRecordsUrl"])
    assert (len(last["resultPages"]), last["done"], last["nextRecordsUrl"]) == (1, True, None)
    wanted = [salesforce.call("GET", url).content for url in salesforce.page_urls(job)]
    salesforce.sandbox.salesforce_settings(
        result_url="full", next_url_spelling="nextRecordUrl", first_page_locator="absent"
    )
    urls = salesforce.page_urls(job, "nextRecordUrl")
    assert urls[0] == f"{salesforce.sandbox.salesforce}{path}/results"
    assert all(url.startswith(f"{salesforce.sandbox.salesforce}{path}/results?locator=") for url in urls[1:])
    found = [salesforce.call("GET", url.removeprefix(salesforce.sandbox.salesforce)).content for url in urls]
    assert found == wanted
    locator = last["resultPages"][0]["resultUrl"].partition("locator=")[2]
    wrong = salesforce.call("GET", f"{path}/resultPages", params={"locator": locator})
    assert error(wrong) == (400, "INVALID_QUERY_LOCATOR")


def test_list_of_pages_as_other_clients_know_it(salesforce: SalesforceApi) -> None:
    """Other names, and URLs that begin behind the API version."""
    salesforce.sandbox.salesforce_settings(page_rows=2, page_list="chunks", result_url="short")
    job = salesforce.query(f"{ACCOUNTS} LIMIT 11")
    document = salesforce.get(f"jobs/query/{job['id']}/resultPages")
    assert document.keys() == {"resultChunks", "nextRecordsUrl", "done"}
    assert document["nextRecordsUrl"].startswith(f"/jobs/query/{job['id']}/")
    links = [each["resultLink"] for each in document["resultChunks"]]
    last = salesforce.get(document["nextRecordsUrl"].lstrip("/"))
    links += [each["resultLink"] for each in last["resultChunks"]]
    pages = [salesforce.call("GET", link.lstrip("/")).content for link in links]
    assert pages == [page.content for page in salesforce.pages(job)]
    salesforce.fault(r"query\.resultPages", action="skip_page", page=1)
    fewer = salesforce.get(f"jobs/query/{job['id']}/resultPages")["resultChunks"]
    assert [each["resultLink"] for each in fewer] == [links[0], *links[2:5]]


def test_list_of_pages_came_with_version_58(salesforce: SalesforceApi) -> None:
    older = salesforce.other("57.0")
    job = older.query()
    assert error(older.call("GET", f"jobs/query/{job['id']}/resultPages")) == (404, "NOT_FOUND")
    newer = salesforce.other("58.0")
    assert newer.page_urls(newer.query())


def test_results_belong_to_one_version(salesforce: SalesforceApi) -> None:
    job = salesforce.query()
    other = salesforce.other("60.0")
    assert other.results(job).status_code == 409
    assert other.call("GET", f"jobs/query/{job['id']}/resultPages").status_code == 409
    assert other.info(job)["apiVersion"] == 59.0


def test_no_results_before_the_end(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.timing(project="salesforce", running_seconds=60)
    job = salesforce.create()
    for path in ("results", "resultPages"):
        assert error(salesforce.call("GET", f"jobs/query/{job['id']}/{path}")) == (400, "INVALIDJOBSTATE")


def test_no_records(salesforce: SalesforceApi) -> None:
    """A header all the same, and a count of 0, or none."""
    job = salesforce.query(f"{ACCOUNTS} WHERE Name = 'nobody at all'")
    reply = salesforce.results(job)
    assert reply.content == b'"Id","Name"\n'
    assert (reply.headers["Sforce-NumberOfRecords"], reply.headers["Sforce-Locator"]) == ("0", "null")
    assert len(salesforce.page_urls(job)) == 1
    salesforce.sandbox.salesforce_settings(empty_count_header="absent")
    assert "Sforce-NumberOfRecords" not in salesforce.results(job).headers


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("identity", False), ("gzip;q=0", False), ("br", False)],
)
def test_gzip(salesforce: SalesforceApi, encoding: str, *, packed: bool) -> None:
    """Packed and in chunks where it is asked for; plain and with its length elsewhere."""
    job = salesforce.query(CASES)
    plain = salesforce.results(job).content
    headers = {"Accept-Encoding": encoding}
    reply = salesforce.call("GET", f"jobs/query/{job['id']}/results", headers=headers, stream=True)
    raw = reply.raw.read(decode_content=False)
    assert (reply.headers.get("Content-Encoding") == "gzip") is packed
    assert (reply.headers.get("Transfer-Encoding") == "chunked") is packed
    assert reply.headers.get("Content-Length") == (None if packed else str(len(plain)))
    assert (gzip.decompress(raw) if packed else raw) == plain


def test_gzip_can_be_missing(salesforce: SalesforceApi) -> None:
    salesforce.sandbox.salesforce_settings(gzip="never")
    assert "Content-Encoding" not in salesforce.results(salesforce.query(), "gzip").headers


def test_charset(salesforce: SalesforceApi) -> None:
    job = salesforce.query()
    assert salesforce.results(job).headers["Content-Type"] == "text/csv"
    salesforce.sandbox.salesforce_settings(charset="given")
    assert salesforce.results(job).headers["Content-Type"] == "text/csv; charset=UTF-8"


def test_deleted_records(salesforce: SalesforceApi) -> None:
    """A queryAll finds at least what query does."""
    counts = [
        int(salesforce.ended(salesforce.create(ACCOUNTS, operation))["numberRecordsProcessed"])
        for operation in ("query", "queryAll")
    ]
    assert counts[1] >= counts[0] > 0


def test_speed_and_latency(salesforce: SalesforceApi) -> None:
    """Each connection has its own limit, so that more connections bring more."""
    job = salesforce.query("SELECT Id, LastName, Email FROM Contact LIMIT 3000")
    size = len(salesforce.results(job).content)
    salesforce.sandbox.salesforce_settings(bytes_per_second=float(size) * 4, latency_seconds=0.1)

    def measure(work: Callable[[], Any]) -> float:
        begun = time.monotonic()
        work()
        return time.monotonic() - begun

    def parallel() -> None:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda _: salesforce.results(job), range(3)))

    assert measure(lambda: salesforce.results(job)) >= 0.3
    assert measure(parallel) < 0.9
    assert measure(lambda: salesforce.get("limits")) < 0.3


@pytest.mark.parametrize(
    ("accepted", "status"),
    [
        ("text/csv", 200),
        ("text/html, Text/CSV;q=0.5", 200),
        ("text/*", 200),
        ("*/*", 200),
        ("application/json", 406),
        ("application/xml, text/html", 406),
    ],
)
def test_accept(salesforce: SalesforceApi, accepted: str, status: int) -> None:
    """Results are CSV; a client that asks for something else is told."""
    path = f"jobs/query/{salesforce.query()['id']}/results"
    reply = salesforce.call("GET", path, headers={"Accept": accepted})
    assert reply.status_code == status
    if status == 406:
        assert error(reply) == (406, "NOT_ACCEPTABLE")


def test_id_with_a_wrong_suffix_in_soql(salesforce: SalesforceApi) -> None:
    known = rows(salesforce.results(salesforce.query(f"{ACCOUNTS} LIMIT 1")).content)[1][0]
    for given, state in ((known[:15], "JobComplete"), (known[:15] + "xyz", "Failed")):
        soql = f"SELECT Id FROM Account WHERE Id = '{given}'"  # noqa: S608 - an id
        reply = salesforce.call("POST", "jobs/query", {"operation": "query", "query": soql})
        assert reply.status_code == (200 if state == "JobComplete" else 400)
