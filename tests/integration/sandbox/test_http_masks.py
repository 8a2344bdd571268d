"""The ``fields`` parameter's little language."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.sandbox.masks import MaskError, parse_mask

DOCUMENT = {"a": {"x": 1, "y": {"z": 2}}, "b": [{"c": 1, "d": 2}, {"c": 3}], "e": "text", "f": None}


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("e", {"e": "text"}),
        ("e,f", {"e": "text", "f": None}),
        ("a/x", {"a": {"x": 1}}),
        ("a/y/z,a/x", {"a": {"y": {"z": 2}, "x": 1}}),
        ("a(x,y(z))", {"a": {"x": 1, "y": {"z": 2}}}),
        ("b/c", {"b": [{"c": 1}, {"c": 3}]}),
        ("b(c,d)", {"b": [{"c": 1, "d": 2}, {"c": 3}]}),
        (" b ( d ) , e ", {"b": [{"d": 2}, {}], "e": "text"}),
        ("*", DOCUMENT),
        ("a/*", {"a": {"x": 1, "y": {"z": 2}}}),
        ("*/x", {"a": {"x": 1}, "b": [{}, {}], "e": "text", "f": None}),
        ("nothing", {}),
    ],
)
def test_mask(mask: str, expected: Any) -> None:
    assert parse_mask(mask).apply(DOCUMENT) == expected


@pytest.mark.parametrize(
    "mask",
    ["", ",", "a,", "a(", "a()", "a)", "a(b", "/a", "a/", "a b", "ä", "a" * 5000, "a(" * 1500, "a/" * 1500],
)
def test_what_is_no_mask(mask: str) -> None:
    with pytest.raises(MaskError):
        parse_mask(mask)
