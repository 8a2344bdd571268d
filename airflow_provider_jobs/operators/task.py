"""A task about jobs of one service: what operators and sensors share, and how it ends without a worker."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.several import Several
from airflow_provider_jobs.links.base import JobLink
from airflow_provider_jobs.operators.fields import AIRFLOWS, TemplatedTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.hooks.base import JobsHook
    from airflow_provider_jobs.jobs import JobStatus

_PACKAGE = "airflow_provider_jobs."
_START_TRIGGER = f"{_PACKAGE}triggers.start.StartTrigger"
#: What a subclass may override to have a say in a task's end: only a worker has its code.
_END = (
    *("execute_complete", "ended", "completed", "result", "summary", "summary_of", "xcoms"),
    *("look", "poke", "statuses"),  # of sensors
)
#: What templates ask Airflow for, and a triggerer is not told: it never gets an answer.
_UNTOLD = {
    "xcom_pull": "a triggerer cannot pull XComs into templates",
    **{
        name: f"a triggerer is not told {name}"
        for name in (
            *("prev_start_date_success", "prev_end_date_success", "prev_data_interval_start_success"),
            *("prev_data_interval_end_success", "get_previous_dagrun", "inlet_events"),
        )
    },
}


class ServiceTask(TemplatedTask):
    """A task about jobs of one service: what operators and sensors share.

    :param deferrable: Wait in the triggerer; default is Airflow's ``[operators] default_deferrable``.
    """

    service: ClassVar[str]
    hook_class: ClassVar[type[JobsHook[Any]]]
    #: What several jobs of a task are called, and what is told of them together.
    together: ClassVar[Several] = Several()

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the service's hook."""
        conn_id = self.hook_class.conn_name_attr
        return {conn_id: getattr(self, conn_id)}

    def client(self) -> Any:
        """Return the service's client."""
        return self.hook_class(**self.hook_args()).get_conn()

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what a result, and an operator's XCom ``job``, say about a job."""
        return {"job_id": status.ref.id, "state": status.state, **status.statistics, "url": status.url}

    @classmethod
    def xcoms(
        cls,
        client: Any,  # noqa: ARG003 - subclasses ask it
        statuses: list[JobStatus],
        carried: dict[str, Any],  # noqa: ARG003 - subclasses compare with it
    ) -> dict[str, Any]:
        """Return the XComs of a task whose jobs have succeeded; a trigger that ends the task asks for them.

        :raises JobsError: a worker has to see to the end.
        """
        return {"return_value": several.summary(statuses, cls.summary, cls.together)}

    def link_urls(self, summary: Mapping[str, Any]) -> dict[str, str | None]:
        """Return the XComs that Airflow reads the links of this package from.

        Airflow fills them in when the process of a task ends: until then they are there if the task has
        pushed them itself.

        :param summary: What the XCom ``job`` says.
        """
        links = [each for each in self.operator_extra_links if isinstance(each, JobLink)]
        return {link.xcom_key: link.url_of(summary) or None for link in links}

    def ends_in_trigger(self) -> bool:
        """Return True if the trigger may end the task after success: a worker has nothing left to do.

        A task that ends there has no listeners called, OpenLineage among them. Override it to have a worker
        end the task nevertheless.
        """
        return nothing_left(self)


class JobTask(ServiceTask):
    """What the operators of a service may add to the life cycle of their jobs."""

    #: False if the service does not tell how long a job took: the task looks at its clock then.
    tells_duration: ClassVar[bool] = True

    def remarks(self) -> list[str]:
        """Return what the log is to say before anything is done."""
        return []

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return what kind of work a job does, and its SQL or configuration, for the log."""
        fields = {name: value for name, value in body.items() if value is not None}
        return self.service, json.dumps(fields, default=str, ensure_ascii=False)

    def ended(self, client: Any, context: Context, statuses: list[JobStatus]) -> list[JobStatus]:
        """Return the statuses of jobs that have ended, once what is wanted of any end was done."""
        return statuses

    def completed(self, client: Any, context: Context, statuses: list[JobStatus]) -> list[JobStatus]:
        """Return the statuses of jobs that have succeeded, with what their service tells only on request."""
        return statuses

    def result(self, statuses: Sequence[JobStatus]) -> Any:
        """Return the task's result after success."""
        return self.summary_of(statuses)

    def summary_of(self, statuses: Sequence[JobStatus]) -> dict[str, Any]:
        """Return what the XCom ``job`` says: about the one job, or about all of them."""
        return several.summary(statuses, self.summary, self.together)

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose jobs have succeeded, the XCom ``job`` among them."""
        found = super().xcoms(client, cls.timed(statuses, carried), carried)
        return {"job": found["return_value"], **found}

    @classmethod
    def timed(cls, statuses: Sequence[JobStatus], carried: Mapping[str, Any]) -> list[JobStatus]:
        """Return the statuses of jobs that have ended just now, with the seconds since they were submitted.

        Those of a service that tells how long they took stay as they are, and so do adopted ones.
        """
        if cls.tells_duration or "submitted_at" not in carried:
            return list(statuses)
        took = {"duration_seconds": round(max(0.0, time.time() - carried["submitted_at"]), 1)}
        return [dataclasses.replace(each, statistics={**each.statistics, **took}) for each in statuses]

    def repeatable(self, statuses: Sequence[JobStatus]) -> bool:
        """Return True if another attempt does no harm after jobs that have ended so, or are gone."""
        return True

    def named_by(self, client: Any, event: dict[str, Any]) -> list[JobStatus]:
        """Return the jobs that the event of another operator's trigger names, if this one understands it."""
        return []


def nothing_left(task: ServiceTask) -> bool:
    """Return True if only XComs are left to be written once the job of a task has succeeded.

    What Airflow does after success on a worker alone: asset events, callbacks, ``post_execute``, listeners,
    and XComs that others are mapped over, that are spread over several keys, or that are the result of the
    DAG.
    """
    post_execute = getattr(task.post_execute, "__func__", None)
    return not (
        task.outlets
        or task.on_success_callback
        or task._post_execute_hook  # noqa: SLF001 - how a parameter is kept
        or post_execute is not BaseOperator.post_execute
        or task.multiple_outputs
        or getattr(task, "returns_dag_result", False)
        or (task.get_dag() and any(True for _ in task.iter_mapped_dependants()))
        or compat.hears_success()
    )


def ending_of(task: ServiceTask) -> dict[str, Any] | None:
    """Return what a trigger needs to end a task: its class, and whether its result is wanted.

    None if a subclass of somebody else's has a say in the end.
    """
    for own in type(task).__mro__:
        if own.__module__.startswith(_PACKAGE):
            break
        if any(name in vars(own) for name in _END):
            return None
    return {"task": _path(own), "result": bool(task.do_xcom_push)}


def start_args(task: ServiceTask) -> StartTriggerArgs | None:
    """Return how Airflow begins a task in the triggerer, None if it has to begin on a worker."""
    if why_on_worker(task):
        return None
    arguments = {"task": _path(type(task)), "arguments": _arguments(task)}
    ending = ending_of(task) if task.ends_in_trigger() else None
    return StartTriggerArgs(_START_TRIGGER, "execute_complete", {**arguments, "ending": ending}, {})


def why_on_worker(task: ServiceTask) -> str | None:
    """Return why a task cannot begin in the triggerer, None if it can."""
    if not compat.STARTS_FROM_TRIGGER:
        return "Airflow is older than 3.3"
    if not type(task).__module__.startswith(_PACKAGE):
        return "a triggerer does not have the code of its class"
    hook = task._pre_execute_hook  # noqa: SLF001 - how a parameter is kept
    pre_execute = getattr(task.pre_execute, "__func__", None)
    if task.on_execute_callback or hook or pre_execute is not BaseOperator.pre_execute:
        return "on_execute_callback and pre_execute run there"
    dag: Any = task.get_dag()
    if dag and (dag.user_defined_macros or dag.user_defined_filters or dag.jinja_environment_kwargs):
        return "a triggerer does not have the macros and filters of its DAG"
    try:
        arguments = _arguments(task)
    except TypeError as error:
        return f"a triggerer cannot be told its arguments: {error}"
    untold = next((name for name in _UNTOLD if name in arguments), None)
    return untold and _UNTOLD[untold]


def _arguments(task: ServiceTask) -> str:
    """Return the arguments that make the task again, as JSON text: templates as they are, files already read.

    :raises TypeError: one is not JSON.
    """
    given: dict[str, Any] = getattr(task, "_BaseOperator__init_kwargs", {})
    return json.dumps(
        {
            name: getattr(task, name) if name in task.template_fields else value
            for name, value in given.items()
            if name not in AIRFLOWS
        }
    )


def _path(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
