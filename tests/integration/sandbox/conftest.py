"""One sandbox for all tests of this folder, a project of its own for each test."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.cloud import bigquery
from google.oauth2.credentials import Credentials

from airflow_provider_jobs.sandbox import Sandbox
from airflow_provider_jobs.sandbox.salesforce.settings import SalesforceSettings
from tests.integration.sandbox.engine_bench import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.sandbox.redivis_api import RedivisApi
    from tests.integration.sandbox.salesforce_api import SalesforceApi

PATIENCE_SECONDS = 30.0


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Give the condition's value as soon as it is true; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)  # between two looks at the condition, over HTTP
    raise AssertionError("the condition did not come true in time")


class Api:
    """The BigQuery REST API of one project, spoken without any client library."""

    def __init__(self, url: str, token: str, project: str) -> None:
        self.base = f"{url}/bigquery/v2/projects/{project}/"
        self.project = project
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **parameters: Any) -> requests.Response:
        return self.session.get(self.base + path, params=parameters, timeout=PATIENCE_SECONDS)

    def post(self, path: str, document: Any = None, **parameters: Any) -> requests.Response:
        return self.session.post(self.base + path, json=document, params=parameters, timeout=PATIENCE_SECONDS)

    def delete(self, path: str, **parameters: Any) -> requests.Response:
        return self.session.delete(self.base + path, params=parameters, timeout=PATIENCE_SECONDS)

    def insert(self, job_id: str | None = None, location: str | None = None, **configuration: Any) -> Any:
        """Insert a job; without a configuration, a small query. Give the reply's document."""
        reference = {"projectId": self.project, "jobId": job_id, "location": location}
        body = {
            "configuration": configuration or query("SELECT 1 AS one"),
            "jobReference": {name: value for name, value in reference.items() if value is not None},
        }
        reply = self.post("jobs", body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def state(self, job_id: str, **parameters: Any) -> str:
        return str(self.get(f"jobs/{job_id}", **parameters).json()["status"]["state"])

    def finished(self, job_id: str, **parameters: Any) -> Any:
        """Wait for a job and give its resource."""
        wait_until(lambda: self.state(job_id, **parameters) == "DONE")
        return self.get(f"jobs/{job_id}", **parameters).json()

    def run(self, job_id: str, **configuration: Any) -> Any:
        """Insert a job in the US and give its resource when it is done."""
        self.insert(job_id, **configuration)
        return self.finished(job_id)


def query(sql: str, **more: Any) -> dict[str, Any]:
    """Give the configuration of a GoogleSQL query."""
    return {"query": {"query": sql, "useLegacySql": False, **more}}


def reason(reply: requests.Response) -> str:
    """Give the reason of an error reply, after checking the documented shape of its body."""
    error = reply.json()["error"]
    assert error["code"] == reply.status_code
    assert error["message"] == error["errors"][0]["message"]
    return str(error["errors"][0]["reason"])


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, without faults of other tests."""
    yield shared_sandbox
    shared_sandbox.clear_faults()


@pytest.fixture
def project() -> str:
    return f"test-{uuid.uuid4().hex[:16]}"


@pytest.fixture
def api(sandbox: Sandbox, project: str) -> Iterator[Api]:
    api = Api(sandbox.bigquery, sandbox.token, project)
    yield api
    api.session.close()


@pytest.fixture
def salesforce(sandbox: Sandbox) -> Iterator[SalesforceApi]:
    """The org with its default settings; the jobs of other tests are there."""
    from tests.integration.sandbox.salesforce_api import SalesforceApi  # noqa: PLC0415 - it needs this module

    api = SalesforceApi(sandbox)
    yield api
    sandbox.salesforce_settings(**asdict(SalesforceSettings()))
    sandbox.timing(project="salesforce", pending_seconds=0.0, running_seconds=0.0, cancel_seconds=0.1)
    api.session.close()


@pytest.fixture
def redivis(sandbox: Sandbox, project: str) -> Iterator[RedivisApi]:
    """The API of an owner with an empty table."""
    from tests.integration.sandbox.redivis_api import RedivisApi  # noqa: PLC0415 - it needs this module

    api = RedivisApi(sandbox, project)
    api.make_table()
    yield api
    api.session.close()


@pytest.fixture
def redivis_settings(sandbox: Sandbox) -> Iterator[Callable[..., dict[str, Any]]]:
    """Change settings for one test."""
    usual = sandbox.redivis_settings()
    yield sandbox.redivis_settings
    sandbox.redivis_settings(**usual)


@pytest.fixture
def client(sandbox: Sandbox, project: str) -> Iterator[bigquery.Client]:
    """The official client of BigQuery, with an empty dataset."""
    client = bigquery.Client(
        project=project,
        credentials=Credentials(sandbox.token),
        client_options={"api_endpoint": sandbox.bigquery},
    )
    client.create_dataset("d")
    yield client
    client.close()


@pytest.fixture(scope="session")
def engine_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("engine"))
    yield bench
    bench.engine.close()


@pytest.fixture
def bench(engine_bench: Bench) -> Bench:
    """An engine without tables."""
    engine_bench.reset()
    return engine_bench
