"""Rows arrive by name and in the types of Python."""

from __future__ import annotations

import base64
import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery.rows import typed_rows
from airflow_provider_jobs.errors import ProtocolError
from tests.unit.clients.replay import resource

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def value(kind: str, cell: Any, **field: Any) -> Any:
    rows = list(typed_rows([{"name": "x", "type": kind, **field}], [{"f": [{"v": cell}]}]))
    return rows[0]["x"]


def test_reads_every_type() -> None:
    page = resource("query_results")
    (row,) = typed_rows(page["schema"]["fields"], page["rows"])
    assert math.isnan(row.pop("f"))
    assert row == {
        "i": -(2**63),
        "n": Decimal("1.10"),
        "big": Decimal("1E-38"),
        "b": True,
        "s": "ü",
        "y": b"\x00\xff",
        "d": dt.date(1, 1, 1),
        "t": dt.time(12, 34, 56, 7),
        "dt": dt.datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 - DATETIME has no zone
        "ts": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        "j": {"a": [1, None]},
        "g": "POINT(1 2)",
        "list": ["a", "b"],
        "r": {"x": 5, "more": [{"z": False}]},
    }


TYPES = ["INTEGER", "FLOAT", "NUMERIC", "BOOL", "STRING", "BYTES", "DATE", "TIME", "DATETIME", "TIMESTAMP"]


@pytest.mark.parametrize("kind", [*TYPES, "JSON", "GEOGRAPHY", "RECORD"])
def test_null_is_none_in_every_type(kind: str) -> None:
    assert value(kind, None, fields=[]) is None


def test_an_array_that_is_null_is_empty() -> None:
    assert value("STRING", None, mode="REPEATED") == []


@given(number=st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_lose_nothing(number: int) -> None:
    assert value("INTEGER", str(number)) == number


@given(number=st.floats(allow_nan=False))
def test_floats_lose_nothing(number: float) -> None:
    assert value("FLOAT", repr(number)) == number


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=9))
def test_decimals_lose_nothing(number: Decimal) -> None:
    assert value("NUMERIC", str(number)) == number


@given(content=st.binary())
def test_bytes_lose_nothing(content: bytes) -> None:
    assert value("BYTES", base64.b64encode(content).decode()) == content


@given(moment=st.datetimes(timezones=st.just(dt.UTC)))
def test_moments_lose_nothing(moment: dt.datetime) -> None:
    microseconds = (moment - EPOCH) // dt.timedelta(microseconds=1)
    assert value("TIMESTAMP", str(microseconds)) == moment


@given(moment=st.datetimes())
def test_dates_and_times_lose_nothing(moment: dt.datetime) -> None:
    assert value("DATETIME", moment.isoformat()) == moment
    assert value("DATE", moment.date().isoformat()) == moment.date()
    assert value("TIME", moment.time().isoformat()) == moment.time()


@given(names=st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=9, unique=True), data=st.data())
def test_each_column_has_its_own_value(names: list[str], data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.none() | st.text(), min_size=len(names), max_size=len(names)))
    fields = [{"name": name, "type": "STRING"} for name in names]
    rows = typed_rows(fields, [{"f": [{"v": text} for text in texts]}])
    assert list(rows) == [dict(zip(names, texts, strict=True))]


def test_a_row_of_another_length_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        list(typed_rows([{"name": "x", "type": "STRING"}], [{"f": []}]))
