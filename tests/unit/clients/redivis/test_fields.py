"""Fields are checked before bytes are sent for them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.clients.redivis.fields import upload_fields
from airflow_provider_jobs.errors import ConfigurationError


def test_parameters_and_options_are_one() -> None:
    given = {"type": "delimited", "delimiter": None}
    assert upload_fields(given, {"quoteCharacter": "'", "escapeCharacter": None}) == {
        "type": "delimited",
        "quoteCharacter": "'",
    }


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ({"type": "csv"}, {}, "type is 'csv'"),
        ({"hasHeaderRow": "yes"}, {}, "hasHeaderRow"),
        ({}, {"colour": 1}, "'colour'"),
        ({}, {"name": "x"}, "'name'"),
        ({"delimiter": ";"}, {"delimiter": ";"}, "given as a parameter too"),
        ({}, {"schema": [{"name": "x"}]}, "type stream only"),
        ({}, "text", "options is a str"),
    ],
)
def test_what_is_wrong_is_named(given: Any, options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        upload_fields(given, options)
