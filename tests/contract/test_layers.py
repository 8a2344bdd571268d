"""Imports point one way, and the inner layers know nothing of Airflow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_provider_jobs"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
#: What each layer may import of the others; each may import itself.
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "connection_forms": set(),
    "provider_info": {"connection_forms"},
    "compat": set(),
    "words": set(),
    "jobs": {"words"},
    "errors": {"words", "jobs"},  # the latter for types only, see below
    "core": {"words", "errors", "jobs"},
    "clients": {"words", "errors", "jobs", "core"},
    "lineage": {"words", "errors", "jobs", "compat"},
    "hooks": {"__init__", "connection_forms", "words", "errors", "jobs", "core", "clients", "lineage"},
    "triggers": {"errors", "jobs", "core", "clients", "hooks", "compat"},
    "links": set(),
    "operators": {
        "words",
        "errors",
        "jobs",
        "core",
        "clients",
        "lineage",
        "hooks",
        "triggers",
        "links",
        "compat",
    },
    "sensors": {
        "words",
        "errors",
        "jobs",
        "core",
        "clients",
        "lineage",
        "hooks",
        "triggers",
        "links",
        "operators",
        "compat",
    },
    "transfers": {
        "words",
        "errors",
        "jobs",
        "core",
        "clients",
        "lineage",
        "hooks",
        "triggers",
        "links",
        "operators",
        "sensors",
        "compat",
    },
    "commands": {"words", "errors", "jobs", "core", "clients", "hooks", "triggers"},
    "__main__": {"commands"},
    "jobs_page": {"jobs", "links"},
    "sandbox": {"__init__"},
    "testing": {"words", "clients", "sandbox", "compat"},
}
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=NAMES)


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules(tree: ast.AST) -> set[str]:
    """Return the modules that code imports, in functions and for type hints too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            module = node.module or ""
            if module == "airflow_provider_jobs":
                found.update(f"{module}.{alias.name}" for alias in node.names)
            else:
                found.add(module)
    return found


def own(tree: ast.AST) -> set[str]:
    """Return the layers that code imports."""
    prefix = "airflow_provider_jobs."
    layers = {name.removeprefix(prefix).split(".")[0] for name in modules(tree) if name.startswith(prefix)}
    return {"__init__" if name.startswith("__") else name for name in layers}


def without_type_hints(tree: ast.Module) -> ast.Module:
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(body, [])


@EVERY_FILE
def test_imports_point_inward(path: Path) -> None:
    layer = layer_of(path)
    assert own(ast.parse(path.read_text(encoding="utf-8"))) <= {layer, *ALLOWED[layer]}


def test_errors_need_jobs_for_type_hints_only() -> None:
    tree = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    assert own(without_type_hints(tree)) == {"words"}


@EVERY_FILE
def test_the_inner_layers_and_the_sandbox_do_not_import_airflow(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if layer_of(path) in {
        "words",
        "errors",
        "jobs",
        "core",
        "clients",
        "connection_forms",
        "provider_info",
        "sandbox",
    }:
        assert not {name for name in modules(tree) if name.split(".")[0] == "airflow"}


@EVERY_FILE
def test_only_compat_looks_at_the_version_of_airflow(path: Path) -> None:
    if layer_of(path) in {"compat", "sandbox"}:
        return
    text = path.read_text(encoding="utf-8")
    assert "importlib.metadata" not in text
    assert "packaging" not in modules(ast.parse(text))
    assert not re.search(r"airflow\.(__version__|version)|AIRFLOW_V_|from airflow import", text)


def test_core_and_clients_work_without_airflow() -> None:
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in FILES
        if layer_of(path) in {"words", "errors", "jobs", "core", "clients"}
    ]
    assert len(names) > 10
    program = f"""
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "airflow":
            raise ImportError("there is no Airflow here")

sys.meta_path.insert(0, Block())
for name in {names!r}:
    __import__(name)
from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.transport import Transport
BigQueryClient(Transport(None, user_agent="x"), "project")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@EVERY_FILE
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            assert (node.end_lineno or 0) - first + 1 <= 50, node.name


def test_every_layer_is_known() -> None:
    assert {layer_of(path) for path in FILES} <= set(ALLOWED)
