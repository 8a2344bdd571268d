"""A real Airflow and a sandbox for each end; all ends happen side by side."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from airflow_provider_jobs.sandbox import Sandbox
from tests.demo.airflow import Airflow
from tests.system.ends.acts import ACTS
from tests.system.ends.play import Play, Seen
from tests.system.ends.services import KNOWN
from tests.system.ends.table import ENDS, SERVICES
from tests.system.ends.triggerers import disturb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from tests.system.ends.play import Cue
    from tests.system.ends.table import End, Outcome

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
#: For all ends together, and for one step of one end, on a busy machine; in seconds.
ALL_SECONDS, CUE_SECONDS = 600.0, 180.0
_TASKS = """
    SELECT dag_id, run_id, task_id, state, try_number, triggerer_id
    FROM task_instance LEFT JOIN trigger ON trigger.id = trigger_id
"""
#: Between two looks at all tasks.
ROUND_SECONDS = 0.5
SETTINGS = {
    "PYTHONPATH": str(ROOT),  # the DAGs read the table of ends
    # Tasks that wait on the worker must not keep the others from it.
    "AIRFLOW__CORE__PARALLELISM": "8",
    # A triggerer that is gone is missed soon.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "12",
}


class Theatre:
    """Starts on entering, ends on leaving."""

    def __init__(self, file: Path, ends: Sequence[End] = ENDS) -> None:
        self._ends = ends
        self._file = file
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            sandboxes = {end.name: opened.enter_context(Sandbox()) for end in self._ends}
            self._file.write_text("number\n1\n2\n")
            airflow = Airflow(HERE / "dags", SETTINGS | self._connections(sandboxes), apart=True)
            self.plays = [
                Play(airflow, end, service, sandboxes[end.name]) for end in self._ends for service in SERVICES
            ]
            self.airflow = opened.enter_context(airflow)
            self.airflow.wait_dags(*(f"ends_{end.name}" for end in self._ends))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _connections(self, sandboxes: dict[str, Sandbox]) -> dict[str, str]:
        return {"AIRFLOW_VAR_ENDS_FILE": str(self._file)} | {
            f"AIRFLOW_CONN_{end}_{service}".upper(): json.dumps(KNOWN[service].connection(sandbox))
            for end, sandbox in sandboxes.items()
            for service in SERVICES
        }

    def perform(self) -> list[Result]:
        """Bring every end about, wait for what has to be left of each, and tell what was left."""
        scenes = [Scene(str(play), ending(play), play) for play in self.plays]
        for scene in scenes:
            scene.go_on()  # what has to be done before the run starts
        for end in self._ends:
            run_id = self.airflow.rest.trigger(f"ends_{end.name}")
            for play in self.plays:
                if play.end is end:
                    play.run_id = run_id
        scenes.append(Scene("the triggerer", disturb(self.airflow, self.plays), None))

        def over() -> bool:
            self.refresh()
            return not [scene for scene in scenes if scene.go_on()]

        try:
            self.airflow.wait(over, ALL_SECONDS, "all ends", ROUND_SECONDS)
        except TimeoutError as error:
            for play in self.plays:
                play.problem = play.problem or ("" if play.done else str(error))
        self.refresh()
        return [Result.of(play) for play in self.plays]

    def refresh(self) -> None:
        """See how all tasks are doing."""
        tasks = {
            (dag_id, run_id, task_id): Seen(*seen)
            for dag_id, run_id, task_id, *seen in self.airflow.ask(_TASKS)
        }
        for play in self.plays:
            play.task = tasks.get((play.dag_id, play.run_id, play.service_name), Seen())


@dataclass(frozen=True)
class Result:
    """What was left of an end.

    :param story: What to read if that is not what has to be.
    """

    end: End
    service: str
    outcome: Outcome
    story: str

    @classmethod
    def of(cls, play: Play) -> Result:
        """Return what is left of an end now."""
        outcome = play.outcome()
        right = outcome == play.end.expected(play.service_name)
        return cls(play.end, play.service_name, outcome, "" if right else f"{play.problem}\n{play.log()}")

    @property
    def right(self) -> bool:
        """Return whether that is what has to be."""
        return self.outcome == self.end.expected(self.service)


class Scene:
    """A generator of cues being played."""

    def __init__(self, name: str, cues: Iterator[Cue], play: Play | None) -> None:
        self._name = name
        self._cues = cues
        self._play = play
        self._cue: Cue | None = None
        self._until = 0.0

    def go_on(self) -> bool:
        """Go on as far as it goes; return whether there is more to come."""
        while self._cue is None or self._cue[1]():
            self._cue = next(self._cues, None)
            if self._cue is None:
                return self._end("")
            self._until = time.monotonic() + CUE_SECONDS
        if time.monotonic() > self._until and not self._patient():
            return self._end(f"{self._cue[0]} did not come")
        return True

    def _patient(self) -> bool:
        """Return whether this waits for others, whose time is limited too."""
        return self._play is None or (self._play.waits_for_turn and not self._play.turn)

    def _end(self, problem: str) -> bool:
        self._cues, self._cue = iter(()), None
        if self._play and not self._play.done:
            self._play.problem, self._play.done = problem, True
        return False


def ending(play: Play) -> Iterator[Cue]:
    """Bring an end about, then wait for what has to be left of it."""
    yield from ACTS[play.end.name](play)
    yield "the outcome", play.as_expected
