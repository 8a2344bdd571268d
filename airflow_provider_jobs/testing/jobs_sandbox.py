"""What the fixture ``jobs_sandbox`` gives a test."""

from __future__ import annotations

import contextlib
import csv
import json
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.rows import typed_rows
from airflow_provider_jobs.sandbox.bigquery.engine import RunningJob
from airflow_provider_jobs.testing import seeds
from airflow_provider_jobs.testing.effects import Job, cancels_of, check_service, jobs_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox
    from airflow_provider_jobs.testing.dag_runs import AirflowHome, DagRunResult


class JobsSandbox:
    """The three services, for one test.

    Seeds and questions of this class are no requests: no fault meets them, and they are not counted.

    :param sandbox: the server, with everything else that it can do.
    :param project: where BigQuery's jobs run.
    """

    def __init__(
        self, sandbox: Sandbox, airflow: AirflowHome, patch: pytest.MonkeyPatch, project: str
    ) -> None:
        self.sandbox = sandbox
        self.project = project
        self.buckets = sandbox.buckets  # the folder whose folders are the gs:// buckets
        self._airflow = airflow
        self._patch = patch
        self.connect("google_cloud_default", "bigquery")
        self.connect("salesforce_default", "salesforce")
        self.connect("redivis_default", "redivis")

    def connect(self, conn_id: str, service: str = "bigquery") -> None:
        """Let a connection lead to a service, until the test ends."""
        check_service(service)
        server = self.sandbox
        extra = {"project": self.project, "api_endpoint": server.bigquery, "access_token": server.token}
        connection: dict[str, Any] = {"conn_type": "bigquery_jobs", "extra": extra}
        if service == "salesforce":
            extra = {"instance_url": server.salesforce, "access_token": server.salesforce_token}
            connection = {"conn_type": "salesforce_bulk", "extra": extra}
        elif service == "redivis":
            connection = {"conn_type": "redivis", "host": server.redivis, "password": server.redivis_token}
        self._patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def seed(self, folder: Path | str) -> None:
        """Bring a folder's data in, as that of ``seeds`` beside the test.

        :raises ValueError: something in it cannot be brought in; the message names it.
        """
        seeds.bring(self.sandbox, self.project, Path(folder))

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run GoogleSQL, and give the rows of a query as dicts of Python values.

        :raises JobProblem: BigQuery would refuse it, or the sandbox cannot run it.
        """
        work, engine = {"query": {"query": sql, "useLegacySql": False}}, self.sandbox.engine
        location = engine.location_of(self.project, work) or "US"
        outcome = engine.run(RunningJob(self.project, "question", location, work, threading.Event()))
        table = outcome.configuration["query"].get("destinationTable", {"datasetId": ""})
        if not table["datasetId"].startswith("_"):  # what a statement has changed, not the rows of a query
            return []
        names = table["projectId"], table["datasetId"], table["tableId"]
        found = engine.get_table(*names)
        rows = engine.read_rows(*names, start=0, count=int(found["numRows"]), int64_timestamps=True)
        return list(typed_rows(found["schema"]["fields"], rows))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Give the rows of ``dataset.table``, or ``project.dataset.table``, in no particular order."""
        return self.query(f"SELECT * FROM `{table}`")  # noqa: S608 - a test's own table

    def records(self, soql: str) -> list[dict[str, str]]:
        """Give the records that SOQL finds in Salesforce, all values as text, null as an empty one."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "records.csv"
            self.sandbox.org.run_query(soql, into=path)
            with path.open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))

    @contextlib.contextmanager
    def fault(self, action: str = "reply", *, at_least: int = 1, **spec: Any) -> Iterator[None]:
        """Let requests go wrong inside a ``with`` block; docs/sandbox.md lists the actions.

        :param at_least: how many requests it has to meet, or the test would prove nothing.
        :raises AssertionError: it met fewer.
        """
        __tracebackhide__ = True
        faults = self.sandbox.platform.faults
        fault_id = self.sandbox.faults(action=action, **spec)["id"]
        try:
            yield
            met = sum(each["applied"] for each in faults.overview() if each["id"] == fault_id)
        finally:
            faults.remove(fault_id)
        if met < at_least:
            asked = sorted({entry["operation"] for entry in self.sandbox.requests()})
            raise AssertionError(
                f"the fault {action} {spec} met {met} requests, not {at_least}; there were {asked}"
            )

    def jobs(self, service: str = "bigquery", *, about: str = "") -> list[Job]:
        """Give the jobs, or uploads, of a service whose line has the text ``about``, oldest first."""
        return jobs_of(self.sandbox, service, about)

    def one_job(self, service: str = "bigquery", *, about: str = "") -> Job:
        """Assert that there is exactly one job, and give it.

        :raises AssertionError: none or several; the message lists the service's jobs.
        """
        __tracebackhide__ = True
        found = self.jobs(service, about=about)
        if len(found) == 1:
            return found[0]
        listed = "".join(f"\n  {job}" for job in self.jobs(service)) or " none"
        which = f" about {about!r}" if about else ""
        raise AssertionError(f"expected one job of {service}{which}, found {len(found)}; there are:{listed}")

    def no_cancels(self, service: str | None = None) -> None:
        """Assert that nobody has asked a service, or any, to cancel a job or delete an upload.

        :raises AssertionError: somebody has; the message lists the requests.
        """
        __tracebackhide__ = True
        check_service(service or "bigquery")
        found = cancels_of(self.sandbox, service)
        if found:
            raise AssertionError("expected no cancels, found:\n  " + "\n  ".join(found))

    def run_dag(
        self,
        dag_id: str,
        *,
        logical_date: dt.datetime | None = None,
        conf: dict[str, Any] | None = None,
        folder: Path | str | None = None,
    ) -> DagRunResult:
        """Run a DAG in this process, deferred tasks too, and tell how it ended; retries have no delay.

        :param logical_date: default: now.
        :param folder: of the DAG; default: the nearest ``dags`` beside or above the test, else the test's.
        :raises LookupError: the folder has no such DAG; the message has the errors of its files.
        """
        given = {"run_conf": conf} | ({"logical_date": logical_date} if logical_date else {})
        return self._airflow.run_dag(dag_id, Path(folder).absolute() if folder else None, self._patch, given)
