"""What may be shown of words that come from outside: no secret, no control character, no end of a line.

Every message of an error and every status of a job passes :func:`shown`, whoever made it: a service may send
back what it was sent, and write what looks like a line of a log. What is secret is known to the process, as
Airflow's own masking has it: connections name theirs when they are read, the transport its tokens.
"""

from __future__ import annotations

import html
import json
import re
import threading
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Characters of one message of a service that are shown.
MOST_CHARACTERS = 4000
#: Characters of a whole message of an error, or of a line of a report.
MOST_MESSAGE_CHARACTERS = 8000
#: Shorter values are not masked: they are parts of common words. Airflow's own limit is the same.
SHORTEST_SECRET = 5
#: Nor are words such as secret or password.
_COMMON = re.compile(r"[a-z]{1,8}")
#: Values that are kept in mind; the one that was used longest ago goes first.
_MOST_SECRETS = 5000
#: Only so much of a text is searched for what looks like a secret.
_MOST_SEARCHED = 64 * 1024
#: What is not longer is remembered as it is shown: ten thousand jobs have the same few words.
_SHORT = 200
_MASK = "***"
#: Only so much of a page is searched for words.
_MOST_PAGE = 16 * 1024
#: What tells a page of HTML from other text; what of it is not read; what is between its words. XML is not
#: read: a storage writes into it what was signed.
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>?")
_ADDRESS = re.compile(r"https?://\S+")
#: Fields whose values are secret, in connections, key files and replies of logins.
_SECRET_NAME = re.compile(
    r"pass|secret|token|private_?key|api_?key|consumer_?key|credential|keyfile|assertion|authorization"
    r"|session_?id|signature",
    re.IGNORECASE,
)
#: Fields that are named after a secret, and hold none: where it is, and what kind it has.
_PLAIN_NAME = re.compile(r"(ur[il]|_type|endpoint|(?<!session)_id|storage_token)$", re.IGNORECASE)
_PLACE_NAME = re.compile(r"(path|file|credential_config_secret)$", re.IGNORECASE)
#: Documents whose fields are secret or not each by its own name.
_DOCUMENT_NAME = re.compile(r"(keyfile_dict|credential_config_(file|secret)|credential_source)$")
#: A password may hold an @.
_PASSWORD_IN_URL = re.compile(r"://[^/?#\s:@\"]*:([^/?#\s\"]+)@")
#: Looks like a secret, whoever it belongs to; what is in the first group stays.
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|\bya29\.[\w.-]+"  # a token of Google
    r"|\b00D\w{12,15}![\w.]+"  # a session of Salesforce
    # A JWT; it begins at no dash, or a text of beginnings would be read to its end from each.
    r"|(?<![\w-])eyJ[\w-]{8,4000}\.[\w-]{8,4000}\.[\w-]{0,4000}"
    r"|(\b(?:bearer|basic)\s{1,9})(?=\S{0,80}\d)[\w.~+/=!-]{16,}"
    r"|([?&;](?:upload_id|x-goog-signature|x-goog-credential|x-amz-signature|x-amz-security-token|signature|sig"
    r"|access_token|refresh_token|token|key|client_secret|password|assertion)=)[^&\s\"'<>]+"
    r"|(://[^/?#\s:@\"]{0,200}:)[^/?#\s\"]{1,500}(?=@)"
    r"|(://)[^/?#\s:@\"]{1,500}(?=:?@)"
    r"|(\"(?:private_key|private_key_id|client_secret|refresh_token|access_token|id_token|password"
    r"|security_token|session_id|assertion)\\?\"\s{0,9}:\s{0,9}\\?\")(?:[^\"\\]|\\.)*",
    re.IGNORECASE | re.DOTALL,
)


class _Secrets:
    """The secrets that this process knows.

    :ivar forms: All that they may look like, longest first.
    :ivar version: Another object whenever one is added.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may show an error while this thread learns a secret
        self._known: dict[str, tuple[str, ...]] = {}
        self.forms: tuple[str, ...] = ()
        self.version = object()

    def add(self, values: Iterable[str]) -> None:
        with self._lock:
            texts = dict.fromkeys(text for value in values for text in _parts(value))
            new = [text for text in texts if text not in self._known]
            self._known |= {text: self._known.pop(text, ()) or _forms_of(text) for text in texts}
            if not new:
                return
            while len(self._known) > _MOST_SECRETS:
                del self._known[next(iter(self._known))]
            found = {form for forms in self._known.values() for form in forms}
            self.forms = tuple(sorted(found, key=len, reverse=True))
            self.version = object()


_secrets = _Secrets()


def keep_secret(*values: str) -> None:
    """Show these values nowhere from now on, nor a line of them, nor how URLs, JSON or XML write them."""
    _secrets.add(values)


def _parts(value: str) -> Iterator[str]:
    """Yield a value and its lines: of a key in PEM each line alone tells a part."""
    lines = re.split(r"\\n|\s*\n\s*", value)
    for text in (value, value.strip(), *(lines if len(lines) > 1 else ())):
        if len(text) >= SHORTEST_SECRET and not _COMMON.fullmatch(text) and not text.startswith("-----"):
            yield text
    if value.lstrip().startswith("-----"):
        yield value


def _forms_of(text: str) -> tuple[str, ...]:
    """Return how a text looks in a URL, in JSON, in XML and in Python."""
    found = {text, repr(text)[1:-1], html.escape(text), html.escape(text, quote=False)}
    encoded = text.encode("utf-8", "surrogatepass")
    for escaped in (quote(encoded), quote(encoded, safe=""), quote_plus(encoded)):
        found |= {escaped, re.sub("%..", lambda match: match[0].lower(), escaped)}
    for ascii_only in (True, False):
        written = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        found |= {written, written.replace("/", "\\/")}
    return tuple(found)


def secret_values(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of the secret fields of a connection, or of a key, whatever they are nested in."""
    for name, value in document.items():
        yield from _secrets_in(str(name), value)


def _secrets_in(name: str, value: Any) -> Iterator[str]:
    named = bool(_SECRET_NAME.search(name)) and not _PLAIN_NAME.search(name)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _secrets_in(str(key) if not named or _DOCUMENT_NAME.search(name) else "secret", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets_in(name, inner)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from _secrets_in(name, str(value))
    elif isinstance(value, str):
        inside = _object(value)
        if inside is not None:
            yield from secret_values(inside)
        elif "PRIVATE KEY" in value or (not looks_like_path(value) if _PLACE_NAME.search(name) else named):
            yield value
        for match in _PASSWORD_IN_URL.finditer(value):
            yield from (match[1], unquote(match[1]))


def _object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a field holds as text, None if it holds something else."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def looks_like_path(text: str) -> bool:
    """Return False of what may be a key or a token that was written where a path belongs."""
    if not text.isprintable() or re.search(r"[{}\"]|[A-Za-z0-9+=]{40}", text):
        return False
    return "/" in text or "\\" in text or bool(re.search(r"\.[a-z][a-z0-9]{0,7}$", text))


def shown(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return a text as it may be shown: one line, secrets masked, control characters escaped, cut."""
    text = str(text)
    return _remembered(text, most, _secrets.version) if len(text) <= _SHORT else _shown(text, most)


def shown_lines(text: object) -> str:
    """Return a report of ours, whose line ends are its own, as it may be shown."""
    return "\n".join(shown(line, MOST_MESSAGE_CHARACTERS) for line in masked(str(text)).split("\n"))


def masked(text: str) -> str:
    """Return a text, of any length and as it is but for the secrets in it."""
    return _without_shapes(_without_secrets(text))


def page_words(page: str, most: int) -> str:
    """Return what a page of HTML says, as it may be shown; empty if it is not one, or says nothing.

    Secrets are masked before any markup is taken out, and after: what is left could be one.
    """
    if not _PAGE.search(page[:_MOST_PAGE]):
        return ""
    page = masked(page[:_MOST_PAGE])
    words = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", page)))
    return shown(_ADDRESS.sub("(address)", " ".join(words.split())), most)


def one_line(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return a text of several lines as one that may be shown; line ends and indents become spaces."""
    found = _without_shapes(_without_secrets(str(text))[:_MOST_SEARCHED])
    return shown(" ".join(found.split()), most)


def _shown(text: str, most: int) -> str:
    text = _without_secrets(text)  # before any cut: the rest of a secret would not be found
    cut = len(text) > _MOST_SEARCHED
    text = _without_shapes(text[:_MOST_SEARCHED])
    if not text.isprintable():
        text = "".join(map(_escaped, text[: most + 1]))
    return text[: most - 1] + "…" if cut or len(text) > most else text


@lru_cache(maxsize=4096)
def _remembered(text: str, most: int, _version: object) -> str:
    return _shown(text, most)


def _without_secrets(text: str) -> str:
    for form in _secrets.forms:
        if len(form) <= len(text) and form in text:
            text = text.replace(form, _MASK)
    return text


def _without_shapes(text: str) -> str:
    return _SHAPES.sub(lambda match: (match[match.lastindex] if match.lastindex else "") + _MASK, text)


def _escaped(character: str) -> str:
    """Return a character, or its escape if it ends a line, moves a cursor or turns the text around."""
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")
