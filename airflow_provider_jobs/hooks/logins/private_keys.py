"""Private keys as people have them: forms of one line, escaped line ends, base64."""

from __future__ import annotations

import base64
import re
import textwrap

from airflow_provider_jobs.errors import ConfigurationError

#: Escaped once or more often, as JSON, shells and forms of one line leave them.
_ESCAPED_END = re.compile(r"(?:\\+r)?\\+n")
_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
_LINE_CHARACTERS = 64


def private_key_pem(text: str, where: str) -> str:
    """Return a key in PEM, whatever became of its line ends; what is no key is returned as it is.

    Taken are PEM with line ends of any kind, escaped ones, or blanks in their place; and base64 of all that.
    Text around the key, such as a certificate, is left out.

    Source: https://www.rfc-editor.org/rfc/rfc7468

    :param where: Whose key it is, for the message.
    :raises ConfigurationError: the key is encrypted.
    """
    plain = _ESCAPED_END.sub("\n", text if "-----" in text else _decoded(text))
    found = _KEY.search(plain)
    if not found:
        return plain
    label, body = found.groups()
    if "ENCRYPTED" in label or "ENCRYPTED" in body:
        raise ConfigurationError(
            f"{where}: the private key is encrypted: give it without a passphrase, as "
            "`openssl pkey -in key.pem -out plain.pem` writes it"
        )
    lines = textwrap.wrap("".join(body.split()), _LINE_CHARACTERS)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _decoded(text: str) -> str:
    """Return what base64 stands for, or the text if it is not base64 of text."""
    try:
        return base64.b64decode("".join(_ESCAPED_END.sub("", text).split()), validate=True).decode("ascii")
    except ValueError:
        return text
