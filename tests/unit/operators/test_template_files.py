"""Template files, and what subclasses of somebody's make of what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_jobs.operators.bigquery import (
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from tests.unit.operators.rendering import (
    AUTHORED,
    ENDINGS,
    NAMED,
    RENDERED,
    TEMPLATE,
    Instance,
    dag_of,
    render,
)

TABLE = {"destination_table": "a.json"}
FILE_FIELDS = pytest.mark.parametrize(
    ("kind", "field", "name", "others"),
    [
        (BigQueryQueryOperator, "sql", "q.sql", {}),
        (BigQueryInsertJobOperator, "configuration", "q.json", {}),
        (BigQueryInsertJobOperator, "configuration", "q.sql", {}),
        (BigQueryLoadOperator, "schema", "q.json", {"source_uris": "gs://b/q.json", **TABLE}),
        (BigQueryUploadOperator, "schema", "q.json", {"source": "/data/q.json", **TABLE}),
        (SalesforceQueryOperator, "soql", "q.soql", {"results_path": "/data/q.sql"}),
        (SalesforceQueryOperator, "soql", "q.sql", {"salesforce_conn_id": "q.soql"}),
    ],
)


@FILE_FIELDS
def test_an_authors_file_is_read(kind: Any, field: str, name: str, others: dict[str, Any]) -> None:
    for make in (
        lambda _: kind(task_id="task", **{field: name}, **others),
        lambda _: kind.partial(task_id="task", **others).expand(**{field: [name]}),
        lambda _: kind.partial(task_id="task", **others).expand_kwargs([{field: name}]),
        lambda _: kind.partial(task_id="task", **{field: name}).expand_kwargs(
            [{**others, "deferrable": False}]
        ),
        lambda xcom: kind.partial(task_id="task", **{field: name}, **others).expand(deferrable=xcom),
    ):
        task = render(dag_of(make), [False])
        assert {each: getattr(task, each) for each in (field, *others)} == {field: NAMED, **others}


@FILE_FIELDS
def test_no_file_is_read_for_a_value_that_names_one(
    kind: Any, field: str, name: str, others: dict[str, Any]
) -> None:
    for make, pulled in (
        (lambda xcom: kind(task_id="task", **{field: xcom}, **others), name),
        (lambda xcom: kind.partial(task_id="task", **others).expand(**{field: xcom}), [name]),
        (lambda xcom: kind.partial(task_id="task", **others).expand_kwargs(xcom), [{field: name}]),
    ):
        task = render(dag_of(make), pulled)
        assert {each: getattr(task, each) for each in (field, *others)} == {field: name, **others}


def configured(value: Any) -> dict[str, Any]:
    return {"query": {"query": value}, "labels": {"kept": "q.sql", "made": AUTHORED}}


def test_a_nested_configuration() -> None:
    """SQL in it may be a file of the author's, and is text if it comes from an XCom; the rest is as usual."""
    kind: Any = BigQueryInsertJobOperator
    labels = {"kept": "q.sql", "made": RENDERED}
    for make in (
        lambda _: kind(task_id="task", configuration=configured("q.sql")),
        lambda _: kind.partial(task_id="task").expand(configuration=[configured("q.sql")]),
    ):
        assert render(dag_of(make), None).configuration["query"] == {"query": NAMED}
    for value in ("q.sql", "q.json", f"{TEMPLATE}.sql", TEMPLATE):
        for make in (
            lambda xcom: kind(task_id="task", configuration=configured(xcom)),
            lambda xcom: kind.partial(task_id="task").expand(configuration=[configured(xcom)]),
        ):
            found = render(dag_of(make), value).configuration
            assert found == {"query": {"query": value}, "labels": labels}
        whole = lambda xcom: kind.partial(task_id="task").expand(configuration=xcom)  # noqa: E731
        assert render(dag_of(whole), [configured(value)]).configuration == configured(value)


@pytest.mark.parametrize("native", [True, False])
def test_other_marks_of_comments_leave_nothing_behind(*, native: bool) -> None:
    """What ends like a file, and is none, is rendered as it is."""
    make: Any = lambda _: BigQueryUploadOperator(  # noqa: E731
        task_id="task", source="/data/{{ 6 * 7 }}.json", destination_table="a.b"
    )
    marks = {"comment_start_string": "<#", "comment_end_string": "#>"}
    dag = dag_of(make, jinja_environment_kwargs=marks, render_template_as_native_obj=native)
    assert render(dag, None).source == "/data/42.json"


class Listed(BigQueryUploadOperator):
    """Somebody's own operator, which takes a value apart."""

    def __init__(self, *, item: dict[str, Any], **kwargs: Any) -> None:
        table, place = item["table"], item["place"]
        options = {"columns": item["columns"], "made": AUTHORED}
        super().__init__(source=place, destination_table=table, options=options, **kwargs)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_subclass_may_take_a_value_apart(ending: str) -> None:
    item = {"table": f"{TEMPLATE}{ending}", "place": f"/{TEMPLATE}{ending}", "columns": [f"q{ending}"]}
    made: Any = Listed
    for make, pulled in (
        (lambda xcom: made.partial(task_id="task").expand(item=xcom), [item]),
        (lambda xcom: made.partial(task_id="task").expand_kwargs(xcom), [{"item": item}]),
    ):
        task = render(dag_of(make), pulled)
        assert (task.source, task.destination_table) == (item["place"], item["table"])
        assert task.options == {"columns": item["columns"], "made": RENDERED}


@dataclass
class Place:
    """A value that Airflow's serializer takes."""

    path: str


class Gathered(BigQueryUploadOperator):
    """Somebody's own operator, which takes what has no order, or names, apart."""

    def __init__(self, *, item: Any, **kwargs: Any) -> None:
        found = [item.path] if isinstance(item, Place) else list(item)
        super().__init__(source=found, destination_table="a.b", **kwargs)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "shape", [lambda text: {text}, lambda text: frozenset([text]), Place, lambda text: {text: 1}]
)
def test_a_subclass_may_take_sets_names_and_dataclasses_apart(
    shape: Any, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Instance, "xcom_pull", lambda self, **_: self.pulled)
    text, made = f"/{TEMPLATE}{ending}", Gathered
    for make, pulled in (
        (lambda xcom: made.partial(task_id="task").expand(item=xcom), [shape(text)]),
        (lambda xcom: made.partial(task_id="task").expand_kwargs(xcom), [{"item": shape(text)}]),
    ):
        assert render(dag_of(make), pulled).source == [text]


class Described:
    """An object with template fields, as somebody's XCom backend may return one."""

    template_fields = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def test_objects_from_an_xcom_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = BigQueryUploadOperator
    path = ObjectStoragePath(f"file:///data/{TEMPLATE}.json")
    monkeypatch.setattr(Instance, "xcom_pull", lambda self, **_: self.pulled)
    rest = {"destination_table": "a.b"}
    for make, pulled in (
        (lambda xcom: made(task_id="task", source=xcom, options={"a": xcom}, **rest), "{0}"),
        (lambda xcom: made.partial(task_id="task", **rest).expand(source=xcom, options=xcom), "[{0}]"),
        (lambda xcom: made.partial(task_id="task", **rest).expand_kwargs(xcom), "kwargs"),
    ):
        for value in (path, Described(TEMPLATE)):
            shapes = {"{0}": value, "[{0}]": [value], "kwargs": [{"source": value, "options": value}]}
            task = render(dag_of(make), shapes[pulled])
            assert task.source is value
            assert getattr(value, "text", TEMPLATE) == TEMPLATE


def test_what_is_set_anew_is_rendered_anew() -> None:
    """As somebody's ``pre_execute`` may do; what was rendered before is left as it is."""
    query: dict[str, Any] = dict.fromkeys(("sql", "location"), "{{ ti.xcom_pull(task_ids='before') }}")
    dag = dag_of(lambda _: BigQueryQueryOperator(task_id="task", **query))
    task = render(dag, f"{TEMPLATE}.sql")
    task.sql = f"SELECT {AUTHORED}"
    task.render_template_fields({"conn": None}, dag.get_template_env())
    assert (task.sql, task.location) == (f"SELECT {RENDERED}", f"{TEMPLATE}.sql")


class Noted(RedivisReleaseOperator):
    """Somebody's own operator with template files."""

    template_ext = (".txt",)


def test_a_subclass_may_have_template_files() -> None:
    dag = dag_of(lambda _: Noted(task_id="task", dataset="a.b", release_notes="q.txt"))
    assert render(dag, None).release_notes == NAMED
    made: Any = Noted
    dag = dag_of(lambda xcom: made.partial(task_id="task", dataset="a.b").expand(release_notes=xcom))
    assert render(dag, ["q.txt"]).release_notes == "q.txt"
