"""Who works on a task: which attempt, since which clear, of which Airflow; its jobs are named by that."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.operators.memory import RETENTION, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

#: A job may look older than its run by this much, since two machines of Airflow tell the time; in seconds.
SKEW_SECONDS = 10.0
#: How long a kill waits for Airflow to say who follows its jobs: it has five seconds in all.
ASK_SECONDS = 1.0


class AttemptLog(Entry):
    """What each attempt leaves of itself, so that the next one can tell a retry from a clear.

    A clear sets ``max_tries`` to the number of attempts so far plus ``retries``: what it was, if the DAG's
    ``retries`` have become fewer. After an end that Airflow has recorded only a clear can follow, after one
    that it has not a retry; so an end is noted once Airflow has recorded it.
    """

    def __init__(self, context: Context, since: int = 1) -> None:
        super().__init__(context, "attempt", RETENTION)
        self._ti = context["ti"]
        self._since = since

    def begin(self, retries: int) -> int:
        """Note an attempt, and return the number of the first one since the last clear.

        :param retries: Those of the task as the DAG has them now.
        """
        number = int(self._ti.try_number)
        if self.lasts:
            self._since = self._since_clear(number, retries) if number > 1 else 1
            self._note("begun")
        return self._since

    def resume(self) -> int:
        """Note that the attempt is on a worker again, and return as :meth:`begin` does."""
        kept = self._get()
        self._since = kept.get("since", 1) if kept.get("max_tries") == self._ti.max_tries else 1
        if kept.get("state", "begun") != "begun":
            self._note("begun")
        return self._since

    def leave_to_trigger(self) -> None:
        """Note that the trigger will end the task: no worker will be there to do so."""
        self._note("in trigger")

    def ended(self, _context: Any = None) -> None:
        """Note that Airflow has recorded the end of the task."""
        self._note("ended")

    def _note(self, state: str) -> None:
        number, tries = self._ti.try_number, self._ti.max_tries
        self._set({"max_tries": tries, "try_number": number, "since": self._since, "state": state})

    def _since_clear(self, number: int, retries: int) -> int:
        kept = self._get()
        if not {"max_tries", "try_number", "since", "state"} <= kept.keys():
            # No attempt has come so far, or it was of the version before, or Airflow forgets at a clear.
            return number if self._ti.max_tries == number - 1 + retries else 1
        if kept["max_tries"] != self._ti.max_tries or (kept["try_number"] < number and self._has_ended(kept)):
            return number
        return int(kept["since"])

    def _has_ended(self, kept: dict[str, Any]) -> bool:
        # A worker may die between its note and the deferral; a trigger's success leaves the task's result.
        return kept["state"] == "ended" or (
            kept["state"] == "in trigger" and compat.left_result(self._ti) is not False
        )


def work_digest(context: Context, configuration: Any, since: int = 1) -> str:
    """Return 20 characters that stand for this work of this task: the same in a retry, others after a clear.

    Airflow counts a clear in ``max_tries``, which a retry leaves alone.

    :param since: The attempt since which the task was not cleared: not every clear changes ``max_tries``.
    """
    return _digest([*_work(context, configuration), deployment_key(), since])


def work_digest_before(context: Context, configuration: Any) -> str:
    """Return what :func:`work_digest` of the version before returned: it knew of one deployment alone."""
    return _digest(_work(context, configuration))


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


def taken_over(ti: Any, refs: Sequence[JobRef]) -> bool:
    """Return True if a later attempt of the task follows these jobs; False also if Airflow does not say.

    It is asked in another thread: the caller is a signal handler, and what that has interrupted may hold the
    lock that the question needs.
    """
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(compat.task_xcom(ti, several.ATTEMPT_KEY))
        except Exception as error:  # noqa: BLE001 - whatever it is, the job is cancelled then
            log.info("whether a later attempt follows the job is not known: %s", error)

    thread = threading.Thread(target=ask, name="ask-airflow", daemon=True)
    thread.start()
    thread.join(ASK_SECONDS)
    return any(several.followed_later(answer, ti.try_number, refs) for answer in answers)
