"""Errors as Salesforce words them.

See https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm.
"""

from __future__ import annotations

from http import HTTPStatus

from airflow_provider_jobs.sandbox.replies import Refusal, Reply

# The codes of requests that fail before, or outside of, the org's own methods.
CODES = {
    "required": "INVALID_SESSION_ID",
    "authError": "INVALID_SESSION_ID",
    "insufficientPermissions": "INVALID_SESSION_ID",
    "notFound": "NOT_FOUND",
    "backendError": "SERVER_UNAVAILABLE",
    "internalError": "UNKNOWN_EXCEPTION",
    "parseError": "JSON_PARSER_ERROR",
    "uploadTooLarge": "REQUEST_ENTITY_TOO_LARGE",
    "badContent": "INVALID_MULTIPART_REQUEST",
    "badRequest": "INVALID_MULTIPART_REQUEST",
}
NO_SESSION = "Session expired or invalid"
NO_API = "This session is not valid for use with the REST API"
CHALLENGE = {"WWW-Authenticate": "Token"}


def salesforce_error(refusal: Refusal) -> Reply:
    """Give the error body of Salesforce's REST APIs."""
    code, message, headers = CODES.get(refusal.reason, refusal.reason), refusal.message, refusal.headers
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        message, headers = NO_SESSION, CHALLENGE
    elif refusal.reason == "insufficientPermissions":
        message = NO_API
    return Reply([{"errorCode": code, "message": message}], refusal.status, headers)


def bad(code: str, message: str) -> Refusal:
    """Give the refusal of a request that is wrong in itself."""
    return Refusal(400, code, message)


def api_error(message: str) -> Refusal:
    """Give the refusal whose code tells nothing."""
    return bad("API_ERROR", message)


def wrong_state(message: str) -> Refusal:
    """Give the refusal of what a job's state does not allow."""
    return bad("INVALIDJOBSTATE", message)


def missing() -> Refusal:
    """Give the refusal of something that is not there."""
    return Refusal(404, "NOT_FOUND", "The requested resource does not exist")
