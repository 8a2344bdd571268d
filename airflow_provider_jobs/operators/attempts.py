"""Who works on a task: which attempt, since which clear, of which Airflow; its jobs are named by that."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.operators.memory import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import BaseOperator, Context

    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

#: A job may look older than its run by this much, since two machines of Airflow tell the time; in seconds.
SKEW_SECONDS = 10.0
#: BigQuery keeps a job, and its id with it, for six months.
_RETENTION = dt.timedelta(days=180)
#: How long a kill waits for Airflow to say who follows its jobs: it has five seconds in all, of which a busy
#: server takes its part, and a job that is cancelled unasked costs the later attempt its work.
ASK_SECONDS = 3.0


class Attempt(Entry):
    """One attempt, and what it leaves of itself, so that the next one can tell a retry from a clear.

    A clear sets ``max_tries`` to the number of attempts so far plus ``retries``: what it was, if the DAG's
    ``retries`` have become fewer. After an end that Airflow has recorded only a clear can follow, after one
    that it has not a retry; so an end is noted once Airflow has recorded it.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context, "attempt", _RETENTION)
        self._ti = context["ti"]
        self._number = int(getattr(self._ti, "try_number", 1))
        self._since = 1

    def begin(self, retries: int) -> int:
        """Return the number of the first attempt since a clear that left ``max_tries`` alone; 1 if none did.

        :param retries: Those of the task as the DAG has them now.
        """
        number = self._number
        if self.lasts and number > 1:
            kept = self._kept()
            self._since = int(kept.get("since", 1))
            if self._cleared(kept, number, retries):
                self._since = number
                self._note("begun")
        return self._since

    def resume(self) -> int:
        """Note that the attempt is on a worker again, and return as :meth:`begin` does."""
        kept = self._kept()
        self._since = int(kept.get("since", 1))
        if kept.get("state") == "in trigger":
            self._note("begun")
        return self._since

    def leave_to_trigger(self) -> None:
        """Note that the trigger will end the task: no worker will be there to do so."""
        self._note("in trigger")

    def ended(self, _context: Any = None) -> None:
        """Note that Airflow has recorded the end of the task."""
        self._note("ended")

    def note_once_recorded(self, task: BaseOperator, callbacks: str) -> None:
        """Have Airflow call us once it has recorded the end that comes now.

        :param callbacks: ``on_success_callback`` or ``on_failure_callback``.
        """
        if self.lasts:
            setattr(task, callbacks, [self.ended, *getattr(task, callbacks)])

    def tell_earlier(self, refs: Sequence[JobRef]) -> None:
        """Let the attempts before this one know which jobs it follows: they are not to cancel them."""
        if self._number > 1 and refs:
            follows = {"try_number": self._number, "job_id": several.joined_ids(refs)}
            self._ti.xcom_push(key=several.ATTEMPT_KEY, value=follows)

    def taken_over(self, refs: Sequence[JobRef]) -> bool:
        """Return True if a later attempt of the task follows these jobs; False also if Airflow does not say.

        It is asked in another thread: the caller is a signal handler, and what that has interrupted may hold
        the lock that the question needs.
        """
        answers: list[Any] = []

        def ask() -> None:
            try:
                answers.append(compat.task_xcom(self._ti, several.ATTEMPT_KEY))
            except Exception as error:  # noqa: BLE001 - whatever it is: the job is cancelled then
                log.info("whether a later attempt follows the job is not known: %s", error)

        thread = threading.Thread(target=ask, name="ask-airflow", daemon=True)
        thread.start()
        thread.join(ASK_SECONDS)
        if thread.is_alive():
            log.info("Airflow did not say within %g s whether a later attempt follows the job", ASK_SECONDS)
        return any(several.followed_later(answer, self._number, refs) for answer in answers)

    def _note(self, state: str) -> None:
        entry = {"max_tries": self._ti.max_tries, "try_number": self._number}
        self._set({**entry, "since": self._since, "state": state})

    def _kept(self) -> dict[str, Any]:
        kept = self._get()
        whole = {"try_number", "since", "state"} <= kept.keys()
        return kept if whole and kept.get("max_tries") == self._ti.max_tries else {}

    def _cleared(self, kept: dict[str, Any], number: int, retries: int) -> bool:
        if not kept and not compat.STATE_LASTS_A_CLEAR:
            return bool(self._ti.max_tries == number - 1 + retries)
        # A worker may die between its note and the deferral; a trigger's success leaves the task's result.
        state = kept.get("state") if kept.get("try_number", number) < number else None
        return state == "ended" or (state == "in trigger" and compat.left_result(self._ti) is not False)


def work_digest(context: Context, configuration: Any, since: int = 1) -> str:
    """Return 20 characters that stand for this work of this task: the same in a retry, others after a clear.

    Airflow counts a clear in ``max_tries``, which a retry leaves alone.

    :param since: The attempt since which the task was not cleared: not every clear changes ``max_tries``.
    """
    return _digest([*_work(context, configuration), deployment_key(), since])


def work_digest_before(context: Context, configuration: Any) -> str:
    """Return what :func:`work_digest` of the version before returned: it knew of one deployment alone."""
    return _digest(_work(context, configuration))


def task_digest(context: Context) -> str:
    """Return 20 characters that stand for this task of this run: the same in all its attempts."""
    ti = context["ti"]
    return _digest([ti.dag_id, ti.run_id, ti.task_id, ti.map_index, deployment_key()])


def lasting_digest(context: Context) -> str:
    """Return 20 characters that stand for this task in all of its runs, a mapped one with its index."""
    ti = context["ti"]
    return _digest([ti.dag_id, ti.task_id, ti.map_index, deployment_key()])


def _work(context: Context, configuration: Any) -> list[Any]:
    ti = context["ti"]
    return [ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.max_tries, configuration]


def _digest(work: list[Any]) -> str:
    text = json.dumps(work, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def deployment_key() -> str:
    """Return what tells this Airflow from others whose DAGs, tasks and runs have the same names.

    It is ``[airflow_provider_jobs] deployment_key``, or a hash of ``[api] base_url``.
    """
    given = conf.get("airflow_provider_jobs", "deployment_key", fallback="")
    address = conf.get("api", "base_url", fallback="") or ""
    return given or hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:12]


def run_started_at(context: Context) -> float:
    """Return the time before which no job of this run can have been created, in seconds since 1970.

    A run that was deleted and made again has the same ids; its jobs are not this run's.
    """
    started = getattr(context["dag_run"], "start_date", None)
    return started.timestamp() - SKEW_SECONDS if started else 0.0
