"""What an Airflow connection says about BigQuery, and where its credentials are.

Settings are a pure function of the connection, in the names that Google's own connections have.
Source: https://airflow.apache.org/docs/apache-airflow-providers-google/stable/connections/gcp.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.api import UNIVERSE_DOMAIN
from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM_ENDPOINT = f"https://iamcredentials.{UNIVERSE_DOMAIN}"
#: Ways of Google's own connections that need services which this package does not call.
_UNSUPPORTED = ("key_secret_name", "idp_issuer_url", "is_anonymous")


@dataclass(frozen=True)
class BigQuerySettings:
    """What a connection says.

    :param project: Runs and pays for jobs; None leaves it to the credentials.
    :param table_project: The connection's own, which tables are in whose names have none; None likewise.
    :param iam_endpoint: Where impersonation asks for tokens.
    :param universe_domain: The cloud's own domain: tokens go to hosts in it, and to the endpoints.
    :param credential: The first field that gives one, and its text; None means application default ones.
    """

    conn_id: str
    project: str | None = None
    table_project: str | None = None
    location: str | None = None
    api_endpoint: str | None = field(default=None, repr=False)  # an address may hold a password
    iam_endpoint: str = field(default=IAM_ENDPOINT, repr=False)
    universe_domain: str = UNIVERSE_DOMAIN
    scopes: tuple[str, ...] = (SCOPE,)
    quota_project: str | None = None
    impersonation_chain: tuple[str, ...] = ()
    credential: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def from_connection(
        cls,
        conn_id: str,
        extra: Mapping[str, Any],
        *,
        project: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
    ) -> BigQuerySettings:
        """Read the extra fields of a connection, in the names that Google's connections have.

        :raises ConfigurationError: the connection asks for something that is not supported.
        """

        def get(name: str) -> Any:
            return extra.get(name) or extra.get(f"extra__google_cloud_platform__{name}") or None

        for name in _UNSUPPORTED:
            if get(name) not in {None, False, "false", "False"}:
                raise ConfigurationError(
                    f"connection {conn_id}: {name} is not supported; use a key, a "
                    "credential configuration or application default credentials"
                )
        universe_domain = get("universe_domain") or UNIVERSE_DOMAIN
        given = {
            "access_token": str(get("access_token") or "").strip(),
            "keyfile_dict": _as_text(get("keyfile_dict")),
            "key_path": get("key_path"),
            "credential_config_secret": _as_text(get("credential_config_secret")),
            # Its name before, and Google's.
            "credential_config_file": _as_text(get("credential_config_file")),
        }
        return cls(
            conn_id=conn_id,
            project=project or get("project"),
            table_project=get("project"),
            location=get("location"),
            api_endpoint=get("api_endpoint"),
            iam_endpoint=get("iam_endpoint") or f"https://iamcredentials.{universe_domain}",
            universe_domain=universe_domain,
            scopes=tuple(_listed(get("scope"))) or (SCOPE,),
            quota_project=get("quota_project_id"),
            impersonation_chain=tuple(_listed(impersonation_chain or get("impersonation_chain"))),
            credential=next(((name, text) for name, text in given.items() if text), None),
        )


def _as_text(document: Any) -> Any:
    return json.dumps(document) if isinstance(document, dict) else document


def _listed(value: str | Sequence[str] | None) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value or []
    return [part.strip() for part in parts if part.strip()]
