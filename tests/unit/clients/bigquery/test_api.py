"""Each request of the API: what it asks, and what it makes of the reply."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.bigquery import api as bigquery_api
from airflow_provider_jobs.clients.bigquery.api import BigQueryApi
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.wait.single import GRACE_SECONDS
from airflow_provider_jobs.errors import (
    ConfigurationError,
    ConflictError,
    DeadlineExceeded,
    NotFoundError,
    ProtocolError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobState
from tests.unit.clients.replay import client_of, job, refusal, resource

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

REF = JobRef("bigquery", "p", "j_0", "EU", created_at=1_700_000_000.5)
LOST = TransportError("cut")


class TestMethods:
    """The API's own methods, in its own JSON."""

    def test_inserts_a_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, "insert_running")
        body = {"jobReference": {"jobId": "j_0"}, "configuration": {"query": {}}}
        assert client.insert_job(body, "other") == resource("insert_running")
        assert replay.asked == ["POST other/jobs"]
        assert replay.sent[0].body == body

    @pytest.mark.parametrize(("reference", "requests"), [({"jobId": "j"}, 2), ({}, 1)])
    def test_repeats_an_insert_only_with_an_id(
        self, clock: Clock, reference: dict[str, str], requests: int
    ) -> None:
        client, replay = client_of(clock, LOST, "insert_running")
        body = {"jobReference": reference, "configuration": {}}
        try:
            client.insert_job(body)
        except TransportError:
            assert requests == 1
        assert len(replay.sent) == requests

    def test_gets_a_table(self, clock: Clock) -> None:
        client, replay = client_of(clock, {"id": "p:d.t"}, {"id": "other:d.t"})
        assert client.get_table("d.t") == {"id": "p:d.t"}
        client.get_table({"projectId": "other", "datasetId": "d", "tableId": "t t"})
        assert replay.asked == ["GET p/datasets/d/tables/t", "GET other/datasets/d/tables/t%20t"]

    def test_gets_a_dataset(self, clock: Clock) -> None:
        client, replay = client_of(clock, {"id": "p:d"}, {"id": "other:d"})
        assert client.get_dataset("d") == {"id": "p:d"}
        client.get_dataset("other.d")
        assert replay.asked == ["GET p/datasets/d", "GET other/datasets/d"]

    def test_makes_a_table(self, clock: Clock) -> None:
        client, replay = client_of(clock, {"id": "p:d.t"})
        table = {"tableReference": {"datasetId": "d", "tableId": "t"}, "expirationTime": "1"}
        assert client.insert_table(table) == {"id": "p:d.t"}
        assert replay.asked == ["POST p/datasets/d/tables"]
        reference = {"projectId": "p", "datasetId": "d", "tableId": "t"}
        assert replay.sent[0].body == {"tableReference": reference, "expirationTime": "1"}

    def test_a_table_that_is_there_is_not_made(self, clock: Clock) -> None:
        client, _ = client_of(clock, refusal(409, "duplicate"))
        with pytest.raises(ConflictError):
            client.insert_table({"tableReference": {"datasetId": "d", "tableId": "t"}})

    def test_deletes_a_table_that_may_be_gone(self, clock: Clock) -> None:
        client, replay = client_of(clock, {}, refusal(404, "notFound"))
        client.delete_table("d.t")
        client.delete_table("d.t")
        assert replay.asked == ["DELETE p/datasets/d/tables/t"] * 2

    def test_gets_a_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, "query_done", "query_done")
        assert client.get_job("j_0", location="EU") == resource("query_done")
        client.get_job("j_0", "example.com:other")
        assert replay.asked == ["GET p/jobs/j_0", "GET example.com:other/jobs/j_0"]
        assert replay.params == [{"location": "EU"}, {}]

    def test_lists_all_pages_with_every_filter(self, clock: Clock) -> None:
        filters = {
            "allUsers": True,
            "maxResults": 2,
            "projection": "full",
            "stateFilter": ["done", "pending"],
            "minCreationTime": 1,
            "maxCreationTime": 2,
            "parentJobId": "x",
        }
        pages = [
            {"jobs": [job("a"), job("b")], "nextPageToken": "t"},
            {"nextPageToken": "u"},
            {"jobs": [job("c")]},
        ]
        client, replay = client_of(clock, *pages)
        jobs = list(client.list_jobs("other", **filters))
        assert [each["jobReference"]["jobId"] for each in jobs] == ["a", "b", "c"]
        assert replay.asked == ["GET other/jobs"] * 3
        assert replay.params == [filters, {**filters, "pageToken": "t"}, {**filters, "pageToken": "u"}]

    def test_a_page_token_that_repeats_itself_is_an_error(self, clock: Clock) -> None:
        client, _ = client_of(clock, {"nextPageToken": "t"}, {"nextPageToken": "t"})
        with pytest.raises(ProtocolError):
            list(client.list_jobs())

    def test_cancels_a_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, {"kind": "x", "job": job("j_0", "RUNNING")})
        assert client.cancel_job("j_0", location="EU")["state"] == "RUNNING"
        assert replay.asked == ["POST p/jobs/j_0/cancel"]
        assert replay.params == [{"location": "EU"}]

    def test_a_cancel_without_job_is_a_protocol_error(self, clock: Clock) -> None:
        client, _ = client_of(clock, {})
        with pytest.raises(ProtocolError):
            client.cancel_job("j_0")

    def test_deletes_a_job(self, clock: Clock) -> None:
        client, replay = client_of(clock, {})
        client.delete_job("j_0", location="EU")
        assert replay.asked == ["DELETE p/jobs/j_0/delete"]
        assert replay.params == [{"location": "EU"}]

    def test_reads_all_rows(self, clock: Clock) -> None:
        rest = {"jobComplete": True, "rows": resource("query_results")["rows"]}
        client, replay = client_of(clock, "query_results", rest)
        rows = client.get_query_results("j_0", location="EU", start_index=3, page_rows=1)
        assert [row["s"] for row in rows] == ["ü", "ü"]
        assert replay.asked == ["GET p/queries/j_0"] * 2
        first = {"location": "EU", "startIndex": 3, "maxResults": 1, "formatOptions.useInt64Timestamp": True}
        following = {name: value for name, value in first.items() if name != "startIndex"}
        assert replay.params == [first, {**following, "pageToken": "next"}]

    def test_reads_a_result_without_rows(self, clock: Clock) -> None:
        client, _ = client_of(clock, {"jobComplete": True, "totalRows": "0"})
        assert list(client.get_query_results("j_0")) == []

    def test_a_page_of_rows_that_repeats_itself_is_an_error(self, clock: Clock) -> None:
        page = {**resource("query_results"), "pageToken": "next"}
        client, _ = client_of(clock, *[page] * 9)
        with pytest.raises(ProtocolError):
            list(islice(client.get_query_results("j_0"), 9))

    def test_waits_for_the_query_before_it_reads(self, clock: Clock) -> None:
        client, replay = client_of(clock, *[{"jobComplete": False}] * 3, "query_results")
        assert next(client.get_query_results("j_0"))
        assert replay.asked == ["GET p/queries/j_0"] * 4

    def test_a_query_that_never_ends_is_waited_for_as_long_as_the_caller_says(self, clock: Clock) -> None:
        """A server that does not wait itself must not be asked in a hot loop."""
        client, replay = client_of(clock, *[{}] * 200)
        with pytest.raises(DeadlineExceeded, match="j_0 has not ended"):
            list(client.get_query_results("j_0", timeout_seconds=20))
        assert len(replay.sent) == 41

    def test_counts_rows_without_reading_them(self, clock: Clock) -> None:
        client, replay = client_of(clock, {"totalRows": "7"}, {"totalRows": "0"}, {})
        assert [client.row_count(REF), client.row_count(REF)] == [7, 0]
        with pytest.raises(ProtocolError, match="without totalRows"):
            client.row_count(REF)
        assert replay.params[0] == {"location": "EU", "maxResults": 0, "fields": "totalRows"}

    @pytest.mark.parametrize("job_id", ["a/b", "", "a\n", "../x"])
    def test_no_id_becomes_a_path_unchecked(self, clock: Clock, job_id: str) -> None:
        client, replay = client_of(clock)
        with pytest.raises(ConfigurationError, match="job_id"):
            client.get_job(job_id)
        with pytest.raises(ConfigurationError, match="project_id"):
            client.get_job("j", "a/b")
        assert replay.sent == []

    def test_the_address_can_be_another(self, clock: Clock) -> None:
        client, replay = client_of(clock, {}, endpoint="http://127.0.0.1:9/")
        list(client.list_jobs())
        assert replay.sent[0].url == "http://127.0.0.1:9/bigquery/v2/projects/p/jobs"
        with pytest.raises(ConfigurationError):
            BigQueryApi(replay, "p", endpoint="http://example.com")


class TestStatus:
    """What one job is doing."""

    def test_asks_where_the_job_is(self, clock: Clock) -> None:
        client, replay = client_of(clock, "query_done")
        assert client.status(REF).state is JobState.SUCCEEDED
        assert replay.asked == ["GET p/jobs/j_0"]
        assert replay.params == [{"location": "EU"}]

    @pytest.mark.parametrize(("age", "visible"), [(10.0, False), (GRACE_SECONDS + 10, True)])
    def test_a_young_job_may_be_invisible(self, clock: Clock, age: float, *, visible: bool) -> None:
        assert REF.created_at
        clock.time = REF.created_at + age
        client, _ = client_of(clock, "not_found")
        if visible:
            with pytest.raises(NotFoundError):
                client.status(REF)
        else:
            assert client.status(REF).state is JobState.PENDING

    def test_a_job_of_unknown_age_has_no_grace(self, clock: Clock) -> None:
        client, _ = client_of(clock, "not_found")
        with pytest.raises(NotFoundError):
            client.status(JobRef("bigquery", "p", "j_0"))


@pytest.mark.parametrize("rows", [[{"f": [{"v": "1"}]}] * 3, []])
def test_rows_that_go_on_after_all_of_them_end(
    clock: Clock, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigquery_api, "MOST_PAGES", 5)
    fields = [{"name": "a", "type": "STRING"}]
    page = {"jobComplete": True, "totalRows": "4", "schema": {"fields": fields}, "rows": rows}
    pages = [{**page, "pageToken": f"t{number}"} for number in range(9)]
    client, _ = client_of(clock, *(Reply(200, {}, json.dumps(each).encode()) for each in pages))
    with pytest.raises(ProtocolError, match="getQueryResults goes on after all rows that it has: 4"):
        list(client.get_query_results("j"))
