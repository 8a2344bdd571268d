"""The sandbox's service account: its key, the files that clients load, the check of what they sign."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = "sandbox-project"
EMAIL = f"jobs@{PROJECT}.iam.gserviceaccount.com"
KEY_BITS = 2048
# Without a project number, so that google-auth does not ask Google which project the number is.
AUDIENCE = "//iam.googleapis.com/locations/global/workloadIdentityPools/sandbox/providers/file"


class BadAssertion(ValueError):
    """A signed assertion that does not hold."""


class Signer(Protocol):
    """Whoever signs assertions."""

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """The key."""

    @property
    def key_id(self) -> str:
        """Its name, as assertions may give it."""


@dataclass(frozen=True)
class Identity:
    """The service account and the files that let a client be it."""

    key: rsa.RSAPrivateKey
    key_id: str
    key_file: Path
    workload_identity_file: Path
    subject_token: str


def make_identity(root: Path, url: str) -> Identity:
    """Write the credential files below ``root``, for a server at ``url``; the key outlives restarts."""
    folder = root / "credentials"
    folder.mkdir(mode=0o700, exist_ok=True)
    key_file, identity_file = folder / "service-account.json", folder / "workload-identity.json"
    subject_file = folder / "subject-token"
    known = json.loads(key_file.read_text()) if key_file.exists() else None
    if known is None:
        key, key_id = make_key(), secrets.token_hex(20)
    else:
        key, key_id = load_key(known["private_key"]), known["private_key_id"]
    subject_token = subject_file.read_text() if subject_file.exists() else secrets.token_urlsafe(32)
    write_secret(subject_file, subject_token)
    write_secret(key_file, json.dumps(_key_document(key, key_id, url), indent=2))
    write_secret(identity_file, json.dumps(_workload_identity_document(subject_file, url), indent=2))
    return Identity(key, key_id, key_file, identity_file, subject_token)


def make_key() -> rsa.RSAPrivateKey:
    """Give a new key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    """Spell a private key as PEM."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def load_key(pem: str) -> rsa.RSAPrivateKey:
    """Give the key of a PEM text."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the key file of this root holds no RSA key")
    return key


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - a mode
        file.write(text)


def _key_document(key: rsa.RSAPrivateKey, key_id: str, url: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": key_id,
        "private_key": pem_of(key),
        "client_email": EMAIL,
        "client_id": "100000000000000000000",
        "auth_uri": f"{url}/o/oauth2/auth",
        "token_uri": f"{url}/token",
        "universe_domain": "googleapis.com",
    }


def _workload_identity_document(subject_file: Path, url: str) -> dict[str, Any]:
    return {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/v1/token",
        "service_account_impersonation_url": impersonation_url(url, EMAIL),
        "credential_source": {"file": str(subject_file)},
        "universe_domain": "googleapis.com",
    }


def impersonation_url(url: str, email: str) -> str:
    """Give where a token of another account is asked for."""
    return f"{url}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"


def verified_claims(assertion: str, signer: Signer) -> dict[str, Any]:
    """Give the claims of an RS256 assertion that the signer's key has signed.

    :raises BadAssertion: malformed, of another algorithm or key, or not signed by it.
    """
    try:
        head, claims, signature = (_decoded(part) for part in assertion.split("."))
        header, body = json.loads(head), json.loads(claims)
    except ValueError as error:
        raise BadAssertion("Invalid JWT: it is malformed.") from error
    if not isinstance(header, dict) or not isinstance(body, dict) or header.get("alg") != "RS256":
        raise BadAssertion("Invalid JWT: only RS256 is accepted.")
    if header.get("kid", signer.key_id) != signer.key_id:
        raise BadAssertion("Invalid JWT: the key id is unknown.")
    signed = assertion.rpartition(".")[0].encode()
    try:
        signer.key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise BadAssertion("Invalid JWT Signature.") from error
    return body


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
