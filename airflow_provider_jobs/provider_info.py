"""What Airflow asks of a provider, as plain data: nothing is imported to answer."""

from __future__ import annotations

from typing import Any

_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_SECRET: dict[str, Any] = {"type": ["string", "null"], "format": "password"}

_BIGQUERY: dict[str, Any] = {
    "connection-type": "bigquery_jobs",
    "hook-class-name": "airflow_provider_jobs.hooks.bigquery.BigQueryHook",
    "hook-name": "BigQuery jobs",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "login", "password", "port"],
        "relabeling": {},
        "placeholders": {"project": "my-project", "location": "EU"},
    },
    "conn-fields": {
        "project": {"label": "Project", "schema": _TEXT},
        "location": {"label": "Location", "schema": _TEXT},
        "key_path": {"label": "Key file path", "schema": _TEXT},
        "keyfile_dict": {"label": "Key JSON", "schema": _SECRET},
        "credential_config_file": {
            "label": "Credential configuration, path or JSON (workload identity)",
            "schema": _SECRET,
        },
        "access_token": {"label": "Access token", "schema": _SECRET},
        "impersonation_chain": {"label": "Impersonation chain", "schema": _TEXT},
        "quota_project_id": {"label": "Quota project", "schema": _TEXT},
        "scope": {"label": "Scopes, comma-separated", "schema": _TEXT},
        "api_endpoint": {"label": "API endpoint", "schema": _TEXT},
        "iam_endpoint": {"label": "IAM credentials endpoint", "schema": _TEXT},
        "universe_domain": {"label": "Domain of a sovereign cloud, else googleapis.com", "schema": _TEXT},
    },
}

_REDIVIS: dict[str, Any] = {
    "connection-type": "redivis",
    "hook-class-name": "airflow_provider_jobs.hooks.redivis.RedivisHook",
    "hook-name": "Redivis",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "login", "port"],
        "relabeling": {"password": "API token", "host": "Endpoint"},
        "placeholders": {"host": "https://redivis.com/api/v1"},
    },
    "conn-fields": {
        "storage_token": {
            "label": "Send the token to storage on other hosts",
            "schema": {"type": ["boolean", "null"]},
        },
    },
}

_SALESFORCE: dict[str, Any] = {
    "connection-type": "salesforce_bulk",
    "hook-class-name": "airflow_provider_jobs.hooks.salesforce.SalesforceHook",
    "hook-name": "Salesforce Bulk API 2.0",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "port"],
        "relabeling": {"login": "Username"},
        "placeholders": {
            "domain": "acme.my",
            "instance_url": "https://acme.my.salesforce.com",
            "version": "59.0",
            "api_usage_limit": "0.8",
            "proxies": "https://proxy.example.com:3128",
        },
    },
    "conn-fields": {
        "domain": {"label": "My Domain, or login, or test", "schema": _TEXT},
        "consumer_key": {"label": "Consumer key", "schema": _SECRET},
        "consumer_secret": {"label": "Consumer secret", "schema": _SECRET},
        "private_key": {"label": "Private key, PEM", "schema": _SECRET},
        "private_key_file_path": {"label": "Private key file path", "schema": _TEXT},
        "security_token": {"label": "Security token", "schema": _SECRET},
        "organization_id": {"label": "Organization id", "schema": _TEXT},
        "access_token": {"label": "Access token", "schema": _SECRET},
        "instance_url": {"label": "Instance URL", "schema": _TEXT},
        "audience": {"label": "Audience of a JWT, else My Domain", "schema": _TEXT},
        "version": {"label": "API version", "schema": _TEXT},
        "client_id": {"label": "Client name for the org's logs", "schema": _TEXT},
        "api_usage_limit": {"label": "Share of the daily requests that may be used", "schema": _TEXT},
        "proxies": {"label": "Proxies, URL or JSON", "schema": _SECRET},
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
        "connection-types": [_BIGQUERY, _REDIVIS, _SALESFORCE],
        "config": {
            "airflow_provider_jobs": {
                "description": "What this Airflow's jobs are told from those of others by.",
                "options": {
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
                },
            },
        },
        "extra-links": [
            "airflow_provider_jobs.links.bigquery.BigQueryJobLink",
            "airflow_provider_jobs.links.salesforce.SalesforceJobLink",
            "airflow_provider_jobs.links.transfers.TransferJobLink",
        ],
    }
