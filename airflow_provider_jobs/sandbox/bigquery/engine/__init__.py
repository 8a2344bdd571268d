"""What executes BigQuery jobs, behind one door: the HTTP side imports from here and nothing deeper.

``engine`` is the door, ``outcomes`` what passes through it. Shared by all jobs: ``store`` (the DuckDB file),
``catalog`` (datasets and tables) with ``resources`` (tables.insert) and ``names``, ``types`` and ``encoding``
(BigQuery's values and DuckDB's), ``destination`` (how a job's rows become a table). Query jobs are in
``sql``, load and extract jobs in ``files``, copy jobs in ``copy``.
"""

from airflow_provider_jobs.sandbox.bigquery.engine.engine import Engine
from airflow_provider_jobs.sandbox.bigquery.engine.files.storage import Storage
from airflow_provider_jobs.sandbox.bigquery.engine.names import check_project
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import (
    ApiError,
    ChildJob,
    JobProblem,
    Outcome,
    RunningJob,
    error_entry,
)

__all__ = [
    "ApiError",
    "ChildJob",
    "Engine",
    "JobProblem",
    "Outcome",
    "RunningJob",
    "Storage",
    "check_project",
    "error_entry",
]
