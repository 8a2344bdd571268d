"""Operators and sensors with Google's names take what Google's take, with the same defaults.

The file has what apache-airflow-providers-google 22.8.0 takes; what is not so here is in docs/migration.md.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

GOOGLES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("google_parameters.json").read_text(encoding="utf-8")
)
NOT_TAKEN = {"conn_id", "hook_params", "parameters"}
#: Other defaults: a retry policy of a library that is not ours, how often is looked at most, labels that were
#: not given, the dialect, a project that the connection has.
OTHERWISE = {"result_retry", "poll_interval", "labels", "use_legacy_sql", "project_id"}
#: SQL is made when the task runs, of fields that are templates.
NOT_TEMPLATED = {"conn_id", "hook_params", "database", "sql", "sql1", "sql2"}
SQL_OF_THEIR_OWN = ("IntervalCheckOperator", "ColumnCheckOperator", "TableCheckOperator")


def ours(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"airflow_provider_jobs.{module}"), name)


def parameters_of(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in kind.__mro__:
        if each.__module__.startswith("airflow_provider_jobs.") and "__init__" in vars(each):
            for name, parameter in inspect.signature(vars(each)["__init__"]).parameters.items():
                found.setdefault(name, parameter.default)
    return found


@pytest.mark.parametrize("path", GOOGLES)
def test_parameters_and_their_defaults(path: str) -> None:
    taken, wanted = parameters_of(ours(path)), GOOGLES[path]["parameters"]
    assert wanted.keys() - taken.keys() <= NOT_TAKEN
    for name in wanted.keys() & taken.keys() - OTHERWISE:
        default = taken[name]
        if "required" in wanted[name]:
            assert default is inspect.Parameter.empty, name
        else:
            assert (list(default) if isinstance(default, tuple) else default) == wanted[name]["default"], name


@pytest.mark.parametrize("path", GOOGLES)
def test_what_is_a_template(path: str) -> None:
    left_out = set(GOOGLES[path]["template_fields"]) - set(ours(path).template_fields)
    assert left_out <= (NOT_TEMPLATED if path.endswith(SQL_OF_THEIR_OWN) else {"conn_id"})
