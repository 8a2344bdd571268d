"""What all BigQuery operators share, and the one that takes any configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.bigquery import flow
from airflow_provider_jobs.clients.bigquery.configuration import (
    complete_query,
    file_format,
    job_type,
    json_object,
)
from airflow_provider_jobs.clients.bigquery.fields import typed
from airflow_provider_jobs.clients.bigquery.names import MOST_LABELS, check_job_id, check_labels, label
from airflow_provider_jobs.clients.bigquery.submit import TRY_LABEL, find_job
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.several import MOST_LISTED, Several
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import ConfigurationError, OutageError
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.lineage import traces
from airflow_provider_jobs.lineage.traces import Trace
from airflow_provider_jobs.links.bigquery import BigQueryJobLink, BigQueryTableLink
from airflow_provider_jobs.operators.attempts import run_started_at, work_digest, work_digest_before
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.bigquery.google_parameters import GoogleParameters, SqlOfQuery
from airflow_provider_jobs.operators.bigquery.lineage import whole_trace
from airflow_provider_jobs.operators.endings import nice_to_know
from airflow_provider_jobs.operators.task import ServiceTask, start_args, why_on_worker

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.providers.common.compat.sdk import BaseOperatorLink
    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.hooks.base import JobsHook
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.lineage.datasets import Dataset

#: What is told of several jobs together.
BIGQUERY_JOBS = Several(
    title="BigQuery jobs",
    shared=("project_id", "location", "destination_table"),
    summed=("row_count", "bad_record_count", "input_file_count", "input_bytes", "output_bytes", "slot_ms"),
    listed=("bad_records",),
)
#: ``project.dataset.table``, ``dataset.table`` in the connection's project, a lakehouse's
#: ``project.catalog.namespace.table``, or the API's TableReference.
Table = str | Mapping[str, str]
#: Labels that were not given: None switches the automatic ones off.
_NO_LABELS: Mapping[str, str] = {}
#: Stands for the project of tables that name none, where the connection is not looked up.
_NO_PROJECT = "of-the-connection"
#: Characters of a job id's beginning; the digest and a number follow, 1,024 in all at most.
_PREFIX_LENGTH = 990


class BigQueryTask(ServiceTask):
    """What operators and sensors share.

    :param project_id: The project that runs and pays for the jobs; default is the connection's.
    :param gcp_conn_id: A connection of type ``bigquery_jobs`` or ``google_cloud_platform``.
    :param impersonation_chain: The service account to act as, or a chain of accounts that ends with it.
    """

    service = "bigquery"
    hook_class: ClassVar[type[JobsHook[Any]]] = BigQueryHook
    together = BIGQUERY_JOBS
    template_fields: Sequence[str] = ("project_id", "gcp_conn_id", "impersonation_chain")

    def __init__(
        self,
        *,
        project_id: str | None = None,
        gcp_conn_id: str = BigQueryHook.default_conn_name,
        impersonation_chain: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project_id = project_id
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        #: The hook, once the task runs: listeners look for it.
        self.hook: JobsHook[Any] | None = None

    def client(self) -> Any:
        """Return the service's client."""
        self.hook = self.hook_class(**self.hook_args())
        return self.hook.get_conn()

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook."""
        return {
            **super().hook_args(),
            "project_id": self.project_id or None,
            "impersonation_chain": self.impersonation_chain or None,
        }

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what a result says about a job: where it is, its state, and the numbers that people use."""
        ref = status.ref
        return {
            **({} if ref.id else {"dry_run": True}),
            "project_id": ref.scope,
            "location": ref.location,
            "job_id": ref.id or None,
            "state": status.state,
            **_first_entries(status.statistics),
            "url": status.url,
        }


class BigQueryJobOperator(BigQueryTask, JobOperator):
    """What all BigQuery operators share; see :class:`.JobOperator` for how they wait.

    The result is a dict: ``job_id``, ``project_id``, ``location``, ``state``, ``url`` and, where the job has
    them, ``bytes_processed``, ``bytes_billed``, ``slot_ms``, ``cache_hit``, ``row_count``, ``input_bytes``,
    ``output_bytes``, ``destination_table``, ``statement_type`` and others of BigQuery's statistics.

    :param location: The region to run in; BigQuery chooses by the tables if neither this nor the connection
        names one.
    :param labels: Labels of the job, besides those for dag, task and run; None leaves these out.
    :param automatic_labels: Label the job with dag, task, run and attempt, as far as 64 labels allow.
    :param job_id: How the job's id begins; default names dag, task and run.
    :param from_trigger: Begin, wait and end in the triggerer, without any worker, where that can be; then it
        is ``deferrable`` too. Airflow 3.3 or newer, not mapped.
    """

    template_fields = (*BigQueryTask.template_fields, "location", "labels", "job_id")
    file_fields: ClassVar[tuple[str, ...] | None] = ()
    #: False if a worker has to submit the job.
    can_begin_in_trigger: ClassVar[bool] = True
    operator_extra_links: Collection[BaseOperatorLink] = (BigQueryJobLink(), BigQueryTableLink())
    found_without_store = True
    ui_color = "#4285f4"

    def __init__(
        self,
        *,
        location: str | None = None,
        labels: Mapping[str, str] | None = _NO_LABELS,
        automatic_labels: bool = True,
        job_id: str | None = None,
        from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if from_trigger and not (self.wait and self.can_begin_in_trigger):
            raise ValueError(
                "from_trigger clashes with wait=False"
                if self.can_begin_in_trigger
                else "from_trigger is not for this operator: a worker has to send or to read something"
            )
        self.location = location
        self.labels = labels
        self.automatic_labels = automatic_labels
        self.job_id = job_id
        #: As the DAG has given it, once the task runs: ``job_id`` is the job's own from then on.
        self._given_job_id: str | None = None
        self.start_from_trigger = from_trigger
        self._why_on_worker: str | None = None
        self.deferrable = self.deferrable or from_trigger

    def resolve_template_files(self) -> None:
        """Read the files that file fields name, and say how the task begins without a worker if it may."""
        super().resolve_template_files()
        if self.start_from_trigger:
            self._why_on_worker = why_on_worker(self)  # of what the DAG has given: once rendered, it is gone
            self.start_trigger_args = start_args(self)

    def remarks(self) -> list[str]:
        """Return what the log is to say before anything is done."""
        mapped = self.start_from_trigger and getattr(self, "_BaseOperator__from_mapped", False)
        reason = "it is mapped" if mapped else self._why_on_worker
        return [f"not from the trigger: {reason}"] if reason else []

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return the type of a job, and its SQL or the configuration of that type."""
        kind = job_type(body)
        text = body[kind].get("query")
        return kind, text if isinstance(text, str) else super().work_of(body[kind])[1]

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the job's configuration, checked.

        :param project: The project of tables that name none.
        :raises ConfigurationError: parameters are wrong or clash.
        """
        raise NotImplementedError

    def request(self, client: BigQueryClient, context: Context) -> JobRequest:
        """Return the work to submit, its id derived from what it is."""
        return self.request_of(client, context, self.configuration_of(client.table_project))

    def request_of(
        self, client: BigQueryClient, context: Context, configuration: Mapping[str, Any]
    ) -> JobRequest:
        """Return a configuration as work of this task, its id derived from it."""
        configuration = complete_query(configuration)
        ti = context["ti"]
        readable = re.sub(r"[^A-Za-z0-9_-]", "_", f"airflow_{ti.dag_id}_{ti.task_id}_{ti.run_id}")
        prefix = check_job_id(self._prefix() or readable[:_PREFIX_LENGTH])
        if len(prefix) > _PREFIX_LENGTH:
            raise ConfigurationError(f"job_id is longer than {_PREFIX_LENGTH} characters: it gets a suffix")
        first = self.is_first(context)
        goes_on = not first and self._since == 1
        before = f"{prefix}_{work_digest_before(context, configuration)}" if goes_on else None
        return JobRequest(
            scope=client.project,
            key=f"{prefix}_{work_digest(context, configuration, self._since)}",
            body=typed({**configuration, "labels": self._labels(ti, configuration)}),
            location=self.location or client.location,
            not_before=run_started_at(context),
            try_number=ti.try_number,
            first=first,
            key_before=before,
        )

    def named_by(self, client: BigQueryClient, event: dict[str, Any]) -> list[JobStatus]:
        """Return the job that Google's trigger of the same operator names, if it can be found.

        :raises OutageError: that trigger says that it has failed, and names none.
        """
        job_id = event.get("job_id")
        if not isinstance(job_id, str):
            if event.get("status") == "error":
                raise OutageError(f"the trigger has failed: {event.get('message')}")
            return []
        found = find_job(client, check_job_id(job_id), self.location or client.location)
        if found is None:
            self.log.warning("the job %s, which the event names, is not there", job_id)
        return [found] if found else []

    def completed(
        self, client: BigQueryClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses, those of a SELECT with the number of its rows if BigQuery tells it."""
        return [_counted(client, status) for status in statuses]

    def _remember(
        self, context: Context, statuses: Sequence[JobStatus], more: dict[str, Any] | None = None
    ) -> None:
        """Push the XComs of jobs, and let listeners find their ids."""
        self._prefix()
        self.job_id = several.joined_ids([status.ref for status in statuses]) or self.job_id
        super()._remember(context, statuses, more)

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose jobs have succeeded."""
        return super().xcoms(client, [_counted(client, status) for status in statuses], carried)

    def _prefix(self) -> str:
        """Return how the ids of this task's jobs begin, as the DAG says; empty if it does not."""
        if self._given_job_id is None:
            self._given_job_id = self.job_id or ""
        return self._given_job_id

    def sent_files(self) -> list[Dataset]:
        """Return the files that are sent along with the job."""
        return []

    def planned(self) -> Trace:
        """Return what the parameters say of tables, if they name their project, and of files."""
        configuration = self.configuration_of(_NO_PROJECT)
        reads, writes = traces.planned(flow.of_configuration(configuration))
        inputs, outputs = (
            tuple(each for each in found if not each.name.startswith(f"{_NO_PROJECT}."))
            for found in ((*self.sent_files(), *reads), writes)
        )
        return Trace(inputs, outputs, sql=_sql(configuration))

    def traced(self, client: BigQueryClient, statuses: Sequence[JobStatus]) -> Trace:
        """Return what the jobs say of tables and files; a dry run touches none."""
        sql = _sql(self.configuration_of(client.table_project))
        job_id = several.joined_ids([status.ref for status in statuses])
        if not job_id:
            return Trace(sql=sql)
        return traces.of_bigquery(statuses, sql=sql, job_id=job_id, sent=self.sent_files())

    def told_more(self, client: BigQueryClient, statuses: Sequence[JobStatus], trace: Trace) -> Trace:
        """Return the trace with columns, where they come from, and the statements of a script."""
        if not trace.job:
            return trace
        return whole_trace(client, statuses[0], trace, self.configuration_of(client.table_project))

    def check_csv_only(self, format_parameter: str, *parameters: str) -> None:
        """Refuse parameters that only CSV has.

        :raises ConfigurationError: one is given with another format.
        """
        found = file_format(getattr(self, format_parameter), format_parameter)
        for name in parameters:
            if found != "CSV" and getattr(self, name) is not None:
                raise ConfigurationError(f"{name} clashes with {format_parameter} {found}: it is for CSV")

    def _labels(self, ti: Any, configuration: Mapping[str, Any]) -> dict[str, str]:
        """Return the labels that are given, and of the automatic ones as many as there is room for."""
        given = {"configuration.labels": configuration.get("labels", {}), "labels": self.labels}
        own: dict[str, str] = {}
        for parameter, labels in given.items():
            own |= check_labels(labels, parameter)
        if len(own) > MOST_LABELS:
            raise ConfigurationError(f"labels are {len(own)} in all: BigQuery takes {MOST_LABELS} of a job")
        if not self.automatic_labels or None in given.values():
            return own
        # The attempt first: by it an attempt that wakes late knows the job of a later one.
        texts = {TRY_LABEL: str(ti.try_number)} if ti.try_number > 1 else {}
        texts |= {"airflow-dag": ti.dag_id, "airflow-task": ti.task_id, "airflow-run": ti.run_id}
        automatic = [(name, label(text)) for name, text in texts.items() if name not in own]
        return {**dict(automatic[: MOST_LABELS - len(own)]), **own}


class BigQueryInsertJobOperator(GoogleParameters, BigQueryJobOperator):
    """Run a job of any configuration; takes over from Google's operator of the same name.

    The result is the job's id, as that operator's is; the dict is the XCom ``job``.

    :param configuration: As the API's JobConfiguration; also a .json file or JSON text. SQL in it may be a
        .sql file. GoogleSQL unless it says ``useLegacySql``.
    """

    template_fields = ("configuration", *BigQueryJobOperator.template_fields)
    template_ext: Sequence[str] = (".json", ".sql")
    file_fields = ("configuration",)
    json_fields = ("configuration",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "configuration": "json",
        "configuration.query.query": "sql",
    }
    sql = SqlOfQuery()

    def __init__(self, *, configuration: Mapping[str, Any] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration

    def files(self) -> list[Any]:
        """Return the values that may name a file: the configuration itself, and the SQL in it."""
        query = self.configuration.get("query") if isinstance(self.configuration, dict) else None
        return [self.configuration, query.get("query") if isinstance(query, dict) else None]

    def render_template(
        self, content: Any, context: Context, jinja_env: Any = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render a value; names in a mapping are templates too, whatever form the configuration has."""
        if not isinstance(content, dict) or id(content) in (seen_oids or ()):
            return super().render_template(content, context, jinja_env, seen_oids)
        return {
            self.render_template(name, context, jinja_env, seen_oids): self.render_template(
                value, context, jinja_env, seen_oids
            )
            for name, value in content.items()
        }

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration."""
        given = self.configuration
        if isinstance(given, str):
            return json_object(given, "configuration")
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"configuration is a {type(given).__name__}: a mapping is needed")
        return dict(given)

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose job has succeeded, its result the job's id."""
        return {**super().xcoms(client, statuses, carried), "return_value": statuses[0].ref.id}

    def result(self, statuses: Sequence[JobStatus]) -> Any:
        """Return the job's id; of a dry run, which has none, the summary."""
        return statuses[0].ref.id or self.summary_of(statuses)


def _sql(configuration: Mapping[str, Any]) -> str | None:
    sql = (configuration.get("query") or {}).get("query")
    return sql if isinstance(sql, str) else None


def _first_entries(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return statistics with the first entries of each list, which may be as long as what the DAG gave."""
    counts = statistics.get("output_file_counts")
    total = {"output_file_count": sum(counts)} if counts else {}
    cut = {name: each[:MOST_LISTED] if isinstance(each, list) else each for name, each in statistics.items()}
    return {**total, **cut}


def _counted(client: BigQueryClient, status: JobStatus) -> JobStatus:
    if status.statistics.get("statement_type") != "SELECT" or not status.ref.id:
        return status
    rows = nice_to_know(f"the row count of {status.ref}", lambda: client.row_count(status.ref), None)
    return status if rows is None else replace(status, statistics={**status.statistics, "row_count": rows})
