"""The pytest plugin as its users have it: pytest in a process of its own, in a folder that is not ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from airflow_provider_jobs import compat

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example_dags" / "testing"
PROJECT = Path(__file__).parent / "plugin_project"
PAGE = ROOT / "docs" / "testing.md"
HOW_TO = ROOT / "docs" / "how-to"
PLUGIN = "airflow_provider_jobs.testing.plugin"
FILE = re.compile(r"^`([\w./]+)`:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(folder: Path, *options: str, seconds: float = 300, **environment: str) -> str:
    """Run a folder's tests with the plugin, whether or not it is installed with its entry point."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))
    }
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:jobs_sandbox",
            "-p",
            PLUGIN,
            "-p",
            "no:cacheprovider",
            "-rs",
            *options,
        ],
        cwd=folder,
        env={
            **inherited,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_CACHE_HOME": cache(),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def cache() -> str:
    """Return where the compiled GoogleSQL is, which a new home would lack."""
    return os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert declared == {"jobs_sandbox": PLUGIN}


def test_nothing_is_imported_until_a_test_asks_for_the_fixture(tmp_path: Path) -> None:
    """The plugin is loaded in every project that has this package: also where nobody uses it."""
    (tmp_path / "test_it.py").write_text("""
import sys

def test_it():
    heavy = ("airflow", "duckdb", "starlette", "uvicorn", "wasmtime", "google", "requests")
    assert not {name for name in sys.modules if name.split(".")[0] in heavy}
    ours = {name for name in sys.modules if name.startswith("airflow_provider_jobs")}
    assert {name.partition(".")[2] for name in ours} == {"", "testing", "testing.plugin"}
""")
    assert "1 passed" in run(tmp_path)


def test_without_the_extra_a_test_is_skipped_and_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['duckdb'] = None\n")
    (tmp_path / "test_it.py").write_text("def test_it(jobs_sandbox):\n    raise AssertionError\n")
    told = run(tmp_path)
    assert "1 skipped" in told
    assert "jobs_sandbox needs duckdb: pip install 'airflow-provider-jobs[sandbox]'" in told


def test_the_example_passes(tmp_path: Path) -> None:
    """Airflow is not imported before the fixture is there; the user's home stays as it was.

    Where warnings are errors, as in this project, Airflow's own are none.
    """
    shutil.copytree(EXAMPLE, tmp_path / "example")
    home = tmp_path / "airflow"
    assert "2 passed" in run(tmp_path / "example", "-W", "error", AIRFLOW_HOME=str(home))
    assert not home.exists()


def test_airflow_leaves_the_example_alone() -> None:
    assert "testing/" in (EXAMPLE.parent / ".airflowignore").read_text().splitlines()


def test_the_page_and_a_project_that_has_imported_airflow(tmp_path: Path) -> None:
    """Every file of the page, as it is written there, and the DAG of every how-to.

    And what only another process can show.
    """
    shutil.copytree(PROJECT, tmp_path / "project")
    shutil.copytree(
        EXAMPLE.parent, tmp_path / "project" / "examples", ignore=shutil.ignore_patterns("testing")
    )
    files = FILE.findall(PAGE.read_text())
    assert len(files) == 6
    for name, text in files:
        path = tmp_path / "project" / "page" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # One of the examples takes Airflow 3.3.
    home, passed = str(tmp_path / "home"), 12 + compat.KEEPS_ASSET_STATE + len(list(HOW_TO.glob("*.md")))
    # A DAG for each page: on Airflow 3.1 each of them waits for seconds.
    told = run(
        tmp_path / "project", seconds=600, AIRFLOW_HOME=home, AIRFLOW_VAR_CITY="Oslo", HOW_TO=str(HOW_TO)
    )
    assert f"{passed} passed" in told
    assert not (tmp_path / "home" / "airflow.db").exists()


def test_each_process_of_xdist_has_a_server_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    (tmp_path / "test_it.py").write_text("""
import pytest

@pytest.mark.parametrize("number", range(2))
def test_it(jobs_sandbox, number, worker_id):
    jobs_sandbox.query("CREATE SCHEMA shop")
    open(f"{worker_id}.url", "a").write(jobs_sandbox.sandbox.url + "\\n")
""")
    assert "2 passed" in run(tmp_path, "-n", "2")
    urls = [set(path.read_text().split()) for path in tmp_path.glob("*.url")]
    assert [len(each) for each in urls] == [1] * len(urls)
    assert len(set.union(*urls)) == len(urls)
