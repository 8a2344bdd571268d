"""Python values become the API's query parameters."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_jobs.clients.bigquery.configuration import query_parameters
from airflow_provider_jobs.errors import ConfigurationError

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


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ("text", "parameters needs a mapping"),
        (b"text", "parameters needs a mapping"),
        ({"x": []}, "x needs values of one type"),
        ({"x": [1, "a"]}, "x needs values of one type"),
        ({"x": {"y": object()}}, r"x\.y is a object"),
        (7, "parameters"),
    ],
)
def test_what_has_no_type_is_refused(parameters: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        query_parameters(parameters)
