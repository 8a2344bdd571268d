"""Google credentials of an Airflow connection.

Settings are a pure function of the connection; google-auth makes tokens of them only when one is needed.
Source: https://google-auth.readthedocs.io/
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.auth.credentials import Credentials

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM_ENDPOINT = "https://iamcredentials.googleapis.com"
#: Ways of Google's own connections that need services which this package does not call.
_TOKEN_URLS = frozenset({"token_uri", "token_url", "service_account_impersonation_url"})
_UNSUPPORTED = ("key_secret_name", "idp_issuer_url", "is_anonymous")


@dataclass(frozen=True)
class BigQuerySettings:
    """What a connection says. The first credential given counts; none means application default ones.

    :param project: None leaves it to the credentials.
    :param iam_endpoint: Where impersonation asks for tokens.
    """

    conn_id: str
    project: str | None = None
    location: str | None = None
    api_endpoint: str | None = None
    iam_endpoint: str = IAM_ENDPOINT
    scopes: tuple[str, ...] = (SCOPE,)
    quota_project: str | None = None
    impersonation_chain: tuple[str, ...] = ()
    access_token: str | None = field(default=None, repr=False)
    key_json: str | None = field(default=None, repr=False)
    key_path: str | None = field(default=None, repr=False)
    credential_config: str | None = field(default=None, repr=False)

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
        key = get("keyfile_dict")
        config = get("credential_config_file")
        return cls(
            conn_id=conn_id,
            project=project or get("project"),
            location=get("location"),
            api_endpoint=get("api_endpoint"),
            iam_endpoint=get("iam_endpoint") or IAM_ENDPOINT,
            scopes=tuple(_listed(get("scope"))) or (SCOPE,),
            quota_project=get("quota_project_id"),
            impersonation_chain=tuple(_listed(impersonation_chain or get("impersonation_chain"))),
            access_token=str(get("access_token") or "").strip() or None,
            key_json=json.dumps(key) if isinstance(key, dict) else key,
            key_path=get("key_path"),
            credential_config=json.dumps(config) if isinstance(config, dict) else config,
        )


class StaticToken:
    """A ready token, which cannot be renewed."""

    def __init__(self, token: str, quota_project: str | None) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        if quota_project:
            self._headers["x-goog-user-project"] = quota_project

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
        return self._headers

    def renew(self, rejected: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's parameter
        """Return False: there is no other token."""
        return False


class GoogleToken:
    """Tokens of google-auth credentials: fetched when needed, one for all threads."""

    def __init__(self, credentials: Credentials, conn_id: str) -> None:
        from google.auth.transport.requests import Request  # noqa: PLC0415 - only who needs a token pays for it

        self._credentials = credentials
        self._conn_id = conn_id
        self._request = Request()
        self._lock = threading.RLock()  # a signal may end the task while this thread refreshes

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request.

        :raises AuthenticationError: Google gives these credentials no token.
        :raises TransportError: Google could not be asked.
        """
        with self._lock:
            if not self._credentials.valid:
                self._refresh()
            return self._current()

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Fetch another token unless a thread before this one has done so."""
        with self._lock:
            if self._current() == rejected:
                self._refresh()
        return True

    def _current(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        return {"Authorization": headers.pop("authorization"), **headers}

    def _refresh(self) -> None:
        from google.auth import exceptions  # noqa: PLC0415 - as above

        try:
            self._credentials.refresh(self._request)
        except exceptions.TransportError:
            raise TransportError(
                f"connection {self._conn_id}: Google's token service could not be reached", sent=False
            ) from None
        except exceptions.GoogleAuthError as error:
            raise AuthenticationError(
                f"connection {self._conn_id}: Google gives no token: {_words(error)}",
                status=401,
                reason="authError",
                retryable=bool(getattr(error, "retryable", False)),
            ) from None


def token_for(settings: BigQuerySettings) -> tuple[StaticToken | GoogleToken, str | None]:
    """Return where tokens come from, and the project that the credentials name.

    Reads key files, and may ask the metadata server of the machine.

    :raises ConfigurationError: the credentials cannot be read.
    """
    if settings.access_token and not settings.impersonation_chain:
        return StaticToken(settings.access_token, settings.quota_project), None
    from google.auth import exceptions  # noqa: PLC0415 - as above

    try:
        credentials, project = _credentials(settings)
        if settings.impersonation_chain:
            credentials = _impersonated(settings, credentials)
        if settings.quota_project:
            credentials = credentials.with_quota_project(settings.quota_project)
    except (exceptions.GoogleAuthError, ValueError) as error:
        raise ConfigurationError(
            f"connection {settings.conn_id}: the credentials are unusable: {_words(error)}"
        ) from None
    return GoogleToken(credentials, settings.conn_id), project


def _credentials(settings: BigQuerySettings) -> tuple[Any, str | None]:
    import google.auth  # noqa: PLC0415 - as above
    from google.oauth2 import credentials  # noqa: PLC0415

    if settings.access_token:
        return credentials.Credentials(settings.access_token), None
    for name, text in (
        ("keyfile_dict", settings.key_json),
        ("key_path", settings.key_path),
        ("credential_config_file", settings.credential_config),
    ):
        if text:
            document = _document(settings, name, text)
            kind = document.get("type", "service_account" if name.startswith("key") else None)
            return _of_document(kind, document, list(settings.scopes)), document.get("project_id")
    found, project = google.auth.default(scopes=list(settings.scopes))
    return found, project


def _of_document(kind: Any, document: dict[str, Any], scopes: list[str]) -> Any:
    """Return the credentials that a key file or a credential configuration describes."""
    from google.auth import aws, identity_pool, impersonated_credentials, pluggable  # noqa: PLC0415 - as above
    from google.oauth2 import credentials, service_account  # noqa: PLC0415

    _check_token_urls(document)
    if kind == "service_account":
        return service_account.Credentials.from_service_account_info(document, scopes=scopes)
    if kind == "authorized_user":
        return credentials.Credentials.from_authorized_user_info(document, scopes=scopes)
    if kind == "impersonated_service_account":
        make = impersonated_credentials.Credentials.from_impersonated_service_account_info
        return make(document, scopes=scopes)
    if kind == "external_account":
        source = document.get("credential_source") or {}
        if str(source.get("environment_id", "")).startswith("aws"):
            return aws.Credentials.from_info(document, scopes=scopes)
        pool = pluggable if "executable" in source else identity_pool
        return pool.Credentials.from_info(document, scopes=scopes)
    raise ValueError(f"their type is {kind!r}, which is none of Google's")


def _check_token_urls(document: dict[str, Any]) -> None:
    """Refuse credentials, nested ones too, that would be sent anywhere in clear."""
    for name, value in document.items():
        if isinstance(value, dict):
            _check_token_urls(value)
        elif name in _TOKEN_URLS and value:
            check_url(str(value), name)


def _impersonated(settings: BigQuerySettings, source: Any) -> Any:
    from google.auth import impersonated_credentials  # noqa: PLC0415 - as above

    *delegates, target = settings.impersonation_chain
    for account in settings.impersonation_chain:
        if not re.fullmatch(r"[\w.+-]+@[\w.:-]+", account):
            raise ConfigurationError(f"impersonation_chain: {account[:80]!r} is no service account")
    endpoint = check_url(settings.iam_endpoint, "iam_endpoint").rstrip("/")
    return impersonated_credentials.Credentials(
        source_credentials=source,
        target_principal=target,
        target_scopes=list(settings.scopes),
        delegates=delegates,
        iam_endpoint_override=f"{endpoint}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
    )


def _document(settings: BigQuerySettings, name: str, text: str) -> dict[str, Any]:
    """Return the JSON object that a field holds, or that the file it names holds.

    What a message shows of a field is a path at most: anything else may be a key.
    """
    where = f"connection {settings.conn_id}: {name}"
    if name != "keyfile_dict" and re.fullmatch(r"[^\s{\"\[][^\n{\"]{0,400}", text):
        where += f" {text}"
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigurationError(f"{where} cannot be read: {reason}") from None
    try:
        document = json.loads(text)
    except ValueError:
        raise ConfigurationError(f"{where} is not JSON") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{where} is no JSON object")
    return document


def _words(error: Exception) -> str:
    """Return the first argument of an error: the others may hold the whole reply."""
    return str(error.args[0] if error.args else type(error).__name__)[:300]


def _listed(value: str | Sequence[str] | None) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value or []
    return [part.strip() for part in parts if part.strip()]
