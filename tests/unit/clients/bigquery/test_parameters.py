"""Query parameters: every value has the type that holds it, or is refused in words that fit it."""

from __future__ import annotations

import datetime as dt
import importlib
from collections import UserList
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery.configuration import query_parameters
from airflow_provider_jobs.errors import ConfigurationError

pd: Any = importlib.import_module("pandas")
INT = {"parameterType": {"type": "INT64"}}


def made(value: Any) -> dict[str, Any]:
    (found,) = query_parameters([value])["queryParameters"]
    return dict(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1.10", "NUMERIC"),
        ("0E+1000000", "NUMERIC"),
        ("99999999999999999999999999999.999999999", "NUMERIC"),
        ("-99999999999999999999999999999.999999999", "NUMERIC"),
        ("1.0000000000000000000000", "NUMERIC"),
        ("1E+28", "NUMERIC"),
        ("1E+29", "BIGNUMERIC"),
        ("0.0000000001", "BIGNUMERIC"),
        ("1E-38", "BIGNUMERIC"),
        ("5.7E+38", "BIGNUMERIC"),
        ("578960446186580977117854925043439539266.34992332820282019728792003956564819967", "BIGNUMERIC"),
        ("-578960446186580977117854925043439539266.34992332820282019728792003956564819968", "BIGNUMERIC"),
        ("578960446186580977117854925043439539266.34992332820282019728792003956564819968", None),
        ("1E-39", None),
        ("1E+39", None),
        ("1E+1000000", None),
        ("1E-1000000", None),
        ("NaN", None),
        ("-Infinity", None),
    ],
)
def test_a_decimal_goes_as_the_type_that_holds_it(text: str, kind: str | None) -> None:
    if kind is None:
        with pytest.raises(ConfigurationError, match="number 1 is"):
            made(Decimal(text))
    else:
        value = {"parameterType": {"type": kind}, "parameterValue": {"value": str(Decimal(text))}}
        assert made(Decimal(text)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_decimal_loses_a_digit(value: Decimal) -> None:
    exact = Fraction(value)
    numeric = exact * 10**9
    big = exact * 10**38
    if numeric.denominator == 1 and abs(numeric) < 10**38:
        assert made(value)["parameterType"]["type"] == "NUMERIC"
    elif big.denominator == 1 and -(2**255) <= big < 2**255:
        assert made(value)["parameterType"]["type"] == "BIGNUMERIC"
    else:
        with pytest.raises(ConfigurationError, match="beyond BIGNUMERIC"):
            made(value)


@pytest.mark.parametrize(
    ("value", "kind", "texts"),
    [
        ([1, None], "INT64", ["1", None]),
        ([None, "a"], "STRING", [None, "a"]),
        ([None], "STRING", [None]),
        ([Decimal(1), Decimal("1e30")], "BIGNUMERIC", ["1", "1E+30"]),
        (UserList([1, 2]), "INT64", ["1", "2"]),
        (np.array([1, 2]), "INT64", ["1", "2"]),
        (pd.Series([1.5]), "FLOAT64", ["1.5"]),
        ([np.int64(1), np.int32(2)], "INT64", ["1", "2"]),
    ],
)
def test_arrays(value: Any, kind: str, texts: list[str | None]) -> None:
    assert made(value) == {
        "parameterType": {"type": "ARRAY", "arrayType": {"type": kind}},
        "parameterValue": {"arrayValues": [{"value": text} for text in texts]},
    }


def test_structs_in_an_array_have_one_type() -> None:
    found = made([{"a": Decimal(1), "b": 1}, MappingProxyType({"a": Decimal("1e30"), "b": 2})])
    fields = [{"name": "a", "type": {"type": "BIGNUMERIC"}}, {"name": "b", "type": {"type": "INT64"}}]
    assert found["parameterType"]["arrayType"] == {"type": "STRUCT", "structTypes": fields}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (np.int64(7), "INT64", "7"),
        (np.float64(0.5), "FLOAT64", "0.5"),
        (np.bool_(True), "BOOL", "true"),  # noqa: FBT003 - numpy's
        (np.str_("a"), "STRING", "a"),
        (np.datetime64("2026-01-02T03:04:05", "us"), "DATETIME", "2026-01-02 03:04:05.000000"),
        (np.datetime64("2026-01-02"), "DATE", "2026-01-02"),
        (pd.Timestamp("2026-01-02"), "DATETIME", "2026-01-02 00:00:00.000000"),
        (bytearray(b"a"), "BYTES", "YQ=="),
        (2**63 - 1, "INT64", "9223372036854775807"),
        (-(2**63), "INT64", "-9223372036854775808"),
        (
            dt.datetime(1890, 1, 1, tzinfo=dt.timezone(dt.timedelta(minutes=53, seconds=28))),
            "TIMESTAMP",
            "1889-12-31 23:06:32.000000+00:00",
        ),
        (
            dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
            "TIMESTAMP",
            "2026-01-02 00:00:00.000000-05:00",
        ),
    ],
)
def test_values_of_other_libraries(value: Any, kind: str, text: str) -> None:
    assert made(value) == {"parameterType": {"type": kind}, "parameterValue": {"value": text}}


@pytest.mark.parametrize(
    ("kind", "none"),
    [
        ({"type": "INT64"}, {"value": None}),
        ({"type": "ARRAY", "arrayType": {"type": "DATE"}}, {"arrayValues": []}),
        ({"type": "STRUCT", "structTypes": [{"name": "a", "type": {"type": "INT64"}}]}, {"structValues": {}}),
        ({"type": "RANGE", "rangeElementType": {"type": "DATE"}}, {"value": None}),
    ],
)
def test_the_apis_form_needs_no_value(kind: dict[str, Any], none: dict[str, Any]) -> None:
    """By itself, under a name, with its own name, and within a struct; None is no value too."""
    whole = {"parameterType": kind, "parameterValue": none}
    for given_form in ({"parameterType": kind}, {"parameterType": kind, "parameterValue": None}, whole):
        assert made(given_form) == whole
        named = {"parameterMode": "NAMED", "queryParameters": [{"name": "x", **whole}]}
        assert query_parameters({"x": given_form}) == named
        assert query_parameters({"x": {"name": "x", **given_form}}) == named
        assert query_parameters([{"name": "x", **given_form}]) == named
        (field,) = made({"f": given_form})["parameterType"]["structTypes"]
        assert field == {"name": "f", "type": kind}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"x": {"parameterType": "INT64"}}, r'x has parameterType .*INT64.*\{"type": "INT64"\}'),
        ({"x": {"parameterValue": {"value": "1"}}}, "x has parameterType 'None'"),
        ({"x": {**INT, "parameterValue": 1}}, "x has a int as parameterValue"),
        ({"x": {**INT, "value": 1}}, "x has value besides"),
        ({"x": {"name": "y", **INT}}, "x has another name .*: y"),
        ({"@x": 1}, "write x for @x"),
        ({"": 1}, "is not a name"),
        ({1: 1}, "is not a name"),
        ([1, {"name": "x", **INT}], "each has a name of its own"),
        ([{"name": "x", **INT}, {"name": "X", **INT}], "each has a name of its own"),
        ({"x": 2**63}, "x is beyond INT64: give a Decimal"),
        ({"x": [[1], [2]]}, "x is a list of lists"),
        ({"x": [{"a": 1}, None]}, "x has None among mappings"),
        ({"x": [1, "a"]}, "x needs values of one type, and has INT64 and STRING"),
        ({"x": [{"a": 1}, {"a": "b"}]}, r"x\.a needs values of one type"),
        ({"x": [{"a": 1}, {"b": 1}]}, "x needs values of one type"),
        ({"x": []}, "x needs values of one type, and is empty: give .*arrayType"),
        ({"x": {}}, "x is a mapping of nothing"),
        ({"x": {1: 2}}, "x is a mapping with names that are not text"),
        ({"x": dt.time(1, tzinfo=dt.UTC)}, "x is a time with a zone"),
        ({"x": dt.timedelta(1)}, "x is a timedelta, which has no BigQuery type"),
        ({"x": pd.NaT}, "x is not a time: give None"),
        ({"x": pd.NA}, "x is a NAType, which has no BigQuery type"),
        ({"x": pd.Timestamp(1)}, "x has nanoseconds"),
        ({"x": np.datetime64(1, "ns")}, "x is a datetime64.ns., which Python has not"),
        ({"x": np.array([1], "M8[ns]")}, "which Python has not"),
        ({"x": np.longdouble(1)}, "which Python has not"),
        ({"x": (each for each in "ab")}, "x is a generator, which has no BigQuery type"),
        (np.array([1]), "parameters needs a mapping .* is a ndarray"),
    ],
)
def test_each_wrong_form_is_refused_in_words_that_fit(parameters: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        query_parameters(parameters)
