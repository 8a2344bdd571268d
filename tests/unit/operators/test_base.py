"""The life cycle of a job task: submit or adopt, wait, finish, be killed."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import DeadlineExceeded, JobCancelled, JobsError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators import endings
from airflow_provider_jobs.operators.attempts import work_digest
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.triggers.job import FIRST_POLL_SECONDS, JobTrigger
from tests.unit.tasks import REF, STARTED, FakeClient, context, deferred, event, failed, faked, run, status

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

OTHER = JobRef("bigquery", "p", "key_1", "EU")


def operator(client: FakeClient, **options: Any) -> Any:
    options = {"task_id": "task", "sql": "SELECT 1", "deferrable": True, "inline_wait": 0, **options}
    return faked(BigQueryQueryOperator(**options), client)


class TestWaitingHere:
    """Jobs that end while the worker waits."""

    def test_a_job_that_has_ended_is_finished_at_once(self) -> None:
        done = status(statistics={"bytes_processed": 5})
        with_context = context()
        result = run(operator(FakeClient(done)), with_context)
        assert result == {
            "project_id": "p",
            "location": "EU",
            "job_id": "key_0",
            "state": "succeeded",
            "bytes_processed": 5,
            "url": "https://console/key_0",
        }
        assert with_context["ti"].pushed["job"] == result

    def test_waits_a_moment_before_deferring(self, clock: Clock) -> None:
        client = FakeClient(status("pending"), looks=(status("running"), status()))
        assert run(operator(client, inline_wait=5))["state"] == "succeeded"
        assert clock.pauses == [0.5, 0.5]

    def test_waits_to_the_end_if_not_deferrable(self, clock: Clock) -> None:
        client = FakeClient(status("running"), looks=(*[status("running")] * 99, status()))
        assert run(operator(client, deferrable=False))["state"] == "succeeded"
        assert sum(clock.pauses) > 60

    @pytest.mark.parametrize("deferrable", [True, False])
    def test_execution_timeout_ends_the_job_on_the_worker_too(self, *, deferrable: bool) -> None:
        client = FakeClient(status("running"), looks=(status("cancelled"),))
        task = operator(client, deferrable=deferrable, execution_timeout=dt.timedelta(seconds=90))
        with pytest.raises(DeadlineExceeded, match=r"execution_timeout \(0:01:30\) and is cancelled"):
            run(task)
        assert client.cancelled == [REF]

    def test_the_job_is_known_from_submission_on(self) -> None:
        with_context = context()
        deferred(operator(FakeClient(status("running"))), with_context)
        assert with_context["ti"].pushed["job"]["job_id"] == "key_0"
        assert with_context["ti"].pushed["_link_BigQueryJobLink"] == "https://console/key_0"

    def test_without_waiting_the_reference_is_the_result(self) -> None:
        result = run(operator(FakeClient(status("running")), wait=False))
        assert (result["job_id"], result["state"]) == ("key_0", "running")

    def test_a_result_is_plain_json(self) -> None:
        result = run(operator(FakeClient(status())))
        assert json.loads(json.dumps(result)) == result


class TestDeferring:
    """The hop through the triggerer."""

    def test_the_trigger_knows_everything(self) -> None:
        task = operator(
            FakeClient(status("running")),
            poll_interval=7,
            gcp_conn_id="c",
            project_id="q",
            impersonation_chain=["a", "b"],
            execution_timeout=dt.timedelta(days=36500),
            cancel_on_kill=False,
        )
        before = time.time()
        trigger = deferred(task)
        name, arguments = trigger.serialize()
        assert name == "airflow_provider_jobs.triggers.job.JobTrigger"
        first = arguments.pop("first_poll_at")
        assert before + FIRST_POLL_SECONDS <= first <= time.time() + FIRST_POLL_SECONDS
        assert arguments == {
            "service": "bigquery",
            "hook_args": {"gcp_conn_id": "c", "project_id": "q", "impersonation_chain": ["a", "b"]},
            "poll_interval": 7,
            "deadline": STARTED.timestamp() + 36500 * 86400,
            "refs": [REF.to_json()],
            "adopted": False,
            "carried": {},
            "cancel_on_kill": False,
            "ending": {
                "task": "airflow_provider_jobs.operators.bigquery.query:BigQueryQueryOperator",
                "result": True,
            },
        }
        assert JobTrigger(**arguments, first_poll_at=first).serialize() == trigger.serialize()

    @pytest.mark.parametrize("changes", [{}, {"start_date": None}])
    def test_without_a_time_limit_there_is_no_deadline(self, changes: dict[str, Any]) -> None:
        timeout = dt.timedelta(1) if changes else None
        task = operator(FakeClient(status("running")), execution_timeout=timeout)
        assert deferred(task, context(**changes)).deadline is None

    def test_an_adopted_job_stays_adopted(self) -> None:
        assert deferred(operator(FakeClient((status("running"),)))).adopted

    def test_the_end_is_the_same_as_without_the_hop(self) -> None:
        done = status(statistics={"statement_type": "SELECT", "slot_ms": 5})
        here, there = context(), context()
        result = run(operator(FakeClient(done)), here)
        client = FakeClient()
        assert operator(client).execute_complete(there, event(done)) == result
        assert result["row_count"] == 42
        assert there["ti"].pushed == here["ti"].pushed
        assert client.counted == [REF]

    @pytest.mark.parametrize("told", [{"outcome": "ended"}, {**event(status()), "outcome": "strange"}])
    def test_a_strange_event_fails_loudly(self, told: Any) -> None:
        with pytest.raises((KeyError, TypeError, JobsError, AirflowFailException)):
            operator(FakeClient()).execute_complete(context(), told)

    def test_an_outage_can_be_retried(self) -> None:
        """As without deferring: the job may run on, and a retry adopts it."""
        told = event(outcome="error", message="no reply", retryable=True)
        with pytest.raises(JobsError, match="p:EU:key_0: no reply") as caught:
            operator(FakeClient()).execute_complete(context(), told)
        assert caught.value.retryable

    def test_the_reason_is_told_however_many_jobs_there_are(self) -> None:
        """An error's text is cut: of two hundred jobs it had nothing but names."""
        name = "airflow_dag_task_manual__2026-01-02T00_00_00_00_00_0123456789abcdef_"
        jobs = [JobRef("bigquery", "project", f"{name}{number}_0", "EU").to_json() for number in range(200)]
        told = {**event(outcome="error", message="no reply", retryable=True), "refs": jobs}
        with pytest.raises(JobsError, match=r"_19_0 and 180 more: no reply$"):
            operator(FakeClient()).execute_complete(context(), told)

    def test_a_lasting_error_of_the_trigger_is_not_retried(self) -> None:
        told = event(outcome="error", message="the job is gone", retryable=False)
        with pytest.raises(AirflowFailException, match="the job is gone"):
            operator(FakeClient()).execute_complete(context(), told)


class TestVersionBefore:
    """Tasks that the version before has deferred end as they should."""

    def old(self, job_id: str = "key_0", outcome: str = "ended", **more: Any) -> dict[str, Any]:
        ref = {"service": "bigquery", "scope": "p", "id": job_id, "location": "EU", "created_at": 1.0}
        return {"outcome": outcome, "ref": ref, "adopted": False, **more}

    def test_its_event_finishes_the_task(self) -> None:
        client = FakeClient(looks=(status(statistics={"slot_ms": 5}),))
        told = self.old(status={"state": "succeeded", "vendor_state": "DONE"})
        assert operator(client).execute_complete(context(), told)["slot_ms"] == 5

    def test_several_jobs_were_one_reference(self) -> None:
        client = FakeClient(looks=(status(), status(ref=OTHER)))
        told = self.old("key_0 key_1", status={"state": "succeeded"})
        result = operator(client).execute_complete(context(), told, sent={"key_0": 1})
        assert result["job_id"] == "key_0 key_1"
        assert [job["job_id"] for job in result["jobs"]] == ["key_0", "key_1"]

    @pytest.mark.parametrize(
        "more", [{"outcome": "deadline"}, {"outcome": "error", "message": "m", "retryable": True}]
    )
    def test_its_other_events_are_read_too(self, more: dict[str, Any]) -> None:
        client = FakeClient(looks=(status("running"), failed("stopped", state="cancelled")))
        with pytest.raises(JobsError, match="p:EU:key_0"):
            operator(client).execute_complete(context(), self.old(**more))


class TestWork:
    """What makes two pieces of work the same."""

    def digest(self, configuration: Any = "c", **changes: Any) -> str:
        return work_digest(context(**changes), configuration)

    def test_a_retry_is_the_same_work(self) -> None:
        later = self.digest(try_number=2, start_date=STARTED + dt.timedelta(1))
        assert self.digest() == later
        assert len(later) == 20

    @pytest.mark.parametrize(
        "changes",
        [
            {"max_tries": 2},
            {"map_index": 0},
            {"dag_id": "other"},
            {"task_id": "other"},
            {"run_id": "other"},
            {"configuration": {"query": {"query": "SELECT 2"}}},
        ],
    )
    def test_anything_else_is_other_work(self, changes: dict[str, Any]) -> None:
        assert self.digest() != self.digest(**changes)

    def test_the_order_of_keys_does_not_matter(self) -> None:
        assert self.digest({"a": 1, "b": 2}) == self.digest({"b": 2, "a": 1})

    def test_names_do_not_run_together(self) -> None:
        assert self.digest(dag_id="a", run_id="b_c") != self.digest(dag_id="a_b", run_id="c")


@pytest.mark.parametrize("options", [{"poll_interval": -1}, {"poll_interval": 0}, {"inline_wait": -0.1}])
def test_senseless_intervals_are_refused_when_the_dag_is_read(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        operator(FakeClient(), **options)


def test_the_base_leaves_the_service_open() -> None:
    task = JobOperator(task_id="t")
    client = FakeClient()
    for call in (task.hook_args, task.client):
        with pytest.raises(AttributeError, match="hook_class"):
            call()
    with pytest.raises(NotImplementedError):
        task.request(client, context())
    done = status()
    assert task.ended(client, context(), [done]) == task.completed(client, context(), [done]) == [done]
    assert task.result([done])["job_id"] == "key_0"


def test_cancelled_is_a_kind_of_failed() -> None:
    found = endings.failure(FakeClient(), [failed(state="cancelled")], JobOperator.together)
    assert isinstance(found, JobCancelled)
