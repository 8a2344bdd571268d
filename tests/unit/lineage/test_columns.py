"""Which columns a statement reads, by a parser that is not ours; nothing that the service did not say."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from airflow_provider_jobs.lineage import columns
from airflow_provider_jobs.lineage.columns import sources_of
from airflow_provider_jobs.lineage.datasets import Column, Dataset, bigquery_table

needs_sqlglot = pytest.mark.skipif(
    importlib.util.find_spec("sqlglot") is None, reason="sqlglot is not installed: the extra test has it"
)


def table(name: str, *names: str) -> Dataset:
    return replace(bigquery_table(f"p-1.{name}"), columns=tuple(Column(each, "STRING") for each in names))


PEOPLE = replace(
    table("d.people", "id", "Name"),
    columns=(Column("id"), Column("Name"), Column("place", "RECORD", fields=(Column("city"),))),
)
CITIES = table("e.cities", "id", "city")
TARGET = table("d.target", "id", "name", "city")
SQL = {
    "SELECT id, NAME AS name FROM d.people": {"id": "people.id", "name": "people.Name"},
    "CREATE TABLE d.target AS WITH q AS (SELECT * FROM `p-1.d.people`) "
    "SELECT q.id, UPPER(q.name) AS name, c.city FROM q JOIN e.cities AS c USING (id)": {
        "id": "people.id",
        "name": "people.Name",
        "city": "cities.city",
    },
    "CREATE VIEW d.target AS SELECT place.city FROM d.people": {"city": "people.place"},
    "INSERT INTO d.target (city, id) SELECT city, id FROM e.cities": {
        "city": "cities.city",
        "id": "cities.id",
    },
    "INSERT INTO d.target SELECT id, city, city FROM e.cities": {
        "id": "cities.id",
        "name": "cities.city",
        "city": "cities.city",
    },
    "MERGE d.target t USING (SELECT id, name FROM d.people) s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET name = s.name "
    "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)": {
        "id": "people.id",
        "name": "people.Name",
    },
    "UPDATE d.target t SET city = c.city FROM e.cities c WHERE c.id = t.id": {"city": "cities.city"},
    "SELECT COUNT(*) AS id, MAX(name) AS name FROM d.people": {"name": "people.Name"},
}


@needs_sqlglot
@pytest.mark.parametrize("sql", SQL)
def test_columns_of_statements(sql: str) -> None:
    found = sources_of(sql, TARGET, [PEOPLE, CITIES], project="p-1")
    assert {
        name: ", ".join(f"{where.rpartition('.')[2]}.{column}" for _, where, column in sources)
        for name, sources in found.items()
    } == SQL[sql]


NOTHING = (
    "INSERT INTO d.target VALUES ('1', 'a', 'b')",
    "DELETE FROM d.target WHERE TRUE",
    "UPDATE d.target SET city = 'x' WHERE TRUE",
    "SELECT id FROM d.somewhere_else",
    "SELECT other AS something FROM d.people",
    "SELECT 1; SELECT 2",
    "SELEC nonsense FROM",
    "",
)


@needs_sqlglot
@pytest.mark.parametrize("sql", NOTHING)
def test_what_is_not_understood_is_not_told(sql: str) -> None:
    assert sources_of(sql, TARGET, [PEOPLE, CITIES], project="p-1") == {}


@needs_sqlglot
def test_tables_without_a_dataset_are_in_the_default_one() -> None:
    found = sources_of("SELECT id FROM cities", TARGET, [CITIES], project="p-1", dataset="e")
    assert found == {"id": (("bigquery", "p-1.e.cities", "id"),)}


def test_nothing_is_told_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_is_installed", lambda: False)
    assert sources_of("SELECT id FROM d.people", TARGET, [PEOPLE], project="p-1") == {}


def test_what_would_take_long_is_left_alone() -> None:
    wide = table("d.wide", *(f"c{number}" for number in range(1000)))
    assert sources_of("SELECT id FROM d.people", wide, [PEOPLE], project="p-1") == {}
    long = "SELECT id FROM d.people" + " " * 60_000
    assert sources_of(long, TARGET, [PEOPLE], project="p-1") == {}
