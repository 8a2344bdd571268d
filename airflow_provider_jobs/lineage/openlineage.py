"""OpenLineage's own words for a trace: datasets, facets, events of statements.

Source: https://openlineage.io/docs/spec/facets. Only where Airflow's provider of OpenLineage asks is anything
of it imported.
"""

from __future__ import annotations

import datetime as dt
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.lineage.datasets import BIGQUERY, FILE, bigquery_table, is_result, is_temporary
from airflow_provider_jobs.words import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_jobs.lineage.datasets import Column, Dataset
    from airflow_provider_jobs.lineage.traces import Statement, Trace

#: What a process has imported in which OpenLineage, or a plugin that builds on it, asks for lineage.
_ASKS = "airflow.providers.openlineage.extractors"


def is_asked() -> bool:
    """Return True if a plugin asks the tasks of this process for lineage."""
    return _ASKS in sys.modules and compat.hears_success()


def operator_lineage(trace: Trace) -> OperatorLineage:
    """Return a trace as an extractor of OpenLineage returns it, without tables that nobody else sees."""
    from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - only where it is

    return OperatorLineage(
        inputs=[input_dataset(each) for each in trace.inputs if not is_temporary(each)],
        outputs=[output_dataset(each) for each in trace.outputs if not is_temporary(each)],
        run_facets=_run_facets(trace),
        job_facets=_job_facets(trace),
    )


def tables_of_sql(sql: str, project: str, dataset: str | None) -> tuple[list[Dataset], list[Dataset]]:
    """Return the tables that SQL of BigQuery reads and writes, as far as OpenLineage's parser sees that.

    :param project: Of tables that are named without one.
    :param dataset: The same, of tables that are named without a dataset.
    """
    from airflow.providers.openlineage.sqlparser import SQLParser  # noqa: PLC0415 - as above

    found = SQLParser("bigquery", default_schema=dataset).parse(SQLParser.split_sql_string(sql))
    inputs, outputs = (
        [
            bigquery_table(f"{each.database or project}.{each.schema}.{each.name}")
            for each in tables
            if each.schema
        ]
        for tables in ((found.in_tables, found.out_tables) if found else ((), ()))
    )
    return inputs, outputs


def _run_facets(trace: Trace) -> dict[str, Any]:
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    found: dict[str, Any] = {}
    if trace.job:
        job_id, service = trace.job
        found["externalQuery"] = facet.ExternalQueryRunFacet(externalQueryId=job_id, source=service)
    return {**found, **_bigquery_facet(trace.bigquery_job)}


def _bigquery_facet(job: Mapping[str, Any]) -> dict[str, Any]:
    return {"bigQueryJob": _bigquery_facet_class()(**job)} if job else {}


def _job_facets(trace: Trace) -> dict[str, Any]:
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above
    from airflow.providers.openlineage.sqlparser import SQLParser  # noqa: PLC0415 - as above

    return {"sql": facet.SQLJobFacet(query=SQLParser.normalize_sql(masked(trace.sql)))} if trace.sql else {}


def plain_dataset(dataset: Dataset) -> Any:
    """Return a dataset by its name alone."""
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    return facet.Dataset(namespace=dataset.namespace, name=dataset.name)


def input_dataset(dataset: Dataset) -> Any:
    """Return a dataset that was read."""
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    numbers = _numbers(dataset)
    statistics: dict[str, Any] = {}
    if numbers:
        from openlineage.client.generated import input_statistics_input_dataset as kind  # noqa: PLC0415 - as above

        statistics["inputStatistics"] = kind.InputStatisticsInputDatasetFacet(**numbers)
    return facet.InputDataset(
        namespace=dataset.namespace,
        name=dataset.name,
        facets=_dataset_facets(dataset),
        inputFacets=statistics,
    )


def output_dataset(dataset: Dataset) -> Any:
    """Return a dataset that was written."""
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    numbers = _numbers(dataset)
    statistics = {"outputStatistics": facet.OutputStatisticsOutputDatasetFacet(**numbers)} if numbers else {}
    return facet.OutputDataset(
        namespace=dataset.namespace,
        name=dataset.name,
        facets={**_dataset_facets(dataset), **_column_lineage(dataset)},
        outputFacets=statistics,
    )


def _numbers(dataset: Dataset) -> dict[str, int]:
    numbers = {"rowCount": dataset.row_count, "size": dataset.size_bytes, "fileCount": dataset.file_count}
    return {name: count for name, count in numbers.items() if count is not None}


def _dataset_facets(dataset: Dataset) -> dict[str, Any]:
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    found: dict[str, Any] = {}
    if dataset.columns:
        found["schema"] = facet.SchemaDatasetFacet(fields=_schema(dataset.columns))
    if dataset.description:
        found["documentation"] = facet.DocumentationDatasetFacet(description=dataset.description)
    if dataset.patterns:
        identifiers = [
            facet.Identifier(namespace=namespace, name=name, type="table" if namespace == BIGQUERY else FILE)
            for namespace, name in dataset.patterns
        ]
        found["symlinks"] = facet.SymlinksDatasetFacet(identifiers=identifiers)
    if dataset.version:
        from openlineage.client.generated import dataset_version_dataset as kind  # noqa: PLC0415 - as above

        found["version"] = kind.DatasetVersionDatasetFacet(datasetVersion=dataset.version)
    return found


def _schema(columns: Sequence[Column]) -> list[Any]:
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    return [
        facet.SchemaDatasetFacetFields(
            name=each.name,
            type=each.type,
            description=each.description,
            **({"fields": _schema(each.fields)} if each.fields else {}),
        )
        for each in columns
    ]


def _column_lineage(dataset: Dataset) -> dict[str, Any]:
    if not dataset.sources:
        return {}
    from airflow.providers.common.compat.openlineage import facet  # noqa: PLC0415 - as above

    how = ("IDENTITY", "identical") if dataset.identical else ("", "")
    fields = {
        name: facet.Fields(
            inputFields=[facet.InputField(*each) for each in sources],
            transformationType=how[0],
            transformationDescription=how[1],
        )
        for name, sources in dataset.sources.items()
    }
    return {"columnLineage": facet.ColumnLineageDatasetFacet(fields=fields)}


@cache
def _bigquery_facet_class() -> Any:
    """Return the run facet ``bigQueryJob``: its fields are those of Google's provider, whose name it has."""
    from attr import define, field  # noqa: PLC0415 - as above
    from openlineage.client.generated.base import RunFacet  # noqa: PLC0415 - as above

    @define
    class BigQueryJobRunFacet(RunFacet):  # type: ignore[misc, unused-ignore]  # its library may be missing
        cached: bool
        billedBytes: int | None = field(default=None)  # noqa: N815 - Google's name
        properties: str | None = field(default=None)

    return BigQueryJobRunFacet


def emit_statements(task_instance: Any, statements: Sequence[Statement]) -> None:
    """Emit an event for each statement of a script, as the task's children.

    Where the provider of OpenLineage is too old for that (before 2.16), nothing is emitted.
    """
    try:
        from airflow.providers.openlineage.api.sql import emit_query_lineage  # noqa: PLC0415 - as above
    except ImportError:
        return
    for number, each in enumerate(statements, 1):
        times = each.times if None not in each.times else (None, None)
        start, end = (None if at is None else dt.datetime.fromtimestamp(at, dt.UTC) for at in times)
        emit_query_lineage(
            query_id=each.trace.job[0] if each.trace.job else None,
            query_source_namespace=BIGQUERY,
            query_text=None,  # it would be parsed: BigQuery itself says what was read and written
            inputs=[input_dataset(found) for found in each.trace.inputs],
            outputs=[output_dataset(found) for found in each.trace.outputs if not is_result(found)],
            start_time=start,
            end_time=end,
            is_successful=each.error is None,
            error_message=each.error,
            task_instance=task_instance,
            job_name=f"{task_instance.dag_id}.{task_instance.task_id}.query.{number}",
            additional_run_facets=_bigquery_facet(each.trace.bigquery_job),
            additional_job_facets=_job_facets(each.trace),
        )
