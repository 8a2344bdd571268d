"""How long jobs take at least: so that a test or a demo can watch them pass through their states."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.clock import read_seconds
from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_SECONDS = 86400.0


@dataclass(frozen=True)
class Timing:
    """Seconds that a job spends, at least, in a state."""

    pending_seconds: float = 0.0
    running_seconds: float = 0.0
    cancel_seconds: float = 0.1  # between the cancel request and its effect


class TimingBook:
    """The timing of every project, and the one for projects without their own; thread safe."""

    def __init__(self) -> None:
        self._default = Timing()
        self._projects: dict[str, Timing] = {}
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def listen(self, listener: Callable[[], object]) -> None:
        """Call the listener after every change, in the thread that made it."""
        self._listeners.append(listener)

    def of(self, project: str) -> Timing:
        """Give what applies to a project's jobs from now on."""
        return self._projects.get(project, self._default)

    def change(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Set some of the seconds, for one ``project`` or for all the others.

        :raises Refusal: 400, naming what is wrong.
        """
        project = spec.get("project")
        if project is not None and not isinstance(project, str):
            raise Refusal(400, "invalid", "project must be text.")
        changes = {name: value for name, value in spec.items() if name != "project"}
        known = {item.name for item in fields(Timing)}
        for name, value in changes.items():
            if name not in known:
                raise Refusal(
                    400, "invalid", f"There is no setting {name}; there are {', '.join(sorted(known))}."
                )
            read_seconds(name, value, most=MOST_SECONDS)
        with self._lock:
            if project is None:
                self._default = replace(self._default, **changes)
            else:
                self._projects[project] = replace(self.of(project), **changes)
        for listener in self._listeners:
            listener()
        return self.overview()

    def overview(self) -> dict[str, Any]:
        """Give the timing of all others and of each project that has its own."""
        projects = {name: asdict(timing) for name, timing in self._projects.items()}
        return {"default": asdict(self._default), "projects": projects}
