"""What all operators share: identity, results, templates."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.sdk import DAG
from structlog.testing import capture_logs

from airflow_provider_jobs.errors import JobFailed
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
)
from tests.unit.tasks import REF, STARTED, FakeClient, context, failed, faked, run, status

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.core.work import JobRequest

GOOD: dict[Any, dict[str, Any]] = {
    BigQueryInsertJobOperator: {"configuration": {"query": {"query": "SELECT 1"}}},
    BigQueryQueryOperator: {"sql": "SELECT 1"},
    BigQueryLoadOperator: {"source_uris": "gs://b/o", "destination_table": "d.t"},
    BigQueryExtractOperator: {"source_table": "d.t", "destination_uris": "gs://b/o"},
    BigQueryCopyOperator: {"source_tables": "d.s", "destination_table": "d.t"},
}
EVERY = pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)


def table(name: str, project: str = "p", dataset: str = "d") -> dict[str, str]:
    return {"projectId": project, "datasetId": dataset, "tableId": name}


def made(kind: Any, client: FakeClient | None = None, **options: Any) -> Any:
    return faked(kind(**{"task_id": "task", **GOOD[kind], **options}), client or FakeClient())


def request_of(kind: Any, with_context: Any = None, **options: Any) -> JobRequest:
    client = FakeClient(status())
    run(made(kind, client, **options), with_context)
    return client.requests[0]


def body_of(kind: Any, **options: Any) -> dict[str, Any]:
    body = dict(request_of(kind, **options).body)
    body.pop("labels")
    return body


class TestIdentity:
    """The derived id, its readable beginning, labels and place."""

    def test_the_id_names_the_work(self) -> None:
        request = request_of(BigQueryQueryOperator)
        assert re.fullmatch(r"airflow_dag_task_manual__2026-01-02T00_00_00_00_00_[0-9a-f]{20}", request.key)
        assert request.key == request_of(BigQueryQueryOperator, context(try_number=2)).key

    @pytest.mark.parametrize(
        ("changes", "options"),
        [({"max_tries": 2}, {}), ({"map_index": 3}, {}), ({}, {"sql": "SELECT 2"}), ({}, {"job_id": "mine"})],
    )
    def test_other_work_has_another_id(self, changes: dict[str, Any], options: dict[str, Any]) -> None:
        other = request_of(BigQueryQueryOperator, context(**changes), **options)
        assert other.key != request_of(BigQueryQueryOperator).key

    @pytest.mark.parametrize("dag_id", ["d" * 250, "täglich_日報_" * 30, "a.b-c d"])
    def test_any_dag_id_makes_an_id_that_bigquery_takes(self, dag_id: str) -> None:
        request = request_of(
            BigQueryQueryOperator, context(dag_id=dag_id, task_id="t" * 250, run_id="r" * 900)
        )
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,1021}", request.key)
        assert all(len(value) <= 63 for value in request.body["labels"].values())

    def test_ids_that_read_alike_differ(self) -> None:
        keys = {request_of(BigQueryQueryOperator, context(dag_id=dag_id)).key for dag_id in ("ä", "ö", "_")}
        assert len(keys) == 3

    def test_a_job_id_begins_the_id(self) -> None:
        assert request_of(BigQueryQueryOperator, job_id="mine").key.startswith("mine_")

    @pytest.mark.parametrize("job_id", ["a b", "a\n", "x" * 991, "x" * 1025])
    def test_what_is_no_job_id_is_refused(self, job_id: str) -> None:
        with pytest.raises(AirflowFailException, match="job_id"):
            request_of(BigQueryQueryOperator, job_id=job_id)

    @EVERY
    def test_labels_name_dag_task_and_run(self, kind: Any) -> None:
        labels = request_of(kind, context(dag_id="Team.Daily"), labels={"mine": "x"}).body["labels"]
        assert labels == {
            "airflow-dag": "team-daily",
            "airflow-task": "task",
            "airflow-run": "manual__2026-01-02t00-00-00-00-00",
            "mine": "x",
        }

    def test_the_own_place_goes_before_the_connections(self) -> None:
        client = FakeClient(status(), status())
        client.location = "EU"
        run(made(BigQueryQueryOperator, client))
        run(made(BigQueryQueryOperator, client, location="US"))
        assert [request.location for request in client.requests] == ["EU", "US"]

    def test_jobs_older_than_the_run_are_not_its(self) -> None:
        request = request_of(BigQueryQueryOperator, context(STARTED))
        assert request.not_before == STARTED.timestamp() - 10
        assert request_of(BigQueryQueryOperator).not_before == 0

    @EVERY
    def test_the_hook_gets_the_connection(self, kind: Any) -> None:
        task = made(kind, gcp_conn_id="c", project_id="", impersonation_chain="a")
        assert task.hook_args() == {"gcp_conn_id": "c", "project_id": None, "impersonation_chain": "a"}


class TestResults:
    """What the task hands on."""

    @pytest.mark.parametrize(("statement", "rows"), [("SELECT", 42), ("INSERT", 7), ("CREATE_TABLE", None)])
    def test_rows_are_counted_once(self, statement: str, rows: int | None) -> None:
        statistics = {"statement_type": statement, **({"row_count": 7} if statement == "INSERT" else {})}
        client = FakeClient(status(statistics=statistics))
        assert run(made(BigQueryQueryOperator, client)).get("row_count") == rows
        assert client.counted == ([REF] if statement == "SELECT" else [])

    def test_the_job_id_is_the_result_where_it_is_googles(self) -> None:
        with_context = context()
        assert run(made(BigQueryInsertJobOperator, FakeClient(status())), with_context) == "key_0"
        assert with_context["ti"].pushed["job"]["job_id"] == "key_0"

    def test_googles_parameters_are_accepted_and_named_once(self) -> None:
        unneeded = {
            "force_rerun": True,
            "reattach_states": {"RUNNING"},
            "result_retry": None,
            "result_timeout": 5.0,
            "durable": False,
        }
        with capture_logs() as logs:
            run(made(BigQueryInsertJobOperator, FakeClient(status()), **unneeded))
        (line,) = [each for each in logs if each["event"].startswith("not needed")]
        named = "force_rerun, reattach_states, result_timeout, durable"
        assert named in line["event"] or named in line["positional_args"]

    def test_listeners_find_what_google_has_where_google_has_it(self) -> None:
        configuration = {"query": {"query": "SELECT 1", "useLegacySql": False}}
        task = made(BigQueryInsertJobOperator, FakeClient(status()), configuration=configuration)
        assert (task.job_id, task.hook, task.sql) == (None, None, "SELECT 1")
        assert (task.force_rerun, task.reattach_states, task.result_retry) == (True, set(), None)
        assert (task.result_timeout, task.durable) == (None, None)
        run(task)
        assert task.job_id == "key_0"

    def test_the_hook_is_there_once_the_task_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        extra = {"project": "p", "access_token": "t", "api_endpoint": "http://127.0.0.1:9"}
        connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
        task = BigQueryInsertJobOperator(task_id="task", **GOOD[BigQueryInsertJobOperator])
        task.client()
        assert isinstance(task.hook, BigQueryHook)

    def test_other_jobs_have_no_sql(self) -> None:
        given: Any
        for given in ({"copy": {}}, "copy.json"):
            assert made(BigQueryInsertJobOperator, configuration=given).sql is None

    def test_a_job_that_is_submitted_anew_begins_its_id_as_before(self) -> None:
        cancelled = failed("stopped", state="cancelled")
        client = FakeClient((cancelled,), status())
        run(made(BigQueryInsertJobOperator, client, job_id="mine"))
        assert [each.key[:5] for each in client.requests] == ["mine_", "mine_"]


class TestFailures:
    """What goes wrong is an AirflowException, as those who run tasks expect, and ours besides."""

    def test_a_failure_that_may_be_retried(self) -> None:
        client = FakeClient(failed("backendError", retryable=True))
        with pytest.raises(JobFailed) as caught:
            run(made(BigQueryInsertJobOperator, client))
        assert isinstance(caught.value, AirflowException)
        assert not isinstance(caught.value, AirflowFailException)
        assert "backendError (query): it went wrong" in str(caught.value.status.problem or "")

    def test_googles_event_of_a_failure_fails_the_task(self) -> None:
        """Their trigger has waited, and says what came of it; no other job is made."""
        told = {"status": "error", "message": "the job is gone"}
        client = FakeClient()
        with pytest.raises(AirflowException, match="the trigger has failed: the job is gone"):
            made(BigQueryInsertJobOperator, client).execute_complete(context(), told)
        assert not client.requests


class TestTemplates:
    """What Airflow renders before the task runs."""

    @pytest.fixture
    def dag(self, tmp_path: Path) -> DAG:
        (tmp_path / "q.sql").write_text("SELECT '{{ ds }}'")
        (tmp_path / "c.json").write_text('{"query": {"query": "SELECT \'{{ ds }}\'"}}')
        (tmp_path / "s.json").write_text('[{"name": "a", "type": "STRING"}]')
        return DAG(
            "dag", schedule=None, start_date=STARTED, template_searchpath=str(tmp_path), default_args={}
        )

    def rendered(self, dag: DAG, kind: Any, **options: Any) -> Any:
        task = made(kind, dag=dag, **options)
        task.resolve_template_files()
        task.render_template_fields({"ds": "2026-01-02", "dag": dag}, task.get_template_env(dag))
        return task

    @EVERY
    def test_place_and_project_are_templates_everywhere(self, kind: Any) -> None:
        shared = {"project_id", "location", "gcp_conn_id", "impersonation_chain", "labels", "job_id"}
        assert shared <= set(kind.template_fields)
        task = made(kind)
        assert all(hasattr(task, name) for name in kind.template_fields)

    def test_sql_comes_from_a_file(self, dag: DAG) -> None:
        assert self.rendered(dag, BigQueryQueryOperator, sql="q.sql").sql == "SELECT '2026-01-02'"

    @pytest.mark.parametrize(
        "configuration",
        [
            "c.json",
            {"query": {"query": "q.sql"}},
            {"query": {"query": "SELECT '{{ ds }}'"}},
            '{"query": {"query": "SELECT \'{{ ds }}\'"}}',
        ],
    )
    def test_a_configuration_comes_from_files_too(self, dag: DAG, configuration: Any) -> None:
        task = self.rendered(dag, BigQueryInsertJobOperator, configuration=configuration)
        assert task.configuration_of("p") == {"query": {"query": "SELECT '2026-01-02'"}}

    def test_a_schema_comes_from_a_file(self, dag: DAG) -> None:
        task = self.rendered(dag, BigQueryLoadOperator, schema="s.json")
        assert task.configuration_of("p")["load"]["schema"] == {"fields": [{"name": "a", "type": "STRING"}]}

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            (BigQueryLoadOperator, {"source_uris": "gs://b/{{ ds }}.json"}),
            (BigQueryLoadOperator, {"source_uris": ["gs://b/{{ ds }}.json"]}),
            (BigQueryLoadOperator, {"destination_table": "logs.json"}),
            (
                BigQueryInsertJobOperator,
                {"configuration": {"load": {"sourceUris": ["gs://b/{{ ds }}.json"]}}},
            ),
            (
                BigQueryInsertJobOperator,
                {"configuration": {"extract": {"destinationUris": ["gs://b/o.json"]}}},
            ),
        ],
    )
    def test_an_object_in_a_bucket_is_no_template_file(
        self, dag: DAG, kind: Any, options: dict[str, Any]
    ) -> None:
        try:
            task = self.rendered(dag, kind, **options)
        except jinja2.TemplateNotFound as error:
            pytest.fail(f"looked for the file {error}")
        assert "{{" not in json.dumps(task.configuration_of("p"))

    @EVERY
    def test_reading_a_dag_asks_nobody(self, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection that does not exist is noticed when the task runs, not when the DAG is read."""
        monkeypatch.delenv("AIRFLOW_CONN_NO_SUCH", raising=False)
        with DAG("dag", schedule=None, start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) as dag:
            kind(task_id="t", gcp_conn_id="no_such", **GOOD[kind])
        assert dag.task_ids == ["t"]

    def test_tasks_can_be_mapped(self) -> None:
        with DAG("dag", schedule=None, start_date=STARTED):
            mapped = BigQueryQueryOperator.partial(task_id="t", gcp_conn_id="c").expand(sql=["a", "b"])
        task: Any = mapped.unmap({"sql": "b"})
        assert (task.sql, task.gcp_conn_id) == ("b", "c")
