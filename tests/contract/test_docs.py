"""The documentation names only what exists: files, headings, imports, tests, parameters."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs import errors
from airflow_provider_jobs.operators import bigquery as operators
from airflow_provider_jobs.operators import redivis as redivis_operators
from airflow_provider_jobs.operators import salesforce as salesforce_operators
from airflow_provider_jobs.operators.bigquery.checking import CheckingOperator
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator
from airflow_provider_jobs.operators.salesforce.job import SalesforceOperator
from airflow_provider_jobs.sensors import bigquery as sensors
from airflow_provider_jobs.sensors import redivis as redivis_sensors
from airflow_provider_jobs.sensors import salesforce as salesforce_sensors
from tests.system.cluster.table import markdown as table_of_the_cluster
from tests.system.ends.table import markdown

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *DOCS]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

MOST_LINES = 200
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"python -m pytest (tests/[\w/]+\.py)(?:::(\w+))?(?: -k (\w+))?")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)?((?:::\w+)*)`")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
ERROR = re.compile(r"^ {0,4}((?:[│ ] {3})*(?:[├└]── )?)([A-Z]\w+)(?: {2,}.*)?$", re.MULTILINE)
SECTION = re.compile(r"^## [^\n`]*`(\w+)`[^\n]*\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
PARAMETER = re.compile(r"^\| \*?`(\w+)`\*? \|", re.MULTILINE)
TEMPLATED = re.compile(r"^\| \*`(\w+)`\* \|", re.MULTILINE)


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@cache
def names_of_tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return frozenset(name for name in found if name.lower().startswith("test"))


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(prose(page)):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            assert anchor in {slug(heading) for heading in HEADING.findall(prose(path))}, anchor


@each_page
def test_python_compiles_and_its_imports_exist(page: Path) -> None:
    for language, code in FENCE.findall(page.read_text()):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_jobs"):
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    assert hasattr(module, name.name), f"{node.module}.{name.name}"


@each_page
def test_commands_name_tests_that_exist(page: Path) -> None:
    text = page.read_text()
    for found in COMMAND.finditer(text):
        path, test, keyword = found.groups()
        assert (ROOT / path).is_file(), path
        names = names_of_tests(path)
        if test:
            assert test in names, test
        wanted = [keyword] if keyword else []
        if keyword == "NAME":  # the last column of the table below the command
            table = text[found.end() :].partition("\n|")[2].partition("\n\n")[0]
            wanted = re.findall(r"`(\w+)` \|$", table, re.MULTILINE)
            assert wanted
        for word in wanted:
            assert any(word in name for name in names), f"{path} -k {word}"


@pytest.mark.parametrize("page", ["security", "transfers_cases"])
def test_the_tables_of_threats_and_cases_name_tests_that_exist(page: str) -> None:
    """A name without a file is of the file before it."""
    path = ""
    for found in NAMED_TEST.finditer((ROOT / "docs" / f"{page}.md").read_text()):
        path = found[1] or path
        assert (ROOT / path).is_file(), path
        for name in re.findall(r"\w+", found[2]):
            assert name in names_of_tests(path), found[0]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_stays_short_and_can_be_reached(page: Path) -> None:
    assert len(page.read_text().splitlines()) < MOST_LINES
    index = ROOT / "docs" / "index.md"
    assert page == index or page in {index.parent / target for target, _ in LINK.findall(prose(index))}


def test_the_table_of_ends_is_the_one_that_is_tested() -> None:
    """``python -m tests.system.ends.table`` prints it."""
    assert markdown() in (ROOT / "docs" / "ends.md").read_text()


def test_the_table_of_the_cluster_is_the_one_that_is_tested() -> None:
    """``python -m tests.system.cluster.table`` prints it."""
    assert table_of_the_cluster() in (ROOT / "docs" / "cluster.md").read_text()


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    """Each class stands below what it derives from."""
    kinds = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, Exception)]
    above, drawn = {-1: "Exception"}, dict[str, str]()
    for branch, name in ERROR.findall((ROOT / "docs" / "errors.md").read_text()):
        depth = len(branch) // 4
        above[depth] = name
        drawn[name] = above[depth - 1]
    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in kinds}


def documented() -> dict[str, str]:
    pages = ("operators.md", "checks.md", "uploads.md", "redivis.md", "salesforce.md")
    return {
        name: text for page in pages for name, text in SECTION.findall((ROOT / "docs" / page).read_text())
    }


def parameters_of(kind: type) -> set[str]:
    """Return what the constructors of this package take, Airflow's own parameters left out."""
    ours = [
        vars(each)["__init__"]
        for each in kind.__mro__
        if each.__module__.startswith("airflow_provider_jobs.") and "__init__" in vars(each)
    ]
    found = {name for each in ours for name in inspect.signature(each).parameters}
    return found - {"self", "kwargs"}


MODULES: tuple[Any, ...] = (
    operators,
    sensors,
    redivis_operators,
    redivis_sensors,
    salesforce_operators,
    salesforce_sensors,
)
#: What all operators of a service share is told once.
SHARED = (BigQueryJobOperator, CheckingOperator, SalesforceOperator)
CLASSES: dict[str, type] = {
    "BigQueryJobOperator": BigQueryJobOperator,
    "CheckingOperator": CheckingOperator,
    "SalesforceOperator": SalesforceOperator,
    **{name: getattr(module, name) for module in MODULES for name in module.__all__},
}


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_are_those_of_the_constructor(name: str) -> None:
    """What all operators of BigQuery or Salesforce share is told once; the others have their tables whole."""
    kind, text = CLASSES[name], documented()[name]
    told, shared = set(PARAMETER.findall(text)), set[str]()
    for base in SHARED:
        if issubclass(kind, base) and kind is not base:
            shared |= parameters_of(base)
    if name == "BigQueryUploadOperator":  # its page says that it takes those of a load
        shared |= parameters_of(CLASSES["BigQueryLoadOperator"])
    assert told == parameters_of(kind) - shared
    assert set(TEMPLATED.findall(text)) == told & set(getattr(kind, "template_fields", ()))
