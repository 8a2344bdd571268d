"""The jobs that a task follows: noted, cancelled when it is killed, and left to nobody when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.log_lines import work_line
from airflow_provider_jobs.core.several import Cancels
from airflow_provider_jobs.errors import JobsError, OutageError
from airflow_provider_jobs.operators.endings import is_final, retry_follows
from airflow_provider_jobs.operators.lineage import LineageTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.core.work import JobClient, JobRequest, Submission
    from airflow_provider_jobs.jobs import JobRef
    from airflow_provider_jobs.operators.attempts import Attempt

#: How long a cancelled job may take to end before the task gives up on seeing it, in seconds.
CANCEL_SECONDS = 30.0
#: How long a kill asks for the end of jobs again, in seconds: Airflow leaves five, and an ask takes time.
KILL_SECONDS = 2.0


class FollowingTask(LineageTask):
    """A task with jobs that it has submitted or adopted.

    :param cancel_on_kill: Cancel the job when the task is killed, marked or cleared.
    """

    #: False if the service has no way to end a job.
    can_cancel: ClassVar[bool] = True
    #: True if a retry finds the job without Airflow's store of a task's state.
    found_without_store: ClassVar[bool] = False

    def __init__(self, *, cancel_on_kill: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cancel_on_kill = cancel_on_kill
        self._client: Any = None
        self._refs: list[JobRef] = []
        self._killed = False
        self._leaves_jobs = not cancel_on_kill
        #: True if a retry follows and finds the job.
        self._retry_goes_on = False
        #: Jobs that may have been made: the replies that would tell were lost.
        self._lost: list[JobRef] = []
        self._all_ended = False
        self._attempt: Attempt | None = None
        #: What each of several jobs does, such as the name of its file, by the job's id.
        self._parts: dict[str, str] = {}
        #: What the log says already of what runs.
        self._told_work: set[str] = set()
        #: What the end of the task needs of its beginning: JSON without secrets, carried through a deferral.
        self._carried: dict[str, Any] = {}

    def on_kill(self) -> None:
        """Cancel what this attempt has submitted or adopted, unless a retry goes on with it.

        Airflow calls this in a signal handler, and lets the task go on after it. It stops tasks also when it
        cannot be reached by them for a while: nobody has asked for the end of their jobs then.
        """
        self._killed = True
        self._leaves_jobs = not self.cancel_on_kill or (self._retry_goes_on and compat.airflow_is_away())
        if not self._leaves_jobs:
            self._cancel(self._refs, "the task was ended", KILL_SECONDS)
        elif self.cancel_on_kill:
            jobs = several.names(self._refs)
            self.log.info("leaving %s to the retry: the task was stopped, and Airflow is away", jobs)

    def _cancel(self, refs: Sequence[JobRef], why: str, seconds: float) -> None:
        if refs and self._attempt and self._attempt.taken_over(refs):
            self.log.info("leaving %s alone: a later attempt of the task follows it", several.names(refs))
        elif refs:
            # Not another client: its look-up may wait for a lock that the interrupted frame holds.
            Cancels(self._client, refs, why).insist(seconds, Timing(), self.log)

    def _failed(self, context: Context, error: Exception) -> bool:
        """Leave no job behind that no attempt would follow; return True if no retry follows this error."""
        final = is_final(error) and not self._killed
        if final and self._attempt:
            self._attempt.note_once_recorded(self, "on_failure_callback")
        try:
            self.leave_nothing(context, final=final)
        except Exception as other:  # the error that fails the task is the one to tell
            jobs, ours = several.names(self._refs), not isinstance(other, JobsError)
            text = "%s may run on: it could not be cancelled: %s"
            self.log.error(text, jobs, other, exc_info=ours)  # noqa: TRY400 - a refusal needs no traceback
        return final

    def leave_nothing(self, context: Context, *, final: bool) -> None:
        """Cancel what an attempt that fails leaves running, unless a retry goes on with it.

        :param final: No retry follows, whatever tries are left.
        """
        if self._killed or not (self.can_cancel and self.cancel_on_kill):
            return
        if later := several.later_refs(self._carried):  # a retry makes them anew
            self._cancel(later, "the task has failed before its turn", CANCEL_SECONDS)
        if self._all_ended:
            return
        follows = retry_follows(context) and not final
        refs = [*self._refs, *(ref for ref in self._lost if ref not in self._refs)]
        if not (follows and self._lasts(context)):
            self._cancel(refs, "no retry can find it" if follows else "the task has failed", CANCEL_SECONDS)

    def _keep(self, ref: JobRef, remember: Callable[[], object]) -> None:
        """Follow a job that was made, and keep it for a retry; nobody would find one that cannot be kept."""
        self._follow([ref])
        try:
            remember()
        except Exception:  # whatever it is, it is raised again
            self._cancel([ref], "it could not be kept for a retry", CANCEL_SECONDS)
            raise

    def _lasts(self, context: Context) -> bool:
        """Return True if another attempt would find the jobs of this one."""
        return self.found_without_store or context.get("task_state_store") is not None

    def _check_killed(self) -> None:
        """Let a task that was ended go no further; its retry begins anew."""
        if self._killed:
            raise OutageError("the task was ended while it ran")

    def _submit(self, client: JobClient, request: JobRequest) -> Submission:
        """Submit one of several jobs, unless the task was ended; its end can cancel the job at once."""
        self._check_killed()
        submission = self._submitted(client, request)
        if not submission.left_alone and not submission.shared:
            self._follow([submission.status.ref])
        return submission

    def _submitted(self, client: JobClient, request: JobRequest) -> Submission:
        """Submit a job; note one of which nobody knows whether there is one."""
        self._tell_work(request.body)
        try:
            return client.submit(request)
        except JobsError as error:
            if error.lost_job:
                self._lost.append(error.lost_job)
            raise

    def _tell_work(self, body: dict[str, Any]) -> None:
        """Say what runs: once, also if several jobs do the same with different files."""
        line = work_line(*self.work_of(body))
        if line not in self._told_work:
            self._told_work.add(line)
            self._tell([line])

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.log.info("%s", line)

    def _own(self, refs: Sequence[JobRef]) -> list[JobRef]:
        """Return those that nobody else has made: they may be cancelled."""
        return [ref for ref in refs if ref.id not in self._carried.get("shared", ())]

    def _follow(self, refs: Sequence[JobRef]) -> None:
        """Note jobs for :meth:`on_kill`; cancel those that came too late for it, and go no further then."""
        self._refs += [ref for ref in refs if ref not in self._refs]
        if self._killed and not self._leaves_jobs:
            self._cancel(refs, "the task was ended", KILL_SECONDS)
            self._check_killed()
