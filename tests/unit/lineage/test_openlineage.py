"""What becomes of traces in OpenLineage's words."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from airflow_provider_jobs.lineage import openlineage
from airflow_provider_jobs.lineage.datasets import Column, bigquery_table
from airflow_provider_jobs.lineage.traces import Trace, with_columns

pytest.importorskip("airflow.providers.openlineage.extractors", reason="the extra test has it")
COLUMNS = tuple(Column(f"c{number}", "INTEGER", "a column") for number in range(10_000))


def test_ten_thousand_columns_take_a_fraction_of_the_seconds_that_openlineage_has() -> None:
    serde = pytest.importorskip("openlineage.client.serde")
    read = replace(bigquery_table("p.d.wide"), columns=COLUMNS)
    written = replace(bigquery_table("p.d.copy"), columns=COLUMNS, identical=True)
    began = time.process_time()
    told = openlineage.operator_lineage(with_columns(Trace((read,), (written,))))
    source, target = (json.loads(serde.Serde.to_json(each)) for each in (told.inputs[0], told.outputs[0]))
    assert time.process_time() - began < 3
    assert len(source["facets"]["schema"]["fields"]) == 10_000
    assert len(target["facets"]["columnLineage"]["fields"]) == 10_000


def test_tables_that_bigquery_drops_are_not_told_of_nor_secrets() -> None:
    tables = tuple(map(bigquery_table, ("p._0123.anon9", "p._script9.loud", "p.d.t")))
    told = openlineage.operator_lineage(Trace(tables, tables, sql="SELECT 'https://h/a?sig=secret'"))
    assert [each.name for each in told.inputs] == ["p.d.t"]
    assert [each.name for each in told.outputs] == ["p.d.t"]
    assert told.job_facets["sql"].query == "SELECT 'https://h/a?sig=***'"


def test_tables_in_sql_that_failed() -> None:
    sql = "CREATE TABLE d.t AS SELECT a FROM `other.d.s` JOIN people USING (a)"
    found = openlineage.tables_of_sql(sql, "p", "home")
    names = [sorted(each.name for each in side) for side in found]
    assert names == [["other.d.s", "p.home.people"], ["p.d.t"]]
    assert openlineage.tables_of_sql("SELECT a FROM people", "p", None) == ([], [])
