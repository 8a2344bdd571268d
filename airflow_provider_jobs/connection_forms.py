"""The connections' forms, as plain data: what provider_info tells Airflow, and the hooks Airflow 3.1.

Labels, descriptions and examples are written once, here. A field is masked by its name, never by its type:
Airflow takes ``secret``, ``token``, ``password``, ``private_key``, ``api_key``, ``keyfile_dict`` and more for
secret, and shows all others on its pages and by its API.
Source: https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html
"""

from __future__ import annotations

from typing import Any


def _field(
    label: str, description: str, *examples: str, section: str, secret: bool = False, kind: str = "string"
) -> dict[str, Any]:
    """Return a field, optional as all are: a type without null would make it required."""
    schema: dict[str, Any] = {"type": [kind, "null"], "section": section}
    if secret:
        schema["format"] = "password"
    if examples:
        schema["examples"] = list(examples)
    return {"label": label, "description": description, "schema": schema}


_LIMITS = {
    "max_reply_mb": _field(
        "Largest reply, MB",
        "Of one reply, after decompression; empty is 128.",
        "128",
        section="Limits",
    ),
    "max_call_seconds": _field(
        "Longest call, seconds", "Of one call, its reply included; empty is 900.", "900", section="Limits"
    ),
}

_PROJECT, _KEY, _FEDERATION = "Project", "Login: service account key", "Login: workload identity"
_READY, _ACTING, _ADDRESSES = "Login: ready token", "Act as a service account", "Addresses"
_BIGQUERY: dict[str, Any] = {
    "project": _field(
        "Project",
        "Runs and pays for the jobs; empty takes the project of the key.",
        "my-project",
        section=_PROJECT,
    ),
    "location": _field(
        "Location",
        "Region of the jobs, where a task names none; empty lets BigQuery choose by the tables.",
        *("EU", "US", "europe-west1"),
        section=_PROJECT,
    ),
    "quota_project_id": _field(
        "Quota project", "Project whose quota the requests use.", "my-quota-project", section=_PROJECT
    ),
    "keyfile_dict": _field("Key JSON", "The whole key file, as JSON.", section=_KEY, secret=True),
    "key_path": _field(
        "Key file path",
        "Path of a key file that workers and triggerers can read.",
        "/keys/robot.json",
        section=_KEY,
    ),
    "credential_config_secret": _field(
        "Credential configuration",
        "JSON of a credential configuration, or the path of its file on workers and triggerers.",
        section=_FEDERATION,
        secret=True,
    ),
    "access_token": _field(
        "Access token",
        "An OAuth token that somebody else renews; it goes before every other login.",
        section=_READY,
        secret=True,
    ),
    "impersonation_chain": _field(
        "Service account",
        "The account to act as, or accounts separated by commas of which the last is the one to act as.",
        "robot@my-project.iam.gserviceaccount.com",
        section=_ACTING,
    ),
    "scope": _field(
        "Scopes",
        "OAuth scopes, separated by commas; empty asks for cloud-platform.",
        "https://www.googleapis.com/auth/cloud-platform",
        section=_ACTING,
    ),
    "api_endpoint": _field(
        "API endpoint",
        "Address of BigQuery without /bigquery/v2; empty is https://bigquery.googleapis.com.",
        "https://bigquery.googleapis.com",
        section=_ADDRESSES,
    ),
    "iam_endpoint": _field(
        "IAM credentials endpoint",
        "Address that is asked for the tokens of an account to act as.",
        "https://iamcredentials.googleapis.com",
        section=_ADDRESSES,
    ),
    "universe_domain": _field(
        "Universe domain",
        "Domain of a sovereign cloud, in place of googleapis.com.",
        "googleapis.com",
        section=_ADDRESSES,
    ),
    **_LIMITS,
}

_REDIVIS: dict[str, Any] = {
    "storage_token": _field(
        "Send the token to storage on other hosts",
        "For an installation whose storage asks for the API token and has another host than the API.",
        section="Storage",
        kind="boolean",
    ),
    **_LIMITS,
}

_ORG, _APP, _JWT = "Org", "Login: connected app", "Login: JWT bearer"
_SOAP, _REQUESTS = "Login: username and password", "Requests"
_SALESFORCE: dict[str, Any] = {
    "domain": _field(
        "Domain",
        "What stands before .salesforce.com: My Domain, login (as if empty), or test for sandbox orgs.",
        *("acme.my", "login", "test"),
        section=_ORG,
    ),
    "instance_url": _field(
        "Instance URL",
        "The org's address, which logins go to; a ready token needs it.",
        "https://acme.my.salesforce.com",
        section=_ORG,
    ),
    "version": _field("API version", "Version of new jobs; empty is 59.0.", "59.0", section=_ORG),
    "consumer_api_key": _field(
        "Consumer key",
        "Of the connected app, for client credentials, JWT, and username and password.",
        section=_APP,
        secret=True,
    ),
    "consumer_secret": _field(
        "Consumer secret",
        "Of the connected app. With the consumer key and a domain alone: client credentials.",
        section=_APP,
        secret=True,
    ),
    "private_key": _field(
        "Private key",
        "RSA key in PEM, unencrypted, of the certificate that the app has. Needs consumer key and username.",
        section=_JWT,
        secret=True,
    ),
    "private_key_file_path": _field(
        "Private key file path",
        "Path of the same key on workers and triggerers.",
        "/keys/salesforce.pem",
        section=_JWT,
    ),
    "audience": _field(
        "Audience",
        "Whom the JWT is for, if it is not My Domain.",
        *("https://login.salesforce.com", "https://test.salesforce.com"),
        section=_JWT,
    ),
    "security_token": _field(
        "Security token",
        "Of the user, which the password needs outside of the org's trusted addresses.",
        section=_SOAP,
        secret=True,
    ),
    "organization_id": _field(
        "Organization id",
        "In place of the security token, inside the org's trusted addresses.",
        "00D000000000001",
        section=_SOAP,
    ),
    "access_token": _field(
        "Access token",
        "A session id or OAuth token that somebody else renews; it goes before every other login.",
        section=_READY,
        secret=True,
    ),
    "api_usage_limit": _field(
        "API usage limit",
        "Share of the org's daily API requests from which on no new job is made.",
        "0.8",
        section=_REQUESTS,
    ),
    "client_id": _field("Client name", "What the org's logs call the caller.", "airflow", section=_REQUESTS),
    "proxies": _field(
        "Proxies",
        "One URL for all requests, or JSON with one for http and one for https.",
        section=_REQUESTS,
        secret=True,
    ),
    **_LIMITS,
    "max_page_mb": _field(
        "Largest page of results, MB", "After decompression; empty is 10240.", "10240", section="Limits"
    ),
    "max_page_seconds": _field(
        "Longest page of results, seconds",
        "Of one page's download; empty is 21600.",
        "21600",
        section="Limits",
    ),
}

#: What Airflow's metadata calls a connection type, and all about it.
BIGQUERY: dict[str, Any] = {
    "connection-type": "bigquery_jobs",
    "hook-class-name": "airflow_provider_jobs.hooks.bigquery.BigQueryHook",
    "hook-name": "BigQuery jobs",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "login", "password", "port"],
        "relabeling": {},
        "placeholders": {},
    },
    "conn-fields": _BIGQUERY,
}
REDIVIS: dict[str, Any] = {
    "connection-type": "redivis",
    "hook-class-name": "airflow_provider_jobs.hooks.redivis.RedivisHook",
    "hook-name": "Redivis",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "login", "port"],
        "relabeling": {"password": "API token", "host": "Endpoint"},
        "placeholders": {"host": "https://redivis.com/api/v1"},
    },
    "conn-fields": _REDIVIS,
}
SALESFORCE: dict[str, Any] = {
    "connection-type": "salesforce_bulk",
    "hook-class-name": "airflow_provider_jobs.hooks.salesforce.SalesforceHook",
    "hook-name": "Salesforce Bulk API 2.0",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "port"],
        "relabeling": {"login": "Username"},
        "placeholders": {},
    },
    "conn-fields": _SALESFORCE,
}


def field_behaviour(form: dict[str, Any]) -> dict[str, Any]:
    """Return how Airflow 3.1 shows the fields that every connection has."""
    return {name.replace("-", "_"): value for name, value in form["ui-field-behaviour"].items()}
