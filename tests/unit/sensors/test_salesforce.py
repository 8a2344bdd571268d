"""The sensor waits for what is named in any way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import NotFoundError, ServiceError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.unit.tasks import context

if TYPE_CHECKING:
    from collections.abc import Sequence

ID, OTHER = "750000000000001AAA", "750000000000002AAA"
ORG = "acme.my.salesforce.com"


class Client(SalesforceClient):
    """Tells what it is told to tell."""

    def __init__(self, *found: Any) -> None:
        nobody: Any = None
        super().__init__(Transport(nobody, user_agent="x"), f"https://{ORG}", version="59.0")
        self.found = list(found)
        self.asked: list[JobRef] = []

    def status(self, ref: JobRef) -> JobStatus:
        self.asked.append(ref)
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, JobStatus)
        return found

    def look(self, refs: Sequence[JobRef]) -> list[JobStatus]:
        return [self.status(ref) for ref in refs]


def status(state: str, kind: str = "query") -> JobStatus:
    problem = JobProblem("QUERY_TIMEOUT", "too long") if state == "failed" else None
    ref = JobRef("salesforce", ORG, ID, f"v59.0/jobs/{kind}")
    numbers = {"object": "Account", "operation": kind, "record_count": 3, "processing_ms": 500}
    return JobStatus(ref, JobState(state), state, problem=problem, statistics=numbers, url="https://x")


@pytest.fixture
def poke(monkeypatch: pytest.MonkeyPatch) -> Any:
    def poke(client: Client, **changes: Any) -> Any:
        monkeypatch.setattr(SalesforceHook, "get_conn", lambda self: client)
        sensor = SalesforceJobSensor(**{"task_id": "t", "job": ID, **changes})
        return sensor.execute(context()) if sensor.deferrable else sensor.poke(context())

    return poke


@pytest.mark.parametrize(
    ("named", "location"),
    [
        ({"job": ID}, "v59.0/jobs/query"),
        ({"job": ID, "kind": "ingest", "api_version": "61.0"}, "v61.0/jobs/ingest"),
        ({"job": {"job_id": ID, "kind": "ingest", "api_version": "60.0"}}, "v60.0/jobs/ingest"),
    ],
)
def test_it_takes_what_there_is(poke: Any, named: dict[str, Any], location: str) -> None:
    client = Client(status("running"), status("succeeded"))
    assert not poke(client, **named).is_done
    assert poke(client, **named).xcom_value == {
        "job_id": ID,
        "kind": "query",
        "api_version": "59.0",
        "state": "succeeded",
        "object": "Account",
        "operation": "query",
        "record_count": 3,
        "processing_seconds": 0.5,
        "url": "https://x",
    }
    assert client.asked == [JobRef("salesforce", ORG, ID, location)] * 2


def test_it_takes_a_result_that_names_several_jobs(poke: Any) -> None:
    named = {"job": {"job_id": f"{ID} {OTHER}", "kind": "ingest"}}
    client = Client(status("succeeded"), status("running"), status("succeeded"), status("succeeded"))
    assert not poke(client, **named).is_done
    found = poke(client, **named).xcom_value
    assert (found["record_count"], len(found["jobs"])) == (6, 2)
    refs = [JobRef("salesforce", ORG, each, "v59.0/jobs/ingest") for each in (ID, OTHER)]
    assert client.asked == refs * 2


def test_a_failure_fails_it_with_what_salesforce_said(poke: Any) -> None:
    with pytest.raises(AirflowFailException, match="QUERY_TIMEOUT: too long"):
        poke(Client(status("failed")))
    with pytest.raises(AirflowFailException, match="gone"):
        poke(Client(NotFoundError("it is gone", status=404, reason="NOT_FOUND")), timeout=0)


def test_an_outage_does_not(poke: Any) -> None:
    outage = ServiceError("503", status=503, reason="x", retryable=True)
    assert not poke(Client(outage)).is_done


def test_deferred_it_waits_for_the_same(poke: Any) -> None:
    with pytest.raises(TaskDeferred) as caught:
        poke(Client(status("running")), deferrable=True)
    row = caught.value.trigger.serialize()[1]
    assert row["hook_args"] == {"salesforce_conn_id": "salesforce_default"}
    assert (row["service"], row["refs"][0]["id"], row["refs"][0]["scope"]) == ("salesforce", ID, ORG)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"job": None}, "job is 'None'"),
        ({"job": " "}, "job is ' '"),
        ({"job": {}}, "give a job id, or an operator's result"),
        ({"job": "../limits"}, "not a job id"),
        ({"job": f"{ID} x"}, "not a job id"),
        ({"job": ID, "kind": "report"}, "kind is 'report'"),
        ({"job": ID, "api_version": "new"}, "version is 'new'"),
    ],
)
def test_what_names_nothing_is_refused(poke: Any, named: dict[str, Any], says: str) -> None:
    client = Client()
    with pytest.raises(AirflowFailException, match=says):
        poke(client, **named)
    assert not client.asked
