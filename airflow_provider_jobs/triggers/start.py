"""Tasks that need no worker at all: the triggerer submits their job, waits for it and ends the task."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.log_lines import begun_lines, called_each
from airflow_provider_jobs.errors import OutageError
from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.triggers import sharing
from airflow_provider_jobs.triggers.job import JobTrigger, task_class
from airflow_provider_jobs.triggers.questions import ask_airflow, in_this_context

if TYPE_CHECKING:
    from airflow_provider_jobs.jobs import JobStatus

#: How long templates may take: Airflow never answers some questions that a template may ask in a triggerer.
RENDER_SECONDS = 30.0
#: So long before Airflow's own time-out the trigger sees to it that the job is ended: Airflow would not.
AHEAD_SECONDS = 5.0


class StartTrigger(JobTrigger):
    """Submits the job of a task, and then is its :class:`.JobTrigger`.

    Whatever goes wrong before the job is known begins anew on a worker: its event is ``{"outcome":
    "begin"}``.

    :param task: The operator, as ``module:class``.
    :param arguments: Its arguments, not rendered yet, as JSON text.
    :param ending: As the other trigger has it.
    """

    def __init__(self, *, task: str, arguments: str, ending: dict[str, Any] | None = None) -> None:
        super().__init__(refs=[], service="", hook_args={}, poll_interval=1.0, ending=ending)
        self.operator = task
        self.arguments = arguments
        self.cancel_on_kill = bool(json.loads(arguments).get("cancel_on_kill", True))
        self._beginning: asyncio.Task[None] | None = None
        self._moved = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return everything that the constructor takes."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {
            "task": self.operator,
            "arguments": self.arguments,
            "ending": self.ending,
        }

    async def _wait(self) -> dict[str, Any]:
        self._beginning = asyncio.create_task(self._begin())
        try:
            # Who is cancelled meanwhile leaves no job behind that nobody knows.
            await asyncio.shield(self._beginning)
        except Exception as error:  # noqa: BLE001 - whatever it is, a worker says it better
            self.log.warning("the task begins anew on a worker: %s", error)
            return {"outcome": "begin"}
        return await super()._wait()

    async def _cancel_if_killed(self) -> None:
        if self._beginning is not None:
            await asyncio.wait([self._beginning])
        if self.refs:
            await super()._cancel_if_killed()

    async def _begin(self) -> None:
        """Render the templates, submit the job or adopt it, and leave the XComs that a worker leaves then."""
        ti: Any = self.task_instance
        if getattr(ti, "task", None) is None:
            raise OutageError("Airflow did not hand the task to its trigger")
        attempt = await self._attempt(ti)
        ti.max_tries = attempt["max_tries"]
        operator, context = await sharing.rendered(
            in_this_context(self._rendered, ti, attempt["since"]), RENDER_SECONDS
        )
        self.service, self.hook_args = operator.service, operator.hook_args()
        self.poll_interval = operator.poll_interval
        if until := getattr(self, "timeout_after", None):
            self.deadline = until.timestamp() - AHEAD_SECONDS
        with await sharing.connection_of(self) as lease:
            connection = lease.thing
            submit = in_this_context(operator.submissions, connection.client, context)
            (submission,) = await connection.submits.run(submit)
        if submission.left_alone or submission.shared:
            raise OutageError(f"{submission.status.ref} is not this task's alone")
        self.adopted = submission.adopted and submission.status.state is not JobState.SUCCEEDED
        self.refs, self.carried = [submission.status.ref], operator._carried  # noqa: SLF001
        verb = "adopted" if submission.adopted else "submitted"
        for line in begun_lines(submission.status, called_each(self.refs), verb):
            self.log.info("%s", line)
        await self._remember(ti, operator, submission.status, attempt)

    def _rendered(self, ti: Any, since: int) -> tuple[Any, Any]:
        """Return the operator, its templates rendered as on a worker, and the context; blocks."""
        context = {**ti.get_template_context()}
        # A triggerer has no access to it, and asking is never answered.
        context.pop("task_state_store", None)
        kind = task_class(self.operator)
        operator = kind(task_id=ti.task_id, **json.loads(self.arguments))
        # What a worker finds in the state store, or knows by itself.
        operator._since, operator._resumed = since, self._moved  # noqa: SLF001
        operator.render_template_fields(context, compat.template_env(context["dag"], operator))
        return operator, context

    async def _attempt(self, ti: Any) -> dict[str, int]:
        """Find out which attempt this is: Airflow does not say what ``max_tries`` is here.

        A clear raises it, a retry leaves it alone. XComs outlive an attempt that had no worker.
        """
        if (
            ti.try_number == 1
        ):  # whatever happened to its trigger; a question costs a triggerer more than a look
            return attempt_after({}, None, 1, ti.task.retries)
        before = await ask_airflow(compat.task_xcom, ti, several.ATTEMPT_KEY) or {}
        job = await ask_airflow(compat.task_xcom, ti, "job") or {}
        self._moved = before.get("try_number") == ti.try_number
        # The two are not written at once: what is told of the job may be of the attempt before that.
        state = job.get("state") if job.get("job_id") == before.get("job_id") else None
        return attempt_after(before, state, ti.try_number, ti.task.retries)

    async def _remember(self, ti: Any, operator: Any, status: JobStatus, attempt: dict[str, int]) -> None:
        summary = operator.summary_of([status])
        xcoms = {
            several.ATTEMPT_KEY: {**attempt, "job_id": status.ref.id},
            "job": summary,
            **operator.link_urls(summary),
        }
        for key, value in xcoms.items():
            await ask_airflow(compat.push_xcom, ti, key, value)


def attempt_after(
    before: dict[str, int], job_state: str | None, try_number: int, retries: int
) -> dict[str, int]:
    """Return ``try_number``, ``max_tries`` and ``since`` of an attempt, as a worker would see them.

    :param before: Those of the attempt before; empty if it had a worker, or there was none.
    :param job_state: The state of its job, as the XCom has it: success is written at the very end.
    """
    if before.get("try_number") == try_number:  # this one, whose trigger has moved
        return {name: before[name] for name in ("try_number", "max_tries", "since")}
    max_tries, since = try_number - 1 + retries, 1
    if not before.get("max_tries"):
        max_tries = retries if try_number <= retries + 1 else max_tries
    elif job_state != JobState.SUCCEEDED and try_number <= before["max_tries"] + 1:
        max_tries, since = before["max_tries"], before["since"]
    elif max_tries == before["max_tries"]:  # a clear, after retries have become fewer
        since = try_number
    return {"try_number": try_number, "max_tries": max_tries, "since": since}
