"""The sensor waits for what is named in any way."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.errors import ServiceError
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from tests.unit.tasks import context

TABLE = "acme.sales:next.orders"
URI = "/tables/acme.sales%3Anext.orders/uploads/orders_csv"


class Client:
    def __init__(self, *found: Any) -> None:
        self.found = list(found)
        self.asked: list[JobRef] = []

    def status(self, ref: JobRef) -> JobStatus:
        self.asked.append(ref)
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, JobStatus)
        return found

    def failing_statement(self, status: JobStatus) -> None:
        return None


def status(state: str) -> JobStatus:
    problem = JobProblem("the upload", "Row 3 is bad") if state == "failed" else None
    statistics = {"name": "orders.csv", "row_count": 3}
    return JobStatus(
        JobRef("redivis", TABLE, URI), JobState(state), state, problem=problem, statistics=statistics
    )


@pytest.fixture
def poke(monkeypatch: pytest.MonkeyPatch) -> Any:
    def poke(client: Client, **changes: Any) -> Any:
        monkeypatch.setattr(RedivisHook, "get_conn", lambda self: client)
        sensor = RedivisUploadSensor(**{"task_id": "t", "upload": URI, **changes})
        return sensor.execute(context()) if sensor.deferrable else sensor.poke(context())

    return poke


@pytest.mark.parametrize(
    "named",
    [
        {"upload": URI},
        {"upload": {"job_id": URI, "state": "pending"}},
        {"upload": "orders.csv", "table": TABLE},
    ],
)
def test_it_takes_what_there_is(poke: Any, named: dict[str, Any]) -> None:
    client = Client(status("running"), status("succeeded"))
    assert not poke(client, **named).is_done
    found = poke(client, **named)
    assert found.xcom_value == {
        "job_id": URI,
        "table": TABLE,
        "state": "succeeded",
        "name": "orders.csv",
        "row_count": 3,
    }
    assert client.asked == [JobRef("redivis", TABLE, URI)] * 2


def test_a_failure_fails_it_with_what_redivis_said(poke: Any) -> None:
    with pytest.raises(AirflowFailException, match="Row 3 is bad"):
        poke(Client(status("failed")))


def test_an_outage_does_not(poke: Any) -> None:
    outage = ServiceError("503", status=503, reason="x", retryable=True)
    assert not poke(Client(outage)).is_done


def test_deferred_it_waits_for_the_same(poke: Any) -> None:
    with pytest.raises(TaskDeferred) as caught:
        poke(Client(status("running")), deferrable=True)
    row = caught.value.trigger.serialize()[1]
    assert (row["service"], row["refs"][0]["id"], row["refs"][0]["scope"]) == ("redivis", URI, TABLE)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"upload": None}, "upload is 'None'"),
        ({"upload": {}}, "upload is"),
        ({"upload": "orders.csv"}, "give its table too"),
        ({"upload": "/users/me"}, "is not the uri"),
        ({"upload": f"{URI} https://x.example"}, "is not the uri"),
        ({"upload": "orders.csv", "table": "orders"}, "table 'orders'"),
    ],
)
def test_what_names_nothing_is_refused(poke: Any, named: dict[str, Any], says: str) -> None:
    client = Client()
    with pytest.raises(AirflowFailException, match=says):
        poke(client, **named)
    assert not client.asked
