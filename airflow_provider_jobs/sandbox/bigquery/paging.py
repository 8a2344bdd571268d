"""Page tokens: opaque to the client, and refused where they do not belong."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from airflow_provider_jobs.sandbox.bigquery.problems import ApiError


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
