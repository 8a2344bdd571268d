"""Triggers share what they can, and nobody suffers from anybody else."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, TransportError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.triggers import sharing
from tests.unit.tasks import FakeClient, status
from tests.unit.triggers.doubles import (
    PATIENCE,
    Searching,
    event_of,
    job_trigger,
    jobs_trigger,
    run,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.errors import JobsError
    from airflow_provider_jobs.jobs import JobStatus

REFS = [JobRef("bigquery", "p", f"j{number}") for number in range(100)]


def counted(triggers: list[Any], client: Any) -> list[int]:
    """Let triggers look their connection up, and return a list that grows by one for each look-up."""
    opened: list[int] = []

    async def found() -> Any:
        opened.append(1)
        await asyncio.sleep(0)
        return client

    for trigger in triggers:
        trigger.client = found
    return opened


def test_many_jobs_of_one_task_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousand files that took the event loop of all triggers ten seconds."""
    compared = 0

    def same(one: JobRef, other: object) -> bool:
        nonlocal compared
        compared += 1
        return isinstance(other, JobRef) and one.id == other.id

    monkeypatch.setattr(JobRef, "__eq__", same)
    told = run(event_of(job_trigger(FakeClient(looks=(status(),)), *REFS)))
    assert (told["outcome"], len(told["statuses"])) == ("ended", len(REFS))
    assert compared < 20 * len(REFS)


def nothing_is_left() -> bool:
    return sharing.groups.items() == {} and sharing.connections.items() == {}


class TestLooks:
    """Polls."""

    def test_triggers_of_a_connection_share_their_looks(self) -> None:
        looked: list[set[str]] = []

        class Counting(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                looked.append({ref.id for ref in refs})
                return {ref: status(ref=ref) for ref in refs}

        async def scene() -> None:
            client = Counting()
            triggers = [job_trigger(client, ref) for ref in REFS]
            opened = counted(triggers, client)
            told = await asyncio.gather(*map(event_of, triggers))
            assert [each["refs"][0]["id"] for each in told] == [ref.id for ref in REFS]
            assert len(opened) == 1
            assert nothing_is_left()

        run(scene())
        assert len(looked) <= 2
        assert len(set().union(*looked)) == 100

    def test_other_connections_and_projects_have_their_own(self) -> None:
        async def scene() -> None:
            clients = [FakeClient(looks=(status("running"),)) for _ in range(3)]
            triggers = [
                job_trigger(clients[0]),
                job_trigger(clients[1], hook_args={"gcp_conn_id": "d"}),
                job_trigger(clients[2], JobRef("bigquery", "q", "j")),
            ]
            tasks = [asyncio.create_task(event_of(trigger)) for trigger in triggers]
            await until(lambda: len(sharing.groups.items()) == 3)
            assert len(sharing.connections.items()) == 2
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert nothing_is_left()

        run(scene())

    def test_a_connection_that_hangs_does_not_hold_up_another(self) -> None:
        release = threading.Event()

        class Hanging(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                release.wait(PATIENCE)
                return super().status_many(refs, tell)

        async def scene() -> None:
            hanging = job_trigger(Hanging(looks=(status(),)), hook_args={"gcp_conn_id": "d"})
            waiter = asyncio.create_task(event_of(hanging))
            assert (await event_of(job_trigger(FakeClient(looks=(status(),)))))["outcome"] == "ended"
            assert not waiter.done()
            release.set()
            assert (await waiter)["outcome"] == "ended"

        run(scene())

    def test_many_tables_of_a_connection_share_its_threads(self) -> None:
        async def scene() -> None:
            client = FakeClient(looks=(status("running"),))
            triggers = [job_trigger(client, JobRef("bigquery", f"p{n}", "j")) for n in range(100)]
            counted(triggers, client)
            tasks = [asyncio.create_task(event_of(trigger)) for trigger in triggers]
            groups = sharing.groups.items()
            await until(lambda: len(groups) == 100 and all(each.opened for each in groups.values()))
            assert len({id(each.opening.result().group._lane) for each in groups.values()}) == 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        run(scene())

    def test_equal_searches_are_one(self) -> None:
        class EndsAtTheSecondLook(Searching):
            def search_ended(self, search: dict[str, Any]) -> bool:
                super().search_ended(search)
                return self.searches.count(search) == 2

        client = EndsAtTheSecondLook(0)

        async def scene() -> None:
            triggers = [jobs_trigger(client) for _ in range(20)]
            different = jobs_trigger(client, search={"job_id_prefix": "b"})
            told = await asyncio.gather(*map(event_of, [*triggers, different]))
            assert told == [{"outcome": "ended"}] * 21

        run(scene())
        assert sorted(search["job_id_prefix"] for search in client.searches) == ["a", "a", "b", "b"]

    def test_another_event_loop_has_its_own(self) -> None:
        for _ in range(2):
            assert run(event_of(job_trigger(FakeClient(looks=(status(),)))))["outcome"] == "ended"


class TestOpening:
    """The look-up of a connection."""

    def test_a_connection_that_failed_is_looked_up_again(self) -> None:
        async def scene() -> None:
            told = await event_of(job_trigger(ConfigurationError("wrong")))
            assert told["outcome"] == "error"
            told = await event_of(job_trigger(FakeClient(looks=(status(),))))
            assert told["outcome"] == "ended"

        run(scene())

    def test_bears_an_outage_of_the_service_that_gives_tokens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sharing, "REOPEN_SECONDS", 0.0)
        found = iter([TransportError("no token"), FakeClient(looks=(status(),))])
        trigger = job_trigger(None)

        async def client() -> Any:
            each = next(found)
            if isinstance(each, Exception):
                raise each
            return each

        trigger.client = client
        assert run(event_of(trigger))["outcome"] == "ended"

    def test_but_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sharing, "OUTAGE_SECONDS", -1.0)
        told = run(event_of(job_trigger(TransportError("no token"))))
        assert (told["outcome"], told["retryable"]) == ("error", True)

    @pytest.mark.parametrize("kind", [job_trigger, jobs_trigger])
    def test_does_not_outlast_the_deadline(self, kind: Any) -> None:
        async def scene() -> None:
            trigger = kind(None, deadline=time.time() + 0.1)
            cancelled = asyncio.Event()

            async def client() -> Any:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()

            trigger.client = client
            assert (await event_of(trigger))["outcome"] == "deadline"
            await cancelled.wait()
            assert nothing_is_left()

        run(scene())

    def test_a_look_up_that_timed_out_is_no_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The task's retry goes on with the job: no trigger may raise, which ends its task."""
        monkeypatch.setattr(sharing, "LOOK_UP_SECONDS", 0.0)
        told = run(event_of(job_trigger(TimeoutError(), deadline=time.time() + 60)))
        assert (told["outcome"], told["retryable"]) == ("error", True)
        assert told["message"] == "the connection cannot be looked up: no answer"

    def test_trouble_of_airflow_itself_is_borne(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Airflow says "not found" of a connection that it could not ask for, too."""
        monkeypatch.setattr(sharing, "REOPEN_SECONDS", 0.0)
        answers = [RuntimeError("the connection isn't defined"), FakeClient(looks=(status(),))]
        trigger = job_trigger(None)

        async def client() -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        trigger.client = client
        assert run(event_of(trigger))["outcome"] == "ended"
        assert answers == []

    @pytest.mark.parametrize("one_by_one", [True, False])
    def test_a_token_that_is_rejected_has_the_connection_looked_up_again(self, *, one_by_one: bool) -> None:
        """Somebody still waits with the old token; who comes later must not."""
        rejected = AuthenticationError("401", status=401, reason="authError")

        class Old(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                if one_by_one:
                    return dict.fromkeys(refs, rejected)
                raise rejected

        async def scene() -> None:
            waiting = asyncio.create_task(event_of(job_trigger(Old())))
            await until(lambda: [each.opening.result().group.rejected for each in opened()] == [True])
            assert (await event_of(job_trigger(FakeClient(looks=(status(),)))))["outcome"] == "ended"
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert nothing_is_left()

        def opened() -> list[Any]:
            return [each for each in sharing.groups.items().values() if each.opened]

        run(scene())

    def test_who_leaves_meanwhile_takes_only_itself(self) -> None:
        async def scene() -> None:
            client = FakeClient(looks=(status(),))
            triggers = [job_trigger(client) for _ in range(2)]
            counted(triggers, client)
            leaver, stayer = (asyncio.create_task(event_of(trigger)) for trigger in triggers)
            await asyncio.sleep(0)
            leaver.cancel()
            assert (await stayer)["outcome"] == "ended"
            assert leaver.cancelled()

        run(scene())


class TestCancels:
    """They go out whatever else happens on their connection."""

    def test_do_not_wait_for_a_poll_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill
        hung, release = threading.Event(), threading.Event()

        class Hanging(FakeClient):
            def status_many(
                self, refs: Sequence[JobRef], tell: Any = None
            ) -> Mapping[JobRef, JobStatus | JobsError]:
                hung.set()
                release.wait(PATIENCE)
                return super().status_many(refs, tell)

        async def scene() -> None:
            client = Hanging(looks=(status("running"),))
            triggers = [job_trigger(client, ref, cancel_on_kill=True) for ref in REFS[:2]]
            tasks = [asyncio.create_task(event_of(trigger)) for trigger in triggers]
            await until(hung.is_set)
            tasks[0].cancel()
            await triggers[0].on_kill()
            assert client.cancelled == [REFS[0]]
            tasks[1].cancel()
            release.set()

        run(scene())

    def test_of_many_look_the_connection_up_once_and_come_a_few_at_a_time(self) -> None:
        at_once: list[int] = []
        running: set[str] = set()

        class Slow(FakeClient):
            def cancel(self, ref: JobRef) -> bool:
                running.add(ref.id)
                at_once.append(len(running))
                super().cancel(ref)
                running.discard(ref.id)
                return False

        async def scene() -> None:
            client = Slow()
            triggers = [job_trigger(client, ref, cancel_on_kill=True) for ref in REFS]
            opened = counted(triggers, client)
            await asyncio.gather(*(trigger.on_kill() for trigger in triggers))
            assert sorted(ref.id for ref in client.cancelled) == sorted(ref.id for ref in REFS)
            assert len(opened) == 1
            assert nothing_is_left()

        run(scene())
        assert max(at_once) <= sharing.CANCELS_AT_ONCE
