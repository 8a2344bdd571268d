"""What the author of a DAG writes is a template; what comes from an XCom is data, in every field."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import task_group
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.kinds import KINDS, PUBLIC
from tests.unit.operators.rendering import (
    AUTHORED,
    ENDINGS,
    RENDERED,
    TEMPLATE,
    Instance,
    dag_of,
    fields_of,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import XComArg

EVERY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
QUICK = settings(deadline=None, max_examples=10, phases=[Phase.generate])

# Up to 3.2 Airflow leaves a field as it is if what it becomes is empty.
pieces = st.sampled_from([TEMPLATE, "{% raw %}", "{# no #}", "{{", "a", "/", "é", "\n", "%}", "query"])
endings = st.sampled_from(ENDINGS)
texts = st.builds(
    lambda parts, ending: "".join(parts) + ending, st.just(["q"]) | st.lists(pieces), endings
).filter(bool)
values = st.recursive(
    texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["query", "a"]), inner),
    max_leaves=5,
).filter(bool)


def greedy(kind: type) -> Any:
    """Return a subclass of somebody's that takes more files for templates."""
    return type(kind.__name__, (kind,), {"template_ext": (*kind.template_ext, ".txt")})  # type: ignore[attr-defined]


def same(value: Any) -> Any:
    return value


def as_arguments(value: Any) -> dict[str, Any]:
    return {"deferrable": value}


#: How a DAG gives an XCom to fields, and what that XCom is then.
WAYS: list[tuple[Callable[[Any, list[str], XComArg], Any], Callable[[list[str], Any], Any]]] = [
    (lambda made, fields, xcom: made(task_id="task", **dict.fromkeys(fields, xcom)), lambda _, value: value),
    (
        lambda made, fields, xcom: made.partial(task_id="task").expand(**dict.fromkeys(fields, xcom)),
        lambda _, value: [value],
    ),
    (
        lambda made, fields, xcom: made.partial(task_id="task").expand(
            **dict.fromkeys(fields, xcom.map(same))
        ),
        lambda _, value: [value],
    ),
    (
        lambda made, fields, xcom: made.partial(task_id="task", **dict.fromkeys(fields[1:], xcom)).expand(
            **{fields[0]: [xcom]}
        ),
        lambda _, value: value,
    ),
    (
        lambda made, _, xcom: made.partial(task_id="task").expand_kwargs(xcom),
        lambda fields, value: [dict.fromkeys(fields, value)],
    ),
    (
        lambda made, _, xcom: made.partial(task_id="task").expand_kwargs(xcom.map(same)),
        lambda fields, value: [dict.fromkeys(fields, value)],
    ),
    (lambda made, _, xcom: made.partial(task_id="task").expand_kwargs([xcom]), dict.fromkeys),
    (
        lambda made, fields, xcom: made.partial(
            task_id="task", **dict.fromkeys(fields, AUTHORED)
        ).expand_kwargs(xcom, strict=False),
        lambda fields, value: [dict.fromkeys(fields, value)],
    ),
]


@EVERY
@QUICK
@given(value=values)
def test_what_comes_from_an_xcom_stays_as_it_is(kind: type, value: Any) -> None:
    """Mapped over, given as it is, or changed by a function on the way."""
    made = greedy(kind)
    fields = list(made.template_fields)
    for make, pulled in WAYS:
        task = render(dag_of(partial(make, made, fields)), pulled(fields, value))
        assert fields_of(task) == dict.fromkeys(fields, value)


@EVERY
@QUICK
@given(value=values)
def test_an_xcom_beside_what_the_author_has_written_stays_as_it_is(kind: type, value: Any) -> None:
    made = greedy(kind)
    first, *others = made.template_fields
    nested = {first: [{"query": (value,)}], **dict.fromkeys(others, RENDERED)}
    mixed = {**nested, first: value}
    written = dict.fromkeys(others, AUTHORED)
    cases: list[tuple[Callable[[XComArg], Any], Any, Any]] = [
        (lambda xcom: made(task_id="task", **{first: [{"query": (xcom,)}]}, **written), value, nested),
        (lambda xcom: made.partial(task_id="task", **written).expand(**{first: xcom}), [value], mixed),
        (
            lambda xcom: made.partial(task_id="task", **written).expand_kwargs(xcom),
            [{first: value}],
            mixed,
        ),
    ]
    for make, pulled, expected in cases:
        assert fields_of(render(dag_of(make), pulled)) == expected


@EVERY
@QUICK
@given(value=texts)
def test_what_an_authors_template_pulls_is_rendered_no_more(kind: type, value: str) -> None:
    made = greedy(kind)
    pull = dict.fromkeys(made.template_fields, "{{ ti.xcom_pull(task_ids='before') }}")
    for make in (
        lambda _: made(task_id="task", **pull),
        lambda _: made.partial(task_id="task", **pull).expand(deferrable=[False]),
        lambda _: made.partial(task_id="task").expand_kwargs([pull]),
    ):
        dag = dag_of(make)
        task = render(dag, value)
        # As text that Jinja prints.
        assert fields_of(task) == dict.fromkeys(pull, value)
        task.render_template_fields({"ti": Instance(task, value)}, dag.get_template_env())
        assert fields_of(task) == dict.fromkeys(pull, value)


@EVERY
def test_a_value_in_a_mapped_task_group_stays_as_it_is(kind: type) -> None:
    made = greedy(kind)

    def make(xcom: XComArg) -> None:
        @task_group
        def group(each: Any) -> None:
            made(task_id="task", **dict.fromkeys(made.template_fields, each))

        group.expand(each=xcom)

    for ending in ENDINGS:
        task = render(dag_of(make), [TEMPLATE + ending], "group.task")
        assert fields_of(task) == dict.fromkeys(made.template_fields, TEMPLATE + ending)


@EVERY
@pytest.mark.parametrize(
    ("authored", "rendered"), [(AUTHORED, RENDERED), ([{"a": (AUTHORED,)}], [{"a": (RENDERED,)}])]
)
def test_what_an_author_writes_is_a_template(kind: Any, authored: Any, rendered: Any) -> None:
    """By itself, in lists and dicts; in partial(), in expand(), in expand_kwargs(), as default arguments."""
    written = dict.fromkeys(kind.template_fields, authored)
    first, *others = written
    rest = dict.fromkeys(others, authored)
    listed = {field: [authored] for field in written}
    free, filled = kind.partial, partial(kind.partial, task_id="task", **written)
    cases: list[tuple[Callable[[XComArg], Any], dict[str, Any]]] = [
        (lambda _: kind(task_id="task", **written), {}),
        (lambda _: free(task_id="task").expand(**listed), {}),
        (lambda _: free(task_id="task").expand_kwargs([written]), {}),
        (lambda _: free(task_id="task", **rest).expand(**{first: [authored]}), {}),
        (lambda xcom: filled().expand(deferrable=xcom), {}),
        (lambda xcom: filled().expand_kwargs(xcom.map(as_arguments)), {}),
        (lambda xcom: free(task_id="task").expand(deferrable=xcom), written),
        (lambda xcom: free(task_id="task").expand_kwargs(xcom.map(as_arguments)), written),
    ]
    for make, default_args in cases:
        task = render(dag_of(make, default_args=default_args), [False])
        assert fields_of(task) == dict.fromkeys(written, rendered)


def test_the_walk_finds_every_operator_and_sensor() -> None:
    assert len(PUBLIC) == 29
    assert all(set(kind.template_fields) for kind in KINDS)
