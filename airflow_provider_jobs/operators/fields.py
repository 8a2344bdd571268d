"""The fields of a task: what the author of a DAG writes is a template, what comes from an XCom is data.

A template may name a template file. Data is never rendered, and never read as a file, mapped or not.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator
from jinja2.nativetypes import NativeEnvironment

from airflow_provider_jobs.operators import templates
from airflow_provider_jobs.operators.endings import airflow_failures

if TYPE_CHECKING:
    from airflow.sdk import Context

_PACKAGE = "airflow_provider_jobs."
#: Arguments of BaseOperator are Airflow's business, but for this one; Airflow tells the trigger the others.
_KEPT = {"render_template_as_native_obj"}
AIRFLOWS = inspect.signature(BaseOperator.__init__).parameters.keys() - _KEPT


class TemplatedTask(BaseOperator):
    """A task whose fields are templates as far as its author wrote them."""

    #: The template fields that may name a file, whatever the others end in; None leaves it to Airflow.
    file_fields: ClassVar[tuple[str, ...] | None] = None
    #: The file fields that may be JSON text: what is put into a text in it arrives as it is.
    json_fields: ClassVar[tuple[str, ...]] = ()
    #: What the task was made with, apart from default arguments and Airflow's own.
    given_arguments: dict[str, Any]
    #: The values of fields that were rendered or came from an XCom, and are templates no more.
    _settled: Mapping[str, Any] | None = None

    def _hook_apply_defaults(
        self, *, default_args: dict[str, Any], **arguments: Any
    ) -> tuple[tuple[()], dict[str, Any]]:
        """Keep what the task is made with; Airflow asks before each constructor, the outermost first."""
        if "given_arguments" not in vars(self):
            given = {
                name: value
                for name, value in arguments.items()
                if name not in AIRFLOWS and value is not default_args.get(name, self)
            }
            object.__setattr__(self, "given_arguments", given)  # as Airflow does before a constructor
        return (), {**arguments, "default_args": default_args}

    def files(self) -> list[Any]:
        """Return the values that may name a template file."""
        return [getattr(self, field) for field in self.file_fields or ()]

    def resolve_template_files(self) -> None:
        """Read the files that file fields name; Airflow's own looks for files in every template field."""
        every = self.template_fields
        if self.file_fields is not None:
            self.template_fields = (*self.file_fields, *self._added_fields())
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
        may_name = [*self.files(), *(getattr(self, field, None) for field in self._added_fields())]
        named = self.file_fields is None or any(content is each for each in may_name)
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

    def _own_fields(self) -> set[str]:
        """Return the template fields of this package's classes."""
        return {
            field
            for kind in type(self).__mro__
            if kind.__module__.startswith(_PACKAGE)
            for field in vars(kind).get("template_fields", ())
        }

    def _added_fields(self) -> list[str]:
        """Return the template fields that a subclass has added: any may name a file, as Airflow has it."""
        ours = self._own_fields()
        return [field for field in self.template_fields if field not in ours]

    def _take_native(self, before: Mapping[str, Any]) -> None:
        """Take a list or a mapping that a whole field spells, as Airflow does; a number in ours is a name.

        :param before: The fields as they were,
        """
        ours = self._own_fields()
        for field, template in before.items():
            value = getattr(self, field)
            if not isinstance(template, str):
                continue
            if isinstance(value, str):
                setattr(self, field, templates.collection(value))
            elif field in ours and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(self, field, str(value))


def arguments_from_xcom(task: TemplatedTask, context: Context) -> dict[str, Any]:
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
