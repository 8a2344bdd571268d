"""DAGs of the tests, which copy this file to Airflow's DAGs folder: the run's conf becomes XComs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from tests.integration.probes import probe
from tests.kinds import PUBLIC

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def conf(name: str) -> Any:
    """Return the output of a task that returns what the run's conf has under a name."""

    @task(task_id=name)
    def read(**context: Any) -> Any:
        return context["dag_run"].conf[name]

    return read()


def gathered_from(name: str) -> Any:
    """Return the output of a mapped task: what the run's conf has under a name, each value by itself."""

    @task(task_id=f"{name}_each")
    def same(each: Any) -> Any:
        return each

    return same.expand(each=conf(name))


with DAG("services", schedule=None, start_date=START) as services:
    upload: Any = BigQueryUploadOperator
    upload.partial(
        task_id="load",
        destination_table="names.rows",
        source_format="NEWLINE_DELIMITED_JSON",
        autodetect=True,
    ).expand(source=conf("sources"))
    upload.partial(task_id="load_arguments", autodetect=True).expand_kwargs(conf("loads"))
    ingest: Any = SalesforceIngestOperator
    query: Any = SalesforceQueryOperator
    ingest.partial(task_id="ingest", operation="insert", object_name="Account", poll_interval=0.2).expand(
        source=conf("accounts")
    ) >> query.partial(task_id="query", poll_interval=0.2).expand_kwargs(conf("queries"))
    RedivisUploadOperator.partial(task_id="send", poll_interval=0.2).expand_kwargs(conf("files"))

with DAG("fields", schedule=None, start_date=START) as fields:
    for kind in PUBLIC:
        made, name = probe(kind), kind.__name__
        given, (first, *others) = conf(name), made.template_fields
        pulled = {
            each: f"{{{{ ti.xcom_pull(task_ids='{name}')[0]['{each}'] }}}}" for each in made.template_fields
        }
        made.partial(task_id=f"{name}.arguments").expand_kwargs(given)
        made.partial(task_id=f"{name}.mapped", **{each: pulled[each] for each in others}).expand(
            **{first: given.map(lambda each, name=first: each[name])}
        )

with DAG("gathered", schedule=None, start_date=START) as gathered:
    files, words = gathered_from("files"), gathered_from("words")
    tables = gathered_from("tables")
    load = BigQueryUploadOperator(
        task_id="load",
        source=files.concat(gathered_from("more")),
        destination_table="names.gathered",
        schema=gathered_from("schema"),
    )
    load >> BigQueryCopyOperator(task_id="copy", source_tables=tables, destination_table="names.copied")
    BigQueryQueryOperator(
        task_id="query",
        sql="SELECT ARRAY_TO_STRING(@words, '') AS words, ARRAY_LENGTH(@files) AS files",
        parameters={"words": words.map(str.upper), "files": files},
        destination_table="names.told",
    )
    SalesforceIngestOperator(
        task_id="ingest",
        source=gathered_from("accounts"),
        operation="insert",
        object_name="Account",
        poll_interval=0.2,
    )
    RedivisUploadOperator(
        task_id="send",
        source=files.zip(gathered_from("more_again")),
        table="{{ dag_run.conf['table'] }}",
        null_markers=words,
        poll_interval=0.2,
    )
