"""The same jobs by this package's operator; a file of its own, since a worker reads the whole file."""

# Airflow looks for DAGs in files that have the word.
from lengths import BUILDS, SQL, make  # type: ignore[import-not-found] # beside this file

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator

for build in set(BUILDS) - {"google"}:
    begins = {"from_trigger": True} if build == "from_trigger" else {}
    make(build, BigQueryQueryOperator, {"sql": SQL, "deferrable": True, **begins}, inline_wait=0)
