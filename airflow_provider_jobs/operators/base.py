"""The one life cycle of a job task: submit or adopt, wait, finish, be killed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import LONGEST_PAUSE_SECONDS, Timing
from airflow_provider_jobs.core.log_lines import (
    begun_lines,
    called,
    called_each,
    outcome_line,
    skipped_lines,
)
from airflow_provider_jobs.core.several import Cancels
from airflow_provider_jobs.core.wait.single import ask_each, last_look, wait_for
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import (
    DeadlineExceeded,
    JobFailed,
    JobsError,
    NotFoundError,
    OutageError,
)
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators import following
from airflow_provider_jobs.operators.attempts import Attempt
from airflow_provider_jobs.operators.endings import Plainly, airflow_failures, failure, retry_follows
from airflow_provider_jobs.operators.following import FollowingTask
from airflow_provider_jobs.operators.task import ending_of
from airflow_provider_jobs.triggers.job import FIRST_POLL_SECONDS, JobTrigger
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.core.work import JobClient, JobRequest

#: Seconds to wait on the worker before deferring, where the trigger may end the task and where it may not:
#: the hop there and back takes that long.
INLINE_SECONDS = 1.0
HOP_SECONDS = 5.0
#: Characters of the error that the XCom ``job`` of a failure holds; the log has all of it.
_MOST_ERROR_CHARACTERS = 1000


@dataclass(frozen=True)
class _Following:
    """The jobs that come after those of a task that have ended.

    :param client: Theirs: they may be jobs of another service.
    """

    submissions: Sequence[Submission]
    client: JobClient


class JobOperator(FollowingTask):
    """Submits a job, waits for it without holding a worker, and raises its error as the task's failure.

    A retry adopts the job of the attempt before it; a clear runs a new one. The XCom ``job`` names the job
    from submission on, and at the end holds its state and statistics, and the error if it has failed.

    :param poll_interval: Seconds between two looks at the job, at most; at least half a second passes.
    :param inline_wait: Seconds to wait on the worker before deferring; default is 1 if the trigger may end
        the task, else 5, since the hop to the triggerer and back takes longer.
    :param wait: False returns the reference of the submitted job, for a sensor.
    :param cancel_on_kill: Cancel the job when the task is killed, marked or cleared.
    """

    def __init__(
        self,
        *,
        poll_interval: float = 5.0,
        inline_wait: float | None = None,
        wait: bool = True,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(cancel_on_kill=cancel_on_kill, **kwargs)
        if poll_interval <= 0:
            raise ValueError(f"poll_interval is {poll_interval}: it has to be above 0")
        if inline_wait is not None and inline_wait < 0:
            raise ValueError(f"inline_wait is {inline_wait}: it cannot be negative")
        self.poll_interval = poll_interval
        self.inline_wait = inline_wait
        self.wait = wait
        #: The attempt since which the task was not cleared.
        self._since = 1
        #: An event of ours was lost: this attempt has begun before.
        self._resumed = False

    # What the operators of a service add.

    def request(self, client: Any, context: Context) -> JobRequest:
        """Return the work to submit, checked."""
        raise NotImplementedError

    def submissions(self, client: Any, context: Context) -> Sequence[Submission]:
        """Submit the task's work, or adopt what an earlier attempt has submitted: one job or several."""
        return [self._submitted(client, self.request(client, context))]

    def following(
        self, client: Any, context: Context, statuses: list[JobStatus]
    ) -> tuple[list[JobStatus], Sequence[Submission]]:
        """Return what is to be told of all jobs of the task, and those that come after these, if some do.

        Where they are of another service, its client is the task's from here on.

        :param statuses: Of jobs that have ended.
        """
        return statuses, ()

    # The life cycle.

    def execute(self, context: Context) -> Any:
        """Submit the work, wait, and return the result."""
        compat.show_exit()
        self._retry_goes_on = retry_follows(context) and self._lasts(context)
        with Plainly(), airflow_failures(partial(self._failed, context)):
            self._tell(self.remarks())
            self._attempt = Attempt(context)
            self._since = self._attempt.begin(self.retries or 0)
            self._client = self.client()
            return self._run(self._client, context)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None, **before: Any) -> Any:
        """Go on with what the trigger found.

        :param event: None if Airflow has lost it; another operator's, if this one took its place meanwhile.
        :param before: What a task carries that the version before has deferred.
        """
        compat.show_exit()
        self._retry_goes_on = retry_follows(context) and self._lasts(context)
        with Plainly(), airflow_failures(partial(self._failed, context)):
            self._attempt = Attempt(context)
            self._since = self._attempt.resume()
            if isinstance(event, dict) and "outcome" in event:
                return self._after_event(context, event, before)
            self.log.warning("Airflow has resumed the task without an event of ours: looking for its job")
            self._resumed = True
            client = self._client = self.client()
            named = [Submission(status, adopted=True) for status in self.named_by(client, event or {})]
            return self._go_on(client, context, named or self.submissions(client, context))

    def _after_event(self, context: Context, event: dict[str, Any], before: dict[str, Any]) -> Any:
        self._carried = {**before, **event.get("carried", {})}
        refs = several.refs_of(event)
        self._refs = [*self._own(refs), *several.later_refs(self._carried)]
        client = self._client = self.client()
        if event["outcome"] == "begin":  # the triggerer could not
            return self._run(client, context)
        adopted = event["adopted"]
        if event["outcome"] == "error":
            text = f"{several.names(refs)}: {event['message']}"
            gone = event.get("gone") and self.repeatable([])
            raise OutageError(text, retryable=event["retryable"] or bool(gone))
        if event["outcome"] == "deadline":
            outcome = self._end_at_deadline(client, context, last_look(client, refs), adopted=adopted)
            return self._until_over(context, outcome)
        if event["outcome"] != "ended":
            raise JobsError(f"the trigger sent an outcome that is not one: {event['outcome']}")
        told = [JobStatus.from_json(each) for each in event.get("statuses", ())]
        # The version before told of all in one.
        told = told or ask_each(client.status, refs)
        return self._until_over(context, self._finish(client, context, told, adopted=adopted))

    def is_first(self, context: Context) -> bool:
        """Return True if no attempt at the work has come before."""
        return bool(context["ti"].try_number == 1) and not self._resumed

    def _run(self, client: JobClient, context: Context) -> Any:
        self._all_ended = False
        return self._go_on(client, context, self.submissions(client, context))

    def _go_on(self, client: JobClient, context: Context, submissions: Sequence[Submission]) -> Any:
        return self._until_over(context, self._step(client, context, submissions))

    def _until_over(self, context: Context, outcome: Any) -> Any:
        """Return the task's result, once no jobs follow those that have ended; they may be a thousand."""
        while isinstance(outcome, _Following):
            outcome = self._step(outcome.client, context, outcome.submissions)
        return outcome

    def _step(self, client: JobClient, context: Context, submissions: Sequence[Submission]) -> Any:
        """Wait for jobs; return the task's result, or those that follow."""
        # What is somebody else's and still under way is not waited for.
        followed = [each for each in submissions if not each.left_alone or each.status.state.ended]
        statuses = [each.status for each in followed or submissions]
        names = called_each([each.status.ref for each in followed])
        for each in followed:
            verb = "adopted" if each.adopted else "submitted"
            self._tell(begun_lines(each.status, names, verb, self._parts.get(each.status.ref.id, "")))
        if not (self.tells_duration or any(each.adopted for each in followed)):
            self._carried["submitted_at"] = time.time()
        if shared := [each.status.ref.id for each in followed if each.shared or each.left_alone]:
            self._carried["shared"] = shared
        # A dry run has no job.
        self._follow(self._own([each.status.ref for each in followed if each.status.ref.id]))
        if self._attempt:
            self._attempt.tell_earlier(self._refs)
        over = several.state_of(statuses) is JobState.SUCCEEDED
        (self._remember_end if over else self._remember)(context, statuses)
        if not self.wait or not followed:
            return self.summary_of(statuses)
        # One that has succeeded cannot turn out to be cancelled by an earlier attempt.
        adopted = any(each.adopted and each.status.state is not JobState.SUCCEEDED for each in followed)
        return self._wait(client, context, statuses, adopted=adopted)

    def _wait(self, client: JobClient, context: Context, statuses: list[JobStatus], *, adopted: bool) -> Any:
        deadline = self._deadline(context)
        last = float("inf") if deadline is None else deadline
        ending = ending_of(self) if self.deferrable and self.ends_in_trigger() else None
        try:
            statuses = wait_for(
                client,
                statuses,
                until=min(last, time.time() + self._inline_seconds(ending)) if self.deferrable else last,
                poll_interval=self.poll_interval,
                timing=Timing(),
                longest_pause=self._longest_pause(),
                on_change=partial(self._tell_change, called_each([status.ref for status in statuses])),
            )
        except NotFoundError as error:
            jobs = several.names([status.ref for status in statuses])
            raise OutageError(f"{jobs}: {error}", retryable=self.repeatable([])) from error
        except OutageError as error:
            if not self.deferrable or error.retry_after is None:
                raise
            self.log.warning("%s; looking again in %.0f s", error, error.retry_after)
            return self._defer(context, statuses, ending, adopted=adopted, pause_seconds=error.retry_after)
        if several.state_of(statuses).ended:
            return self._finish(client, context, statuses, adopted=adopted)
        if self.deferrable and time.time() < last:
            return self._defer(context, statuses, ending, adopted=adopted)
        return self._end_at_deadline(client, context, statuses, adopted=adopted)

    def _inline_seconds(self, ending: dict[str, Any] | None) -> float:
        if self.inline_wait is not None:
            return self.inline_wait
        return INLINE_SECONDS if ending else HOP_SECONDS

    def _longest_pause(self) -> float:
        """Return for how long the worker is held if the service asks for a pause: as little as can be."""
        if self.deferrable:
            return 0.0
        return LONGEST_PAUSE_SECONDS if self._retry_goes_on else float("inf")

    def _defer(
        self,
        context: Context,
        statuses: Sequence[JobStatus],
        ending: dict[str, Any] | None,
        *,
        adopted: bool,
        pause_seconds: float = 0.0,
    ) -> Any:
        if self.cancel_on_kill:
            self._check_killed()
        if ending and self._attempt:
            self._attempt.leave_to_trigger()
        deadline, now = self._deadline(context), time.time()
        if deadline is not None:
            pause_seconds = max(0.0, min(pause_seconds, deadline - now))
        trigger = JobTrigger(
            service=statuses[0].ref.service,
            hook_args=self.hook_args(),
            poll_interval=self.poll_interval,
            deadline=deadline,
            first_poll_at=now + max(FIRST_POLL_SECONDS, pause_seconds),
            pause_seconds=pause_seconds,
            refs=[status.ref.to_json() for status in statuses],
            adopted=adopted,
            carried=self._carried,
            cancel_on_kill=self.cancel_on_kill and bool(self._own([status.ref for status in statuses])),
            ending=ending,
        )
        return self.defer(trigger=trigger, method_name="execute_complete")

    def _finish(
        self, client: JobClient, context: Context, statuses: list[JobStatus], *, adopted: bool
    ) -> Any:
        in_part = [status.ref for status in statuses if not status.whole]
        whole = dict(zip(in_part, ask_each(client.status, in_part), strict=True))
        statuses = [whole.get(status.ref, status) for status in statuses]
        state = several.state_of(statuses)
        self._all_ended = True
        if state is JobState.CANCELLED:
            if self._killed:
                self._tell_end(context, statuses)
            self._check_killed()
            if adopted:
                jobs = several.names([status.ref for status in statuses])
                self.log.warning("%s was cancelled by the end of an earlier attempt; submitting anew", jobs)
                return self._run(client, context)
        self._all_ended = False
        try:
            statuses, following = self.following(client, context, statuses)
            if following:
                return _Following(following, self._client)
            self._all_ended, state = True, several.state_of(statuses)
            statuses = self.ended(client, context, self.timed(statuses, self._carried))
            if state is not JobState.SUCCEEDED:
                error = failure(client, statuses, self.together)
                error.retryable = error.retryable and self.repeatable(statuses)
                raise error
            statuses = self.completed(client, context, statuses)
        except JobsError as error:
            self._tell_end(context, statuses, error)
            raise
        self._tell_end(context, statuses)
        if self._attempt:
            self._attempt.note_once_recorded(self, "on_success_callback")
        return self.result(statuses)

    def _tell_end(
        self, context: Context, statuses: Sequence[JobStatus], error: JobsError | None = None
    ) -> None:
        """Say what came of the jobs: in the log, once, and in the XComs.

        :param error: What the task fails with; the log gets it from Airflow.
        """
        more: dict[str, Any] = {}
        if error:
            found = error.status if isinstance(error, JobFailed) else None
            said = (found.problem or found.vendor_state) if found else error
            more["error"] = shown(said, _MOST_ERROR_CHARACTERS)
            more |= {"state": found.state} if found else {}
        summary = {**self.summary_of(statuses), **more}
        self._tell([outcome_line(summary, statuses), *skipped_lines(summary)])
        self._remember_end(context, statuses, more)
        self.note_lineage(context, statuses, succeeded=error is None)

    def _tell_change(self, names: Mapping[JobRef, str], news: JobStatus) -> None:
        if len(names) > 1 or not news.state.ended:  # what came of it is said at the end
            self.log.info("%s is %s", called(news.ref, names), news.vendor_state)

    def _remember_end(
        self, context: Context, statuses: Sequence[JobStatus], more: dict[str, Any] | None = None
    ) -> None:
        """Push the XComs of jobs that have ended; what they say is in the result, too."""
        try:
            self._remember(context, statuses, more)
        except Exception as error:  # noqa: BLE001 - whatever it is: the work is done
            self.log.warning("the XCom job could not be written, and is left out: %s", error)

    def _remember(
        self, context: Context, statuses: Sequence[JobStatus], more: dict[str, Any] | None = None
    ) -> None:
        summary = {**self.summary_of(statuses), **(more or {})}
        context["ti"].xcom_push(key="job", value=summary)
        for key, url in self.link_urls(summary).items():
            context["ti"].xcom_push(key=key, value=url)

    def _deadline(self, context: Context) -> float | None:
        """Return when ``execution_timeout`` ends; Airflow watches over it on the worker alone."""
        started = context["ti"].start_date
        if self.execution_timeout is None or started is None:
            return None
        return float((started + self.execution_timeout).timestamp())

    def _end_at_deadline(
        self, client: JobClient, context: Context, statuses: list[JobStatus], *, adopted: bool
    ) -> Any:
        """Cancel jobs that outlasted ``execution_timeout``, see them end, fail; unless they just ended."""
        if active := [status.ref for status in statuses if not status.state.ended]:
            if not self.can_cancel or len(self._own(active)) < len(active):
                raise self._overdue(active, "may still")
            cancels = Cancels(client, active, "execution_timeout has ended")
            if not cancels.insist(following.CANCEL_SECONDS, Timing(), self.log):
                raise self._overdue(active, "could not be cancelled: it may run on")
            self._all_ended = True  # or is about to
            until = time.time() + following.CANCEL_SECONDS
            try:
                statuses = wait_for(client, statuses, until=until, poll_interval=1.0, timing=Timing())
            except NotFoundError:  # cancelled, and deleted at once
                raise self._overdue(active, f"is {JobState.CANCELLED}") from None
            state = several.state_of(statuses)
            if not state.ended:
                raise self._overdue(active, "was asked to stop and still runs")
            if state is JobState.CANCELLED:
                error = self._overdue(active, f"is {state}")
                self._tell_end(context, statuses, error)
                raise error
        return self._finish(client, context, statuses, adopted=adopted)

    def _overdue(self, refs: Sequence[JobRef], outcome: str) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"{several.names(refs)} did not end within execution_timeout ({self.execution_timeout}) "
            f"and {outcome}",
            ref=refs[0],
        )
