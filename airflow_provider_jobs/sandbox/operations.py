"""A service, and one of its API methods behind HTTP: faults, authorisation, the handler, the reply."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request

from airflow_provider_jobs.sandbox.auth import require_scope
from airflow_provider_jobs.sandbox.call import Call
from airflow_provider_jobs.sandbox.connection import ConnectionCut, cut
from airflow_provider_jobs.sandbox.fault_actions import Exchange
from airflow_provider_jobs.sandbox.masks import MaskError, parse_mask
from airflow_provider_jobs.sandbox.replies import Refusal, Replaced, Reply

if TYPE_CHECKING:
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

    from airflow_provider_jobs.sandbox.call import Handler
    from airflow_provider_jobs.sandbox.fault_actions import Action
    from airflow_provider_jobs.sandbox.masks import Mask
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.switches import Switches

LOGGER = logging.getLogger(__name__)

ErrorStyle = Callable[[Refusal], Reply]


class Service(Protocol):
    """One vendor's API."""

    def routes(self) -> list[Route]:
        """Give the routes, each ending in an Operation."""

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of the service's own control endpoints."""

    async def start(self) -> None:
        """Begin work; the event loop runs, requests come after."""

    async def stop(self) -> None:
        """End all work and threads; no request comes any more."""


def steering(settings: Switches, path: str) -> list[tuple[str, str, Handler]]:
    """Give method, path and handler of the control endpoints that show and change a service's settings."""

    async def show(_call: Call) -> Reply:
        return Reply(asdict(settings))

    async def change(call: Call) -> Reply:
        return Reply(settings.change(await call.document()))

    return [("GET", path, show), ("POST", path, change)]


class Operation:
    """An ASGI application that serves one method of an API.

    :param name: for faults and the log, such as ``bigquery.jobs.insert``.
    :param scopes: any one of them lets a token in; None: no token needed.
    :param errors: the service's error body.
    :param check_mask: raises MaskError if the reply cannot have what a partial response names.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        *,
        platform: Platform,
        scopes: frozenset[str] | None,
        errors: ErrorStyle,
        check_mask: Callable[[Mask], None] | None = None,
    ) -> None:
        self.name = name
        self._handler = handler
        self._platform = platform
        self._scopes = scopes
        self._errors = errors
        self._check_mask = check_mask

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        entry = scope["sandbox.entry"]
        entry.operation = self.name
        actions = self._platform.faults.actions_for(self.name, request.method, request.url.path)
        entry.faults += self._platform.faults.names(actions)
        try:
            reply = await self._reply(request, receive, actions)
        except ConnectionCut:
            await cut(scope, receive, send)
            return
        if request.method == "HEAD":
            reply = Reply(status=reply.status, headers=reply.headers)
        await reply.response()(scope, receive, send)

    async def _reply(self, request: Request, receive: Receive, actions: list[Action]) -> Reply:
        authorization = request.headers.get("authorization", "")
        exchange = Exchange(
            receive, authorization, self._platform.tokens, self._platform.stopping, self._platform.clock
        )
        try:
            for action in actions:
                await action.before(exchange)
            reply = await self._handled(request, exchange, actions)
        except Replaced as replaced:
            reply = replaced.reply
        except Refusal as refusal:
            request.scope["sandbox.entry"].error = f"{refusal.reason}: {refusal.message}"
            reply = self._errors(refusal)
        if reply.final:
            path = request.url.path
            last = self._platform.faults.actions_for(self.name, request.method, path, final=True)
            request.scope["sandbox.entry"].faults += self._platform.faults.names(last)
            actions += last
        for action in actions:
            reply = await action.after(exchange, reply)
        return reply

    async def _handled(self, request: Request, exchange: Exchange, actions: list[Action]) -> Reply:
        authorization, grant = exchange.authorization, None
        if self._scopes is not None:
            grant = self._platform.tokens.grant_of(authorization)
            request.scope["sandbox.entry"].account = grant.email
            require_scope(grant, self._scopes)
        fields = request.query_params.get("fields", "")
        try:
            mask = parse_mask(fields) if fields else None
            if mask is not None and self._check_mask is not None:
                self._check_mask(mask)
        except MaskError as error:
            message = f"Invalid field selection {fields[:200]!r}: {error}"
            raise Refusal(400, "invalidParameter", message, location="fields") from error
        try:
            reply = await self._handler(Call(request, grant, exchange, tuple(actions)))
        except (Refusal, ConnectionCut):
            raise
        except Exception as error:  # the caller must get the API's error, the console the traceback
            LOGGER.exception("%s failed", self.name)
            raise Refusal(500, "internalError", "The sandbox failed; its console shows why.") from error
        return reply if mask is None else reply.masked(mask)
