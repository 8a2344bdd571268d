"""Connections of every kind of login, in which each field that holds a secret holds a word of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.contract.secrets.words import Words, word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOOKS = {
    "bigquery": ("airflow_provider_jobs.hooks.bigquery.BigQueryHook", "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"),
    "redivis": ("airflow_provider_jobs.hooks.redivis.RedivisHook", "AIRFLOW_CONN_REDIVIS_DEFAULT"),
    "salesforce": (
        "airflow_provider_jobs.hooks.salesforce.SalesforceHook",
        "AIRFLOW_CONN_SALESFORCE_DEFAULT",
    ),
}
TYPES = {"bigquery": "bigquery_jobs", "redivis": "redivis", "salesforce": "salesforce_bulk"}
ROBOT = "robot@other-project.iam.gserviceaccount.com"
#: Fields that say where to go and as whom, which messages are to name; and what is no text.
SHOWN = {
    "bigquery": {
        *("project", "location", "key_path", "impersonation_chain", "quota_project_id", "scope"),
        *("api_endpoint", "iam_endpoint", "universe_domain"),
    },
    "redivis": {"host", "storage_token"},
    "salesforce": {
        *(
            "login",
            "domain",
            "private_key_file_path",
            "organization_id",
            "instance_url",
            "audience",
            "version",
            "client_id",
        ),
        "api_usage_limit",
    },
}
#: How much, and for how long: numbers.
SIZES = {"max_reply_mb", "max_page_mb", "max_call_seconds", "max_page_seconds"}
#: All others, those of a key or of a credential configuration included.
UNSHOWN = {
    "bigquery": {"keyfile_dict", "credential_config_secret", "access_token"},
    "redivis": {"password"},
    "salesforce": {
        *("password", "consumer_api_key", "consumer_secret", "private_key", "security_token"),
        *("access_token", "proxies"),
    },
}


@dataclass(frozen=True)
class Login:
    """A connection, as a variable of the environment."""

    name: str
    service: str
    environment: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "hook": HOOKS[self.service][0], "environment": self.environment}


class Fields:
    """The words of all fields, and the keys; shared by all connections of a run."""

    def __init__(self, folder: Path, words: Words) -> None:
        self._folder = folder
        self._words = words
        self.pem = private_key()
        words.add("private key", self.pem)
        (folder / "key.pem").write_text(self.pem, encoding="utf-8")
        (folder / "subject").write_text(self.of("subject token"), encoding="utf-8")

    def of(self, name: str) -> str:
        """Return the word of a field."""
        self._words.planted.add(name)
        self._words.add(name, word(name))
        return word(name)

    def unsent(self, name: str) -> str:
        """Return the word of what is refused before it is sent, replaced by a token, or sent elsewhere."""
        self._words.unsent.add(name)
        return self.of(name)

    def user(self, what: str, url: str) -> str:
        """Return an address that holds a name and a password."""
        return url.replace("://", f"://user:{quote(self.unsent(what), safe='')}@")

    def file(self, name: str, document: dict[str, Any]) -> str:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def variable(service: str, **fields: Any) -> dict[str, str]:
    """Return a connection as Airflow reads it from the environment."""
    return {HOOKS[service][1]: json.dumps({"conn_type": TYPES[service], **fields})}


def logins(fields: Fields, url: str, mark: str) -> Iterator[Login]:
    """Yield every kind of login of the three services, at one address."""
    google = {"project": "canary", "api_endpoint": url, "iam_endpoint": url}
    for name, more in _google(fields, url, mark).items():
        environment = variable("bigquery", extra={**google, **more})
        if name == "default credentials":
            environment["GOOGLE_APPLICATION_CREDENTIALS"] = fields.file(f"{mark}-default", _key(fields, url))
        yield Login(f"{name} {mark}", "bigquery", environment)
    for name, connection in _salesforce(fields, url).items():
        yield Login(f"{name} {mark}", "salesforce", variable("salesforce", **connection))
    token = fields.of("redivis token")
    redivis = {"password": token, "host": f"{url}/api/v1"}
    yield Login(f"API token {mark}", "redivis", variable("redivis", **redivis))
    beside = {**redivis, "host": f"{fields.user('host password', url)}/api/v1"}
    yield Login(f"API token, password in the host {mark}", "redivis", variable("redivis", **beside))
    without = variable("redivis", host=f"{url}/api/v1", extra={"storage_token": True})
    yield Login(
        f"API token {mark}", "redivis", {**without, "REDIVIS_API_TOKEN": fields.of("environment token")}
    )


def _key(fields: Fields, url: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": "canary",
        "private_key_id": fields.of("private key id"),
        "private_key": fields.pem,
        "client_email": ROBOT,
        "token_uri": f"{url}/token",
    }


def _google(fields: Fields, url: str, mark: str) -> dict[str, dict[str, Any]]:
    """Return the extra fields of each way to Google's tokens."""
    key = _key(fields, url)
    person = {
        "type": "authorized_user",
        "client_id": "canary",
        "client_secret": fields.unsent("client secret"),  # google-auth takes no other address than Google's
        "refresh_token": fields.unsent("refresh token"),
        "token_uri": f"{url}/token",
    }
    workload = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/locations/global/workloadIdentityPools/p/providers/file",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/sts/token",
        "credential_source": {"file": str(fields._folder / "subject")},
    }
    workforce = {
        "type": "external_account_authorized_user",
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/p",
        "client_id": "canary",
        "client_secret": fields.of("workforce client secret"),
        "refresh_token": fields.of("workforce refresh token"),
        "token_url": f"{url}/sts/token",
    }
    token = fields.of("google access token")
    return {
        "ready token": {"access_token": token},
        "ready token, password in the address": {
            "access_token": token,
            "api_endpoint": fields.user("endpoint password", url),
        },
        "ready token that acts as another": {"access_token": token, "impersonation_chain": ROBOT},
        "key": {"keyfile_dict": key},
        "key as text": {"keyfile_dict": json.dumps(key)},
        "key file": {"key_path": fields.file(f"{mark}-key", key), "quota_project_id": "other"},
        "key that acts as another": {"keyfile_dict": key, "impersonation_chain": ROBOT},
        "person": {"credential_config_secret": person},
        "person in the field before": {"credential_config_file": person},
        "workload identity": {"credential_config_file": fields.file(f"{mark}-workload", workload)},
        "workforce": {"credential_config_secret": json.dumps(workforce)},
        "default credentials": {},
        "key cut short": {"keyfile_dict": json.dumps(key)[:-40]},
        "key of another kind": {"keyfile_dict": {**key, "private_key": fields.unsent("no private key")}},
        "key in place of a path": {"key_path": fields.pem},
        "token in place of a configuration": {
            "credential_config_secret": f"{fields.unsent('no configuration')}\n"
        },
    }


def salesforce_fields(fields: Fields, url: str) -> dict[str, Any]:
    """Return every field of a Salesforce connection."""
    names = ("consumer_api_key", "consumer_secret", "security_token", "access_token", "organization_id")
    extra = {name: fields.of(f"salesforce {name}") for name in names if name != "organization_id"}
    return {
        "login": "canary@example.com",
        "password": fields.of("salesforce password"),
        "extra": {
            **extra,
            "private_key": fields.pem,
            "instance_url": url,
            "organization_id": "00D000000000001",
            "proxies": fields.user("proxy password", "http://127.0.0.1:9"),
            "client_id": "canary",
        },
    }


def _salesforce(fields: Fields, url: str) -> dict[str, dict[str, Any]]:
    """Return the connections of each login of Salesforce: the first counts whose fields are all there."""
    whole = salesforce_fields(fields, url)

    def without(*names: str, **more: Any) -> dict[str, Any]:
        extra = {name: value for name, value in whole["extra"].items() if name not in names}
        kept = {name: value for name, value in whole.items() if name not in names}
        return {**kept, "extra": {**extra, **more}}

    key = ("access_token", "private_key")
    return {
        "ready token": whole,
        "JWT": without("access_token"),
        "JWT, key in a file": without(*key, private_key_file_path=str(fields._folder / "key.pem")),
        "JWT, no key": without(*key, private_key=fields.unsent("salesforce no private key")),
        "JWT, key in place of a path": without(*key, private_key_file_path=fields.pem),
        "password": without(*key),
        "SOAP": without(*key, "consumer_secret"),
        "SOAP, no security token": without(*key, "consumer_secret", "security_token"),
        "client credentials": without(*key, "password"),
        "session of a wrong kind": without(access_token=fields.unsent("salesforce wrong") + "\nX: y"),
        "proxies of a wrong kind": without(proxies=f"http://{quote(fields.unsent('wrong proxy'))}@[/ x"),
    }
