"""BigQuery jobs: any configuration, query, load, extract, copy, upload; checks, and rows.

Every operator here takes what :class:`.BigQueryJobOperator` and :class:`.JobOperator` take. What nearly every
DAG sets is a parameter; all other fields of the API go into ``options``, under the API's own names.
"""

from __future__ import annotations

from airflow_provider_jobs.operators.bigquery.checks import (
    BigQueryCheckOperator,
    BigQueryIntervalCheckOperator,
    BigQueryValueCheckOperator,
)
from airflow_provider_jobs.operators.bigquery.copy import BigQueryCopyOperator
from airflow_provider_jobs.operators.bigquery.extract import BigQueryExtractOperator
from airflow_provider_jobs.operators.bigquery.job import BigQueryInsertJobOperator
from airflow_provider_jobs.operators.bigquery.load import BigQueryLoadOperator
from airflow_provider_jobs.operators.bigquery.query import BigQueryQueryOperator
from airflow_provider_jobs.operators.bigquery.rows import BigQueryGetDataOperator
from airflow_provider_jobs.operators.bigquery.table_checks import (
    BigQueryColumnCheckOperator,
    BigQueryTableCheckOperator,
)
from airflow_provider_jobs.operators.bigquery.upload import BigQueryUploadOperator

__all__ = [
    "BigQueryCheckOperator",
    "BigQueryColumnCheckOperator",
    "BigQueryCopyOperator",
    "BigQueryExtractOperator",
    "BigQueryGetDataOperator",
    "BigQueryInsertJobOperator",
    "BigQueryIntervalCheckOperator",
    "BigQueryLoadOperator",
    "BigQueryQueryOperator",
    "BigQueryTableCheckOperator",
    "BigQueryUploadOperator",
    "BigQueryValueCheckOperator",
]
