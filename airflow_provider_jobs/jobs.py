"""What a remote job is to us: where it is, how it is doing, what went wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from airflow_provider_jobs.words import shown

#: Entries of a job's error list that a failure report shows; the rest is counted.
SHOWN_PROBLEMS = 20
#: Entries of a list among its statistics: they go into XComs.
_MOST_ENTRIES = 1000


class JobState(StrEnum):
    """The states that every service's own states are mapped to."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True if the job will never change again."""
        return self not in {JobState.PENDING, JobState.RUNNING}


@dataclass(frozen=True, slots=True)
class JobRef:
    """Where a job is: enough to ask for it from any process.

    :param service: ``bigquery``, ``salesforce`` or ``redivis``.
    :param scope: What the id is unique in: a project, an org, a table.
    :param id: The service's id of the job.
    :param location: The region that runs it, as the service reported it.
    :param created_at: When the service created it, in seconds since 1970.
    """

    service: str
    scope: str
    id: str
    location: str | None = None
    created_at: float | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        # The id is enough to tell jobs apart, and a tick of ten thousand looks each up several times.
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> JobRef:
        """Read what :meth:`to_json` wrote."""
        return cls(**data)

    def __str__(self) -> str:
        return shown(":".join(part for part in (self.scope, self.location, self.id) if part))


@dataclass(frozen=True, slots=True)
class JobProblem:
    """One entry of what a service says about a failure, in the vendor's words.

    :param reason: The vendor's code, such as ``invalidQuery``.
    :param message: What the vendor says.
    :param location: Where in the input: a field, a file, ``query``.
    """

    reason: str
    message: str
    location: str | None = None

    def __post_init__(self) -> None:
        _make_fit(self, "reason", "message", "location")

    def __str__(self) -> str:
        place = f" ({self.location})" if self.location else ""
        return f"{self.reason}{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job is doing.

    :param ref: Where the job is.
    :param state: Its state, in the words that all services share.
    :param vendor_state: The service's own word, such as ``DONE``.
    :param title: What it is, in a failure report: ``BigQuery load job``.
    :param problem: Why it failed; None unless it did.
    :param problems: The first :data:`SHOWN_PROBLEMS` entries of its error list.
    :param problem_count: How many entries the list had.
    :param retryable: True if the same work may succeed as a new job.
    :param statement: For a script, the statement that failed and its place.
    :param url: The job's page in the vendor's console.
    :param statistics: The few numbers that people use; names carry their unit.
    :param whole: False if the reply that was read tells less than the job itself would: a list, for example.
    :param lineage: What the job has read and written, where its service says so by the job itself: names and
        numbers.
    """

    ref: JobRef
    state: JobState
    vendor_state: str
    title: str = "job"
    problem: JobProblem | None = None
    problems: tuple[JobProblem, ...] = ()
    problem_count: int = 0
    retryable: bool = False
    statement: str | None = None
    url: str | None = None
    statistics: dict[str, Any] = field(default_factory=dict)
    whole: bool = True
    lineage: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _make_fit(self, "vendor_state", "title", "statement", "statistics", "lineage")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads."""
        return asdict(self) | {"problems": [asdict(problem) for problem in self.problems]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> JobStatus:
        """Read what :meth:`to_json` wrote."""
        problem = data["problem"]
        return cls(
            **data
            | {
                "ref": JobRef.from_json(data["ref"]),
                "state": JobState(data["state"]),
                "problem": JobProblem(**problem) if problem else None,
                "problems": tuple(JobProblem(**each) for each in data["problems"]),
            }
        )

    def failure_report(self) -> str:
        """Return everything the service said about the failure, one fact a line."""
        lines = [f"{self.title} {self.state}: {self.problem or self.vendor_state}"]
        if self.statement:
            lines.append(f"  statement: {self.statement}")
        others = list(self.problems)
        # A service repeats in the list what it says of the job as a whole.
        if repeated := next((each for each in others if self.problem and _same(each, self.problem)), None):
            others.remove(repeated)
        lines += [f"  error {number}: {problem}" for number, problem in enumerate(others, 1)]
        if hidden := self.problem_count - len(self.problems):
            lines.append(f"  and {hidden} more")
        lines.append(f"  job: {self.ref}")
        if self.url:
            lines.append(f"  console: {self.url}")
        return "\n".join(lines)


def _same(problem: JobProblem, other: JobProblem) -> bool:
    """Return True of one error; not of equal ones in two places."""
    same_place = None in (problem.location, other.location) or problem.location == other.location
    return same_place and (problem.reason, problem.message) == (other.reason, other.message)


def _make_fit(thing: JobProblem | JobStatus, *names: str) -> None:
    """Replace what a service said by what may be shown of it."""
    for name in names:
        said = getattr(thing, name)
        if (fit := _fit(said)) != said:
            object.__setattr__(thing, name, fit)  # frozen for everybody else


def _fit(said: Any, levels: int = 3) -> Any:
    """Return a text, or what statistics hold, as it may be shown; what is nested deeper is left out."""
    if isinstance(said, str):
        return shown(said)
    if not isinstance(said, dict | list):
        return said
    if not levels:
        return None
    if isinstance(said, dict):
        return {name: _fit(value, levels - 1) for name, value in islice(said.items(), _MOST_ENTRIES)}
    return [_fit(value, levels - 1) for value in said[:_MOST_ENTRIES]]
