"""What happens to the triggerer, and so to every deferred task at once: one thing after another."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.demo.processes import session_members

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from tests.demo.airflow import Airflow
    from tests.demo.processes import Program
    from tests.system.ends.play import Cue, Play

STOP_SECONDS = 30.0
LOOKS = 5


def disturb(airflow: Airflow, plays: Sequence[Play]) -> Iterator[Cue]:
    """Disturb the triggerer once the ends that do not want that are over."""
    turns: dict[str, Callable[[Airflow, list[Play]], Iterator[Cue]]] = {
        "triggerer_stop": stop,
        "triggerer_kill": kill,
        "triggerer_move": move,
    }
    others = [play for play in plays if play.end.name not in turns]
    yield "the other ends", lambda: all(play.done for play in others)
    for name, happening in turns.items():
        concerned = [play for play in plays if play.end.name == name and not play.done]
        if not concerned:
            continue
        waiting = all_of(concerned, lambda play: play.waits_for_turn or play.done)
        yield f"the deferral of {name}", waiting
        yield from happening(airflow, concerned)
        for play in concerned:
            play.turn = True
        yield f"the end of {name}", all_of(concerned, lambda play: play.done)


def stop(airflow: Airflow, plays: list[Play]) -> Iterator[Cue]:
    """Stop the triggerer as a deployment does, and start a new one."""
    airflow.triggerer.stop(STOP_SECONDS)
    airflow.triggerer.start()
    yield from looks(plays)


def kill(airflow: Airflow, plays: list[Play]) -> Iterator[Cue]:
    """Kill the triggerer as the loss of its machine does, and start a new one."""
    airflow.triggerer.kill()
    airflow.triggerer.start()
    yield from looks(plays)


def move(airflow: Airflow, plays: list[Play]) -> Iterator[Cue]:
    """Stall the triggerer until another has its triggers; then it goes on, and sees that it lost them."""
    stalled = airflow.triggerer
    owners = {str(play): play.triggerer for play in plays}
    airflow.add_triggerer().start()
    try:
        signal_all(stalled, signal.SIGSTOP)
        yield (
            "another triggerer",
            all_of(plays, lambda play: play.triggerer not in {None, owners[str(play)]}),
        )
        yield from looks(plays)
        ids = {owner for owner in owners.values() if owner is not None}
        beats = heartbeats(airflow, ids)
    finally:
        signal_all(stalled, signal.SIGCONT)
    yield "the return of the first", lambda: beats != heartbeats(airflow, ids)
    for _ in range(LOOKS):  # of the other: whoever lets go wrongly has cancelled a job by then
        yield from looks(plays)


def heartbeats(airflow: Airflow, triggerers: Collection[int]) -> list[str]:
    """Return when each of some triggerers was last heard of."""
    answer = airflow.rest.call("GET", "/jobs", params={"job_type": "TriggererJob"})
    return [job["latest_heartbeat"] for job in answer["jobs"] if job["id"] in triggerers]


def looks(plays: list[Play]) -> Iterator[Cue]:
    """Wait until somebody looks at each job again."""
    cues = [cue for play in plays for cue in play.look()]
    yield "a look at each job", lambda: all(condition() for _, condition in cues)


def all_of(plays: Sequence[Play], condition: Callable[[Play], object]) -> Callable[[], bool]:
    return lambda: all(condition(play) for play in plays)


def signal_all(program: Program, number: signal.Signals) -> None:
    """Send a signal to a program and all that it started."""
    for pid in session_members(program.pid):
        os.kill(pid, number)
