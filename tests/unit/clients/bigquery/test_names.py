"""Names that BigQuery takes are taken apart, others are refused by the rule that they break."""

from __future__ import annotations

import string
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery.names import (
    check_job_id,
    check_labels,
    check_project,
    dataset_reference,
    label,
    table_reference,
)
from airflow_provider_jobs.errors import ConfigurationError

WORD = string.ascii_letters + string.digits
PROJECT = st.from_regex(r"(?:[a-z]{1,9}\.com:)?[a-z][a-z0-9-]{0,20}", fullmatch=True)
DATASET = st.text(WORD + "_", min_size=1, max_size=30)
CATALOG = st.lists(st.text(WORD + "_-", min_size=1, max_size=9), min_size=2, max_size=4).map(".".join)
#: What Google's page on tables says of their names: these categories, and bytes.
CATEGORIES: list[Any] = ["L", "M", "N", "Pc", "Pd", "Zs"]
TABLE = st.text(st.characters(categories=CATEGORIES), min_size=1, max_size=250)
#: Examples of the same page, and others like them.
EXAMPLES = ["table 01", "ग्राहक", "00_お客様", "étudiant-01", "таблица", "a‿b", "x\u2013y", "Ⅷ½", "e\u0301"]


@pytest.mark.parametrize("job_id", ["a", "A-b_9", "x" * 1024])
def test_a_job_id_passes(job_id: str) -> None:
    assert check_job_id(job_id) == job_id


@pytest.mark.parametrize("job_id", ["", "a b", "a/b", "ä", "a\n", "\n", "a.b", "../x", "x" * 1025])
def test_what_is_no_job_id_is_refused(job_id: str) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        check_job_id(job_id, "my_parameter")


@pytest.mark.parametrize("project", ["my-project", "example.com:my-project", "P1"])
def test_a_project_passes(project: str) -> None:
    assert check_project(project) == project


@pytest.mark.parametrize("project", ["", "a/b", "a b", "../x", "p\n", "p?x=1", "ü", ":p", "example.com:"])
def test_what_is_no_project_is_refused(project: str) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        check_project(project, "my_parameter")


@given(project=PROJECT, dataset=DATASET | CATALOG, table=TABLE)
def test_a_table_is_taken_apart(project: str, dataset: str, table: str) -> None:
    reference = {"projectId": project, "datasetId": dataset, "tableId": table}
    text = f"{project}.{dataset}.{table}"
    assert table_reference(text, "other", "x") == reference
    assert table_reference(f"`{text}`", "other", "x") == reference
    assert table_reference(f"`{project}`.`{dataset}`.`{table}`", "other", "x") == reference
    assert table_reference(f"`{project}`.{dataset}.{table}", "other", "x") == reference
    assert table_reference(reference, "other", "x") == reference
    if "." not in dataset:
        assert table_reference(f"{project}:{dataset}.{table}", "other", "x") == reference
        assert table_reference(f"`{project}:{dataset}.{table}`", "other", "x") == reference
        assert table_reference(f"{dataset}.{table}", project, "x") == reference
        assert table_reference(f"`{dataset}`.`{table}`", project, "x") == reference


@given(project=PROJECT, dataset=DATASET | CATALOG)
def test_a_dataset_is_taken_apart(project: str, dataset: str) -> None:
    reference = {"projectId": project, "datasetId": dataset}
    assert dataset_reference(f"{project}.{dataset}", "other", "x") == reference
    assert dataset_reference(f"`{project}`.`{dataset}`", "other", "x") == reference
    assert dataset_reference({"datasetId": dataset}, project, "x") == reference
    assert dataset_reference({"projectId": "", "datasetId": dataset}, project, "x") == reference
    if "." not in dataset:
        assert dataset_reference(dataset, project, "x") == reference
        assert dataset_reference(f"{project}:{dataset}", "other", "x") == reference


@pytest.mark.parametrize("name", EXAMPLES)
def test_google_s_own_examples_are_tables(name: str) -> None:
    for added in ("", "$20240131", "$2024013123", "$2024", "$-7", "$__NULL__", "$__UNPARTITIONED__"):
        made = table_reference(f"example.com:p.d.{name}{added}", "other", "x")
        assert made == {"projectId": "example.com:p", "datasetId": "d", "tableId": name + added}


@pytest.mark.parametrize(
    "added", ["@0", "@-3600000", "@1419984000000", "@-7200000--3600000", "@1-2", "@1-", "$20240131@-1", "*"]
)
def test_a_time_or_a_wildcard_is_for_tables_that_are_read(added: str) -> None:
    assert table_reference(f"d.t{added}", "p", "x", is_read=True)["tableId"] == f"t{added}"
    with pytest.raises(ConfigurationError, match=r"my_parameter.* are for tables that are read"):
        table_reference(f"d.t{added}", "p", "my_parameter")


def test_a_table_id_is_as_long_as_its_bytes() -> None:
    assert table_reference("d." + "ü" * 512, "p", "x")["tableId"] == "ü" * 512
    for name in ("ü" * 513, "日" * 342, "a" * 1025):
        with pytest.raises(ConfigurationError, match="at most 1,024 bytes"):
            table_reference(f"d.{name}", "p", "x")


@given(character=st.characters(exclude_categories=[*CATEGORIES, "Cs"], exclude_characters="$@*"))
def test_no_other_character_is_in_a_table_id(character: str) -> None:
    assert not unicodedata.category(character).startswith(tuple(CATEGORIES))
    with pytest.raises(ConfigurationError, match="of any script"):
        table_reference({"datasetId": "d", "tableId": f"a{character}b"}, "p", "x")


@pytest.mark.parametrize(
    "reference", [{"datasetId": "d", "tableId": 20240131}, {"datasetId": 7, "tableId": "t"}]
)
def test_a_number_is_an_id(reference: dict[str, Any]) -> None:
    """A template that is rendered natively makes one of digits."""
    made = table_reference(reference, "p", "x")
    assert made == {"projectId": "p", **{name: str(part) for name, part in reference.items()}}


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ("t", "write project.dataset.table, dataset.table or project.catalog.namespace.table"),
        ("", "write project.dataset.table"),
        ("d.", "write project.dataset.table"),
        (".t", "write project.dataset.table"),
        ("SELECT 1", "write project.dataset.table"),
        ("d.t/x", "letters, marks, digits"),
        ("d.t\n", "letters, marks, digits"),
        ("d.t#", "letters, marks, digits"),
        ("d.t:x", "letters, marks, digits"),
        ("d.*", "letters, marks, digits"),
        ("d.$20240131", "letters, marks, digits"),
        ("d.t*x", "letters, marks, digits"),
        ("d.\ud800", "letters, marks, digits"),
        ("d.t$2024-01-31", r"after \$ there is a partition"),
        ("d.t$", r"after \$ there is a partition"),
        ("d.t$x", r"after \$ there is a partition"),
        ("p.d-x.t", "is not a datasetId: letters from a to z"),
        ("p.dä.t", "is not a datasetId"),
        ("d..t", "is not a datasetId"),
        ("p.c..n.t", "is not a datasetId"),
        ("d/../e.t", "is not a Google Cloud project id"),
        ("d" * 1025 + ".t", "at most 1,024"),
        ("ü.d.t", "is not a Google Cloud project id"),
        ("a b.d.t", "is not a Google Cloud project id"),
        ("example.com:p", "letters, marks, digits"),
        ("`d.t", "backticks stand around"),
        ("d`.`t", "backticks stand around"),
        ("`d`t`.x", "backticks stand around"),
        ({}, "needs datasetId and tableId"),
        ({"tableId": "t"}, "needs datasetId and tableId"),
        ({"datasetId": "d", "tableId": ""}, "letters, marks, digits"),
        ({"datasetId": "d", "tableId": None}, "letters, marks, digits"),
        ({"datasetId": "d", "tableId": "t", "extra": "x"}, "projectId at most besides"),
        ({"dataset": "d", "table": "t"}, "needs datasetId and tableId"),
        ({"datasetId": ["d"], "tableId": "t"}, "is not a datasetId"),
        (7, "neither text nor a reference"),
    ],
)
def test_what_is_no_table_is_refused_by_its_rule(table: Any, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"my_parameter.*(?:{rule})"):
        table_reference(table, "p", "my_parameter")


@pytest.mark.parametrize("time", ["@", "@x", "@-", "@1-2-3", "@2024-01-31T00:00:00"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(ConfigurationError, match=r"my_parameter.*after @ there is a time"):
        table_reference(f"d.t{time}", "p", "my_parameter", is_read=True)


@pytest.mark.parametrize(
    "dataset", ["", "d-x", "d\n", ".d", "p.", "`d", "a:b:c:d", {}, {"datasetId": ""}, {"tableId": "t"}, 7]
)
def test_what_is_no_dataset_is_refused(dataset: Any) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        dataset_reference(dataset, "p", "my_parameter")


@given(text=st.text(max_size=200))
def test_a_label_is_always_one(text: str) -> None:
    made = label(text)
    assert len(made) <= 63
    assert made == made.lower()
    assert all(character in "-_" or character.isalnum() or character.isidentifier() for character in made)
    assert label(made) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("team.daily", "team-daily"),
        ("manual__2026-01-01T00:00:00+00:00", "manual__2026-01-01t00-00-00-00-00"),
        ("", ""),
        ("ÄÖÜ", "äöü"),
    ],
)
def test_a_label_loses_only_what_is_not_allowed(text: str, made: str) -> None:
    assert label(text) == made


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"team": "sales", "état_1-x": "日本"},
        {"k" * 63: "v" * 63},
        {"empty": ""},
        {"ключ": "значение"},
    ],
)
def test_labels_that_bigquery_takes_pass(labels: Any) -> None:
    assert check_labels(labels, "x") == (labels or {})


def test_a_number_is_a_label() -> None:
    """A template that is rendered natively makes one of digits."""
    assert check_labels({"year": 2026}, "x") == {"year": "2026"}
    with pytest.raises(ConfigurationError, match=r"'0\.5', value"):
        check_labels({"share": 0.5}, "x")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"Team": "sales"}, "'Team', key of the label 'Team', is not one: lower-case letters"),
        ({"team": "Sales"}, "'Sales', value of the label 'team', is not one: lower-case letters"),
        ({"team": "a b"}, "'a b', value of the label 'team'"),
        ({"team": "a.b"}, "'a.b', value"),
        ({"1st": "a"}, "'1st', key"),
        ({"-a": "a"}, "'-a', key"),
        ({"_a": "a"}, "'_a', key"),
        ({"": "a"}, "'', key"),
        ({"k" * 64: "a"}, "key of the label"),
        ({"a": "v" * 64}, "value of the label 'a'"),
        ({"a": "b\n"}, "value of the label 'a'"),
        ({"a": None}, "'None', value of the label 'a'"),
        ({"a": True}, "'True', value"),
        ({"a": ["b"]}, "value of the label 'a'"),
        ({7: "a"}, "'7', key"),
        ("team=sales", "my_parameter is a str: a mapping is needed"),
        (["team"], "my_parameter is a list"),
    ],
)
def test_a_wrong_label_is_refused_by_name(labels: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"my_parameter.*{told}" if told[0] != "m" else told):
        check_labels(labels, "my_parameter")
