"""Where things live: no circle, and no module that only another one needs."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_provider_jobs"
#: Up to so many lines a module and its single importer would be one file.
MOST_LINES = 400
#: Modules that stand by themselves although one other alone imports them: each is a subject of its own that
#: the tree in CONTRIBUTING.md names.
STANDING = {
    "clients.bigquery": {"api", "parameters", "rows", "search", "submit", "upload", "watch"},
    "clients.redivis": {"api", "prepare", "release", "submit", "transfer", "watch"},
    "clients.salesforce": {"api", "change", "split", "submit", "watch"},
    "clients.salesforce.results": {"download", "files", "page"},
    "commands": {
        *("actions", "bigquery", "connections", "definitions", "output", "redivis", "salesforce"),
        *("import_lines", "migrate"),  # the former needs libcst, which an extra brings
    },
    "core.http": {"failures", "retry", "stream", "timed", "transport"},
    "core.sources": {"csv_records", "digest", "slices"},
    "core.upload": {"body", "protocol", "uploader"},
    "core.wait": {"group", "listing", "waiter"},
    "hooks.logins": {
        "google",
        "google_exchange",
        "private_keys",
        "salesforce",
        "salesforce_settings",
        "salesforce_tokens",
    },
    "lineage": {"columns"},  # a parser that may be missing
    "jobs_page": {"access", "app", "queries"},
    "operators": {"following", "memory", "progress", "side_by_side", "task"},
    "operators.files": {"places", "results", "sources"},
    "operators.salesforce": {"parts", "rejections", "rounds"},
    "transfers": {"bigquery_sweep"},  # SQL alone, beside bigquery_merge
    "triggers": {"metrics", "sharing"},
    "testing": {"effects", "jobs_sandbox", "seeds"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports_of(name: str) -> frozenset[str]:
    """Return our modules that one of them imports: in functions, and for type hints too."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            # ``from package import module`` needs the module.
            found |= {
                whole if (whole := f"{module}.{alias.name}") in FILES else module for alias in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found & FILES.keys() - {name})


def test_no_imports_go_in_a_circle() -> None:
    try:
        order = list(TopologicalSorter({name: imports_of(name) for name in FILES}).static_order())
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))
    assert len(order) == len(FILES) > 200


def test_the_pieces_of_a_client_take_its_api_and_never_the_client() -> None:
    for service in ("bigquery", "redivis", "salesforce"):
        package = f"airflow_provider_jobs.clients.{service}"
        inside = {name for name in FILES if name.startswith(f"{package}.")}
        assert {f"{package}.api", f"{package}.client", f"{package}.replies"} <= inside
        assert not {name for name in inside if f"{package}.client" in imports_of(name)}
        above = {name.removeprefix(f"{package}.") for name in imports_of(f"{package}.api")}
        assert above & {"submit", "watch", "upload", "download", "change", "prepare", "client"} == set()


def public(name: str) -> bool:
    """Return True of what users import: operators, sensors, hooks, links, errors, triggers' paths."""
    _, _, inner = name.partition(".")
    layer, _, rest = inner.partition(".")
    return layer in {"sensors", "hooks", "links", "operators"} and "." not in rest


@pytest.mark.parametrize("name", [name for name in FILES if ".sandbox" not in name])
def test_a_module_that_one_other_alone_imports_is_merged_into_it(name: str) -> None:
    users = [each for each in FILES if name in imports_of(each)]
    if len(users) != 1 or public(name) or FILES[name].stem == "__init__":
        return
    package, _, own = name.removeprefix("airflow_provider_jobs.").rpartition(".")
    if users[0] == f"airflow_provider_jobs.{package}":
        return  # a public package's own module: its name is imported from there
    lines = sum(len(FILES[each].read_text(encoding="utf-8").splitlines()) for each in (name, users[0]))
    assert own in STANDING.get(package, set()) or lines > MOST_LINES, f"{name} belongs into {users[0]}"


def test_the_list_of_those_that_stand_by_themselves_is_true() -> None:
    for package, names in STANDING.items():
        for own in names:
            assert f"airflow_provider_jobs.{package}.{own}" in FILES
