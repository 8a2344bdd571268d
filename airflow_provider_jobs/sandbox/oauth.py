"""Where clients get tokens: OAuth for keys, STS for workload identity, IAM for impersonation.

- https://developers.google.com/identity/protocols/oauth2/service-account#httprest
- https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
- https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
"""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import CLOUD_PLATFORM, SCOPE_ROOT, Grant
from airflow_provider_jobs.sandbox.keys import AUDIENCE, EMAIL, BadAssertion, Identity, verified_claims
from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Refusal, Reply, google_error, oauth_error

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.platform import Platform

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth signs for it, whatever the token_uri
IMPERSONATION_SCOPES = frozenset({CLOUD_PLATFORM, SCOPE_ROOT + "iam"})
CLOCK_SKEW_SECONDS = 60
LONGEST_ASSERTION_SECONDS = 3600
SERVICE_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
LIFETIME = re.compile(r"([1-9][0-9]{0,4})(?:\.[0-9]+)?s")
LONGEST_LIFETIME_SECONDS = 43200  # twelve hours, IAM's extended limit


class TokenEndpoints:
    """The three endpoints, for one identity."""

    def __init__(self, platform: Platform, identity: Identity) -> None:
        self._platform = platform
        self._tokens = platform.tokens
        self._identity = identity

    def routes(self) -> list[Route]:
        """Give the routes."""
        iam = "/v1/projects/{project}/serviceAccounts/{email}:generateAccessToken"
        return [
            self._route("/token", "oauth.token", self.key_token),
            self._route("/v1/token", "sts.token", self.federated_token),
            Route(
                iam,
                Operation(
                    "iam.generateAccessToken",
                    self.impersonated_token,
                    platform=self._platform,
                    scopes=IMPERSONATION_SCOPES,
                    errors=google_error,
                ),
                methods=["POST"],
            ),
        ]

    def _route(self, path: str, name: str, handler: Handler) -> Route:
        operation = Operation(name, handler, platform=self._platform, scopes=None, errors=oauth_error)
        return Route(path, operation, methods=["POST"])

    async def key_token(self, call: Call) -> Reply:
        """Exchange an assertion that the service account's key has signed."""
        form = await read_form(call)
        if form.get("grant_type") != JWT_BEARER:
            raise Refusal(400, "unsupported_grant_type", f"grant_type must be {JWT_BEARER}.")
        try:
            claims = verified_claims(form.get("assertion", ""), self._identity)
        except BadAssertion as error:
            raise Refusal(400, "invalid_grant", str(error)) from error
        audiences = {GOOGLE_AUDIENCE, f"{self._platform.url}/token"}
        _check_claims(claims, audiences, time.time())
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            raise Refusal(400, "invalid_scope", "Empty or missing scope not allowed.")
        call.request.scope["sandbox.entry"].account = EMAIL
        grant = self._tokens.issue(EMAIL, scopes, ("key",))
        return Reply(self._bearer(grant))

    async def federated_token(self, call: Call) -> Reply:
        """Exchange the subject token that the sandbox wrote to a file."""
        form = await read_form(call)
        if form.get("grant_type") != TOKEN_EXCHANGE:
            raise Refusal(400, "unsupported_grant_type", f"grant_type must be {TOKEN_EXCHANGE}.")
        if form.get("audience") != AUDIENCE:
            raise Refusal(400, "invalid_target", "The target service indicated by the audience is unknown.")
        given = form.get("subject_token", "").strip().encode()
        if not secrets.compare_digest(given, self._identity.subject_token.encode()):
            raise Refusal(400, "invalid_grant", "The subject token is not the one of this sandbox.")
        principal = f"principal:{AUDIENCE.rpartition('/providers/')[0]}/subject/sandbox"
        scopes = frozenset(form.get("scope", CLOUD_PLATFORM).split())
        grant = self._tokens.issue(principal, scopes, ("federated",))
        return Reply({**self._bearer(grant), "issued_token_type": ACCESS_TOKEN_TYPE})

    async def impersonated_token(self, call: Call) -> Reply:
        """Give a token of another account, through a chain of delegates."""
        body = await call.document()
        target = _account(call.path("email"))
        delegates, scopes = body.get("delegates") or [], body.get("scope") or []
        if not isinstance(delegates, list) or not isinstance(scopes, list) or not scopes:
            raise Refusal(400, "badRequest", "scope must be a list that is not empty, delegates a list.")
        chain = [_account(str(delegate).rpartition("/")[2]) for delegate in delegates]
        caller = "" if call.grant is None else call.grant.email
        via = (caller, *chain)
        grant = self._tokens.issue(target, frozenset(map(str, scopes)), via, self._lifetime(body))
        expires = datetime.fromtimestamp(grant.expires_at or 0, UTC)
        return Reply({"accessToken": grant.token, "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def _lifetime(self, body: dict[str, Any]) -> float:
        asked = body.get("lifetime")
        if asked is None:
            return self._tokens.lifetime_seconds
        match = LIFETIME.fullmatch(str(asked))
        if match is None or int(match.group(1)) > LONGEST_LIFETIME_SECONDS:
            raise Refusal(400, "badRequest", "lifetime must be seconds such as 3600s, at most twelve hours.")
        return min(float(match.group(1)), self._tokens.lifetime_seconds)

    def _bearer(self, grant: Grant) -> dict[str, Any]:
        seconds = self._tokens.seconds_left(grant)
        return {"access_token": grant.token, "expires_in": seconds, "token_type": "Bearer"}


async def read_form(call: Call) -> dict[str, str]:
    """Give the fields of a form."""
    return dict(parse_qsl((await call.body()).decode("utf-8", "replace")))


def _account(email: str) -> str:
    if SERVICE_ACCOUNT.fullmatch(email) is None:
        raise Refusal(404, "notFound", "Not found; Gaia id not found for this email.")
    return email


def _check_claims(claims: dict[str, Any], audiences: set[str], now: float) -> None:
    """Refuse claims of another account, for another server, or out of time."""
    issued, expires = claims.get("iat"), claims.get("exp")
    if claims.get("iss") != EMAIL:
        raise Refusal(400, "invalid_grant", "Invalid grant: account not found.")
    audience = claims.get("aud")
    if not isinstance(audience, str) or audience not in audiences:
        raise Refusal(400, "invalid_grant", "Invalid JWT: the audience is not this token endpoint.")
    if not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)):
        raise Refusal(400, "invalid_grant", "Invalid JWT: iat and exp must be numbers.")
    in_time = issued - CLOCK_SKEW_SECONDS <= now < expires + CLOCK_SKEW_SECONDS
    if not in_time or expires - issued > LONGEST_ASSERTION_SECONDS:
        message = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        raise Refusal(400, "invalid_grant", message)
