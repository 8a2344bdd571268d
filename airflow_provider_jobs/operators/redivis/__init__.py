"""Redivis uploads and releases.

What nearly every DAG sets is a parameter; all other fields of the API's Upload go into ``options``, under the
API's own names.
"""

from __future__ import annotations

from airflow_provider_jobs.operators.redivis.release import RedivisReleaseOperator
from airflow_provider_jobs.operators.redivis.upload import RedivisUploadOperator

__all__ = ["RedivisReleaseOperator", "RedivisUploadOperator"]
