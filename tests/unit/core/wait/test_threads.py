"""Blocking calls beside an event loop: what hangs holds up nobody but its own lane."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from airflow_provider_jobs.core.wait import threads
from airflow_provider_jobs.core.wait.threads import Lane, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
#: No test waits longer for anything; seconds.
PATIENCE = 10.0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


class Gate:
    """A step that does not return before it is let."""

    def __init__(self) -> None:
        self.started, self.release, self.finished = threading.Event(), threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.started.set()
        self.release.wait(PATIENCE)
        self.finished.set()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.001)


def test_returns_the_result_of_another_thread() -> None:
    assert run(Lane().run(threading.get_ident)) != threading.get_ident()


def test_raises_its_error() -> None:
    with pytest.raises(ZeroDivisionError):
        run(Lane().run(lambda: 1 // 0))


def test_an_error_that_futures_refuse_is_raised_too() -> None:
    """``next()`` on an exhausted iterator would otherwise hang the waiter for ever."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        run(Lane().run(lambda: next(iter(()))))


def test_a_thread_serves_many_steps() -> None:
    async def scene() -> set[int]:
        lane = Lane()
        return {await lane.run(threading.get_ident) for _ in range(20)}

    assert len(run(scene())) == 1


def test_runs_no_more_at_once_than_it_may() -> None:
    gates = [Gate() for _ in range(3)]

    async def scene() -> None:
        lane = Lane(2)
        tasks = [asyncio.create_task(lane.run(gate)) for gate in gates]
        await until(lambda: gates[0].started.is_set() and gates[1].started.is_set())
        assert not gates[2].started.is_set()
        gates[0].release.set()
        await until(gates[2].started.is_set)
        for gate in gates:
            gate.release.set()
        await asyncio.gather(*tasks)

    run(scene())
    assert gates[2].thread is gates[0].thread


def test_what_hangs_does_not_hold_up_another_lane() -> None:
    gate = Gate()

    async def scene() -> None:
        hung = asyncio.create_task(Lane().run(gate))
        await until(gate.started.is_set)
        assert await Lane().run(lambda: 7) == 7
        gate.release.set()
        await hung

    run(scene())


def test_who_is_cancelled_does_not_wait_for_the_call() -> None:
    gate = Gate()

    async def scene() -> None:
        lane = Lane()
        task = asyncio.create_task(lane.run(gate))
        await until(gate.started.is_set)
        waiting = asyncio.create_task(lane.run(pytest.fail))  # nobody wants it by the time it could run
        await asyncio.sleep(0)
        for each in (task, waiting):
            each.cancel()
            with pytest.raises(asyncio.CancelledError):
                await each
        gate.release.set()
        assert await lane.run(gate.finished.is_set)

    run(scene())


def test_a_loop_that_is_gone_gets_no_result() -> None:
    gate = Gate()
    lane = Lane(linger_seconds=0.0)

    async def scene() -> None:
        task = asyncio.create_task(lane.run(gate))
        await until(gate.started.is_set)
        task.cancel()

    run(scene())
    gate.release.set()
    assert gate.thread
    gate.thread.join(PATIENCE)
    assert not gate.thread.is_alive()


def test_threads_end_when_there_is_nothing_to_do_and_come_back() -> None:
    lane = Lane(linger_seconds=0.0)
    first, second = Gate(), Gate()
    for gate in (first, second):
        gate.release.set()
        lane.submit(gate)
        assert gate.finished.wait(PATIENCE)
        assert gate.thread
        gate.thread.join(PATIENCE)
        assert not gate.thread.is_alive()


def test_a_failure_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    lane, gate = Lane(), Gate()
    gate.release.set()
    lane.submit(lambda: 1 // 0)
    lane.submit(gate)
    assert gate.finished.wait(PATIENCE)
    assert "ZeroDivisionError" in caplog.text


def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import asyncio, threading\n"
        "from airflow_provider_jobs.core.wait.threads import Lane, Pool\n"
        "async def main():\n"
        "    started = threading.Event()\n"
        "    task = asyncio.create_task(Lane().run(lambda: (started.set(), threading.Event().wait())))\n"
        "    while not started.is_set(): await asyncio.sleep(0.01)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=PATIENCE, check=False).returncode == 0


class Ended(BaseException):
    """What Airflow raises in the main thread, by a signal, at the end of execution_timeout."""


class TestPool:
    """Steps side by side, for a thread that may be ended."""

    @pytest.mark.parametrize("at_a_time", [1, 3, 20])
    def test_results_come_in_the_order_of_the_steps(self, at_a_time: int) -> None:
        running, most, lock = 0, 0, threading.Lock()

        def step(number: int) -> int:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            with lock:
                running -= 1
            return number

        with Pool(at_a_time) as pool:
            assert pool.results([partial(step, number) for number in range(10)]) == list(range(10))
        assert most <= at_a_time

    def test_after_a_failure_what_runs_is_finished_and_nothing_more_is_begun(self) -> None:
        begun, failed, done = threading.Event(), threading.Event(), list[str]()

        def slow() -> object:
            begun.set()
            assert failed.wait(PATIENCE)
            done.append("slow")
            return None

        def failing() -> object:
            assert begun.wait(PATIENCE)
            failed.set()
            raise ValueError("first")

        late: list[Callable[[], object]] = [partial(done.append, "late")] * 50
        with pytest.raises(ValueError, match="first"), Pool(2) as pool:
            pool.results([slow, failing, *late])
        assert done == ["slow"]
        assert pool.stopped.is_set()

    def test_the_failure_is_raised_and_not_that_others_were_cancelled(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first step has a thread already, and has not begun, when the second fails."""
        settle, cancelled, turns = threads.settle, threading.Event(), itertools.count()

        def late(future: Any, step: Any) -> None:
            if not next(turns):
                assert cancelled.wait(PATIENCE)
            settle(future, step)

        def fail() -> None:
            raise LookupError("the cause")

        monkeypatch.setattr(threads, "settle", late)
        pool = Pool(2)
        cancel = pool.cancel

        def cancel_and_tell() -> None:
            cancel()
            cancelled.set()

        monkeypatch.setattr(pool, "cancel", cancel_and_tell)
        with pytest.raises(LookupError, match="the cause"):
            pool.results([fail, fail])

    def test_who_is_ended_waits_for_nothing(self) -> None:
        """The step under way is told; the one after it never begins."""
        began, go_on, told = threading.Event(), threading.Event(), SimpleQueue[bool]()

        def slow() -> None:
            began.set()
            assert go_on.wait(PATIENCE)
            told.put(pool.stopped.is_set())

        pool = Pool(1)
        with suppress(Ended), pool:
            first, second = pool.submit(slow), pool.submit(slow)
            assert began.wait(PATIENCE)
            raise Ended
        assert not first.done()
        assert second.cancelled()
        go_on.set()
        assert told.get(timeout=PATIENCE)

    def test_what_a_step_raises_is_raised_where_its_result_is_asked_for(self) -> None:
        def failing() -> None:
            raise Ended

        with Pool(1) as pool:
            future = pool.submit(failing)
            with pytest.raises(Ended):
                pool.result(future)
            assert pool.result(pool.submit(lambda: 7)) == 7
