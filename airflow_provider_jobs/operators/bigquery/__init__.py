"""BigQuery jobs: any configuration, query, load, extract, copy, upload.

Every operator here takes what :class:`.BigQueryJobOperator` and :class:`.JobOperator` take. What nearly every
DAG sets is a parameter; all other fields of the API go into ``options``, under the API's own names.
"""

from __future__ import annotations

from airflow_provider_jobs.operators.bigquery.copy import BigQueryCopyOperator
from airflow_provider_jobs.operators.bigquery.extract import BigQueryExtractOperator
from airflow_provider_jobs.operators.bigquery.job import BigQueryInsertJobOperator
from airflow_provider_jobs.operators.bigquery.load import BigQueryLoadOperator
from airflow_provider_jobs.operators.bigquery.query import BigQueryQueryOperator
from airflow_provider_jobs.operators.bigquery.upload import BigQueryUploadOperator

__all__ = [
    "BigQueryCopyOperator",
    "BigQueryExtractOperator",
    "BigQueryInsertJobOperator",
    "BigQueryLoadOperator",
    "BigQueryQueryOperator",
    "BigQueryUploadOperator",
]
