"""A task under a fault: how it ends, what it says, what is left of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_jobs.errors import JobsError
from tests.integration.task_run import Attempts, perform
from tests.proof.rows import IMPATIENCE, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.proof.faults import Fault
    from tests.proof.rows import Row
    from tests.proof.stage import Stage

SUCCESS, RETRY, FAILED, TIMED_OUT = "success", "up_for_retry", "failed", "timed out"


@dataclass(frozen=True)
class Case:
    """One case of the matrix.

    :param times: How often the fault strikes; 0 is as long as the attempt lasts.
    """

    row: Row
    operation: str
    fault: Fault
    times: int
    deferrable: bool

    def __str__(self) -> str:
        mode = "deferred" if self.deferrable else "synchronous"
        times = "once" if self.times else "all along"
        return f"{self.row.name}, {mode}: {self.operation} meets {self.fault.name!r} {times}"


@dataclass
class Outcome:
    """What became of it.

    :param end: Of the attempt that met the fault.
    :param text: The error that ended it, if one did.
    :param error: Its class.
    :param then: The end of the retry, if Airflow makes one.
    :param effect: What is in the service when all is over.
    :param lines: The log.
    :param stray: An error that is not of this package's or Airflow's making.
    """

    end: str
    text: str = ""
    error: str = ""
    then: str = ""
    effect: Mapping[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    stray: BaseException | None = None


def play(stage: Stage, case: Case) -> Outcome:
    """Bring a case about."""
    stage.begin()
    parameters = case.row.set_up(stage)
    run = Attempts()
    with stage.listening() as lines:
        with stage.spoilt(case.operation, case.fault, case.times):
            timeout = PATIENCE if case.times else IMPATIENCE
            task = case.row.task(parameters, deferrable=case.deferrable, timeout=timeout)
            outcome = attempt(task, run, 1)
        if outcome.end in {RETRY, TIMED_OUT}:
            stage.forget()  # the worker's process is another
            outcome.then = attempt(case.row.task(parameters, deferrable=case.deferrable), run, 2).end
        outcome.lines = list(lines)
    stage.settle()
    outcome.effect = case.row.effect(stage)
    return outcome


def attempt(task: Any, run: Attempts, number: int) -> Outcome:
    """Run one attempt of a task."""
    context = run.context(number)
    try:
        perform(task, context)
    except AirflowFailException as error:
        return _ended(FAILED, error)
    except AirflowSensorTimeout as error:
        return _ended(TIMED_OUT, error)
    except JobsError as error:
        return _ended(RETRY if error.retryable else "failed, and Airflow retries", error)
    except Exception as error:  # noqa: BLE001 - that there is none is what is proven
        return Outcome("stray", f"{type(error).__name__}: {error}", type(error).__name__, stray=error)
    return Outcome(SUCCESS)


def _ended(end: str, error: BaseException) -> Outcome:
    # Airflow writes causes and contexts into the log.
    hidden = error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    return Outcome(end, str(error), type(error).__name__, stray=None if hidden else error)


def operations(stage: Stage, row: Row, *, deferrable: bool) -> list[str]:
    """Return what the operator asks of its service when nothing is wrong."""
    stage.begin()
    parameters = row.set_up(stage)
    stage.sandbox.clear_requests()
    found = attempt(row.task(parameters, deferrable=deferrable), Attempts(), 1)
    asked = stage.operations()
    assert found.end == SUCCESS, f"{row.name}: {found}"
    effect = row.effect(stage)
    assert fits(effect, row.once), f"{row.name}: {effect}"
    return asked


def fits(effect: Mapping[str, int], once: Mapping[str, int | range]) -> bool:
    """Return True if there is what has to be there, once."""
    return all(
        effect[name] in wanted if isinstance(wanted, range) else effect[name] == wanted
        for name, wanted in once.items()
    )
