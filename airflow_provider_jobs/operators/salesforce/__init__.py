"""Salesforce Bulk API 2.0: records read by queries, and records written."""

from __future__ import annotations

from airflow_provider_jobs.operators.salesforce.ingest import SalesforceIngestOperator
from airflow_provider_jobs.operators.salesforce.query import SalesforceQueryOperator

__all__ = ["SalesforceIngestOperator", "SalesforceQueryOperator"]
