"""Importing operators costs about what importing Airflow costs."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

HEAVY = {
    "requests",
    "urllib3",
    "google.auth",
    "simple_salesforce",
    "jwt",
    "zeep",
    "duckdb",
    "sqlglot",
    "cryptography",
}


@cache
def loaded(statement: str) -> frozenset[str]:
    """Return the modules that a fresh interpreter has after a statement."""
    program = f"import json, sys\n{statement}\nprint(); print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=120, capture_output=True, text=True
    )
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def heavy(names: frozenset[str]) -> set[str]:
    return {name for name in HEAVY if name in names}


@pytest.mark.parametrize(
    "module",
    [
        "airflow_provider_jobs.operators.bigquery",
        "airflow_provider_jobs.sensors.bigquery",
        "airflow_provider_jobs.hooks.bigquery",
        "airflow_provider_jobs.triggers.job",
        "airflow_provider_jobs.links.bigquery",
        "airflow_provider_jobs.operators.redivis",
        "airflow_provider_jobs.sensors.redivis",
        "airflow_provider_jobs.hooks.redivis",
        "airflow_provider_jobs.operators.salesforce",
        "airflow_provider_jobs.sensors.salesforce",
        "airflow_provider_jobs.hooks.salesforce",
        "airflow_provider_jobs.links.salesforce",
    ],
)
def test_reading_a_dag_loads_no_client(module: str) -> None:
    before = loaded("import airflow.sdk; from airflow.sdk import BaseOperator, BaseHook, Connection")
    after = loaded(f"import airflow.sdk\nfrom {module} import *")
    assert module in after
    assert heavy(after - before) == set()
    assert not {name for name in after if name.startswith("airflow_provider_jobs.sandbox")}


def test_the_star_brings_operators_and_sensors_only() -> None:
    for module, names in (
        ("operators", {"Copy", "Extract", "InsertJob", "Load", "Query", "Upload"}),
        ("sensors", {"Job", "Jobs"}),
    ):
        kind = "Operator" if module == "operators" else "Sensor"
        program = (
            f"from airflow_provider_jobs.{module}.bigquery import *\n"
            "print(); print(' '.join(name for name in dir() if name[0] != '_'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, timeout=120, capture_output=True, text=True
        )
        assert set(done.stdout.splitlines()[-1].split()) == {f"BigQuery{name}{kind}" for name in names}


def test_the_metadata_loads_nothing() -> None:
    before = loaded("import typing, __future__")
    after = loaded("from airflow_provider_jobs.provider_info import get_provider_info; get_provider_info()")
    assert after - before == {"airflow_provider_jobs", "airflow_provider_jobs.provider_info"}


def test_only_a_login_that_needs_it_loads_simple_salesforce() -> None:
    program = """
from airflow.sdk import Connection
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
extra = '{"access_token": "T", "instance_url": "http://127.0.0.1:9"}'
SalesforceHook("c").client_of(Connection(conn_id="c", conn_type="salesforce", extra=extra))
import airflow_provider_jobs.hooks.logins.salesforce
"""
    assert heavy(loaded(program)) & {"simple_salesforce", "zeep"} == set()
