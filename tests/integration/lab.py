"""What the tests of BigQuery work with: a project of the sandbox."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_jobs.hooks.bigquery import BigQueryHook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.sandbox import Sandbox


@dataclass
class Lab:
    """A project of its own in the sandbox, and the connection ``google_cloud_default`` to it."""

    sandbox: Sandbox
    project: str

    @property
    def client(self) -> BigQueryClient:
        return BigQueryHook().get_conn()

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs of the project, oldest first."""
        return list(self.client.list_jobs(allUsers=True, projection="full"))[::-1]

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """Return the requests of one operation to this project."""
        return [
            entry
            for entry in self.sandbox.requests()
            if entry["operation"] == f"bigquery.{operation}" and f"/{self.project}/" in entry["path"]
        ]

    def dataset(self, name: str, location: str = "US") -> None:
        reply = requests.post(
            f"{self.sandbox.bigquery}/bigquery/v2/projects/{self.project}/datasets",
            json={"datasetReference": {"projectId": self.project, "datasetId": name}, "location": location},
            headers={"Authorization": f"Bearer {self.sandbox.token}"},
            timeout=30,
        )
        reply.raise_for_status()

    def fault(self, operation: str, action: str, **settings: Any) -> None:
        """Spoil requests of this project only."""
        self.sandbox.faults(
            operation=f"bigquery\\.{operation}", path=f"/{self.project}/", action=action, **settings
        )

    @contextmanager
    def slow_jobs(self, seconds: float, cancel_seconds: float = 0.1) -> Iterator[None]:
        """Let jobs that are submitted meanwhile run at least so long."""
        self.sandbox.timing(project=self.project, running_seconds=seconds, cancel_seconds=cancel_seconds)
        try:
            yield
        finally:
            self.sandbox.timing(project=self.project, running_seconds=0.0)
