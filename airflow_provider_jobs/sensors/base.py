"""The one life cycle of a sensor for jobs: poke, reschedule or defer, with the same outcome."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.log_lines import begun_lines, called, called_each, outcome_line
from airflow_provider_jobs.core.wait.single import (
    GRACE_SECONDS,
    ask_each,
    asked_pause,
    concerns_job,
    pause_seconds,
)
from airflow_provider_jobs.errors import JobFailed, JobsError, NotFoundError
from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.lineage import openlineage
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.operators.endings import Plainly, failure, nice_to_know
from airflow_provider_jobs.operators.task import ServiceTask, ending_of
from airflow_provider_jobs.triggers.job import FIRST_POLL_SECONDS, JobTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from airflow_provider_jobs.jobs import JobRef, JobStatus


class JobSensor(ServiceTask, BaseSensorOperator):
    """Waits for jobs that somebody else submitted; never cancels them.

    A failed job fails the sensor without retry: it would find the same job again. A service that cannot be
    asked for a while does not, until the sensor's ``timeout``.

    A job that was not seen so far may be too young to be shown: it counts as not there only after a minute.

    :param poke_interval: Seconds between two looks; deferred, at most.
    """

    #: How long a job that was not seen so far is looked for, from the sensor's own first look on; seconds.
    grace_seconds: ClassVar[float] = GRACE_SECONDS

    def __init__(self, *, poke_interval: float = 15.0, **kwargs: Any) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self._seen: list[JobRef] = []
        #: What the links are made of: how the jobs were at the last look; None before the first.
        self.seen_job: dict[str, Any] | None = None
        self._linked = False
        self._trace = Trace()
        #: The service asked not to be asked before; seconds since 1970.
        self._quiet_until = 0.0

    # What the sensors of a service add.

    def refs(self, client: Any) -> list[JobRef]:
        """Return the jobs to wait for, as the parameters name them."""
        raise NotImplementedError

    def statuses(self, client: Any, refs: list[JobRef]) -> list[JobStatus]:
        """Return how the jobs are doing, whoever has looked before."""
        return ask_each(client.status, refs)

    def look(self) -> dict[str, Any] | None:
        """Return the sensor's result if what it waits for has ended well, None if it goes on.

        :raises JobFailed: it ended otherwise.
        """
        client = self.client()
        statuses = self.statuses(client, self.refs(client))
        first, self._seen = not self._seen, [status.ref for status in statuses]
        result = self.seen_job = several.summary(statuses, self.summary, self.together)
        names = called_each(self._seen)
        for status in statuses if first else ():
            for line in begun_lines(status, names, "waiting for"):
                self.log.info("%s", line)
        state = several.state_of(statuses)
        if not state.ended:
            for status in statuses:
                self.log.info("%s is %s", called(status.ref, names), status.vendor_state)
            return None
        self._trace = nice_to_know("lineage: which data it was", lambda: self.traced(statuses), Trace())
        if state is not JobState.SUCCEEDED:
            raise failure(client, statuses, self.together)
        self.log.info("%s", outcome_line(result, statuses))
        return result

    def traced(self, statuses: list[JobStatus]) -> Trace:
        """Return what jobs that have ended have read and written, if their service tells it."""
        return Trace()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return what is known of the data that was waited for; of a sensor that fails the same."""
        return openlineage.operator_lineage(self._trace)

    def trigger(self, **shared: Any) -> BaseTrigger:
        """Return what waits for the same in the triggerer."""
        # As the service names them, if it has: with the location that a listing tells them by.
        refs = self._seen or self.refs(self.client())
        ending = ending_of(self) if self.ends_in_trigger() else None
        return JobTrigger(refs=[ref.to_json() for ref in refs], ending=ending, **shared)

    # The life cycle.

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, unless the service asked for a pause that lasts."""
        if self._quiet_seconds():
            return PokeReturnValue(is_done=False)
        try:
            result = self._look_until_visible()
        except JobsError as error:
            self._fail_or_go_on(error)
            result = None
        self._push_links(context)
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def _push_links(self, context: Context) -> None:
        """Let the links be there while the sensor waits in this process; at its end Airflow asks for them."""
        if self.seen_job and not self._linked and self.mode == "poke" and not self.deferrable:
            self._linked = True
            for key, url in self.link_urls(self.seen_job).items():
                context["ti"].xcom_push(key=key, value=url)

    def _look_until_visible(self) -> dict[str, Any] | None:
        """Look, here and again as long as a job may be too young to be shown: no other clock has a say."""
        began = time.monotonic()
        while True:
            try:
                return self.look()
            except NotFoundError as error:
                waited = time.monotonic() - began
                if self._seen or waited >= min(self.grace_seconds, self.timeout):
                    raise
                self.log.info("%s: it may be too young to be shown, so it is looked for again", error)
                time.sleep(pause_seconds(waited, self.poke_interval))  # no event says that a job is shown

    def execute(self, context: Context) -> Any:
        """Wait, and return what was found."""
        compat.show_exit()
        with Plainly():
            if not self.deferrable:
                return super().execute(context)
            try:
                return self._found_or_defer(context)
            except (AirflowFailException, AirflowSensorTimeout) as error:
                # As the other modes do, and as Airflow does after a deferral.
                if self.soft_fail or self.never_fail:
                    raise AirflowSkipException(str(error)) from None
                raise

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Go on with what the trigger found; look again if the event is lost, or another operator's."""
        compat.show_exit()
        with Plainly():
            return self._after_event(context, event)

    def _after_event(self, context: Context, event: dict[str, Any] | None) -> Any:
        if not isinstance(event, dict) or "outcome" not in event:
            self.log.warning("Airflow has resumed the sensor without an event of ours: looking again")
            return self._found_or_defer(context)
        if event["outcome"] == "deadline":  # perhaps the triggerer was away, and what is waited for is there
            if (found := self.poke(context)).is_done:
                return found.xcom_value
            raise self._overdue()
        if event["outcome"] == "error":
            if not event["retryable"]:
                raise AirflowFailException(event["message"])
            self.log.warning("%s; looking again", event["message"])
        elif event["outcome"] != "ended":
            raise AirflowFailException(f"the trigger sent an outcome that is not one: {event['outcome']}")
        return self._found_or_defer(context)

    def _found_or_defer(self, context: Context) -> Any:
        """Look, and defer if it goes on; wait here as long as nobody can say what to defer for."""
        timing, started = Timing(), context["ti"].start_date
        deadline = (started.timestamp() if started else timing.now()) + self.timeout
        interval = max(self.poke_interval, 1.0)
        while not (found := self.poke(context)).is_done:
            pause = max(0.0, min(self._quiet_seconds(), deadline - timing.now()))
            try:
                trigger = self.trigger(
                    service=self.service,
                    hook_args=self.hook_args(),
                    poll_interval=interval,
                    deadline=deadline,
                    first_poll_at=timing.now() + max(FIRST_POLL_SECONDS, pause),
                    pause_seconds=pause,
                )
            except JobsError as error:
                self._fail_or_go_on(error)
            else:
                return self.defer(trigger=trigger, method_name="execute_complete")
            left = deadline - timing.now()
            if left <= 0:
                raise self._overdue()
            timing.sleep(min(max(interval, self._quiet_seconds()), left))
        return found.xcom_value

    def _fail_or_go_on(self, error: JobsError) -> None:
        """Fail the sensor if no other look can help; otherwise say that it looks again."""
        if isinstance(error, JobFailed) or concerns_job(error):
            raise AirflowFailException(str(error)) from None  # the message holds everything
        pause = asked_pause(error)
        self._quiet_until = Timing().now() + pause
        self.log.warning("%s; looking again in %.0f s", error, max(self.poke_interval, pause))

    def _quiet_seconds(self) -> float:
        return max(0.0, self._quiet_until - Timing().now())

    def _get_next_poke_interval(
        self, started_at: Any, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Return the seconds until the next look: up to the timeout no fewer than the service asked for."""
        usual = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        return max(usual, min(self._quiet_seconds(), self.timeout - run_duration()))

    def _overdue(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(f"{self.task_id} timed out after {self.timeout} s")
