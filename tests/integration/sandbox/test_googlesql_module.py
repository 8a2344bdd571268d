"""The compiled module in the user's cache folder: written whole or not at all, by one process for all."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql import module
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import googlesql
from airflow_provider_jobs.sandbox.bigquery.engine.sql.parsing import split

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """An empty cache folder, and a compiler that has the code ready; gives when it was asked."""
    code = module._cached().read_bytes()
    asked: list[float] = []

    def compiled() -> bytes:
        asked.append(0.0)
        return code

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_compiled", compiled)
    return asked


def test_threads_that_start_at_once_compile_once(compilations: list[float]) -> None:
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(module._cached())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compilations) == 1
    assert len(set(paths)) == 1
    assert {each.name for each in paths[0].parent.iterdir()} == {paths[0].name, "compiling.lock"}
    assert paths[0].parent.stat().st_mode & 0o777 == 0o700


def test_a_broken_file_is_written_anew(compilations: list[float]) -> None:
    path = module._cached()
    path.write_bytes(path.read_bytes()[:1000])
    assert module._cached() == path
    assert len(compilations) == 2
    assert module._is_usable(path)


def test_a_compilation_that_fails_leaves_nothing(
    compilations: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        module._cached()
    assert [each.name for each in module.cache_folder().iterdir()] == ["compiling.lock"]


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert module.cache_folder() == tmp_path / ".cache" / "airflow-provider-jobs"


def test_nothing_of_the_wheels_python_is_imported() -> None:
    program = (
        "import sys; from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import googlesql\n"
        "with googlesql().instance(): print([name for name in sys.modules if name.split('.')[0] in"
        " {'zetasql', 'grpc', 'sqlglot'}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_collection_of_garbage_takes_no_class_of_a_message_away() -> None:
    """It cleared classes that another thread was using again: the process ended with a segmentation fault."""
    held = weakref.ref(type(_parsed()[0].node))
    gc.collect()
    assert held() is not None


def _parsed() -> list[Statement]:
    with googlesql().instance() as instance:
        return split(instance, "ASSERT 1 + 2 > 1")
