"""The control endpoints below ``/sandbox``: faults, the request log, timing, tokens, uploads.

Only the announced token opens them, and neither faults nor the log concern them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import CLOUD_PLATFORM
from airflow_provider_jobs.sandbox.call import Call, Handler
from airflow_provider_jobs.sandbox.clock import YEAR_SECONDS, read_seconds
from airflow_provider_jobs.sandbox.replies import Refusal, Reply, google_error
from airflow_provider_jobs.sandbox.uploads.control import UploadControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_jobs.sandbox.auth import TokenBook
    from airflow_provider_jobs.sandbox.operations import Service
    from airflow_provider_jobs.sandbox.platform import Platform


def control_routes(platform: Platform, services: Sequence[Service]) -> list[Route]:
    """Give the routes of the control endpoints."""
    control = Control(platform)
    handlers: list[tuple[str, str, Handler]] = [
        ("GET", "/sandbox/faults", control.list_faults),
        ("POST", "/sandbox/faults", control.add_fault),
        ("DELETE", "/sandbox/faults", control.clear_faults),
        ("DELETE", "/sandbox/faults/{fault_id:int}", control.remove_fault),
        ("GET", "/sandbox/requests", control.list_requests),
        ("DELETE", "/sandbox/requests", control.clear_requests),
        ("GET", "/sandbox/timing", control.show_timing),
        ("POST", "/sandbox/timing", control.change_timing),
        ("GET", "/sandbox/tokens", control.list_tokens),
        ("POST", "/sandbox/tokens", control.issue_token),
        ("POST", "/sandbox/tokens/expire", control.expire_tokens),
        ("POST", "/sandbox/tokens/lifetime", control.set_lifetime),
        *UploadControl(platform).handlers(),
        *(handler for service in services for handler in service.control()),
    ]
    return [Route(path, control.guarded(handler), methods=[method]) for method, path, handler in handlers]


class Control:
    """The control methods."""

    def __init__(self, platform: Platform) -> None:
        self._faults = platform.faults
        self._log = platform.log
        self._timing = platform.timing
        self._tokens = platform.tokens

    async def list_faults(self, _call: Call) -> Reply:
        """Give all faults and how often each was met."""
        return Reply({"faults": self._faults.overview()})

    async def add_fault(self, call: Call) -> Reply:
        """Add a fault."""
        return Reply(self._faults.add(await call.document()))

    async def clear_faults(self, _call: Call) -> Reply:
        """Take all faults away."""
        self._faults.clear()
        return Reply(status=204)

    async def remove_fault(self, call: Call) -> Reply:
        """Take one fault away."""
        if not self._faults.remove(int(call.path("fault_id"))):
            raise Refusal(404, "notFound", "There is no such fault.")
        return Reply(status=204)

    async def list_requests(self, _call: Call) -> Reply:
        """Give the logged requests."""
        return Reply({"requests": self._log.entries()})

    async def clear_requests(self, _call: Call) -> Reply:
        """Forget the logged requests."""
        self._log.clear()
        return Reply(status=204)

    async def show_timing(self, _call: Call) -> Reply:
        """Give how long jobs take at least."""
        return Reply(self._timing.overview())

    async def change_timing(self, call: Call) -> Reply:
        """Set how long jobs take at least."""
        return Reply(self._timing.change(await call.document()))

    async def list_tokens(self, _call: Call) -> Reply:
        """Give what was issued, without the tokens."""
        lifetime = self._tokens.lifetime_seconds
        return Reply({"lifetime_seconds": lifetime, "tokens": self._tokens.overview()})

    async def issue_token(self, call: Call) -> Reply:
        """Make a token of any account."""
        return Reply(issue(self._tokens, await call.document()))

    async def expire_tokens(self, _call: Call) -> Reply:
        """End all tokens but the announced one."""
        return Reply({"expired": self._tokens.expire_all()})

    async def set_lifetime(self, call: Call) -> Reply:
        """Set how long tokens live that are issued from now on."""
        self._tokens.lifetime_seconds = _token_seconds(await call.document())
        return Reply({"lifetime_seconds": self._tokens.lifetime_seconds})

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Give the endpoint that lets only the announced token reach the handler."""

        async def endpoint(request: Request) -> Response:
            if not self._tokens.is_announced(request.headers.get("authorization", "")):
                refusal = Refusal(401, "authError", "Only the announced token opens the control endpoints.")
                return google_error(refusal).response()
            try:
                reply = await handler(Call(request, None))
            except Refusal as refusal:
                reply = google_error(refusal)
            return reply.response()

        return endpoint


def issue(tokens: TokenBook, spec: dict[str, Any]) -> dict[str, Any]:
    """Make a token as ``{"email", "scopes", "seconds"}`` says; all but the email may be left out."""
    unknown = sorted(spec.keys() - {"email", "scopes", "seconds"})
    if unknown:
        raise Refusal(400, "invalid", f"A token has no setting {unknown[0]}.")
    email, scopes = spec.get("email"), spec.get("scopes", [CLOUD_PLATFORM])
    if not isinstance(email, str) or "@" not in email:
        raise Refusal(400, "invalid", "email must name an account.")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise Refusal(400, "invalid", "scopes must be a list of texts.")
    seconds = _token_seconds(spec) if spec.get("seconds") is not None else None
    grant = tokens.issue(email, frozenset(scopes), ("control",), seconds)
    return {"token": grant.token, "expires_at": grant.expires_at}


def _token_seconds(spec: dict[str, Any]) -> float:
    """Give the ``seconds`` of a request for or about tokens; 0 or less makes expired ones."""
    return read_seconds("seconds", spec.get("seconds"), least=-YEAR_SECONDS)
