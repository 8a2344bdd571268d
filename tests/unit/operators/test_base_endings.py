"""How a job task ends other than well: failure, cancellation, deadline, kill."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.errors import (
    ConfigurationError,
    DeadlineExceeded,
    JobCancelled,
    JobFailed,
    JobsError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.jobs import JobRef, JobStatus
from airflow_provider_jobs.operators import following
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.unit.tasks import REF, FakeClient, context, deferred, event, failed, faked, run, status

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

OTHER = JobRef("bigquery", "p", "key_1", "EU")


def operator(client: FakeClient, **options: Any) -> Any:
    options = {"task_id": "task", "sql": "SELECT 1", "deferrable": True, "inline_wait": 0, **options}
    return faked(BigQueryQueryOperator(**options), client)


class TestFailing:
    """What the user reads, and what Airflow does about it."""

    def failures(self, found: JobStatus, **client: Any) -> list[BaseException]:
        """Return how the task fails with and without deferring."""
        here, there = FakeClient(status("running"), looks=(found,)), FakeClient()
        for double in (here, there):
            vars(double).update(client)
        with pytest.raises((AirflowFailException, JobsError)) as without:
            run(operator(here, deferrable=False))
        with pytest.raises((AirflowFailException, JobsError)) as after:
            operator(there).execute_complete(context(), event(found))
        return [without.value, after.value]

    @pytest.mark.parametrize("statement", [None, "line 1, column 1: SELECT 1/0"])
    def test_both_modes_say_the_same(self, statement: str | None) -> None:
        here, there = self.failures(failed(), statement=statement)
        assert type(here) is type(there) is AirflowFailException
        assert str(here) == str(there)
        assert "invalidQuery (query): it went wrong" in str(here)
        assert "job: p:EU:key_0" in str(here)
        assert "console: https://console/key_0" in str(here)
        assert (statement or "job failed") in str(here)

    def test_a_passing_reason_is_retried(self) -> None:
        for error in self.failures(failed("backendError", retryable=True)):
            assert isinstance(error, JobFailed)

    def test_a_job_that_somebody_has_cancelled_may_be_retried(self) -> None:
        for error in self.failures(failed("stopped", state="cancelled")):
            assert isinstance(error, JobCancelled)
            assert error.retryable
            assert "job cancelled" in str(error)

    def test_a_statement_that_cannot_be_found_hides_no_failure(self, caplog: Any) -> None:
        class Deaf(FakeClient):
            def failing_statement(self, status: JobStatus) -> str | None:
                raise TransportError("cut")

        with caplog.at_level(logging.WARNING), pytest.raises(AirflowFailException, match="invalidQuery"):
            run(operator(Deaf(failed())))
        assert "could not be found out, and is left out: cut" in caplog.text

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (ServiceError("no", status=400, reason="invalid"), AirflowFailException),
            (ConfigurationError("no"), AirflowFailException),
            (ServiceError("no", status=503, reason="backendError", retryable=True), ServiceError),
            (TransportError("no"), TransportError),
        ],
    )
    def test_a_refused_submission_is_retried_if_that_can_help(
        self, error: Exception, kind: type[Exception]
    ) -> None:
        with pytest.raises(kind, match="no"):
            run(operator(FakeClient(error)))


class TestCancelledByOthers:
    """A kill of the attempt before may arrive late."""

    def test_an_adopted_job_that_was_cancelled_is_submitted_anew(self) -> None:
        stopped = failed("stopped", state="cancelled")
        client = FakeClient((status("running"),), status(ref=OTHER), looks=(stopped,))
        assert run(operator(client, deferrable=False))["job_id"] == "key_1"
        assert len(client.requests) == 2
        assert client.requests[0] == client.requests[1]

    def test_so_it_is_after_deferring(self) -> None:
        stopped = failed("stopped", state="cancelled")
        client = FakeClient(status("running", OTHER))
        with pytest.raises(TaskDeferred) as caught:
            operator(client).execute_complete(context(), event(stopped, adopted=True))
        trigger = caught.value.trigger
        assert isinstance(trigger, JobTrigger)
        assert trigger.refs == [OTHER]
        assert not trigger.adopted

    def test_it_happens_once(self) -> None:
        stopped = failed("stopped", state="cancelled")
        client = FakeClient((stopped,), stopped)
        with pytest.raises(JobCancelled, match="cancelled"):
            run(operator(client))
        assert client.submitted == []

    def test_an_own_job_that_was_cancelled_fails(self) -> None:
        client = FakeClient(failed("stopped", state="cancelled"))
        with pytest.raises(JobCancelled, match="cancelled"):
            run(operator(client))


class TestEnding:
    """Deadlines and kills."""

    def test_a_job_that_outlasts_its_time_is_cancelled_and_seen_to_end(self) -> None:
        stopped = failed("stopped", state="cancelled")
        client = FakeClient(looks=(status("running"), status("running"), stopped))
        task = operator(client, execution_timeout=dt.timedelta(seconds=90))
        with pytest.raises(
            DeadlineExceeded, match=r"execution_timeout \(0:01:30\) and is cancelled"
        ) as caught:
            task.execute_complete(context(), event(outcome="deadline"))
        assert client.cancelled == [REF]
        assert caught.value.ref == REF

    def test_a_job_that_does_not_stop_is_told(self, clock: Clock) -> None:
        client = FakeClient(looks=(status("running"),))
        with pytest.raises(DeadlineExceeded, match="was asked to stop and still runs"):
            operator(client).execute_complete(context(), event(outcome="deadline"))
        assert sum(clock.pauses) <= following.CANCEL_SECONDS + 1

    def test_a_job_that_made_it_in_the_last_moment_is_finished(self) -> None:
        """Its work is done and paid for; a failure would only say that it has succeeded."""
        client = FakeClient(looks=(status(),))
        result = operator(client).execute_complete(context(), event(outcome="deadline"))
        assert result["state"] == "succeeded"
        assert client.cancelled == []

    def test_a_job_that_ends_well_before_it_stops_is_finished(self) -> None:
        client = FakeClient(looks=(status("running"), status()))
        result = operator(client).execute_complete(context(), event(outcome="deadline"))
        assert result["state"] == "succeeded"
        assert client.cancelled == [REF]

    def test_a_job_that_failed_before_the_deadline_is_reported(self) -> None:
        """Its reason would be lost, and a retry would only repeat it."""
        stopped = replace(failed("stopped", state="cancelled"), ref=OTHER)
        client = FakeClient(looks=(failed(), status("running", OTHER), stopped))
        told = event(outcome="deadline", refs=[REF.to_json(), OTHER.to_json()])
        with pytest.raises(AirflowFailException, match=r"invalidQuery \(key_0, query\): it went wrong"):
            operator(client).execute_complete(context(), told)
        assert client.cancelled == [OTHER]

    @pytest.mark.parametrize("state", ["succeeded", "cancelled"])
    def test_a_job_that_cannot_be_asked_for_is_cancelled_too(self, state: str) -> None:
        client = FakeClient(looks=(TransportError("cut"), status(state)))
        task = operator(client)
        if state == "succeeded":
            assert task.execute_complete(context(), event(outcome="deadline"))["state"] == "succeeded"
        else:
            with pytest.raises(DeadlineExceeded, match="is cancelled"):
                task.execute_complete(context(), event(outcome="deadline"))
        assert client.cancelled == [REF]

    def test_a_cancel_that_fails_leaves_out_no_other(self) -> None:
        class Refusing(FakeClient):
            def cancel(self, ref: JobRef) -> bool:
                super().cancel(ref)
                raise TransportError(f"cut {len(self.cancelled)}")

        client = Refusing(status("running"))
        task = operator(client)
        deferred(task)
        task._refs = [REF, OTHER]
        task.on_kill()
        assert sorted(ref.id for ref in client.cancelled) == ["key_0", "key_1"]

    def test_a_kill_cancels_the_job(self) -> None:
        client = FakeClient(status("running"))
        task = operator(client)
        deferred(task)
        task.on_kill()
        task.on_kill()
        assert client.cancelled == [REF, REF]

    def test_a_kill_after_the_trigger_cancels_the_job_too(self) -> None:
        class Killed(FakeClient):
            def row_count(self, ref: JobRef) -> int:
                task.on_kill()
                return 0

        client = Killed()
        task = operator(client)
        task.execute_complete(context(), event(status(statistics={"statement_type": "SELECT"})))
        assert client.cancelled == [REF]

    def test_a_kill_leaves_the_job_alone_if_asked_to(self) -> None:
        client = FakeClient(status("running"))
        task = operator(client, cancel_on_kill=False)
        deferred(task)
        task.on_kill()
        assert client.cancelled == []

    def test_a_kill_before_submission_does_nothing(self) -> None:
        client = FakeClient()
        operator(client).on_kill()
        assert client.cancelled == []
