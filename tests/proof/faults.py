"""What may happen to a request, and how a task has to end that meets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A fault that no server can bring about: nobody listens where the request goes.
REFUSED = "refused"
#: Of the services' own codes, where a refusal has one that says more than its status.
REASONS: dict[int, Mapping[str, str]] = {
    401: {"bigquery": "authError", "salesforce": "INVALID_SESSION_ID", "redivis": "invalid_token"},
    403: {"bigquery": "accessDenied", "salesforce": "INSUFFICIENT_ACCESS", "redivis": "insufficient_scope"},
    404: {"bigquery": "notFound", "salesforce": "NOT_FOUND", "redivis": "not_found"},
    408: {"bigquery": "timeout", "salesforce": "TIMEOUT", "redivis": "timeout"},
    409: {"bigquery": "duplicate", "salesforce": "CONFLICT", "redivis": "conflict"},
    410: {"bigquery": "gone", "salesforce": "GONE", "redivis": "gone"},
    429: {
        "bigquery": "rateLimitExceeded",
        "salesforce": "TOO_MANY_REQUESTS",
        "redivis": "rate_limit_exceeded",
    },
    501: {"bigquery": "notImplemented", "salesforce": "NOT_IMPLEMENTED", "redivis": "not_implemented"},
}


@dataclass(frozen=True)
class Fault:
    """One fault.

    :param name: What the documentation calls it.
    :param settings: Of the sandbox's fault.
    :param mends: The same request has to succeed a moment later, in the same attempt.
    :param waits: It takes as long as a client waits for an answer, so that few are repeated.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    mends: bool = True
    waits: bool = False

    @property
    def status(self) -> int | None:
        """The status of the refusal that it is, if it is one in the service's own words."""
        return self.settings["status"] if self.settings["action"] == "reply" else None

    def spec(self, service: str) -> dict[str, Any]:
        """Return the fault as the sandbox takes it."""
        reason = REASONS.get(self.status or 0, {}).get(service)
        return {**self.settings, "reason": reason} if reason else dict(self.settings)


def _status(status: int, *, mends: bool = True, **more: Any) -> Fault:
    pause = ", Retry-After: 1" if more else ""
    return Fault(f"{status}{pause}", {"action": "reply", "status": status, **more}, mends=mends)


FAULTS = (
    Fault("connection refused", {"action": REFUSED}),
    Fault("connection reset", {"action": "cut"}),
    Fault("no answer (hang)", {"action": "hang", "seconds": 30.0}, waits=True),
    _status(401, mends=False),
    _status(403, mends=False),
    _status(404, mends=False),
    _status(408),
    _status(409, mends=False),
    _status(410, mends=False),
    _status(429),
    _status(429, retry_after=1),
    _status(500),
    _status(501, mends=False),
    _status(502),
    _status(503),
    _status(504),
    Fault("503 with a page of HTML", {"action": "answer"}),
    Fault("200 with a page of HTML", {"action": "answer_after_accepting", "status": 200}),
    Fault("200 with half the JSON", {"action": "garbage", "body": '{"kind": "half of it", "id'}),
    Fault("a body longer than its Content-Length", {"action": "headers", "headers": {"Content-Length": "1"}}),
    Fault(
        "a body shorter than its Content-Length",
        {"action": "headers", "headers": {"Content-Length": "9999999"}},
    ),
    Fault("a body of a byte a second", {"action": "slow_reply", "bytes_per_second": 1.0}, waits=True),
    Fault("reply lost after accepting", {"action": "drop_reply_after_accepting"}),
    Fault("the service's clock jumps 2 h ahead", {"action": "clock_jump", "jump_seconds": 7200.0}),
    Fault("the service's clock jumps 2 h back", {"action": "clock_jump", "jump_seconds": -7200.0}),
)
