"""What pytest loads: the fixture, and nothing that costs time before a test asks for it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox
    from airflow_provider_jobs.testing.dag_runs import AirflowHome
    from airflow_provider_jobs.testing.jobs_sandbox import JobsSandbox

# What the sandbox cannot start without, of the packages that its extra brings.
NEEDED = ("duckdb", "fastavro", "starlette", "uvicorn", "wasmtime", "zetasql")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting."""
    parser.addini("jobs_sandbox_project", "BigQuery's project for jobs_sandbox", default="my-project")


@pytest.fixture(scope="session")
def _jobs_sandbox_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, AirflowHome]]:
    missing = ", ".join(name for name in NEEDED if importlib.util.find_spec(name) is None)
    if missing:
        pytest.skip(f"jobs_sandbox needs {missing}: pip install 'airflow-provider-jobs[sandbox]'")
    from airflow_provider_jobs.sandbox import Sandbox  # noqa: PLC0415
    from airflow_provider_jobs.testing.dag_runs import AirflowHome  # noqa: PLC0415

    with Sandbox(sample_records=False) as sandbox:
        yield sandbox, AirflowHome(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def jobs_sandbox(
    request: pytest.FixtureRequest, _jobs_sandbox_session: tuple[Sandbox, AirflowHome]
) -> Iterator[JobsSandbox]:
    """BigQuery, Salesforce and Redivis on localhost for one test, empty but for ``seeds`` beside the test."""
    from airflow_provider_jobs.testing.jobs_sandbox import JobsSandbox  # noqa: PLC0415

    sandbox, airflow = _jobs_sandbox_session
    folder, project = request.path.parent, str(request.config.getini("jobs_sandbox_project"))
    try:
        with airflow.lent(folder, request.config.rootpath), pytest.MonkeyPatch.context() as patch:
            given = JobsSandbox(sandbox, airflow, patch, project)
            if (folder / "seeds").is_dir():
                given.seed(folder / "seeds")
            yield given
    finally:
        sandbox.reset()
