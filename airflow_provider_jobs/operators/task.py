"""A task about jobs of one service: what operators and sensors share, and how it ends without a worker.

What the author of a DAG writes into a field is a template, and may name a template file. What comes from an
XCom is data: it is never rendered, and never read as a file, mapped or not.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.triggers.base import StartTriggerArgs
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_jobs import compat
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.several import Several
from airflow_provider_jobs.operators import templates
from airflow_provider_jobs.operators.endings import airflow_failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow.sdk import Context

    from airflow_provider_jobs.hooks.base import JobsHook
    from airflow_provider_jobs.jobs import JobStatus

_PACKAGE = "airflow_provider_jobs."
_START_TRIGGER = f"{_PACKAGE}triggers.start.StartTrigger"
#: Arguments of BaseOperator are Airflow's business, but for this one; Airflow tells the trigger the others.
_KEPT = {"render_template_as_native_obj"}
_AIRFLOWS = inspect.signature(BaseOperator.__init__).parameters.keys() - _KEPT
#: What a subclass may override to have a say in a task's end: only a worker has its code.
_END = (
    *("execute_complete", "ended", "completed", "result", "summary", "summary_of", "xcoms"),
    *("look", "poke", "statuses"),  # of sensors
)


class ServiceTask(BaseOperator):
    """A task about jobs of one service: what operators and sensors share.

    :param deferrable: Wait in the triggerer; default is Airflow's ``[operators] default_deferrable``.
    """

    service: ClassVar[str]
    hook_class: ClassVar[type[JobsHook[Any]]]
    #: What several jobs of a task are called, and what is told of them together.
    together: ClassVar[Several] = Several()
    #: The template fields that may name a file, whatever the others end in; None leaves it to Airflow.
    file_fields: ClassVar[tuple[str, ...] | None] = None
    #: The file fields that may be JSON text: what is put into a text in it arrives as it is.
    json_fields: ClassVar[tuple[str, ...]] = ()
    #: What the task was made with, apart from default arguments and Airflow's own.
    given_arguments: dict[str, Any]
    #: The values of fields that were rendered or came from an XCom, and are templates no more.
    _settled: Mapping[str, Any] | None = None

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    # What is a template, and what is data.

    def _hook_apply_defaults(
        self, *, default_args: dict[str, Any], **arguments: Any
    ) -> tuple[tuple[()], dict[str, Any]]:
        """Keep what the task is made with; Airflow asks before each constructor, the outermost first."""
        if "given_arguments" not in vars(self):
            given = {
                name: value
                for name, value in arguments.items()
                if name not in _AIRFLOWS and value is not default_args.get(name, self)
            }
            object.__setattr__(self, "given_arguments", given)  # as Airflow does before a constructor
        return (), {**arguments, "default_args": default_args}

    def files(self) -> list[Any]:
        """Return the values that may name a template file."""
        return [getattr(self, field) for field in self.file_fields or ()]

    def resolve_template_files(self) -> None:
        """Read the files that file fields name; Airflow's own looks for files in every template field."""
        every = self.template_fields
        self.template_fields = every if self.file_fields is None else self.file_fields
        try:
            super().resolve_template_files()
        finally:
            self.template_fields = every

    def render_template(
        self, content: Any, context: Context, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render a value; ``gs://bucket/a.json`` and ``dataset.sql`` are not template files.

        :param seen_oids: Ids of values that Airflow leaves as they are, those of XComs among them.
        """
        if not isinstance(content, str) or id(content) in (seen_oids or ()):
            return super().render_template(content, context, jinja_env, seen_oids)
        env = jinja_env or self.get_template_env()
        named = self.file_fields is None or any(content is each for each in self.files())
        if named and content.endswith(tuple(self.template_ext)):
            return super().render_template(content, context, env, seen_oids)
        return self._render(env.from_string(content), context) if templates.marked(content, env) else content

    def _render(self, template: Any, context: Context, dag: Any = None) -> Any:
        """Render a template; natively one value keeps its type, and text stays text."""
        if not isinstance(template.environment, NativeEnvironment):
            return super()._render(template, context, dag)
        return templates.native(template, context)

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Any,
        seen_oids: set[int],
    ) -> None:
        """Render what the author wrote, once; Airflow comes here for mapped tasks and for all others."""
        if parent is not self:  # an object in a field, with template fields of its own
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            return
        natively = isinstance(jinja_env, NativeEnvironment)
        if natively:
            jinja_env = templates.text_keeping(jinja_env)
        data, settled, new = arguments_from_xcom(self, context), self._settled, object()
        if settled is None:
            settled = {field: getattr(self, field, None) for field in data}
        fields = [
            field for field in template_fields if getattr(self, field, None) is not settled.get(field, new)
        ]
        left_alone = {*seen_oids, *map(id, parts_of(data))}
        with airflow_failures(lambda _: True):
            rendered = self._open_json(fields, context, jinja_env, left_alone)
            before = {field: getattr(self, field, None) for field in fields}
            left_alone |= set(map(id, rendered))
            super()._do_render_template_fields(parent, fields, context, jinja_env, left_alone)
            if natively:
                self._take_native(before)
            for field in {*template_fields, *settled}:
                setattr(self, field, templates.as_lists(getattr(self, field, None), field))
        self._settled = {field: getattr(self, field) for field in {*settled, *fields}}

    def _open_json(self, fields: list[str], context: Context, env: Any, left_alone: set[int]) -> list[Any]:
        """Put what JSON text holds into its field; return the texts in it that are rendered already."""
        rendered: list[Any] = []
        for field in {*self.json_fields} & {*fields}:
            text = value = getattr(self, field, None)
            if not isinstance(text, str) or id(text) in left_alone:
                continue
            if text.endswith(tuple(self.template_ext)):
                text = templates.file_text(text, env)
            text = text.removeprefix("\ufeff")  # how some editors begin a file
            if (value := templates.held(text, env)) is None:
                template = templates.json_template(text, env, natively=isinstance(env, NativeEnvironment))
                made = templates.native(template, context)
                value = made if (found := templates.parsed(made)) is None else found
                files = {
                    name for name in templates.written(text, env) if name.endswith(tuple(self.template_ext))
                }
                rendered += [part for part in parts_of(value) if isinstance(part, str) and part not in files]
            setattr(self, field, value)
        return rendered

    def _take_native(self, before: Mapping[str, Any]) -> None:
        """Take a list or a mapping that a whole field spells, as Airflow does; a number in ours is a name.

        :param before: The fields as they were, templates.
        """
        ours = {
            field
            for kind in type(self).__mro__
            if kind.__module__.startswith(_PACKAGE)
            for field in vars(kind).get("template_fields", ())
        }
        for field, template in before.items():
            value = getattr(self, field)
            if not isinstance(template, str):
                continue
            if isinstance(value, str):
                setattr(self, field, templates.collection(value))
            elif field in ours and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(self, field, str(value))

    # What its service is.

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

    def ends_in_trigger(self) -> bool:
        """Return True if the trigger may end the task after success: a worker has nothing left to do.

        A task that ends there has no listeners called, OpenLineage among them. Override it to have a worker
        end the task nevertheless.
        """
        return nothing_left(self)


def arguments_from_xcom(task: ServiceTask, context: Context) -> dict[str, Any]:
    """Return the arguments that a mapped task has from an XCom, not from the author of its DAG.

    Airflow's own protection goes by the identity of whole values, and leaves out those of ``expand_kwargs``.
    """
    dag: Any = task.get_dag()
    mapped = dag.task_dict.get(task.task_id) if dag else None
    if not isinstance(mapped, MappedOperator):
        return {}
    own = task.given_arguments
    given: Any = mapped._get_specified_expand_input().value  # noqa: SLF001 - it has no public name
    if isinstance(given, dict):  # expand()
        return {name: own[name] for name in own.keys() & given.keys() if not _written(given[name])}
    if _written(given):  # expand_kwargs() over a list
        given = given[context["ti"].map_index]
    if _written(given):
        return {}
    partial = mapped.partial_kwargs
    return {name: value for name, value in own.items() if value is not partial.get(name, mapped)}


def _written(argument: Any) -> bool:
    """Return True of what the author gave to map over; what comes from an XCom is a reference to it."""
    return isinstance(argument, Mapping | Sequence)


def parts_of(value: Any) -> Iterator[Any]:
    """Return a value and what is in it: a subclass may put it into its fields piece by piece."""
    yield value
    inside: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inside = [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    for each in inside:
        yield from parts_of(each)


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
    return "a triggerer cannot pull XComs into templates" if "xcom_pull" in arguments else None


def _arguments(task: ServiceTask) -> str:
    """Return the arguments that make the task again, as JSON text: templates as they are, files already read.

    :raises TypeError: one is not JSON.
    """
    given: dict[str, Any] = getattr(task, "_BaseOperator__init_kwargs", {})
    return json.dumps(
        {
            name: getattr(task, name) if name in task.template_fields else value
            for name, value in given.items()
            if name not in _AIRFLOWS
        }
    )


def _path(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
