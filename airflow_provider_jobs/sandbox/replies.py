"""What an operation answers, or why it refuses: independent of any service's error format."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from airflow_provider_jobs.sandbox.streaming import PLAIN, Pieces, Ready, Sending, StreamedResponse

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.masks import Mask

# Google's status words, https://cloud.google.com/apis/design/errors#handling_errors
STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        location: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.location = location
        self.headers = headers or {}


class Replaced(Refusal):
    """A request that gets a ready reply, whatever the service's errors look like."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status, "replaced", "The sandbox was asked to answer this.")
        self.reply = reply


@dataclass(frozen=True)
class Reply:
    """Status, headers and either a JSON document or ready bytes."""

    document: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None  # sent as it is, in place of the document
    pieces: Pieces | None = None  # of a file, sent in place of either
    media_type: str = "application/json; charset=UTF-8"
    final: bool = False  # it tells that an upload is complete
    sending: Sending = PLAIN

    def masked(self, mask: Mask) -> Reply:
        """Give the reply with only the fields that the caller asked for; errors stay whole."""
        if self.content is not None or self.pieces is not None or self.status >= HTTPStatus.BAD_REQUEST:
            return self
        return replace(self, document=mask.apply(self.document))

    def response(self) -> Response:
        """Give what Starlette sends."""
        if self.pieces is not None:
            return StreamedResponse(self.pieces, self.status, self.headers, self.media_type, self.sending)
        body = self.content
        if body is None:
            body = b"" if self.document is None else json.dumps(self.document, separators=(",", ":")).encode()
        media_type = self.media_type if body else None
        if self.sending != PLAIN:
            return StreamedResponse(Ready(body), self.status, self.headers, media_type, self.sending)
        return Response(body, self.status, self.headers, media_type)


def google_error(refusal: Refusal) -> Reply:
    """Give the error body of Google's JSON APIs."""
    entry = {"domain": "global", "reason": refusal.reason, "message": refusal.message}
    if refusal.location:
        entry |= {"location": refusal.location, "locationType": "other"}
    error = {"code": refusal.status, "message": refusal.message, "errors": [entry]}
    if refusal.status in STATUS_WORDS:
        error["status"] = STATUS_WORDS[refusal.status]
    return Reply({"error": error}, refusal.status, refusal.headers)


def oauth_error(refusal: Refusal) -> Reply:
    """Give the error body of an OAuth token endpoint, https://www.rfc-editor.org/rfc/rfc6749#section-5.2."""
    body = {"error": refusal.reason, "error_description": refusal.message}
    return Reply(body, refusal.status, refusal.headers)
