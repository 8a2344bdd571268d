"""Private keys in every form that people have them in."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.logins.private_keys import private_key_pem

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FORMATS = {
    "PKCS#8": serialization.PrivateFormat.PKCS8,
    "PKCS#1": serialization.PrivateFormat.TraditionalOpenSSL,
}
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "no last line end": str.strip,
    "escaped": lambda pem: pem.replace("\n", "\\n"),
    "escaped twice": lambda pem: pem.replace("\n", "\\\\n"),
    "CRLF": lambda pem: pem.replace("\n", "\r\n"),
    "CRLF, escaped": lambda pem: pem.replace("\n", "\\r\\n"),
    "CR": lambda pem: pem.replace("\n", "\r"),
    "escaped, and real line ends": lambda pem: pem.replace("\n", "\\n\n"),
    "blanks": lambda pem: pem.replace("\n", " "),
    "nothing between": lambda pem: pem.replace("\n", ""),
    "indented, in quotes": lambda pem: '"' + pem.replace("\n", "\n    ") + '"',
    "base64": lambda pem: base64.b64encode(pem.encode()).decode(),
    "base64 in lines": lambda pem: base64.encodebytes(pem.encode()).decode(),
    "base64 of escaped": lambda pem: base64.b64encode(pem.replace("\n", "\\n").encode()).decode(),
    "after a certificate": lambda pem: f"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{pem}",
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_signs(kind: str, form: str) -> None:
    pem = KEY.private_bytes(serialization.Encoding.PEM, FORMATS[kind], serialization.NoEncryption()).decode()
    signed = jwt.encode({"a": 1}, private_key_pem(FORMS[form](pem), "c"), algorithm="RS256")
    assert jwt.decode(signed, KEY.public_key(), algorithms=["RS256"]) == {"a": 1}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("form", ["as it is", "escaped", "blanks", "base64"])
def test_an_encrypted_key_is_refused_by_name(kind: str, form: str) -> None:
    how = serialization.BestAvailableEncryption(b"pass")
    pem = KEY.private_bytes(serialization.Encoding.PEM, FORMATS[kind], how).decode()
    with pytest.raises(ConfigurationError, match=r"c: the private key is encrypted: .* passphrase"):
        private_key_pem(FORMS[form](pem), "c")


@pytest.mark.parametrize(
    "text", ["", "S3CR3T", "AAAA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_key_is_left_to_who_reads_it(text: str) -> None:
    private_key_pem(text, "c")
