"""The same jobs by Google's operator."""

# Airflow looks for DAGs in files that have the word.
from lengths import BUILDS, SQL, make  # type: ignore[import-not-found] # beside this file

if "google" in BUILDS:
    from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

    query = {"query": {"query": SQL, "useLegacySql": False}}
    make("google", BigQueryInsertJobOperator, {"configuration": query, "location": "US", "deferrable": True})
