"""Who may log in to the org: names, passwords and keys of this sandbox, and the files that hold them."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.keys import load_key, make_key, pem_of, write_secret
from airflow_provider_jobs.sandbox.salesforce.ids import ORGANIZATION, USER, random_id

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class SalesforceAccount:
    """The org, its only user, and the app by which programs log in."""

    username: str
    password: str = field(repr=False)
    security_token: str = field(repr=False)
    consumer_key: str
    consumer_secret: str = field(repr=False)
    organization_id: str
    user_id: str


@dataclass(frozen=True)
class SalesforceIdentity:
    """The account, and the key that signs assertions for it.

    :param account_file: the account as JSON.
    :param key_file: the private key as PEM.
    """

    account: SalesforceAccount
    key: rsa.RSAPrivateKey = field(repr=False)
    account_file: Path
    key_file: Path
    key_id: str = ""  # assertions name none


def make_salesforce_identity(root: Path) -> SalesforceIdentity:
    """Write the credential files below ``root``; what they hold outlives restarts."""
    folder = root / "credentials"
    folder.mkdir(mode=0o700, exist_ok=True)
    account_file, key_file = folder / "salesforce.json", folder / "salesforce-key.pem"
    account = _known_account(account_file) or _new_account()
    key = load_key(key_file.read_text()) if key_file.exists() else make_key()
    write_secret(account_file, json.dumps(asdict(account), indent=2))
    write_secret(key_file, pem_of(key))
    return SalesforceIdentity(account, key, account_file, key_file)


def _known_account(path: Path) -> SalesforceAccount | None:
    if not path.exists():
        return None
    known = json.loads(path.read_text())
    return SalesforceAccount(**{item.name: str(known[item.name]) for item in fields(SalesforceAccount)})


def _new_account() -> SalesforceAccount:
    return SalesforceAccount(
        username="jobs@sandbox.example",
        password=secrets.token_urlsafe(12) + "<&>",  # has to survive XML and forms
        security_token=secrets.token_urlsafe(18),
        consumer_key="3MVG9" + secrets.token_urlsafe(60),
        consumer_secret=secrets.token_hex(32).upper(),
        organization_id=random_id(ORGANIZATION),
        user_id=random_id(USER),
    )
