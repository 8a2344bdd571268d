"""``airflow connections test``, by Airflow's own command: what it prints of each service, and how it ends."""

from __future__ import annotations

import json
from argparse import Namespace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from airflow.cli.commands.connection_command import connections_test

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

#: By connection id: the type, and what is said of a wrong login.
SERVICES = {
    "google_cloud_default": (
        "bigquery_jobs",
        "BigQuery answered 401 authError: Request had invalid authentication credentials.",
        "; look at access_token",
    ),
    "salesforce_default": (
        "salesforce_bulk",
        "Salesforce answered 401 INVALID_SESSION_ID: Session expired or invalid",
        "; look at access_token",
    ),
    "redivis_default": ("redivis", "Redivis answered 401 invalid_token: ", "; look at password"),
}
#: Older ones end as if all were well.
FAILS_ON_FAILURE = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2]) >= (3, 3)


def run(conn_id: str) -> int:
    """Run the command, and return its exit code."""
    try:
        connections_test(Namespace(conn_id=conn_id, verbose=False))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def connection(sandbox: Sandbox, conn_id: str, secret: str | None = None) -> dict[str, Any]:
    """Return a connection to the sandbox, with its token or another."""
    kind = SERVICES[conn_id][0]
    if kind == "redivis":
        return {"conn_type": kind, "host": sandbox.redivis, "password": secret or sandbox.redivis_token}
    extra = (
        {"project": "my-project", "api_endpoint": sandbox.bigquery, "access_token": secret or sandbox.token}
        if kind == "bigquery_jobs"
        else {"instance_url": sandbox.salesforce, "access_token": secret or sandbox.salesforce_token}
    )
    return {"conn_type": kind, "extra": extra}


@pytest.mark.parametrize("conn_id", SERVICES)
def test_what_the_command_prints(
    jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], conn_id: str
) -> None:
    *_, wrong, fields = SERVICES[conn_id]
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # the command sets it, and leaves it
    monkeypatch.setenv("COLUMNS", "400")
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"

    monkeypatch.setenv(variable, json.dumps(connection(jobs_sandbox, conn_id)))
    assert run(conn_id) == 1
    assert "Testing connections is disabled" in capsys.readouterr().out

    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    assert run(conn_id) == 0
    assert "Connection success!" in capsys.readouterr().out

    monkeypatch.setenv(variable, json.dumps(connection(jobs_sandbox, conn_id, "not-the-token")))
    code, said = run(conn_id), capsys.readouterr().out
    assert code == int(FAILS_ON_FAILURE)
    assert "Connection failed!" in said
    assert "not-the-token" not in said
    assert wrong in said
    assert said.rstrip().endswith(fields)
