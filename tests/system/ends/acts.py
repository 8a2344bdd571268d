"""How each end is brought about: a generator that yields what it waits for.

What comes before the first wait is done before the DAG run starts.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.system.ends.play import Cue, Play

    Act = Callable[[Play], Iterator[Cue]]


def success(play: Play) -> Iterator[Cue]:
    yield from play.deferred()
    play.release()


def short(play: Play) -> Iterator[Cue]:
    play.release(0.5)
    yield "the task's end", lambda: play.state == "success"


def failure(play: Play) -> Iterator[Cue]:
    play.release()
    play.sandbox.faults(operation=play.service.run, action="reply", reason="backendError")
    yield "the job's end", lambda: play.jobs()[:1] == ["failed"]


def mark_failed(play: Play) -> Iterator[Cue]:
    yield from play.deferred()
    play.mark("failed")


def mark_success(play: Play) -> Iterator[Cue]:
    yield from play.deferred()
    play.mark("success")


def clear_deferred(play: Play) -> Iterator[Cue]:
    """Keep the second attempt until the first one's job has ended, since either may be quicker."""
    yield from play.deferred()
    fault = play.sandbox.faults(operation=play.service.first, action="hold_reply", seconds=600)
    play.clear()
    yield "the end of the first job", lambda: play.jobs()[0] in {"cancelled", "deleted"}
    play.sandbox.platform.faults.remove(fault["id"])
    yield from play.deferred()
    play.release()


def clear_success(play: Play) -> Iterator[Cue]:
    play.release()
    yield "success", lambda: play.state == "success"
    play.clear()
    yield "the second attempt", lambda: play.attempt == 2


def clear_running(play: Play) -> Iterator[Cue]:
    yield from waiting_on_worker(play)
    play.clear()
    yield "the second attempt", lambda: play.attempt == 2 and len(play.jobs()) == 2
    play.release()


def kill_before_submit(play: Play) -> Iterator[Cue]:
    play.sandbox.faults(operation=play.service.create, action="hang", seconds=600)
    yield "the request", lambda: play.requests(play.service.create)
    play.signal_worker(signal.SIGKILL)
    play.release()


def kill_before_remember(play: Play) -> Iterator[Cue]:
    """Let the reply arrive at a process that is stopped, and never goes on."""
    fault = play.sandbox.faults(operation=play.service.create, action="hold_reply", seconds=600)
    yield "the job", lambda: len(play.jobs()) == 1
    play.signal_worker(signal.SIGSTOP)
    play.sandbox.platform.faults.remove(fault["id"])
    yield "the reply", lambda: play.requests(play.service.create)[0]["status"] == 200
    play.signal_worker(signal.SIGKILL)
    play.release()


def kill_waiting(play: Play) -> Iterator[Cue]:
    yield from waiting_on_worker(play)
    play.signal_worker(signal.SIGKILL)
    play.release()


def waiting_on_worker(play: Play) -> Iterator[Cue]:
    yield "the job", lambda: play.state == "running" and len(play.jobs()) == 1
    yield from play.look()


def time_passes(play: Play) -> Iterator[Cue]:
    yield "the task's end", lambda: play.state in {"failed", "skipped"}


def run_timeout(play: Play) -> Iterator[Cue]:
    yield from play.look_at_all()
    play.age_run()
    yield from time_passes(play)


def triggerer(play: Play) -> Iterator[Cue]:
    yield from play.deferred()
    yield from play.own_turn()
    play.release()


ACTS: dict[str, Act] = {
    "success": success,
    "short": short,
    "failure": failure,
    "retry": failure,
    "mark_failed": mark_failed,
    "mark_success": mark_success,
    "clear_deferred": clear_deferred,
    "clear_success": clear_success,
    "clear_running": clear_running,
    "kill_before_submit": kill_before_submit,
    "kill_before_remember": kill_before_remember,
    "kill_before_defer": kill_waiting,
    "kill_inline": kill_waiting,
    "execution_timeout": time_passes,
    "run_timeout": run_timeout,
    "triggerer_stop": triggerer,
    "triggerer_kill": triggerer,
    "triggerer_move": triggerer,
}
