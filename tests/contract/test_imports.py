"""Importing operators costs about what importing Airflow costs."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import NamedTuple

import pytest

HEAVY = {
    "requests",
    "urllib3",
    "google.auth",
    "simple_salesforce",
    "jwt",
    "zeep",
    "duckdb",
    "wasmtime",
    "cryptography",
    "openlineage",
    "sqlglot",
}
PUBLIC = [
    "airflow_provider_jobs.operators.bigquery",
    "airflow_provider_jobs.sensors.bigquery",
    "airflow_provider_jobs.hooks.bigquery",
    "airflow_provider_jobs.triggers.job",
    "airflow_provider_jobs.links.bigquery",
    "airflow_provider_jobs.transfers.bigquery_to_bigquery",
    "airflow_provider_jobs.transfers.bigquery_to_gcs",
    "airflow_provider_jobs.transfers.gcs_to_bigquery",
    "airflow_provider_jobs.operators.redivis",
    "airflow_provider_jobs.sensors.redivis",
    "airflow_provider_jobs.hooks.redivis",
    "airflow_provider_jobs.operators.salesforce",
    "airflow_provider_jobs.sensors.salesforce",
    "airflow_provider_jobs.hooks.salesforce",
    "airflow_provider_jobs.links.redivis",
    "airflow_provider_jobs.links.salesforce",
]
OPERATORS = {
    *("Copy", "Extract", "InsertJob", "Load", "Query", "Upload", "GetData"),
    *("Check", "ValueCheck", "IntervalCheck", "ColumnCheck", "TableCheck"),
}
BARE = "import typing, __future__"
AIRFLOW = "import airflow.sdk; from airflow.sdk import BaseOperator, BaseHook, Connection"
PLUGIN = "from airflow_provider_jobs.jobs_page.plugin import JobsPagePlugin"
METADATA = "from airflow_provider_jobs.provider_info import get_provider_info; get_provider_info()"
LOGIN = """
from airflow.sdk import Connection
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
extra = '{"access_token": "T", "instance_url": "http://127.0.0.1:9"}'
SalesforceHook("c").client_of(Connection(conn_id="c", conn_type="salesforce", extra=extra))
import airflow_provider_jobs.hooks.logins.salesforce
"""
#: Airflow takes seconds to import: one interpreter does it, and each statement after that gets a fork.
PROGRAM = """
import json, os, sys

def tell(statement, names):
    error = None
    try:
        exec(statement, names)
    except Exception:  # whatever it is, the test shows it
        import traceback
        error = traceback.format_exc()
    print(json.dumps([statement, error, list(sys.modules), list(names)]), flush=True)

def fork(statement):
    if os.fork() == 0:
        tell(statement, {})
        os._exit(0)
    os.wait()

for first, others in json.loads(sys.argv[1]):
    tell(first, {})
    for statement in others:
        fork(statement)
"""


class Interpreter(NamedTuple):
    """What an interpreter has after a statement, or why that failed."""

    error: str | None
    modules: frozenset[str]
    names: frozenset[str]


def star(module: str) -> str:
    return f"from {module} import *"


@cache
def interpreters() -> dict[str, Interpreter]:
    """Return what each statement leaves, whatever the others do."""
    plan = [(BARE, [METADATA]), (AIRFLOW, [*map(star, PUBLIC), LOGIN, PLUGIN])]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(plan)],
        check=True,
        timeout=120,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {
        statement: Interpreter(error, frozenset(modules), frozenset(names))
        for statement, error, modules, names in told
    }


def after(statement: str) -> Interpreter:
    found = interpreters()[statement]
    assert not found.error, found.error
    return found


def loaded(statement: str) -> frozenset[str]:
    """Return the modules that are there after a statement."""
    return after(statement).modules


def heavy(names: frozenset[str]) -> set[str]:
    return {name for name in HEAVY if name in names}


@pytest.mark.parametrize("module", PUBLIC)
def test_reading_a_dag_loads_no_client(module: str) -> None:
    found = loaded(star(module))
    assert module in found
    assert heavy(found - loaded(AIRFLOW)) == set()
    assert not {name for name in found if name.startswith("airflow_provider_jobs.sandbox")}


def test_the_plugin_brings_no_server() -> None:
    """Airflow loads it in each process of a task."""
    found = loaded(PLUGIN) - loaded(AIRFLOW)
    assert "airflow_provider_jobs.jobs_page.plugin" in found
    assert not {name.split(".")[0] for name in found} & {"fastapi", "starlette", "uvicorn", *HEAVY}
    assert "airflow_provider_jobs.jobs_page.app" not in found


def test_the_star_brings_operators_and_sensors_only() -> None:
    for module, names in (
        ("operators", OPERATORS),
        ("sensors", {"Job", "Jobs", "TableExistence", "TablePartitionExistence"}),
    ):
        kind = "Operator" if module == "operators" else "Sensor"
        found = after(star(f"airflow_provider_jobs.{module}.bigquery")).names
        assert {name for name in found if name[0] != "_"} == {f"BigQuery{name}{kind}" for name in names}


def test_the_metadata_loads_nothing() -> None:
    found = loaded(METADATA) - loaded(BARE)
    data = {"airflow_provider_jobs.provider_info", "airflow_provider_jobs.connection_forms"}
    assert found == {"airflow_provider_jobs", *data}


def test_only_a_login_that_needs_it_loads_simple_salesforce() -> None:
    assert heavy(loaded(LOGIN)) & {"simple_salesforce", "zeep"} == set()
