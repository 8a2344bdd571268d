"""Blocking calls in threads, beside an event loop or side by side: each purpose has a few of its own.

A call that hangs holds up its own lane only. Nobody waits for the threads, not even the end of the process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a thread waits for its next step before it ends, in seconds: longer than most poll intervals.
LINGER_SECONDS = 20.0
#: A wait for threads is made of steps, in seconds: a signal that comes right before a wait would otherwise be
#: seen at its end only, and Airflow's timeout is a signal.
STEP_SECONDS = 1.0


class Lane:
    """Runs blocking steps in a few daemon threads of its own, which come with the work and go without it."""

    def __init__(self, threads: int = 1, *, linger_seconds: float = LINGER_SECONDS) -> None:
        self._limit = threads
        self._linger_seconds = linger_seconds
        self._steps: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._unfinished = 0

    def submit(self, step: Callable[[], object]) -> None:
        """Run a step some time; an error of it is logged."""
        with self._changed:
            self._steps.append(step)
            self._unfinished += 1
            self._changed.notify()
            if self._threads < min(self._limit, self._unfinished):
                threading.Thread(target=self._work, name="airflow-provider-jobs", daemon=True).start()
                self._threads += 1

    async def run(self, step: Callable[[], T]) -> T:
        """Run a step and return its result; who is cancelled meanwhile does not wait for it."""
        future: Future[T] = Future()
        self.submit(partial(settle, future, step))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while step := self._next():
            try:
                step()
            except Exception:  # one step's bug must not end the thread that serves the others
                log.exception("a step that nobody waits for has failed")
            with self._changed:
                self._unfinished -= 1
            del step  # what it holds may be large, and the next may be long in coming

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._steps, self._linger_seconds):
                self._threads -= 1
                return None
            return self._steps.popleft()


def settle(future: Future[T], step: Callable[[], T]) -> None:
    """Run a step for whoever waits for the future, if anybody still does."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(step())
    except StopIteration as error:
        future.set_exception(RuntimeError(f"StopIteration: {error}"))  # no future carries the original
    except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
        future.set_exception(error)


class Pool:
    """Runs steps side by side for one thread, which may be ended at any moment; a context manager.

    Who leaves it by an error or a signal waits for nothing: what has not begun never does, what is under way
    goes on in daemon threads until it looks at :attr:`stopped`, and no process waits for those at its end.
    """

    def __init__(self, at_a_time: int) -> None:
        self._lane = Lane(at_a_time, linger_seconds=0.0)
        self._futures: list[Future[object]] = []
        self._closed = False
        #: Set once nobody waits for the steps any more: they should end soon.
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.stopped.set()
            self.cancel()

    def submit(self, step: Callable[[], T]) -> Future[T]:
        """Run a step some time."""
        future: Future[T] = Future()

        def run() -> None:
            if self._closed:
                future.cancel()
            settle(future, step)

        self._futures.append(future)  # type: ignore[arg-type]
        self._lane.submit(run)
        return future

    def cancel(self) -> None:
        """Let nothing begin that has not begun."""
        self._closed = True
        for future in self._futures:
            future.cancel()

    def result(self, future: Future[T]) -> T:
        """Wait for a step, and return its result or raise its error."""
        _wait_for([future])
        return future.result()

    def outcome(self, future: Future[Any]) -> Any:
        """Wait for a step, and return its result or its error."""
        _wait_for([future])
        return future.exception() or future.result()

    def results(self, steps: Sequence[Callable[[], T]]) -> list[T]:
        """Run all steps and return their results, in their order.

        After a failure nothing more is begun; it is raised once what is under way has finished.
        """

        def guarded(step: Callable[[], T]) -> T:
            try:
                return step()
            except BaseException:
                self.cancel()
                raise

        futures = [self.submit(partial(guarded, step)) for step in steps]
        _wait_for(futures)
        for future in futures:
            if not future.cancelled() and (error := future.exception()):
                raise error
        return [future.result() for future in futures]


def within(seconds: float, step: Callable[[], T]) -> T:
    """Run a step in a thread of its own, and return its result.

    :raises TimeoutError: it takes longer; it goes on, and nobody hears of it.
    """
    with Pool(1) as pool:
        future, until = pool.submit(step), time.monotonic() + seconds
        while not future.done() and (left := until - time.monotonic()) > 0:
            wait([future], min(left, STEP_SECONDS))  # in steps: a signal has its turn
        if not future.done():
            raise TimeoutError(f"no answer within {seconds:.0f} s")
        return future.result()


def _wait_for(futures: Sequence[Future[Any]]) -> None:
    while wait(futures, STEP_SECONDS).not_done:
        pass  # a signal has its turn
