"""Many jobs in two requests a tick, and never a wrong answer for the sake of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.several import Several
from airflow_provider_jobs.errors import JobsError, NotFoundError, ServiceError, TransportError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from tests.unit.clients.salesforce.org import (
    ORG,
    QUERY_REF,
    Script,
    client_of,
    in_order,
    job,
    job_id,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.http.messages import Request
    from tests.unit.conftest import Clock


def refs(*numbers: int, kind: str = "query") -> list[JobRef]:
    return [JobRef("salesforce", QUERY_REF.scope, job_id(each), f"v59.0/jobs/{kind}") for each in numbers]


def page(*numbers: int, state: str = "InProgress", following: str | None = None) -> dict[str, Any]:
    url = f"/services/data/v59.0/jobs/ingest/wrong?queryLocator={following}" if following else None
    jobs = [job(state, id=job_id(each)) for each in numbers]
    return {"records": jobs, "nextRecordsUrl": url, "done": url is None}


def states(found: Mapping[JobRef, JobStatus | JobsError]) -> dict[int, str]:
    return {
        int(ref.id[3:15]): news.state if isinstance(news, JobStatus) else type(news).__name__
        for ref, news in found.items()
    }


def test_one_or_two_jobs_are_asked_for(clock: Clock) -> None:
    client, script = client_of(clock, job(), refusal(404))
    assert states(client.status_many(refs(1, 2))) == {1: "succeeded", 2: "NotFoundError"}
    assert len(script.sent) == 2
    assert client.status_many([]) == {}


@pytest.mark.parametrize("state", ["InProgress", "JobComplete"])
def test_two_hundred_jobs_cost_one_call(clock: Clock, state: str) -> None:
    """Also when all of them end in one tick: the list says so."""
    client, script = client_of(clock, page(*range(999), state=state))
    found = client.status_many(refs(*range(200)))
    assert len(found) == 200
    assert set(states(found).values()) == {{"InProgress": "running", "JobComplete": "succeeded"}[state]}
    assert script.asked == ["GET v59.0/jobs/query"]
    assert script.sent[0].params == {"jobType": "V2Query"}


def test_jobs_of_others_are_passed_over(clock: Clock) -> None:
    listed = page(7, 1, 2, 3)
    listed["records"] += [None, {"id": 5}, {"jobType": "Classic"}]
    client, _ = client_of(clock, listed)
    assert states(client.status_many(refs(1, 2, 3))) == dict.fromkeys((1, 2, 3), "running")


def test_a_short_id_is_the_same(clock: Clock) -> None:
    short = [JobRef("salesforce", QUERY_REF.scope, ref.id[:15], ref.location) for ref in refs(1, 2, 3)]
    client, script = client_of(clock, page(1, 2, 3))
    assert states(client.status_many(short)) == dict.fromkeys((1, 2, 3), "running")
    assert len(script.sent) == 1


def test_a_long_list_is_read_on_in_the_next_tick(clock: Clock) -> None:
    """Two pages a tick; who was not met is as he was."""
    client, script = client_of(
        clock,
        page(1, following="a"),
        page(2, following="b"),
        page(3, 4, state="JobComplete"),
        page(1, 2, 3, 4, state="JobComplete"),
    )
    watched = refs(1, 2, 3, 4)
    first = client.status_many(watched)
    assert states(first) == dict.fromkeys((1, 2, 3, 4), "running")
    assert isinstance(first[watched[2]], JobStatus)
    assert first[watched[2]].vendor_state == "not asked yet"  # type: ignore[union-attr]
    assert states(client.status_many(watched)) == {1: "running", 2: "running", 3: "succeeded", 4: "succeeded"}
    assert [each.params.get("queryLocator") for each in script.sent] == [None, "a", "b"]
    client.status_many(watched)
    assert script.sent[3].params.get("queryLocator") is None


def test_no_more_pages_than_needed_are_read(clock: Clock) -> None:
    client, script = client_of(clock, page(1, 2, 3, following="a"), page(1, 2, 3))
    client.status_many(refs(1, 2, 3))
    client.status_many(refs(1, 2, 3))
    assert [each.params.get("queryLocator") for each in script.sent] == [None, None]


def test_a_job_that_no_list_shows_is_asked_for(clock: Clock) -> None:
    """Absent means unknown: never ended."""
    client, script = client_of(clock, page(1, 2), refusal(404), page(1, 2), job("InProgress"), page(1, 2, 3))
    watched = refs(1, 2, 3)
    assert states(client.status_many(watched))[3] == "NotFoundError"
    assert states(client.status_many(watched))[3] == "running"
    assert states(client.status_many(watched))[3] == "running"
    assert len(script.sent) == 5
    assert script.asked[1] == f"GET v59.0/jobs/query/{job_id(3)}"


def test_a_job_that_a_long_list_does_not_show_has_a_request_a_tick(clock: Clock) -> None:
    watched = refs(1, 2, 3, 4)
    client, script = client_of(clock, page(1, 2, following="a"), page(3), page(1, 2, following="a"), job())
    assert states(client.status_many(watched))[4] == "running"
    assert states(client.status_many(watched))[4] == "succeeded"
    assert script.asked[3] == f"GET v59.0/jobs/query/{job_id(4)}"


def test_a_locator_that_is_refused_begins_the_list_anew(clock: Clock) -> None:
    client, script = client_of(
        clock, page(1, following="a"), refusal(400, "INVALID_QUERY_LOCATOR"), page(1, 2, 3)
    )
    client.status_many(refs(1, 2, 3))
    assert states(client.status_many(refs(1, 2, 3))) == dict.fromkeys((1, 2, 3), "running")
    assert script.sent[2].params.get("queryLocator") is None


def test_who_may_not_list_asks_for_each(clock: Clock) -> None:
    """Two a tick, like everybody."""
    client, script = client_of(clock, refusal(403), *[job()] * 5)
    found = [states(client.status_many(refs(1, 2, 3))) for _ in range(3)]
    assert [list(each.values()).count("succeeded") for each in found] == [1, 3, 3]
    assert len(script.sent) == 6


def test_an_org_without_requests_left_is_not_asked_for_each(clock: Clock) -> None:
    client, script = client_of(clock, refusal(403, "REQUEST_LIMIT_EXCEEDED"), page(1, 2, 3))
    with pytest.raises(ServiceError):
        client.status_many(refs(1, 2, 3))
    client.status_many(refs(1, 2, 3))
    assert len(script.sent) == 2


class Listless(Script):
    """An org that answers a list with an error; its jobs can be asked for.

    :ivar out: Nothing can be asked for.
    """

    def __init__(self, clock: Clock, error: Any) -> None:
        super().__init__(clock)
        self.error = error
        self.out = False

    def answer(self, request: Request) -> Any:
        if self.out or request.url.endswith("/jobs/query"):
            return self.error
        return job("JobComplete", id=request.url.rsplit("/", 1)[-1])


@pytest.mark.parametrize("error", [refusal(500), TransportError("cut"), Reply(200, {}, b"<")], ids=str)
def test_jobs_that_cannot_be_listed_are_asked_for_in_turn(clock: Clock, error: Any) -> None:
    """Two requests a tick, the list's among them, which is tried again after a while."""
    org = Listless(clock, error)
    client, watched = in_order(SalesforceClient(org, ORG)), refs(1, 2, 3, 4, 5, 6)
    found = [states(client.status_many(watched)) for _ in range(4)]
    assert [list(each.values()).count("succeeded") for each in found] == [1, 2, 4, 5]
    tries = [key for key, _ in itertools.groupby(org.asked) if key == "GET v59.0/jobs/query"]
    assert len(tries) == 3
    for _ in range(3):
        client.status_many(watched)
    assert [key for key, _ in itertools.groupby(org.asked)][-6:] == [
        f"GET v59.0/jobs/query/{ref.id}" for ref in [watched[5], *watched[:5]]
    ]


def test_an_org_that_tells_nothing_is_an_outage(clock: Clock) -> None:
    """Those who were not asked for in this tick must not seem to be as they were."""
    org = Listless(clock, refusal(503))
    client, watched = SalesforceClient(org, ORG), refs(1, 2, 3, 4)
    client.status_many(watched)
    org.out = True
    with pytest.raises(ServiceError, match="503"):
        client.status_many(watched)
    with pytest.raises(ServiceError, match="503"):
        SalesforceClient(org, ORG).status_many(watched)


def test_nothing_is_remembered_of_jobs_that_nobody_waits_for(clock: Clock) -> None:
    client, _ = client_of(clock, *[job()] * 9)
    for number in range(9):
        client.status_many(refs(number))
    (known,) = client._many._lists.values()
    assert (len(known._last), len(known._asks.turns)) == (1, 1)


def test_one_job_under_two_references_is_seen_by_both(clock: Clock) -> None:
    """A sensor may know it by its short id, or by another version."""
    client, _ = client_of(clock, page(1, 2, 3, state="JobComplete"))
    long, *others = refs(1, 2, 3)
    short, newer = replace(long, id=long.id[:15]), replace(long, location="v60.0/jobs/query")
    found = client.status_many([long, short, newer, *others])
    assert len(found) == 5
    for ref, news in found.items():
        assert isinstance(news, JobStatus)
        assert (news.ref, news.state.ended) == (ref, True)


def test_few_jobs_of_a_busy_org_are_asked_for_in_turn(clock: Clock) -> None:
    """A list of many pages costs more than three gets; two of them a tick."""
    pages = [page(1, following=str(number)) for number in range(3)]
    client, script = client_of(clock, *pages, *[job("InProgress")] * 6)
    watched = refs(1, 2, 3)
    for _ in range(2):
        client.status_many(watched)
    del script.sent[:]
    for _ in range(3):
        assert states(client.status_many(watched)) == dict.fromkeys((1, 2, 3), "running")
    assert sorted(script.asked) == sorted(f"GET v59.0/jobs/query/{ref.id}" for ref in watched * 2)


def test_what_listing_costs_is_measured_anew(clock: Clock) -> None:
    client, script = client_of(clock)
    watched = refs(1, 2, 3)
    script.replies = [page(9, following=str(number)) for number in range(3)]
    for _ in range(2):
        client.status_many(watched)
    script.replies = [job("InProgress")] * 198 + [page(1, 2, 3)] * 9
    for _ in range(101):
        client.status_many(watched)
    assert script.asked[3 + 198 :] == ["GET v59.0/jobs/query"] * 2


class Kinds(Script):
    """An org whose two lists are asked for at once.

    :ivar lists: The pages of each, in order.
    """

    lists: dict[str, list[Any]]

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        listed = self.lists.get(request.url.rpartition("/")[2])
        self.replies = [listed.pop(0) if listed else job("InProgress")]
        return super().send(request, headers)


def test_two_kinds_share_the_two_calls(clock: Clock) -> None:
    both = [*refs(1, 2), *refs(3, 4, 5, kind="ingest")]
    script = Kinds(clock)
    script.lists = {"query": [page(1, 2)] * 3, "ingest": [page(3, 5), page(3, 4, 5)]}
    client = SalesforceClient(script, ORG)
    asked = []
    for _ in range(3):
        assert set(states(client.status_many(both)).values()) == {"running"}
        asked.append(sorted(script.asked))
        script.sent.clear()
    lists = ["GET v59.0/jobs/ingest", "GET v59.0/jobs/query"]
    assert asked == [lists, [f"GET v59.0/jobs/ingest/{job_id(4)}", "GET v59.0/jobs/query"], lists]


def test_each_of_several_jobs_is_told(clock: Clock) -> None:
    listed = page(1, 2, state="JobComplete")
    listed["records"].append(job("Failed", id=job_id(3), errorMessage="InvalidBatch : Field name not found"))
    client, _ = client_of(clock, page(1, 2, 3), listed)

    def told() -> list[JobStatus]:
        news = client.status_many(refs(1, 2, 3, kind="ingest")).values()
        return [each for each in news if isinstance(each, JobStatus)]

    assert several.state_of(told()) is JobState.RUNNING
    report = several.report(told(), Several("Salesforce jobs"))
    assert report.state is JobState.FAILED
    assert report.title == "3 Salesforce jobs"
    assert str(report.problem).startswith(f"InvalidBatch ({job_id(3)}): Field name")


THREE = refs(1, 2, 3, kind="ingest")


def states_of(statuses: list[JobStatus]) -> list[str]:
    return [status.state for status in statuses]


def test_one_look_tells_of_all(clock: Clock) -> None:
    """Whoever looks once in a process cannot read the rest of the list in the next tick."""
    client, script = client_of(clock, page(1, 2, 3))
    assert states_of(client.look(THREE)) == ["running"] * 3
    assert script.asked == ["GET v59.0/jobs/ingest"]
    client, script = client_of(
        clock, page(1, following="a"), page(9, following="b"), *[job("InProgress")] * 2
    )
    assert states_of(client.look(THREE)) == ["running"] * 3
    assert script.asked[2:] == [f"GET v59.0/jobs/ingest/{job_id(each)}" for each in (2, 3)]


def test_after_the_end_each_job_is_asked_for_its_numbers(clock: Clock) -> None:
    whole = [job(id=job_id(each), numberRecordsProcessed=each) for each in (1, 2, 3)]
    client, _ = client_of(clock, page(1, 2, 3, state="JobComplete"), *whole)
    assert [each.statistics["record_count"] for each in client.look(THREE)] == [1, 2, 3]
    client, script = client_of(clock, *whole[:2])
    assert states_of(client.look(THREE[:2])) == ["succeeded"] * 2
    assert len(script.asked) == 2


@pytest.mark.parametrize("error", [refusal(403), refusal(501)], ids=str)
def test_a_look_without_a_list_asks_for_each(clock: Clock, error: Any) -> None:
    client, _ = client_of(clock, error, *[job("InProgress")] * 3)
    assert states_of(client.look(THREE)) == ["running"] * 3


def test_a_look_without_requests_left_asks_for_nothing_else(clock: Clock) -> None:
    client, script = client_of(clock, refusal(403, "REQUEST_LIMIT_EXCEEDED"))
    with pytest.raises(ServiceError, match="REQUEST_LIMIT"):
        client.look(THREE)
    assert len(script.asked) == 1


def test_a_look_ends_in_the_first_error(clock: Clock) -> None:
    client, _ = client_of(clock, page(1, 2), refusal(404))
    with pytest.raises(NotFoundError):
        client.look(THREE)
