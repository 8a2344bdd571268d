"""What Airflow asks of a provider, as plain data: nothing but data is imported to answer."""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.connection_forms import BIGQUERY, REDIVIS, SALESFORCE

_OPTIONS: dict[str, Any] = {
    "deployment_key": {
        "description": (
            "Goes into the ids of BigQuery jobs, so that two Airflows whose DAGs, tasks and "
            "runs have the same names share no job in one project. Give all workers and "
            "triggerers of an Airflow the same. Default is a hash of [api] base_url: set it "
            "if that is not set, or is the same in both."
        ),
        "version_added": "0.1.0",
        "type": "string",
        "example": "production-eu",
        "default": "",
    },
    "bigquery_price_per_tib": {
        "description": (
            "What a TiB that BigQuery bills costs you. If it is set, the page with all jobs "
            "shows prices; the API server reads it."
        ),
        "version_added": "0.1.0",
        "type": "string",
        "example": "6.25",
        "default": "",
    },
    "bigquery_price_currency": {
        "description": "The currency of bigquery_price_per_tib, as ISO 4217 has it.",
        "version_added": "0.1.0",
        "type": "string",
        "example": "EUR",
        "default": "USD",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata.

    Source: https://airflow.apache.org/docs/apache-airflow-providers/howto/create-custom-providers.html
    """
    return {
        "package-name": "airflow-provider-jobs",
        "name": "Jobs",
        "description": "BigQuery, Salesforce Bulk API 2.0 and Redivis jobs.",
        "connection-types": [BIGQUERY, REDIVIS, SALESFORCE],
        "config": {
            "airflow_provider_jobs": {
                "description": "What tells this Airflow's jobs from those of others, and what they cost.",
                "options": _OPTIONS,
            },
        },
        "asset-uris": [
            {
                "schemes": [scheme],
                "handler": f"airflow_provider_jobs.lineage.assets.check_{scheme}",
                "factory": f"airflow_provider_jobs.lineage.assets.create_{scheme}",
                "to_openlineage_converter": "airflow_provider_jobs.lineage.assets.to_openlineage",
            }
            for scheme in ("bigquery", "gs", "redivis", "salesforce")
        ],
        "cli": ["airflow_provider_jobs.commands.definitions.get_commands"],
        "extra-links": [
            "airflow_provider_jobs.links.bigquery.BigQueryJobLink",
            "airflow_provider_jobs.links.bigquery.BigQueryTableLink",
            "airflow_provider_jobs.links.redivis.RedivisDatasetLink",
            "airflow_provider_jobs.links.redivis.RedivisTableLink",
            "airflow_provider_jobs.links.redivis.RedivisUploadLink",
            "airflow_provider_jobs.links.salesforce.SalesforceJobLink",
            "airflow_provider_jobs.links.transfers.TransferJobLink",
        ],
    }
