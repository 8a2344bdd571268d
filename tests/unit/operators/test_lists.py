"""What mapped tasks return is a list wherever a list is taken."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from tests.kinds import PUBLIC
from tests.unit.operators.rendering import Instance, dag_of, render


class Lazy(Sequence[str]):
    """As Airflow's: each value is asked for by itself."""

    def __getitem__(self, index: Any) -> Any:
        return ("a", "b")[index]

    def __len__(self) -> int:
        return 2


def lists_of(kind: type) -> set[str]:
    """Return the parameters of an operator or a sensor of which a list is one form."""
    found: set[str] = set()
    for each in kind.__mro__:
        if each.__module__.startswith("airflow_provider_jobs.") and "__init__" in vars(each):
            parameters = inspect.signature(vars(each)["__init__"]).parameters
            found |= {
                name
                for name, parameter in parameters.items()
                if name == "source" or any(word in str(parameter.annotation) for word in WORDS)
            }
    return found


WORDS = ("Sequence", "Collection", "list[", "tuple[", "Iterable")
LISTS = [(kind, name) for kind in PUBLIC for name in sorted(lists_of(kind))]


def test_the_walk_finds_lists() -> None:
    names = {name for _, name in LISTS}
    assert names >= {"source", "source_uris", "source_tables", "parameters", "null_markers", "schema"}


@pytest.mark.parametrize(("kind", "name"), LISTS, ids=lambda each: getattr(each, "__name__", each))
def test_a_lazy_sequence_becomes_a_list(kind: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a field, in a list or a mapping, from an XCom that is mapped over, or pulled natively."""
    assert name in kind.template_fields
    monkeypatch.setattr(Instance, "xcom_pull", lambda self, **_: self.pulled)
    needed = {
        other: "x"
        for each in kind.__mro__
        if "__init__" in vars(each)
        for other, parameter in inspect.signature(vars(each)["__init__"]).parameters.items()
        if other not in ("self", "task_id", name)
        and parameter.default is parameter.empty
        and parameter.kind is parameter.KEYWORD_ONLY
    }
    for make, pulled, options, expected in (
        (lambda xcom: kind(task_id="task", **{name: xcom}, **needed), Lazy(), {}, ["a", "b"]),
        (lambda xcom: kind(task_id="task", **{name: [xcom]}, **needed), Lazy(), {}, [["a", "b"]]),
        (lambda xcom: kind(task_id="task", **{name: {"x": xcom}}, **needed), Lazy(), {}, {"x": ["a", "b"]}),
        (
            lambda xcom: kind.partial(task_id="task", **needed).expand(**{name: xcom}),
            [Lazy()],
            {},
            ["a", "b"],
        ),
        (
            lambda _: kind(task_id="task", **{name: "{{ ti.xcom_pull(task_ids='before') }}"}, **needed),
            Lazy(),
            {"render_template_as_native_obj": True},
            ["a", "b"],
        ),
    ):
        found = getattr(render(dag_of(make, **options), pulled), name)
        assert found == expected
        assert type(found) is type(expected)


def test_a_generator_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry would find nothing in it."""
    monkeypatch.setattr(Instance, "xcom_pull", lambda self, **_: self.pulled)
    make: Any = RedivisUploadOperator
    dag = dag_of(lambda xcom: make(task_id="task", source=xcom, table="a.b.c"))
    with pytest.raises(AirflowFailException, match=r"source is a generator, .* give a list"):
        render(dag, (each for each in "ab"))
