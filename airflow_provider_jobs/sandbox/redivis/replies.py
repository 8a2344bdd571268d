"""Errors and limits as Redivis words them: https://docs.redivis.com/api/rest-api/general-structure."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_jobs.sandbox.auth import DATA_EDIT
from airflow_provider_jobs.sandbox.fault_actions import spell_retry_after
from airflow_provider_jobs.sandbox.replies import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox.redivis.settings import RedivisSettings

# The words of requests that fail before, or outside of, Redivis' own methods.
WORDS = {
    "required": "invalid_token",
    "authError": "invalid_token",
    "insufficientPermissions": "insufficient_scope",
    "notFound": "not_found",
    "backendError": "server_error",
    "internalError": "server_error",
    "rateLimitExceeded": "rate_limit_exceeded",
    "badRequest": "invalid_request",
    "parseError": "invalid_request",
    "badContent": "invalid_request",
    "uploadTooLarge": "invalid_request",
    "invalid": "invalid_request",
}


class Limits:
    """How many requests were made in the last window, and what replies say about it."""

    def __init__(self, settings: RedivisSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._times: deque[float] = deque()

    def count(self) -> None:
        """Count a request.

        :raises Refusal: 429, too many.
        """
        now, settings = self._clock(), self._settings
        while self._times and self._times[0] <= now - settings.rate_window_seconds:
            self._times.popleft()
        if len(self._times) >= settings.rate_limit:
            seconds = settings.rate_window_seconds - (now - self._times[0]) if self._times else 1
            after = spell_retry_after(max(1, round(seconds)), settings.retry_after_form)
            message = f"The limit of {settings.rate_limit} requests is reached."
            raise Refusal(429, "rate_limit_exceeded", message, headers={"Retry-After": after})
        self._times.append(now)

    def headed(self, reply: Reply) -> Reply:
        """Give the reply with the headers that every reply of the API has."""
        left = max(0, self._settings.rate_limit - len(self._times))
        headers = {"X-RateLimit-Limit": str(self._settings.rate_limit), "X-RateLimit-Remaining": str(left)}
        if self._settings.warning:
            headers["X-REDIVIS-WARNING"] = self._settings.warning
        return replace(reply, headers={**headers, **reply.headers})


class ErrorStyle:
    """The error replies, in the shape that is set."""

    def __init__(self, settings: RedivisSettings, limits: Limits) -> None:
        self._settings = settings
        self._limits = limits

    def body(self, refusal: Refusal) -> Reply:
        """Give an error with a body."""
        word = WORDS.get(refusal.reason, refusal.reason)
        document: dict[str, object] = {"error": word, "error_description": refusal.message}
        if word == "insufficient_scope":
            document["scope"] = DATA_EDIT
        if self._settings.errors == "older":
            document = {"error": {"message": refusal.message, "status": refusal.status}}
        return self._limits.headed(Reply(document, refusal.status, refusal.headers))

    def header(self, refusal: Refusal) -> Reply:
        """Give the error of a HEAD request, which has no body."""
        reply = self.body(refusal)
        payload = quote(json.dumps(reply.document))
        return Reply(status=reply.status, headers={**reply.headers, "X-REDIVIS-ERROR-PAYLOAD": payload})


def invalid(message: str) -> Refusal:
    """Give the refusal of a request that is wrong in itself."""
    return Refusal(400, "invalid_request", message)


def missing(what: str) -> Refusal:
    """Give the refusal of something that is not there."""
    return Refusal(404, "not_found", f"{what} was not found, or you have no access to it.")


def conflict(message: str) -> Refusal:
    """Give the refusal of a second thing of a name."""
    return Refusal(409, "conflict", message)


def check_known(document: dict[str, Any], *known: str) -> dict[str, Any]:
    """Give a document back, if it has no other fields.

    :raises Refusal: 400.
    """
    for name in document:
        if name not in known:
            raise invalid(f"There is no field {name[:100]}; there are {', '.join(known)}.")
    return document
