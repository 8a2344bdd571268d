"""Names become SQL only when no character of them can mean anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_sql import Column, Statement, cast, is_bad, quoted, table_path

TABLE = {"projectId": "p", "datasetId": "d", "tableId": "t"}


@given(name=st.text())
def test_a_quoted_name_has_no_backtick_or_backslash_in_it(name: str) -> None:
    try:
        found = quoted(name)
    except ConfigurationError:
        return
    assert found == f"`{name}`"
    assert name
    assert not set(name) & set("`\\\n.")


@given(name=st.text())
def test_a_column_has_a_plain_name(name: str) -> None:
    """It is also a part of texts in SQL."""
    try:
        column = Column(name, name, "string", "STRING")
    except ConfigurationError:
        return
    assert column.name.isascii()
    assert column.name.replace("_", "a").isalnum()


def test_tables_are_quoted_part_by_part() -> None:
    assert table_path(TABLE) == "`p`.`d`.`t`"
    assert table_path({**TABLE, "datasetId": "bucket.space"}) == "`p`.`bucket`.`space`.`t`"
    for name in ("t$20260101", "t`", "t*", "", "t@1"):
        with pytest.raises(ConfigurationError, match="not a whole table"):
            table_path({**TABLE, "tableId": name})


def test_values_go_as_parameters() -> None:
    query = Statement("SELECT @a", {"a": "x"}).query()
    assert query["query"] == "SELECT @a"
    assert query["queryParameters"] == [
        {"name": "a", "parameterType": {"type": "STRING"}, "parameterValue": {"value": "x"}}
    ]


def test_a_statement_that_bigquery_would_not_take_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="leave fields out with exclude_fields"):
        Statement("x" * 1_000_001)


@pytest.mark.parametrize(
    ("kind", "made", "expected"),
    [
        ("id", "STRING", "NULLIF(`x`, '')"),
        ("string", "STRING", "NULLIF(REPLACE(`x`, CHR(0), ''), '')"),
        ("multipicklist", "ARRAY<STRING>", "SPLIT(NULLIF(`x`, ''), ';')"),
        ("currency", "NUMERIC", "CAST(NULLIF(`x`, '') AS NUMERIC)"),
        ("int", "BIGNUMERIC", "CAST(NULLIF(`x`, '') AS BIGNUMERIC)"),
        ("time", "TIME", "CAST(RTRIM(NULLIF(`x`, ''), 'Z') AS TIME)"),
    ],
)
def test_casts(kind: str, made: str, expected: str) -> None:
    column = Column("x", "x", kind, made)
    assert cast(column) == expected
    assert (is_bad(column) is None) == ("STRING" in made)
