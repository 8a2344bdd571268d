"""Triggers: they survive a restart, share their looks, and end with one event."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.core.wait.group import PollGroup
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError, TransportError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators.bigquery import BigQueryInsertJobOperator
from airflow_provider_jobs.triggers import job, questions, sharing
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.unit.tasks import REF, FakeClient, FakeTi, event, failed, status
from tests.unit.triggers.doubles import Searching, event_of, job_trigger, jobs_trigger, run, until, watching

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobStatus

OTHER = JobRef("bigquery", "p", "key_1", "EU")
T = TypeVar("T")
GONE = NotFoundError("gone", status=404, reason="notFound")
#: No test waits longer for anything; seconds.
PATIENCE = 10.0


def test_a_row_names_no_class_but_ours() -> None:
    path = "airflow_provider_jobs.operators.bigquery.job:BigQueryInsertJobOperator"
    assert job.task_class(path) is BigQueryInsertJobOperator
    for foreign in ("json:JSONDecoder", "airflow_provider_jobs_of_others.operators:Operator"):
        with pytest.raises(ConfigurationError, match="is not a class of this package"):
            job.task_class(foreign)


class TestJobTrigger:
    """One job."""

    @pytest.mark.parametrize("found", [status(statistics={"slot_ms": 5}), failed()])
    def test_tells_how_the_job_ended(self, found: JobStatus) -> None:
        client = FakeClient(looks=(status("running"), found))
        told = run(event_of(job_trigger(client, adopted=True)))
        assert told == event(found, adopted=True)

    def test_tells_that_time_is_up(self) -> None:
        client = FakeClient(looks=(status("running"),))
        told = run(event_of(job_trigger(client, deadline=time.time() + 0.1)))
        assert told == event(outcome="deadline")

    @pytest.mark.parametrize("kind", [job_trigger, jobs_trigger])
    @pytest.mark.parametrize("broken", [True, False])
    def test_tells_nothing_before_its_time(self, kind: Any, *, broken: bool) -> None:
        """Airflow loses an event that comes before it has recorded that the task waits."""
        client = ConfigurationError("wrong") if broken else Searching(1, looks=(status(),))
        first = time.time() + 0.2
        run(event_of(kind(client, first_poll_at=first)))
        assert time.time() >= first

    @pytest.mark.parametrize("kind", [job_trigger, jobs_trigger])
    @pytest.mark.parametrize("seconds", [-1.0, 0.05])
    def test_time_may_be_up_before_the_first_look(self, kind: Any, seconds: float) -> None:
        """That is told no earlier either: else nobody would end the job."""
        client = Searching(0, looks=(status("running"),))
        began = time.time()
        trigger = kind(client, first_poll_at=began + 0.2, deadline=began + seconds)
        assert run(event_of(trigger))["outcome"] == "deadline"
        assert time.time() >= began + 0.2

    def test_keeps_the_pause_that_the_service_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However early a look could be of use, and after a restart too: it is in the row."""
        monkeypatch.setattr(job, "FIRST_POLL_SECONDS", 0.0)
        until = time.time() + 0.3
        trigger = job_trigger(FakeClient(looks=(status(),)), first_poll_at=until, pause_seconds=5.0)
        _, row = trigger.serialize()
        assert JobTrigger(**row).pause_seconds == 5.0
        assert run(event_of(trigger))["outcome"] == "ended"
        assert time.time() >= until

    def test_a_row_without_a_pause_is_one_of_earlier_builds(self) -> None:
        _, row = job_trigger(FakeClient()).serialize()
        assert "pause_seconds" not in row

    def test_a_clock_that_is_ahead_does_not_hold_it_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(job, "FIRST_POLL_SECONDS", 0.1)
        trigger = job_trigger(FakeClient(looks=(status(),)), first_poll_at=time.time() + 3600)
        assert run(event_of(trigger))["outcome"] == "ended"

    @pytest.mark.parametrize(
        ("client", "text"),
        [
            (FakeClient(looks=(GONE,)), "gone"),
            (ConfigurationError("connection c: wrong"), "connection c: wrong"),
        ],
    )
    def test_tells_what_cannot_be_mended(self, client: Any, text: str) -> None:
        class Telling(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                return dict.fromkeys(refs, GONE)

        client = Telling() if isinstance(client, FakeClient) else client
        told = run(event_of(job_trigger(client)))
        assert (told["outcome"], told["message"], told["retryable"]) == ("error", text, False)

    def test_an_outage_beyond_the_budget_can_be_retried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Dead(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                return dict.fromkeys(refs, TransportError("no reply"))

        monkeypatch.setattr(sharing, "PollGroup", partial(PollGroup, outage_seconds=0))
        told = run(event_of(job_trigger(Dead())))
        assert (told["outcome"], told["message"], told["retryable"]) == ("error", "no reply", True)

    def test_finds_the_client_of_its_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        extra = {"project": "p", "access_token": "t"}
        monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"conn_type": "bigquery_jobs", "extra": extra}))
        shared: dict[str, Any] = {
            "service": "bigquery",
            "hook_args": {"gcp_conn_id": "c"},
            "poll_interval": 1,
        }
        assert run(JobTrigger(ref=REF.to_json(), **shared).client()).project == "p"


class TestFirstQuestion:
    """The first answer of Airflow takes a triggerer seconds of work; a kill is no time for that."""

    def test_the_first_trigger_asks_and_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []
        monkeypatch.setattr(questions, "_first_questions", [])
        monkeypatch.setattr(compat, "task_state", asked.append)

        async def scene() -> None:
            for _ in range(3):
                trigger = job_trigger(FakeClient(looks=(status(),)))
                trigger.task_instance = FakeTi()
                await event_of(trigger)
            await asyncio.gather(*questions._first_questions)

        run(scene())
        assert len(asked) == 1

    def test_the_answer_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_: Any) -> None:
            raise RuntimeError("API_SERVER_ERROR")

        monkeypatch.setattr(questions, "_first_questions", [])
        monkeypatch.setattr(compat, "task_state", fail)
        trigger = job_trigger(FakeClient(looks=(status(),)))
        trigger.task_instance = FakeTi()
        assert run(event_of(trigger)) == event(status())


class TestSeveral:
    """Several jobs of one task."""

    def test_tells_how_each_ended_once_all_have(self) -> None:
        class Telling(FakeClient):
            looked = 0

            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                self.looked += 1
                states = {REF: "succeeded", OTHER: "succeeded" if self.looked > 2 else "running"}
                return {ref: status(states[ref], ref) for ref in refs}

        told = run(event_of(job_trigger(Telling(), REF, OTHER, carried={"sent": {"key_0": 1}})))
        assert told == event(status(), status(ref=OTHER), carried={"sent": {"key_0": 1}})

    def test_one_that_is_gone_ends_the_wait_for_all(self) -> None:
        class Telling(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                return {ref: GONE if ref == OTHER else status("running", ref) for ref in refs}

        told = run(event_of(job_trigger(Telling(), REF, OTHER)))
        assert (told["outcome"], told["message"]) == ("error", "gone")
        assert len(told["refs"]) == 2

    def test_a_kill_cancels_each(self) -> None:
        client = FakeClient()
        run(job_trigger(client, REF, OTHER, cancel_on_kill=True).on_kill())
        assert sorted(ref.id for ref in client.cancelled) == ["key_0", "key_1"]


class TestVersionBefore:
    """Rows that the version before has written wake up."""

    SHARED: ClassVar[dict[str, Any]] = {
        "service": "bigquery",
        "hook_args": {"gcp_conn_id": "c", "project_id": None, "impersonation_chain": None},
        "poll_interval": 0.01,
        "deadline": None,
        "first_poll_at": 0.0,
        "adopted": True,
        "cancel_on_kill": True,
    }

    @pytest.mark.parametrize(("job_id", "refs"), [("key_0", [REF]), ("key_0 key_1", [REF, OTHER])])
    def test_one_reference_stood_for_all(self, job_id: str, refs: list[JobRef]) -> None:
        old = {"service": "bigquery", "scope": "p", "id": job_id, "location": "EU", "created_at": 1.0}
        trigger = JobTrigger(ref=old, **self.SHARED)
        assert trigger.refs == refs
        assert JobTrigger(**trigger.serialize()[1]).refs == refs
        told = run(event_of(watching(trigger, FakeClient(looks=(status(),)))))
        assert (told["outcome"], told["adopted"], len(told["statuses"])) == ("ended", True, len(refs))


class TestKill:
    """A user ends the task, or the trigger only moves."""

    def kill(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        means_killed: bool = False,
        ti: FakeTi | None = None,
        state: str | None = "deferred",
        job: Any = None,
        follows: Any = None,
        failure: str | None = None,
        **options: Any,
    ) -> list[JobRef]:
        monkeypatch.setattr(compat, "ON_KILL_MEANS_KILLED", means_killed)
        monkeypatch.setattr(sharing, "REOPEN_SECONDS", 0.0)
        failures = [failure] if failure else []
        xcoms = {"job": job, "job_attempt": follows}

        def told(question: str, answer: Any) -> Any:
            if question in failures:
                failures.remove(question)
                raise RuntimeError("API_SERVER_ERROR: database is locked")
            return answer

        monkeypatch.setattr(compat, "task_state", lambda ti: told("state", state))
        monkeypatch.setattr(compat, "task_xcom", lambda ti, key: told("xcom", xcoms.get(key)))
        client = FakeClient()
        trigger = job_trigger(client, **{"cancel_on_kill": True, **options})
        trigger.task_instance = ti
        run(trigger.on_kill())
        return client.cancelled

    def test_cancels_where_a_kill_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.kill(monkeypatch, means_killed=True, ti=FakeTi()) == [REF]
        assert self.kill(monkeypatch) == [REF]

    @pytest.mark.parametrize("state", ["failed", "success", "up_for_retry", None])
    def test_cancels_if_the_task_was_ended(self, monkeypatch: pytest.MonkeyPatch, state: str | None) -> None:
        assert self.kill(monkeypatch, ti=FakeTi(), state=state) == [REF]

    def test_leaves_the_job_alone_if_the_task_still_waits_on_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.kill(monkeypatch, ti=FakeTi(), job={"job_id": REF.id}) == []

    @pytest.mark.parametrize(("try_number", "cancelled"), [(2, []), (1, [REF])])
    def test_leaves_the_job_to_a_later_attempt(
        self, monkeypatch: pytest.MonkeyPatch, try_number: int, cancelled: list[JobRef]
    ) -> None:
        """It runs on a worker, or is deferred elsewhere."""
        follows = {"try_number": try_number, "job_id": REF.id}
        assert self.kill(monkeypatch, ti=FakeTi(), state="running", follows=follows) == cancelled

    @pytest.mark.parametrize("job", [None, {"job_id": "another"}, "text"])
    def test_cancels_if_the_task_waits_on_another(self, monkeypatch: pytest.MonkeyPatch, job: Any) -> None:
        assert self.kill(monkeypatch, ti=FakeTi(), job=job) == [REF]

    @pytest.mark.parametrize(("failure", "state"), [("state", "failed"), ("xcom", "deferred")])
    def test_asks_again_if_airflow_could_not_tell(
        self, monkeypatch: pytest.MonkeyPatch, failure: str, state: str
    ) -> None:
        assert self.kill(monkeypatch, ti=FakeTi(), state=state, failure=failure) == [REF]

    @pytest.mark.parametrize("trouble", ["Airflow", "the service"])
    def test_says_if_it_could_not_cancel_although_airflow_has_left(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: str
    ) -> None:
        """Airflow 3.3 cancels the trigger again each second, on_kill with it."""
        asked, answer = threading.Event(), threading.Event()

        def out(*_: Any) -> Any:
            asked.set()
            assert answer.wait(PATIENCE)
            raise TransportError(f"{trouble} is out")

        monkeypatch.setattr(compat, "ON_KILL_MEANS_KILLED", trouble == "the service")
        monkeypatch.setattr(compat, "task_state", out)
        monkeypatch.setattr(sharing, "LOOK_UP_SECONDS", -1.0)
        client = FakeClient()
        client.cancel = out  # type: ignore[method-assign, assignment]
        trigger = job_trigger(client, cancel_on_kill=True)
        trigger.task_instance = FakeTi()

        async def scene() -> None:
            kill = asyncio.create_task(trigger.on_kill())
            await until(asked.is_set)
            kill.cancel()
            with pytest.raises(asyncio.CancelledError):
                await kill
            answer.set()
            await asyncio.gather(*job._cancellations)

        run(scene())
        told = capsys.readouterr().out
        assert f"{REF} could not be cancelled" in told
        assert f"{trouble} is out" in told

    def test_leaves_the_job_alone_if_asked_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.kill(monkeypatch, means_killed=True, cancel_on_kill=False) == []

    @pytest.mark.parametrize("has_on_kill", [True, False])
    def test_an_airflow_without_on_kill_cancels_the_trigger_only(
        self, monkeypatch: pytest.MonkeyPatch, *, has_on_kill: bool
    ) -> None:
        monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", has_on_kill)
        monkeypatch.setattr(compat, "ON_KILL_MEANS_KILLED", True)
        client = FakeClient(looks=(status("running"),))

        async def scene() -> None:
            task = asyncio.create_task(event_of(job_trigger(client, cancel_on_kill=True)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(scene())
        assert client.cancelled == ([] if has_on_kill else [REF])

    @pytest.mark.parametrize("asks", [True, False])
    def test_a_user_who_ends_the_task_is_heard_although_on_kill_may_not_be_called(
        self, monkeypatch: pytest.MonkeyPatch, *, asks: bool
    ) -> None:
        """A busy triggerer of Airflow 3.3 cancels the trigger again before it comes to call on_kill."""
        monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)
        monkeypatch.setattr(compat, "ON_KILL_MEANS_KILLED", True)
        client = FakeClient(looks=(status("running"),))
        trigger = job_trigger(client, cancel_on_kill=True)

        async def scene() -> None:
            task = asyncio.create_task(event_of(trigger))
            await asyncio.sleep(0)
            task.cancel("__airflow_user_action__")
            with pytest.raises(asyncio.CancelledError):
                await task
            if asks:
                await trigger.on_kill()
            await asyncio.gather(*job._cancellations)

        run(scene())
        assert client.cancelled == [REF]

    def test_that_is_airflows_message(self) -> None:
        """It is private to Airflow: were it another, such kills would be lost again."""
        if compat.TRIGGER_HAS_ON_KILL and not compat.ON_KILL_MEANS_KILLED:
            runner = importlib.import_module("airflow.jobs.triggerer_job_runner")
            assert runner._USER_ACTION_CANCEL_MSG == compat.KILLED_MESSAGE


class TestJobsTrigger:
    """Many jobs, found by a filter."""

    def test_searches_until_all_have_ended(self) -> None:
        client = Searching(0, TransportError("x"), 1)
        assert run(event_of(jobs_trigger(client))) == {"outcome": "ended"}
        assert client.searches == [{"job_id_prefix": "a"}] * 3

    @pytest.mark.parametrize("deadline", [1.0, None])
    def test_tells_that_time_is_up(self, deadline: float | None) -> None:
        deadline = deadline or time.time() + 0.1
        assert run(event_of(jobs_trigger(Searching(0), deadline=deadline))) == {"outcome": "deadline"}

    def test_time_is_up_when_it_is_not_an_interval_later(self) -> None:
        trigger = jobs_trigger(Searching(0), deadline=time.time() + 0.1, poll_interval=3600)
        assert run(event_of(trigger)) == {"outcome": "deadline"}

    @pytest.mark.parametrize("client", [Searching(GONE), ConfigurationError("gone")])
    def test_tells_what_cannot_be_mended(self, client: Any) -> None:
        told = run(event_of(jobs_trigger(client)))
        assert (told["outcome"], told["message"]) == ("error", "gone")

    def test_tells_of_an_outage_beyond_the_budget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sharing, "PollGroup", partial(PollGroup, outage_seconds=0))
        told = run(event_of(jobs_trigger(Searching(TransportError("no reply")))))
        assert (told["outcome"], told["message"]) == ("error", "no reply")
