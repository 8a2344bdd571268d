"""What the ends need to know of each service: how to reach it, what it calls things, how its jobs ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_jobs.sandbox.auth import CLOUD_PLATFORM, DATA_EDIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox import Sandbox

PROJECT, OWNER = "ends", "acme"
#: Who the test is to the sandbox: its questions are told from those of the tasks.
TESTER = "tester@example.com"


@dataclass(frozen=True)
class Service:
    """One service.

    :param timed: What the sandbox's timing calls its jobs.
    :param connection: Airflow's, as JSON.
    :param first: The operation that an attempt begins with.
    :param create: The one that makes a job.
    :param looks: Those that look at one.
    :param run: The one that a fault names to let a job fail.
    :param jobs: The state of every job that was made, oldest first.
    """

    timed: str
    connection: Callable[[Sandbox], dict[str, Any]]
    first: str
    create: str
    looks: tuple[str, ...]
    run: str
    jobs: Callable[[Sandbox, str], list[str]]


def bigquery_jobs(sandbox: Sandbox, token: str) -> list[str]:
    filters = {"projection": "full", "allUsers": "true", "maxResults": "1000"}  # by default 50
    page = ask(f"{sandbox.bigquery}/bigquery/v2/projects/{PROJECT}/jobs", token, **filters)
    return [_bigquery_state(job["status"]) for job in reversed(page.get("jobs", []))]


def _bigquery_state(status: dict[str, Any]) -> str:
    reason = status.get("errorResult", {}).get("reason")
    if status["state"] != "DONE":
        return str(status["state"]).lower()
    return {None: "succeeded", "stopped": "cancelled"}.get(reason, "failed")


def redivis_jobs(sandbox: Sandbox, token: str) -> list[str]:
    """Return the uploads' states; what was made and is no longer there was deleted."""
    url = f"{sandbox.redivis}/tables/{OWNER}.ends:next.numbers/uploads"
    made = [entry for entry in sandbox.requests() if entry["operation"] == "redivis.uploads.create"]
    if not made:
        return []
    there = ask(url, token)["results"]
    made_count = len(there) + sum(
        entry["operation"] == "redivis.uploads.delete" and entry["status"] in {200, 204}
        for entry in sandbox.requests()
    )
    states = [{"completed": "succeeded"}.get(upload["status"], str(upload["status"])) for upload in there]
    return ["deleted"] * (made_count - len(there)) + states


def salesforce_jobs(sandbox: Sandbox, token: str) -> list[str]:
    states = {"JobComplete": "succeeded", "Failed": "failed", "Aborted": "cancelled"}
    return [states.get(job["state"], str(job["state"])) for job in sandbox.salesforce_jobs()]


def ask(url: str, token: str, **parameters: str) -> Any:
    """Ask the sandbox as the tester."""
    reply = requests.get(url, params=parameters, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    if reply.status_code == requests.codes.not_found:
        return {"results": []}
    reply.raise_for_status()
    return reply.json()


def tester_token(sandbox: Sandbox) -> str:
    return sandbox.issue_token(TESTER, scopes=[CLOUD_PLATFORM, DATA_EDIT])


KNOWN = {
    "bigquery": Service(
        PROJECT,
        lambda sandbox: {
            "conn_type": "bigquery_jobs",
            "extra": {"project": PROJECT, "api_endpoint": sandbox.bigquery, "access_token": sandbox.token},
        },
        first="bigquery.jobs.insert",
        create="bigquery.jobs.insert",
        looks=("bigquery.jobs.get", "bigquery.jobs.list"),
        run="bigquery.jobs.run",
        jobs=bigquery_jobs,
    ),
    "redivis": Service(
        OWNER,
        lambda sandbox: {"conn_type": "redivis", "host": sandbox.redivis, "password": sandbox.redivis_token},
        first="redivis.datasets.get",
        create="redivis.uploads.create",
        looks=("redivis.uploads.get", "redivis.uploads.list"),
        run="redivis.uploads.run",
        jobs=redivis_jobs,
    ),
    "salesforce": Service(
        "salesforce",
        lambda sandbox: {
            "conn_type": "salesforce_bulk",
            "extra": {"instance_url": sandbox.salesforce, "access_token": sandbox.salesforce_token},
        },
        first="salesforce.query.create",
        create="salesforce.query.create",
        looks=("salesforce.query.get", "salesforce.query.list"),
        run="salesforce.query.run",
        jobs=salesforce_jobs,
    ),
}
