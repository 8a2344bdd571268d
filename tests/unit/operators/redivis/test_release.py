"""A release happens once, and cannot be taken back."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.clients.redivis.replies import NOT_RELEASED
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import DeadlineExceeded
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from tests.integration.task_run import Store
from tests.unit import tasks
from tests.unit.tasks import event, faked


def context(**changes: Any) -> Any:
    return tasks.context(**{"start_date": dt.datetime.now(dt.UTC), **changes})


def run(task: Any, with_context: Any = None) -> Any:
    return tasks.run(task, with_context or context())


def ref() -> JobRef:
    return JobRef("redivis", "acme.sales", "release-after-v1.0")


class Client:
    """Tells how the release is doing."""

    def __init__(self, *found: JobStatus) -> None:
        self.found = found
        self.cancelled: list[JobRef] = []

    def status(self, ref: JobRef) -> JobStatus:
        return self.found[0]

    def cancel(self, ref: JobRef) -> None:
        self.cancelled.append(ref)


class Releasing(Client):
    """Releases; its dataset shows these tags, one after another."""

    def __init__(self, *tags: str) -> None:
        super().__init__()
        self.tags = list(tags)
        self.after: list[Any] = []

    def get_dataset(self, dataset: str) -> dict[str, Any]:
        return {"version": {"tag": self.tags[0], "isReleased": self.tags[0] != "next"}, "nextVersion": None}

    def submit(self, request: Any) -> Submission:
        self.after.append(request.after)
        ref = JobRef("redivis", request.scope, f"release-after-{request.after}")
        return Submission(
            JobStatus(ref, JobState.SUCCEEDED, "released", statistics={"version": "v2.0"}), adopted=False
        )


def releasing(client: Client, with_context: Any = None, **changes: Any) -> Any:
    task = RedivisReleaseOperator(
        **{"task_id": "task", "dataset": "acme.sales", "release_notes": "n", **changes}
    )
    return run(faked(task, client), with_context)


def test_a_release_says_what_is_released() -> None:
    result = releasing(Releasing("v1.0"))
    assert result.pop("duration_seconds") >= 0
    assert result == {
        "job_id": "release-after-v1.0",
        "dataset": "acme.sales",
        "state": "succeeded",
        "version": "v2.0",
    }


def test_a_retry_knows_what_an_attempt_of_the_version_before_has_kept() -> None:
    store = Store(
        {"release": {"dataset": "acme.sales", "max_tries": context()["ti"].max_tries, "after": "v1.0"}}
    )
    client = Releasing("v2.0")
    releasing(client, {**context(), "task_state_store": store})
    releasing(client, {**context(max_tries=7), "task_state_store": store})
    assert client.after == ["v1.0", "v2.0"]


def test_a_retry_knows_what_was_released_before() -> None:
    store = Store()
    client = Releasing("v1.0")
    releasing(client, {**context(), "task_state_store": store})
    client.tags = ["v2.0"]
    releasing(client, {**context(), "task_state_store": store})
    releasing(client, {**context(max_tries=3), "task_state_store": store})
    assert client.after == ["v1.0", "v1.0", "v2.0"]
    client.tags = ["next"]
    releasing(client)
    assert client.after[-1] == NOT_RELEASED


def test_a_release_is_not_cancelled() -> None:
    client = Releasing("v1.0")
    task = faked(RedivisReleaseOperator(task_id="t", dataset="acme.sales", wait=False), client)
    run(task)
    task.on_kill()
    assert client.cancelled == []


def test_nor_does_its_trigger_cancel_it() -> None:
    """It would say "cancelled" in the log of a task that was marked failed."""

    class Slow(Releasing):
        def submit(self, request: Any) -> Submission:
            return Submission(JobStatus(ref(), JobState.RUNNING, "releasing"), adopted=False)

    task = RedivisReleaseOperator(task_id="t", dataset="acme.sales", deferrable=True, inline_wait=0)
    with pytest.raises(TaskDeferred) as caught:
        run(faked(task, Slow("v1.0")))
    assert not caught.value.trigger.serialize()[1]["cancel_on_kill"]


@pytest.mark.parametrize("dataset", ["sales", "acme.sales.orders", ""])
def test_what_is_no_dataset_is_refused(dataset: str) -> None:
    with pytest.raises(AirflowFailException, match="dataset"):
        releasing(Releasing("v1.0"), dataset=dataset)


def test_a_release_that_ends_at_its_deadline_is_fine() -> None:
    done = JobStatus(ref(), JobState.SUCCEEDED, "released", statistics={"version": "v2.0"})
    task = faked(RedivisReleaseOperator(task_id="t", dataset="acme.sales"), Client(done))
    told = event(outcome="deadline", refs=[ref().to_json()])
    assert task.execute_complete(context(), told)["version"] == "v2.0"


def test_the_connection_is_looked_up_when_the_task_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "redivis", "password": "t", "host": "http://127.0.0.1:9/api/v1"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))
    task = RedivisReleaseOperator(task_id="t", dataset="acme.sales", redivis_conn_id="mine")
    client = task.client()
    assert client._transport._token.headers() == {"Authorization": "Bearer t"}
    assert not client._transport._token.renew({})


def test_a_release_that_outlasts_its_time_is_told() -> None:
    task = faked(
        RedivisReleaseOperator(task_id="t", dataset="acme.sales"),
        Client(JobStatus(ref(), JobState.RUNNING, "releasing")),
    )
    told = event(outcome="deadline", refs=[ref().to_json()])
    with pytest.raises(DeadlineExceeded, match="and may still"):
        task.execute_complete(context(), told)
