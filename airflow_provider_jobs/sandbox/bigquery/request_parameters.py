"""URL parameters, read by type, and page tokens among them: a value of another type is refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_UINT32 = 2**32 - 1
MOST_UINT64 = 2**64 - 1


class Parameters:
    """The URL parameters of one request; unknown names are ignored, as BigQuery ignores them."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, name: str) -> str | None:
        """Give a text; None if it is missing or empty."""
        return self._values.get(name) or None

    def texts(self, name: str) -> list[str]:
        """Give every value of a repeated parameter."""
        return [value for value in self._values.getlist(name) if value]

    def number(self, name: str, most: int = MOST_UINT32) -> int | None:
        """Give a whole number that is not negative; None if it is missing."""
        text = self._values.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > len(str(MOST_UINT64)) or int(text) > most:
            raise bad_value(name, text)
        return int(text)

    def flag(self, name: str) -> bool:
        """Give a truth value; false if it is missing."""
        text = self._values.get(name, "false")
        if text.lower() not in {"true", "false"}:
            raise bad_value(name, text)
        return text.lower() == "true"

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Give one of the choices; the first if it is missing."""
        text = self._values.get(name, choices[0])
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise bad_value(name, text)


def bad_value(name: str, text: str) -> ApiError:
    """Give the refusal of a parameter's value."""
    return ApiError(400, "invalidParameter", f"Invalid value for {name}: {text[:100]!r}.", name)


def make_token(position: int, *listing: Any) -> str:
    """Give a token for the page that begins at the position of this listing."""
    text = json.dumps([position, _mark(listing)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str, *listing: Any) -> int:
    """Give the position.

    :raises ApiError: 400, not a token, or one of another listing.
    """
    try:
        position, mark = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError, binascii.Error) as error:
        raise _refusal() from error
    if mark != _mark(listing) or not isinstance(position, int) or isinstance(position, bool) or position < 0:
        raise _refusal()
    return position


def _mark(listing: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:16]


def _refusal() -> ApiError:
    return ApiError(400, "invalid", "Invalid page token.", "pageToken")
