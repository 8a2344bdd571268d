"""What goes into a job and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from pathlib import Path


@dataclass(frozen=True)
class RunningJob:
    """A job that a worker thread is executing."""

    project: str
    job_id: str
    location: str
    configuration: dict[str, Any]
    cancelled: threading.Event  # set from outside; the engine then stops within a fraction of a second
    media: Path | None = None  # uploaded bytes of a load without sourceUris


@dataclass(frozen=True)
class ChildJob:
    """One executed statement of a script."""

    configuration: dict[str, Any]
    statistics: dict[str, Any]
    error_result: dict[str, str] | None = None
    errors: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a job that succeeded adds to its resource."""

    configuration: dict[str, Any]
    statistics: dict[str, Any]
    errors: list[dict[str, str]] = field(default_factory=list)
    children: list[ChildJob] = field(default_factory=list)
