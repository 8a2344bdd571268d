"""What is refused before anything is sent, and what passes unchanged."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from airflow_provider_jobs.clients.bigquery.configuration import (
    complete_query,
    file_format,
    gcs_uris,
    job_type,
    json_object,
    not_negative,
    query_parameters,
    table_schema,
    with_options,
)
from airflow_provider_jobs.errors import ConfigurationError


@pytest.mark.parametrize("name", ["query", "load", "extract", "copy"])
def test_a_configuration_has_one_type(name: str) -> None:
    assert job_type({name: {}, "labels": {}, "jobTimeoutMs": "1"}) == name


@pytest.mark.parametrize(
    ("configuration", "text"),
    [
        ({}, "no job type"),
        ({"labels": {}}, "no job type"),
        ({"query": {}, "load": {}}, "2 job types: query, load"),
        ({"link": {}}, "link job, which BigQuery has withdrawn"),
    ],
)
def test_another_number_of_types_is_refused(configuration: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        job_type(configuration)


def test_a_query_is_googlesql_unless_it_says_otherwise() -> None:
    assert complete_query({"query": {"query": "x"}})["query"] == {"query": "x", "useLegacySql": False}
    legacy = {"query": {"query": "x", "useLegacySql": True}}
    assert complete_query(legacy) == legacy
    snake = {"query": {"query": "x", "use_legacy_sql": True}}
    assert complete_query(snake) == snake
    assert complete_query({"load": {"new": 1}}) == {"load": {"new": 1}}


@pytest.mark.parametrize("configuration", [{"query": "SELECT 1"}, {"query": None}])
def test_a_type_without_fields_is_refused(configuration: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="query"):
        complete_query(configuration)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("csv", "CSV"),
        ("Parquet", "PARQUET"),
        ("json", "NEWLINE_DELIMITED_JSON"),
        ("JSON", "NEWLINE_DELIMITED_JSON"),
        ("newline_delimited_json", "NEWLINE_DELIMITED_JSON"),
        (" avro ", "AVRO"),
        ("gzip", "GZIP"),
        ("none", "NONE"),
    ],
)
def test_a_format_is_spelled_as_the_api_does(given: str, name: str) -> None:
    assert file_format(given, "x") == name


@pytest.mark.parametrize("given", ["", " ", None, 7, ["CSV"]])
def test_what_is_no_format_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        file_format(given, "my_parameter")


def test_uris_are_listed() -> None:
    assert gcs_uris("gs://b/a*", "x") == ["gs://b/a*"]
    assert gcs_uris(("gs://b/a", "gs://b/c"), "x") == ["gs://b/a", "gs://b/c"]


@pytest.mark.parametrize("uris", [[], "", "s3://b/o", "gs://b", "gs://b/", ["gs://b/o", "/data/x"], [None]])
def test_what_is_no_object_is_refused(uris: Any) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        gcs_uris(uris, "my_parameter")


FIELDS = [{"name": "a", "type": "STRING"}]


@pytest.mark.parametrize(
    "schema", [FIELDS, tuple(FIELDS), {"fields": FIELDS}, '[{"name": "a", "type": "STRING"}]']
)
def test_a_schema_is_its_fields(schema: Any) -> None:
    assert table_schema(schema, "x") == FIELDS


@pytest.mark.parametrize(
    "schema", [[], {}, {"fields": []}, "[]", "{", "a:STRING", [{"name": "a"}], ["a"], '"a"', 5]
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        table_schema(schema, "my_parameter")


def test_options_add_to_the_fields_that_are_set() -> None:
    assert with_options({"a": 1, "b": None, "c": False}, {"b": 2}) == {"a": 1, "b": 2, "c": False}
    assert with_options({"a": 1}, None) == {"a": 1}


def test_an_option_that_a_parameter_sets_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="options repeats a, b"):
        with_options({"b": 1, "a": 0}, {"a": 1, "b": 1})


def test_a_json_object_is_read() -> None:
    assert json_object('{"a": 1}', "x") == {"a": 1}


@pytest.mark.parametrize("text", ["[]", "{", "", "SELECT 1"])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="my_parameter"):
        json_object(text, "my_parameter")


@pytest.mark.parametrize(("value", "number"), [(None, None), (0, 0), ("7", 7)])
def test_a_number_may_be_left_out(value: Any, number: int | None) -> None:
    assert not_negative("x", value) == number


@pytest.mark.parametrize(
    ("value", "text"), [(-1, "cannot be negative"), ("seven", "a whole number is needed"), ([], "is needed")]
)
def test_what_is_not_a_number_from_zero_on_is_refused(value: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"my_parameter is .*{text}"):
        not_negative("my_parameter", value)


MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize("parameters", [None, {}, []])
def test_no_parameters_set_no_field(parameters: Any) -> None:
    assert query_parameters(parameters) == {}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1, "INT64", "1"),
        (1.5, "FLOAT64", "1.5"),
        (Decimal("1.10"), "NUMERIC", "1.10"),
        (True, "BOOL", "true"),
        ("ü", "STRING", "ü"),
        (None, "STRING", None),
        (b"\x00\xff", "BYTES", "AP8="),
        (dt.date(2026, 1, 2), "DATE", "2026-01-02"),
        (dt.time(3, 4, 5), "TIME", "03:04:05"),
        (MOMENT.replace(tzinfo=None), "DATETIME", "2026-01-02 03:04:05.000000"),
        (MOMENT, "TIMESTAMP", "2026-01-02 03:04:05.000000+00:00"),
    ],
)
def test_a_value_knows_its_type(value: Any, kind: str, text: str | None) -> None:
    made = {"parameterType": {"type": kind}, "parameterValue": {"value": text}}
    assert query_parameters({"x": value}) == {
        "parameterMode": "NAMED",
        "queryParameters": [{"name": "x", **made}],
    }
    assert query_parameters([value]) == {"parameterMode": "POSITIONAL", "queryParameters": [made]}


def test_lists_become_arrays_and_dicts_structs() -> None:
    (made,) = query_parameters({"x": {"a": [1, 2], "b": "t"}})["queryParameters"]
    assert made["parameterType"] == {
        "type": "STRUCT",
        "structTypes": [
            {"name": "a", "type": {"type": "ARRAY", "arrayType": {"type": "INT64"}}},
            {"name": "b", "type": {"type": "STRING"}},
        ],
    }
    assert made["parameterValue"] == {
        "structValues": {"a": {"arrayValues": [{"value": "1"}, {"value": "2"}]}, "b": {"value": "t"}}
    }


@pytest.mark.parametrize(("more", "mode"), [({}, "POSITIONAL"), ({"name": "x"}, "NAMED")])
def test_the_form_of_the_api_passes_unchanged(more: dict[str, Any], mode: str) -> None:
    given = {"parameterType": {"type": "RANGE"}, "parameterValue": {"value": "[a, b)"}, **more}
    assert query_parameters([given]) == {"parameterMode": mode, "queryParameters": [given]}


class Text(str, Enum):  # noqa: UP042 - the older kind, whose str() is "Text.RED"
    RED = "red"


class NewText(StrEnum):
    RED = "red"


class Number(int, Enum):
    TWO = 2


class NewNumber(IntEnum):
    TWO = 2


class Share(float, Enum):
    HALF = 0.5


class Plain(Enum):
    YES = True
    RED = "red"
    TWO = 2
    DAY = dt.date(2026, 1, 2)
    LIST = (1, 2)
    NOTHING = None
    UNTYPED = frozenset({1})


class Outer(Enum):
    INNER = Text.RED


@pytest.mark.parametrize(
    ("member", "kind", "text"),
    [
        (Text.RED, "STRING", "red"),
        (NewText.RED, "STRING", "red"),
        (Number.TWO, "INT64", "2"),
        (NewNumber.TWO, "INT64", "2"),
        (Share.HALF, "FLOAT64", "0.5"),
        (Plain.YES, "BOOL", "true"),
        (Plain.RED, "STRING", "red"),
        (Plain.TWO, "INT64", "2"),
        (Plain.DAY, "DATE", "2026-01-02"),
        (Outer.INNER, "STRING", "red"),
        (Plain.NOTHING, "STRING", None),
    ],
)
def test_a_member_of_an_enum_is_its_value(member: Enum, kind: str, text: str | None) -> None:
    """Never ``Text.RED``, which a query would compare with and find nothing."""
    made = {"parameterType": {"type": kind}, "parameterValue": {"value": text}}
    assert query_parameters([member])["queryParameters"] == [made]
    (struct,) = query_parameters({"x": {"inner": {"list": [member]}}})["queryParameters"]
    (inner,) = struct["parameterValue"]["structValues"].values()
    assert inner["structValues"]["list"]["arrayValues"] == [{"value": text}]
    (field,) = struct["parameterType"]["structTypes"][0]["type"]["structTypes"]
    assert field["type"]["arrayType"] == {"type": kind}


def test_a_member_of_an_enum_may_be_a_list() -> None:
    assert query_parameters([Plain.LIST]) == query_parameters([[1, 2]])


def loud(kind: type, *arguments: Any) -> Any:
    """Return a value whose class shows it as something else."""
    return type("Loud", (kind,), dict.fromkeys(("__str__", "__repr__"), lambda _: "LOUD"))(*arguments)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (loud(str, "a"), "a"),
        (loud(int, 2), 2),
        (loud(float, 0.5), 0.5),
        (loud(Decimal, "1.10"), Decimal("1.10")),
        (loud(dt.date, 2026, 1, 2), dt.date(2026, 1, 2)),
        (loud(dt.time, 3, 4, 5), dt.time(3, 4, 5)),
        (loud(dt.datetime, 2026, 1, 2), MOMENT.replace(2026, 1, 2, 0, 0, 0, tzinfo=None)),
    ],
)
def test_a_value_is_sent_as_it_is_not_as_it_shows_itself(value: Any, plain: Any) -> None:
    assert query_parameters([value]) == query_parameters([plain])


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ("text", "parameters needs a mapping"),
        (b"text", "parameters needs a mapping"),
        ({"x": []}, "x needs values of one type"),
        ({"x": [1, "a"]}, "x needs values of one type"),
        ({"x": {"y": object()}}, r"x\.y is a object"),
        ({"x": [Plain.UNTYPED]}, "x is a frozenset, which has no BigQuery type"),
        (7, "parameters"),
    ],
)
def test_what_has_no_type_is_refused(parameters: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        query_parameters(parameters)
