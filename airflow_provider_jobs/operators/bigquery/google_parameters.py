"""Parameters of Google's operators that need nothing done here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jobs.operators.task import JobTask

_UNNEEDED = ("force_rerun", "reattach_states", "result_retry", "result_timeout", "durable")


class GoogleParameters(JobTask):
    """Takes parameters that Google's operators need, and keeps them where listeners and policies look.

    The log names those that the task was given.

    :param force_rerun: Not needed, like the following: a clear always runs anew.
    :param reattach_states: A retry always adopts its job, whatever state it is in.
    :param result_retry: Waiting tolerates outages as it is.
    :param result_timeout: Every request has its timeouts.
    :param durable: The job's id needs no store.
    """

    def __init__(
        self,
        *,
        force_rerun: bool | None = True,
        reattach_states: set[str] | None = None,
        result_retry: Any = None,
        result_timeout: float | None = None,
        durable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.force_rerun = force_rerun
        self.reattach_states = set(reattach_states or ())
        self.result_retry = result_retry
        self.result_timeout = result_timeout
        self.durable = durable

    def remarks(self) -> list[str]:
        """Return what the log is to say before anything is done."""
        names = ", ".join(name for name in _UNNEEDED if self.given_arguments.get(name) is not None)
        return [*super().remarks(), *([f"not needed, and without effect: {names}"] if names else [])]


class SqlOfQuery:
    """The SQL in a configuration, where listeners and policies look for it; None of another job.

    A subclass may keep an attribute of its own under the name, as it may with Google's operator.
    """

    def __get__(self, task: Any, kind: type | None = None) -> Any:
        """Return the SQL as the configuration has it by now."""
        if task is None:
            return self
        configuration = getattr(task, "configuration", None)
        query = configuration.get("query") if isinstance(configuration, Mapping) else None
        return query.get("query") if isinstance(query, Mapping) else None
