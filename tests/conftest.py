"""Airflow reads its settings when it is first imported: it gets a home of its own before any test is."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Folders whose tests share a process: they share an Airflow, or the stores.
TOGETHER = ("tests/system/", "tests/integration/stores/", "tests/integration/jobs_page/")

for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]
_home = tempfile.mkdtemp(prefix="airflow-provider-jobs-tests-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _home
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["CLOUDSDK_CONFIG"] = f"{_home}/gcloud"
os.environ["NO_GCE_CHECK"] = "true"
os.environ["NO_PROXY"] = "127.0.0.1,localhost"


@pytest.fixture(autouse=True)
def masked_secrets() -> Iterator[None]:
    """Let Airflow forget the secrets of each test: for each it compiles a pattern of all anew."""
    yield
    if masker := sys.modules.get("airflow.sdk._shared.secrets_masker"):
        masker.reset_secrets_masker()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the processes of ``make unit`` a file at a time, since the tests of a file share fixtures."""
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - a run in one process does without

    scheduling = LoadFileScheduling(config, log)
    scheduling._split_scope = dealt_together
    return scheduling


def dealt_together(nodeid: str) -> str:
    """Return a test's file, or the folder whose tests are all for the same process."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)
