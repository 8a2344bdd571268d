"""What public DAGs build on Google's operators: classes of their own, and what they look at afterwards.

The test changes the prefix of the import lines, and what is in capitals.
"""

from datetime import datetime
from typing import Any

from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator
from airflow.providers.google.cloud.sensors.bigquery import BigQueryTableExistenceSensor
from airflow.sdk import DAG, chain, task

PROJECT = "google-project"
DEFERRABLE = False
SEEN: dict[str, Any] = {}


class RunSql(BigQueryInsertJobOperator):  # type: ignore[misc]
    """Takes SQL, and templates it under a name of its own."""

    template_fields = (*BigQueryInsertJobOperator.template_fields, "sql")
    template_ext = (".sql",)
    ui_color = "#abcdef"

    def __init__(self, sql: str, table: str | None = None, **kwargs: Any) -> None:
        self.table = table
        self.sql = sql
        super().__init__(configuration={"query": {"useLegacySql": False}}, **kwargs)

    def execute(self, context: Any) -> Any:
        """Write to a table, and remember what listeners look at."""
        self.configuration["query"]["query"] = self.sql
        self.configuration.setdefault("labels", {})["team"] = "shop"
        return super().execute(context)


class Noted(BigQueryInsertJobOperator):  # type: ignore[misc]
    """Looks at the job, whichever way it has ended."""

    def post_execute(self, context: Any, result: Any = None) -> None:
        """Keep what the task knows once it is over."""
        SEEN["noted"] = (self.job_id, self.hook is not None, self.sql)


class Waits(BigQueryTableExistenceSensor):  # type: ignore[misc]
    """Says when it looks."""

    def poke(self, context: Any) -> Any:
        """Look, and note it."""
        SEEN["poked"] = True
        return super().poke(context)


with DAG(
    "google_subclasses",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - as most DAGs are written
    default_args={"retries": 0, "deferrable": DEFERRABLE, "owner": "shop"},
) as dag:
    make = RunSql(task_id="make", sql="sql/make.sql", location=None)
    waits = Waits(
        task_id="waits", project_id=PROJECT, dataset_id="sub", table_id="t", poke_interval=1, timeout=60
    )
    noted = Noted(
        task_id="noted",
        configuration={"query": {"query": "SELECT day FROM sub.t", "useLegacySql": False}},
        impersonation_chain=None,
        project_id=PROJECT,
        force_rerun=False,
        reattach_states=["DONE"],
        result_retry=None,
        result_timeout=30.0,
        poll_interval=1,
    )

    @task
    def follows(job_id: str) -> str:
        assert job_id == SEEN["noted"][0]
        return job_id

    over_uris = BigQueryInsertJobOperator.partial(
        task_id="over_uris", project_id=PROJECT, location="US", map_index_template="{{ task.job_id }}"
    ).expand(
        configuration=[
            {
                "extract": {
                    "sourceTable": {"projectId": PROJECT, "datasetId": "sub", "tableId": "t"},
                    "destinationUris": [f"gs://{PROJECT}/sub/{name}.json"],
                    "destinationFormat": "NEWLINE_DELIMITED_JSON",
                }
            }
            for name in ("a", "b")
        ]
    )
    chain(make, waits, noted, [follows(noted.output), over_uris])
