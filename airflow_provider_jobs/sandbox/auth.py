"""Bearer tokens: who they belong to, what they allow, when they end."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

SCOPE_ROOT = "https://www.googleapis.com/auth/"
CLOUD_PLATFORM = SCOPE_ROOT + "cloud-platform"
DATA_EDIT = "data.edit"  # Redivis' scope for everything that uploads
API = "api"  # Salesforce's scope for its APIs
DEFAULT_LIFETIME_SECONDS = 3600.0  # what Google's token endpoint gives
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'}


@dataclass
class Grant:
    """One token's rights."""

    email: str
    scopes: frozenset[str]
    expires_at: float | None  # None: never
    via: tuple[str, ...] = ()  # how it was got: "static", "key", "federated" or the impersonation chain
    token: str = field(default="", repr=False)


class TokenBook:
    """Every token that the sandbox has issued.

    :param announced: the token of the announcement; it never expires and opens the control endpoints.
    :param email: the account of that token.
    """

    def __init__(self, announced: str, email: str, clock: Callable[[], float] = time.time) -> None:
        self.lifetime_seconds = DEFAULT_LIFETIME_SECONDS
        self._clock = clock
        self._lock = threading.Lock()
        self._announced = announced
        self._grants = {
            announced: Grant(email, frozenset({CLOUD_PLATFORM, DATA_EDIT, API}), None, ("static",), announced)
        }

    def issue(
        self,
        email: str,
        scopes: frozenset[str],
        via: tuple[str, ...],
        seconds: float | None = None,
        prefix: str = "sandbox.",
    ) -> Grant:
        """Make a token for an account; without ``seconds`` it lives as long as is set."""
        lifetime = self.lifetime_seconds if seconds is None else seconds
        grant = Grant(email, scopes, self._clock() + lifetime, via, prefix + secrets.token_urlsafe(32))
        with self._lock:
            self._grants[grant.token] = grant
        return grant

    def seconds_left(self, grant: Grant) -> int:
        """Give the whole seconds that the token is still good for."""
        return 0 if grant.expires_at is None else max(0, int(grant.expires_at - self._clock()))

    def is_announced(self, authorization: str) -> bool:
        """Tell whether the header carries the announced token."""
        token = bearer(authorization)
        return token is not None and secrets.compare_digest(token.encode(), self._announced.encode())

    def grant_of(self, authorization: str) -> Grant:
        """Give the rights of an ``Authorization`` header.

        :raises Refusal: 401, missing, unknown or expired.
        """
        token = bearer(authorization)
        if token is None:
            message = "Request is missing required authentication credential. Expected OAuth 2 access token."
            raise Refusal(401, "required", message, location="Authorization", headers=CHALLENGE)
        grant = self._grants.get(token)
        if grant is None or (grant.expires_at is not None and grant.expires_at <= self._clock()):
            message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise Refusal(401, "authError", message, location="Authorization", headers=CHALLENGE)
        return grant

    def expire(self, authorization: str) -> None:
        """End the token of this header; the announced one stays."""
        grant = self._grants.get(bearer(authorization) or "")
        if grant is not None and grant.expires_at is not None:
            grant.expires_at = self._clock()

    def expire_all(self) -> int:
        """End every token but the announced one; give how many were still good."""
        now, ended = self._clock(), 0
        with self._lock:
            for grant in self._grants.values():
                if grant.expires_at is not None and grant.expires_at > now:
                    grant.expires_at = now
                    ended += 1
        return ended

    def overview(self) -> list[dict[str, Any]]:
        """Give what was issued, without the tokens themselves."""
        with self._lock:
            grants = list(self._grants.values())
        return [
            {
                "email": grant.email,
                "scopes": sorted(grant.scopes),
                "via": list(grant.via),
                "expires_at": grant.expires_at,
                "expired": grant.expires_at is not None and grant.expires_at <= self._clock(),
            }
            for grant in grants
        ]


def bearer(authorization: str) -> str | None:
    """Give the token of an ``Authorization: Bearer`` header, None if it is another header."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def require_scope(grant: Grant, accepted: frozenset[str]) -> None:
    """Refuse a token that carries none of the accepted scopes."""
    if not grant.scopes & accepted:
        message = "Request had insufficient authentication scopes."
        raise Refusal(403, "insufficientPermissions", message)
