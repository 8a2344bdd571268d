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
#: How the names of fields began before Airflow 2.3.
_OLDER = "extra__google_cloud_platform__"
_TEXTS = (
    *("project", "location", "api_endpoint", "iam_endpoint", "universe_domain", "quota_project_id"),
    *("access_token", "key_path"),
)
_LISTS = ("scope", "impersonation_chain")
#: JSON objects, as such or as text; the last is the name before of the one before it, and Google's.
_DOCUMENTS = ("keyfile_dict", "credential_config_secret", "credential_config_file")
#: Of these the first that is given counts.
_CREDENTIALS = ("access_token", "keyfile_dict", "key_path", *_DOCUMENTS[1:])


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
        where = f"connection {conn_id}"
        found = {
            name: next((each for each in (extra.get(name), extra.get(_OLDER + name)) if _filled(each)), None)
            for name in (*_TEXTS, *_LISTS, *_DOCUMENTS, *_UNSUPPORTED)
        }
        for name in _UNSUPPORTED:
            if found[name] not in (None, "false", "False"):
                raise ConfigurationError(
                    f"{where}: {name} is not supported; use a key, a credential configuration or application "
                    "default credentials"
                )
        text = {name: _text(f"{where}: {name}", found[name]) for name in _TEXTS}
        text |= {name: _text(f"{where}: {name}", _as_text(found[name])) for name in _DOCUMENTS}
        listed = {name: _listed(f"{where}: {name}", found[name]) for name in _LISTS}
        chain = _listed("impersonation_chain", impersonation_chain or None)
        universe_domain = text["universe_domain"] or UNIVERSE_DOMAIN
        return cls(
            conn_id=conn_id,
            project=project or text["project"],
            table_project=text["project"],
            location=text["location"],
            api_endpoint=text["api_endpoint"],
            iam_endpoint=text["iam_endpoint"] or f"https://iamcredentials.{universe_domain}",
            universe_domain=universe_domain,
            scopes=listed["scope"] or (SCOPE,),
            quota_project=text["quota_project_id"],
            impersonation_chain=chain or listed["impersonation_chain"],
            credential=next(((name, given) for name in _CREDENTIALS if (given := text[name])), None),
        )


def _filled(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def _text(where: str, value: Any) -> str | None:
    """Return a field's text without the blanks around it; None if there is none."""
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{where} is a {type(value).__name__}: text is needed")
    return value.strip() if value else None


def _as_text(document: Any) -> Any:
    return json.dumps(document) if isinstance(document, dict) else document


def _listed(where: str, value: Any) -> tuple[str, ...]:
    """Return the parts of a text with commas, or of a list."""
    parts = value.split(",") if isinstance(value, str) else value or ()
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ConfigurationError(f"{where} is neither text nor a list of texts")
    return tuple(part.strip() for part in parts if part.strip())
