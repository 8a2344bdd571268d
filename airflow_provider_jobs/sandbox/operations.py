"""One API method behind HTTP: faults, authorisation, the handler, the reply."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from airflow_provider_jobs.sandbox.auth import Grant, TokenBook, require_scope
from airflow_provider_jobs.sandbox.connection import ConnectionCut, cut
from airflow_provider_jobs.sandbox.fault_actions import Action, Exchange
from airflow_provider_jobs.sandbox.faults import FaultBook
from airflow_provider_jobs.sandbox.masks import MaskError, parse_mask
from airflow_provider_jobs.sandbox.replies import Refusal, Replaced, Reply
from airflow_provider_jobs.sandbox.request_log import RequestLog
from airflow_provider_jobs.sandbox.timing import TimingBook
from airflow_provider_jobs.sandbox.uploads.settings import UploadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from airflow_provider_jobs.sandbox.clock import Clock
    from airflow_provider_jobs.sandbox.masks import Mask
    from airflow_provider_jobs.sandbox.uploads.book import UploadBook

LOGGER = logging.getLogger(__name__)
MOST_BODY_BYTES = 16 * 1024 * 1024  # of a JSON document; uploads stream elsewhere

ErrorStyle = Callable[[Refusal], Reply]


@dataclass(frozen=True)
class Platform:
    """What every service of the sandbox shares."""

    root: Path
    url: str  # of this server, without a slash at the end
    tokens: TokenBook
    uploads: UploadBook
    clock: Clock
    upload_settings: UploadSettings = field(default_factory=UploadSettings)
    faults: FaultBook = field(default_factory=FaultBook)
    timing: TimingBook = field(default_factory=TimingBook)
    log: RequestLog = field(default_factory=RequestLog)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Call:
    """One authorised request, as a handler sees it."""

    request: Request
    grant: Grant | None  # None where the operation needs no token
    exchange: Exchange | None = None  # what faults may touch; None: there are none for this request
    actions: tuple[Action, ...] = ()  # of the faults that this request meets

    def path(self, name: str) -> str:
        """Give a parameter of the path."""
        return str(self.request.path_params[name])

    @property
    def email(self) -> str:
        """The account that asks."""
        return "" if self.grant is None else self.grant.email

    async def body(self) -> bytes:
        """Give the whole body.

        :raises Refusal: 413, too long.
        """
        chunks, size = [], 0
        async for chunk in self.request.stream():
            size += len(chunk)
            if size > MOST_BODY_BYTES:
                raise Refusal(413, "uploadTooLarge", "Request payload size exceeds the limit.")
            chunks.append(chunk)
        return b"".join(chunks)

    async def document(self) -> dict[str, Any]:
        """Give the JSON object of the body.

        :raises Refusal: 400, another content type or no JSON object.
        """
        media_type = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await self.body()
        if media_type != "application/json":
            raise Refusal(
                400, "badRequest", f"Content-Type must be application/json, not {media_type[:100]!r}."
            )
        return read_object(body)


def read_object(body: bytes) -> dict[str, Any]:
    """Give the JSON object that the bytes spell.

    :raises Refusal: 400, they spell none.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "parseError", "Parse Error: the body is not valid JSON.") from error
    if not isinstance(document, dict):
        raise Refusal(400, "parseError", "Parse Error: the body must be one JSON object.")
    return document


Handler = Callable[[Call], Awaitable[Reply]]


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
        exchange = Exchange(receive, authorization, self._platform.tokens, self._platform.stopping)
        try:
            for action in actions:
                await action.before(exchange)
            reply = await self._handled(request, exchange, actions)
        except Replaced as replaced:
            reply = replaced.reply
        except Refusal as refusal:
            reply = self._errors(refusal)
        if reply.final:
            path = request.url.path
            actions += self._platform.faults.actions_for(self.name, request.method, path, final=True)
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
