"""What the fixture ``jobs_sandbox`` gives: seeds, faults, questions, assertions; hooks ask the server."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from airflow_provider_jobs.errors import ServiceError
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.testing.dag_runs import AirflowHome
from airflow_provider_jobs.testing.jobs_sandbox import JobsSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(sample_records=False) as sandbox:
        yield sandbox


@pytest.fixture
def given(server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobsSandbox]:
    yield JobsSandbox(server, AirflowHome(tmp_path), monkeypatch, "my-project")
    server.reset()


def submit(sql: str) -> dict[str, Any]:
    """Run a job to its end, and return what its insertion was answered."""
    hook = BigQueryHook()
    job = hook.insert_job({"configuration": {"query": {"query": sql, "useLegacySql": False}}})
    with contextlib.suppress(ServiceError):
        list(hook.get_query_results(job["jobReference"]["jobId"], location="US"))
    return job


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def submit_soql() -> dict[str, Any]:
    return SalesforceHook().create_query_job({"operation": "query", "query": "SELECT Id FROM Contact"})


def upload(server: Sandbox) -> None:
    """Upload a file to a new table of Redivis."""
    bearer = {"Authorization": f"Bearer {server.token}"}
    for place, name in (
        ("organizations/acme/datasets", "data"),
        ("datasets/acme.data:next/tables", "orders"),
    ):
        url = f"{server.redivis}/{place}"
        requests.post(url, json={"name": name}, headers=bearer, timeout=10).raise_for_status()
    RedivisHook().put_upload("acme.data:next.orders", b"a\n1\n", "orders.csv")


class TestSeeds:
    ROWS = (
        {"name": "Zoë, or\nnobody", "amount": 4, "known": True},
        {"name": "Bob", "amount": None, "known": False},
    )

    def test_every_format_becomes_a_table(self, given: JobsSandbox, tmp_path: Path) -> None:
        folder = tmp_path / "bigquery" / "shop"
        write(folder / "a.csv", 'name,amount,known\n"Zoë, or\nnobody",4,true\nBob,,false\n')
        write(folder / "b.json", json.dumps(self.ROWS, indent=1))
        lines = "".join(json.dumps(row) + "\n" for row in self.ROWS)
        for name in ("c.json", "d.ndjson", "e.jsonl"):
            write(folder / name, lines)
        pq.write_table(pa.Table.from_pylist(list(self.ROWS)), folder / "f.parquet")
        write(folder / ".hidden", "is left alone")
        given.seed(tmp_path)
        for table in "abcdef":
            assert sorted(given.rows(f"shop.{table}"), key=lambda row: not row["known"]) == list(self.ROWS), (
                table
            )

    def test_names_of_columns_are_kept_where_all_are_texts(self, given: JobsSandbox, tmp_path: Path) -> None:
        write(tmp_path / "bigquery/shop/texts.csv", "name,city\nAda,London\n")
        given.seed(tmp_path)
        assert given.rows("shop.texts") == [{"name": "Ada", "city": "London"}]

    def test_a_schema_beside_a_file_says_the_types(self, given: JobsSandbox, tmp_path: Path) -> None:
        schema = [{"name": "code", "type": "STRING"}, {"name": "tags", "type": "STRING", "mode": "REPEATED"}]
        write(tmp_path / "bigquery/other-project.shop/codes.json", '[{"code": "007", "tags": ["a"]}]')
        write(tmp_path / "bigquery/other-project.shop/codes.schema.json", json.dumps(schema))
        given.seed(tmp_path)
        assert given.rows("other-project.shop.codes") == [{"code": "007", "tags": ["a"]}]

    def test_records_and_objects(self, given: JobsSandbox, tmp_path: Path) -> None:
        write(tmp_path / "salesforce/Contact.csv", "LastName,Email\r\nLovelace,ada@example.com\r\n")
        write(
            tmp_path / "salesforce/Account.json", '[{"Name": "Acme"}, {"Name": "Zoë & Co", "Phone": "007"}]'
        )
        rows = [{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2026-01-01", "Amount": 1.5}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "salesforce/Opportunity.parquet")
        write(tmp_path / "buckets/my-bucket/a/b.bin", "as it is")
        given.seed(tmp_path)
        assert given.records("SELECT Email FROM Contact") == [{"Email": "ada@example.com"}]
        found = given.records("SELECT Name, Phone FROM Account ORDER BY Name")
        assert found == [{"Name": "Acme", "Phone": ""}, {"Name": "Zoë & Co", "Phone": "007"}]
        found = given.records("SELECT CloseDate, Amount FROM Opportunity")
        assert found == [{"CloseDate": "2026-01-01", "Amount": "1.5"}]
        assert (given.buckets / "my-bucket/a/b.bin").read_text() == "as it is"

    def test_nothing_of_a_file_of_records_is_guessed(self, given: JobsSandbox, tmp_path: Path) -> None:
        """Neither comments nor other quotes and delimiters: the Bulk API knows none."""
        write(tmp_path / "salesforce/Contact.csv", "LastName,Description\n#1,foo\nB,# bar\nO'Neil,'quoted'\n")
        write(tmp_path / "salesforce/Account.csv", "Name\nR&D; Sales\nIT; Ops\n")
        given.seed(tmp_path)
        found = given.records("SELECT LastName, Description FROM Contact ORDER BY LastName")
        assert [tuple(each.values()) for each in found] == [
            ("#1", "foo"),
            ("B", "# bar"),
            ("O'Neil", "'quoted'"),
        ]
        assert [each["Name"] for each in given.records("SELECT Name FROM Account")] == [
            "R&D; Sales",
            "IT; Ops",
        ]

    def test_seeds_and_questions_are_neither_jobs_nor_requests(
        self, given: JobsSandbox, tmp_path: Path
    ) -> None:
        """Nor does a fault or the timing meet them."""
        write(tmp_path / "bigquery/shop/texts.csv", "name\nAda\n")
        given.sandbox.timing(running_seconds=60)
        with given.fault("hang", seconds=60, operation=".*", times=0, at_least=0):
            given.seed(tmp_path)
            given.seed(tmp_path)  # as a test may that brings several folders
            assert given.rows("shop.texts") == [{"name": "Ada"}]
            given.query("DROP TABLE shop.texts")
        assert given.sandbox.requests() == []
        assert given.jobs() == []

    @pytest.mark.parametrize(
        ("name", "text", "told"),
        [
            ("tables/a.csv", "a\n1\n", "seeds are in folders named bigquery, salesforce, buckets"),
            ("bigquery/shop/a.xlsx", "a", "a.xlsx is not a file that ends with .csv, .json, .ndjson"),
            ("bigquery/shop/a.json", '[{"a": 1}, {"a": "x"}', "shop/a.json: "),
            ("bigquery/shop/a.csv", "a,b\n1,2,3\n", "shop/a.csv: "),
            ("salesforce/Nothing__c.csv", "Name\nx\n", "Unable to find object: Nothing__c"),
            ("salesforce/Contact.csv", "LastName,Email\n,x\n", "Contact.csv: 1 records: "),
        ],
    )
    def test_what_cannot_be_brought_in_is_named(
        self, given: JobsSandbox, tmp_path: Path, name: str, text: str, told: str
    ) -> None:
        write(tmp_path / name, text)
        with pytest.raises(ValueError, match=r".*") as caught:
            given.seed(tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert told in str(caught.value)


class TestFaults:
    def test_a_fault_ends_with_its_block(self, given: JobsSandbox) -> None:
        url = f"{given.sandbox.url}/services/oauth2/token"
        with given.fault(operation="salesforce.login.token", status=503, times=0):
            assert requests.post(url, timeout=10).status_code == 503
        assert requests.post(url, timeout=10).status_code == 400

    def test_a_fault_ends_with_an_error_too_which_is_the_one_that_is_seen(self, given: JobsSandbox) -> None:
        with pytest.raises(KeyError), given.fault(operation="bigquery.jobs.get"):
            raise KeyError
        assert given.sandbox.platform.faults.overview() == []

    def test_a_fault_that_nothing_met_fails_the_test(self, given: JobsSandbox) -> None:
        told = (
            r"the fault reply .*'bigquery\.jobs\.gett'.* met 0 requests, not 1; there were \['bigquery\.jobs"
        )
        with (
            pytest.raises(AssertionError, match=told),
            given.fault(operation="bigquery.jobs.gett", status=503),
        ):
            submit("SELECT 1")


class TestAssertions:
    def test_one_job(self, given: JobsSandbox) -> None:
        with pytest.raises(AssertionError, match="expected one job of bigquery, found 0; there are: none"):
            given.one_job()
        submit("SELECT\n  1")
        found = given.one_job("bigquery", about="query SELECT 1")
        assert (found.service, found.document["kind"]) == ("bigquery", "bigquery#job")
        submit("SELECT 2 FROM absent.table")
        with pytest.raises(AssertionError, match="found 2; there are:") as caught:
            given.one_job()
        assert "query SELECT 1, " in str(caught.value)
        assert "failed: query SELECT 2 FROM absent.table (notFound: " in str(caught.value)
        assert given.one_job(about="absent").state == "failed"

    def test_the_other_services(self, given: JobsSandbox) -> None:
        submitted = submit_soql()
        assert given.one_job("salesforce", about="FROM Contact").job_id == submitted["id"]
        with pytest.raises(AssertionError, match="expected one job of redivis, found 0; there are: none"):
            given.one_job("redivis")
        upload(given.sandbox)
        assert given.one_job("redivis").about == "upload orders.csv to acme.data.orders"
        RedivisHook().delete_upload("acme.data:next.orders", "orders.csv")
        with pytest.raises(AssertionError, match=r"redivis\.uploads\.delete .*answered 20"):
            given.no_cancels("redivis")
        for ask in (given.one_job, given.no_cancels, given.jobs):
            with pytest.raises(
                ValueError, match="service is 'big query'; there are bigquery, salesforce, redivis"
            ):
                ask("big query")

    def test_no_cancels(self, given: JobsSandbox) -> None:
        given.no_cancels()
        reference = submit("SELECT 1")["jobReference"]
        BigQueryHook().cancel_job(reference["jobId"], location=reference["location"])
        given.no_cancels("salesforce")
        for service in ("bigquery", None):
            with pytest.raises(
                AssertionError, match=r"no cancels, found:\n  bigquery\.jobs\.cancel .*answered 200"
            ):
                given.no_cancels(service)

    def test_no_message_has_a_token(self, given: JobsSandbox) -> None:
        told = [repr(given), str(vars(given))]
        submit(f"SELECT '{given.sandbox.token}'")
        with pytest.raises(AssertionError) as caught:
            given.one_job(about="absent")
        told.append(str(caught.value))
        with pytest.raises(AssertionError) as caught, given.fault(operation="absent"):
            pass
        assert not [text for text in [*told, str(caught.value)] if given.sandbox.token in text]


class TestConnections:
    def test_another_connection_leads_there_too(self, given: JobsSandbox) -> None:
        given.connect("warehouse")
        assert list(BigQueryHook("warehouse").list_jobs()) == []
        assert "AIRFLOW_CONN_WAREHOUSE" in os.environ


def test_a_reset_leaves_nothing_but_addresses_and_credentials(
    server: Sandbox, given: JobsSandbox, tmp_path: Path
) -> None:
    write(tmp_path / "bigquery/shop/texts.csv", "name\nAda\n")
    write(tmp_path / "salesforce/Contact.csv", "LastName\nLovelace\n")
    write(tmp_path / "buckets/my-bucket/a", "a")
    given.seed(tmp_path)
    submit("SELECT 1")
    submit_soql()
    upload(server)
    server.faults(action="reply", status=500, times=0)
    server.timing(running_seconds=60)
    key, addresses = server.key_file.read_text(), server.announcement()

    server.reset()

    assert server.announcement() == addresses
    assert server.key_file.read_text() == key
    assert [
        server.bigquery_jobs(),
        server.salesforce_jobs(),
        server.redivis_uploads(),
        server.requests(),
    ] == [[]] * 4
    assert server.engine.list_datasets("my-project") == []
    assert given.records("SELECT Id FROM Contact") == []
    assert list(server.buckets.iterdir()) == []
    upload(server)  # neither a fault nor a dataset of that name
