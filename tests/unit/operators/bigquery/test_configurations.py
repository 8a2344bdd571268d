"""One configuration in every form that a DAG may give it in: the same request for the same values."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.operators.bigquery import (
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryUploadOperator,
)
from tests.unit.operators.rendering import dag_of, render
from tests.unit.tasks import FakeClient, context

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import DAG

QUICK = settings(deadline=None, max_examples=10, phases=[Phase.explicit, Phase.generate])
#: Other marks than Jinja's own, as a DAG may choose them.
MARKS = {
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "block_start_string": "<%",
    "block_end_string": "%>",
    "comment_start_string": "##",
    "comment_end_string": "##",
    "line_statement_prefix": "@@",
}
#: What one would put into a query, and what looks like Jinja, JSON or Python.
pieces = st.sampled_from(
    [
        '"',
        "'",
        "\\",
        "\\n",
        "\n",
        "\r\n",
        "{{",
        "{% if %}",
        "{#",
        "<<",
        "##",
        "@@",
        "é",
        "日",
        "\u2028",
        "\0",
        "a",
    ]
)
texts = st.text(max_size=8) | st.lists(pieces, max_size=5).map("".join)
values = st.fixed_dictionaries(
    {
        "text": texts
        | st.sampled_from(["1_000", "007", "1e5", "True", "None", "[1]", "{}", "'a'", "q.sql", ""]),
        "uris": st.lists(texts.map("gs://b/{}".format), min_size=1, max_size=3),
        "flag": st.booleans(),
        "number": st.integers(0, 10**12),
    }
)
TRICKY = {"text": 'say "it\'s"\\ \r\n{{ v }}', "uris": ["gs://b/{{ x }}\\"], "flag": False, "number": 7}


def expected(v: dict[str, Any]) -> dict[str, Any]:
    return {
        "load": {
            "sourceUris": v["uris"],
            "destinationTable": {"projectId": "p", "datasetId": "d", "tableId": v["text"]},
            "nullMarker": f"is '{v['text']}'",
            "quote": "",
            "fieldDelimiter": "\r\n",
            "autodetect": v["flag"],
            "timePartitioning": {"expirationMs": str(v["number"]), "requirePartitionFilter": v["flag"]},
        },
        "labels": {"n7": str(v["number"]), "autodetect": str(v["flag"]).lower()},
        "dryRun": v["flag"],
    }


def authored(uris: Any) -> dict[str, Any]:
    """Return the configuration as an author writes it in Python."""
    return {
        "load": {
            "sourceUris": uris,
            "destinationTable": {"projectId": "p", "datasetId": "d", "tableId": "{{ v.text }}"},
            "nullMarker": "is '{{ v.text }}'",
            "quote": "",
            "fieldDelimiter": "\r\n",
            "autodetect": "{{ v.flag }}",
            "timePartitioning": {
                "expirationMs": "{{ v.number }}",
                "requirePartitionFilter": "{% if v.flag %}true{% else %}false{% endif %}",
            },
        },
        "labels": {"n{{ 7 }}": "{{ v.number }}", "autodetect": "{{ v.flag | lower }}"},
        "dryRun": "{{ v.flag }}",
    }


def in_blocks(uris: str) -> str:
    """Return the same in text that is JSON only once it is rendered."""
    text = json.dumps(authored("URIS"), indent=1).replace('"URIS"', uris)
    text = text.replace('"labels"', '{# no #}{% if v %}"labels"{% endif %}')
    return (
        "{% set made %}is '{{ v.text }}'{% endset %}{% macro same(x) %}{{ x }}{% endmacro %}"
        + text.replace("is '{{ v.text }}'", "{{ made }}").replace('"{{ v.text }}"', '"{{ same(v.text) }}"')
    )


#: Each URI is a template of its own, or all are one.
EACH = ["{{ v.uris[" + str(at) + "] }}" for at in range(3)]
LOOP = '[{% for each in v.uris %}"{{ each }}"{% if not loop.last %}, {% endif %}{% endfor %}]'


def with_marks(configuration: Any) -> Any:
    """Return the same with the marks of another DAG."""
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    text = re.sub(r"\{\{ (.*?) \}\}", r"<< \1 >>", text)
    text = re.sub(r"\{% (.*?) %\}", r"<% \1 %>", text).replace("{# no #}", "## no ##")
    return text if isinstance(configuration, str) else json.loads(text)


def forms(v: dict[str, Any], *, native: bool) -> list[Any]:
    uris = EACH[: len(v["uris"])]
    found: list[Any] = [
        authored(uris),
        json.dumps(authored(uris)),
        json.dumps(authored(uris), ensure_ascii=False),
    ]
    found += [in_blocks(each) for each in (json.dumps(uris), LOOP, "{{ v.uris | tojson }}", "{{ v.uris }}")]
    if native:
        whole = "{{ v.uris }}"
        found += [authored(whole), json.dumps(authored(whole)), in_blocks(f'"{whole}"')]
    return found


def made_of(kind: Any, _: Any, **options: Any) -> Any:
    return kind(task_id="task", **options)


def sent(dag: DAG, task_id: str = "task") -> dict[str, Any]:
    """Return the request that the task makes, without the labels that name it."""
    task = render(dag, None, task_id)
    body = dict(task.request(FakeClient(), context()).body)
    labels = {name: text for name, text in body["labels"].items() if not name.startswith("airflow-")}
    return {**body, "labels": labels}


@QUICK
@given(v=values)
@example(v=TRICKY)
@pytest.mark.parametrize("native", [False, True])
def test_every_form_makes_the_same_request(v: dict[str, Any], *, native: bool) -> None:
    """As Python, as JSON text, as text that becomes JSON, as files; natively or not; with other marks."""
    kind: Any = BigQueryInsertJobOperator
    for marks in (None, MARKS):
        written = [with_marks(form) if marks else form for form in forms(v, native=native)]

        def make(_: Any, written: list[Any] = written) -> None:
            for number, form in enumerate(written):
                kind(task_id=f"task_{number}", configuration=form)
            kind.partial(task_id=f"task_{len(written)}").expand(configuration=[written[-1]])

        dag = dag_of(
            make,
            jinja_environment_kwargs=marks,
            render_template_as_native_obj=native,
            user_defined_macros={"v": v},
        )
        for number in range(len(written) + 1):
            assert sent(dag, f"task_{number}") == expected(v)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("text", ["q.sql", "{{ conn.x.password }}.sql", "a.json"])
def test_a_value_in_json_text_is_no_file(text: str, *, native: bool) -> None:
    kind: Any = BigQueryInsertJobOperator
    for form in ('{"query": {"query": "{{ v }}"}}', '{% if v %}{"query": {"query": "{{ v }}"}}{% endif %}'):
        dag = dag_of(
            partial(made_of, kind, configuration=form),
            user_defined_macros={"v": text},
            render_template_as_native_obj=native,
        )
        assert sent(dag)["query"]["query"] == text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    query = "SELECT \"{{ v }}\",\r\n '\\d'"
    (tmp_path / "inner.sql").write_text(query, newline="")
    (tmp_path / "plain.json").write_text('\ufeff{"query": {"query": "inner.sql"}}', encoding="utf-8")
    (tmp_path / "blocks.json").write_text('{% if v %}{"query": {"query": "inner.sql"}}{% endif %}')
    (tmp_path / "includes.json").write_text(
        '{% if v %}{"query": {"query": "{% include \'inner.sql\' %}"}}{% endif %}'
    )
    return tmp_path


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "form",
    [
        "plain.json",
        "blocks.json",
        "includes.json",
        "/plain.json",
        {"query": {"query": "inner.sql"}},
        {"query": {"query": "{% include 'inner.sql' %}"}},
        '{"query": {"query": "inner.sql"}}',
        '{% if v %}{"query": {"query": "inner.sql"}}{% endif %}',
    ],
)
def test_sql_comes_from_a_file_in_every_form(folder: Path, form: Any, *, native: bool) -> None:
    configuration = f"{folder}{form}" if isinstance(form, str) and form.startswith("/") else form
    kind: Any = BigQueryInsertJobOperator
    for make in (
        lambda _: kind(task_id="task", configuration=configuration),
        lambda _: kind.partial(task_id="task").expand(configuration=[configuration]),
    ):
        dag = dag_of(
            make,
            user_defined_macros={"v": 'a"b'},
            render_template_as_native_obj=native,
        )
        dag.template_searchpath = [str(folder)]
        dag.resolve_template_files()
        assert sent(dag)["query"]["query"] == 'SELECT "a"b",\n \'\\d\''


@pytest.mark.parametrize(
    "form",
    [
        "{% for x in [1] %}{}{% endfor %}",
        "{% if",
        "{ no JSON }",
        "no/such.json",
        "/no/such.json",
        "{{ params.environment }}.json",
        "[1]",
        "",
        7,
    ],
)
def test_no_template_fails_when_a_dag_is_read(form: Any) -> None:
    kind: Any = BigQueryInsertJobOperator
    for make in (
        lambda _: kind(task_id="task", configuration=form),
        lambda _: kind.partial(task_id="task").expand(configuration=[form]),
    ):
        dag_of(make).resolve_template_files()


@pytest.mark.parametrize("native", [False, True])
def test_a_schema_holds_what_is_put_into_it(*, native: bool) -> None:
    text = '[{"name": "a", "type": "STRING", "description": "%s"}]'
    kind: Any = BigQueryLoadOperator
    for form in (text % "{{ v }}", "{% if v %}" + text % "{{ v }}" + "{% endif %}"):
        dag = dag_of(
            partial(made_of, kind, schema=form, source_uris="gs://b/o", destination_table="d.t"),
            user_defined_macros={"v": 'the "a"\n\\'},
            render_template_as_native_obj=native,
        )
        (field,) = sent(dag)["load"]["schema"]["fields"]
        assert field["description"] == 'the "a"\n\\'


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("text", ["1_000", "1e5", "007", "True", "None", "'a'", "a\r\nb\n"])
def test_text_stays_text_in_every_field(text: str, *, native: bool) -> None:
    kind: Any = BigQueryUploadOperator
    for written in ("{{ v }}", text):
        labels: Any = {"a": written}
        dag = dag_of(
            partial(made_of, kind, source=written, destination_table="a.b", labels=labels, job_id=written),
            user_defined_macros={"v": text},
            render_template_as_native_obj=native,
        )
        task = render(dag, None)
        assert (task.source, task.job_id, task.labels) == (text, text, {"a": text})


def test_natively_a_number_is_a_name_and_a_list_a_list() -> None:
    dag = dag_of(
        lambda _: BigQueryUploadOperator(
            task_id="task", source="{{ v.text }}", destination_table="{{ v.pair }}", job_id="{{ v.number }}"
        ),
        user_defined_macros={"v": {"text": "['a', 'b']", "pair": {"datasetId": "d"}, "number": 7}},
        render_template_as_native_obj=True,
    )
    task = render(dag, None)
    assert (task.source, task.destination_table, task.job_id) == (["a", "b"], {"datasetId": "d"}, "7")


@pytest.mark.parametrize("text", ["no", "0", "", "falsch", 1])
def test_what_is_neither_true_nor_false_is_refused_by_name(text: Any) -> None:
    task = BigQueryInsertJobOperator(
        task_id="task", configuration={"query": {"query": "SELECT 1", "useQueryCache": text}}
    )
    task.client = FakeClient  # type: ignore[method-assign]
    with pytest.raises(AirflowFailException, match=r"configuration\.query\.useQueryCache is .*true or false"):
        task.execute(context())
