"""The application: every service, the token endpoints and the control endpoints on one port."""

from __future__ import annotations

import contextlib
import email.utils
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from airflow_provider_jobs.sandbox.control import control_routes
from airflow_provider_jobs.sandbox.oauth import TokenEndpoints
from airflow_provider_jobs.sandbox.replies import Refusal, google_error
from airflow_provider_jobs.sandbox.request_log import Logged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_jobs.sandbox.keys import Identity
    from airflow_provider_jobs.sandbox.operations import Service
    from airflow_provider_jobs.sandbox.platform import Platform


def make_app(platform: Platform, identity: Identity, services: Sequence[Service]) -> ASGIApp:
    """Give the ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        for service in services:
            await service.start()
        yield
        for service in services:
            await service.stop()
        await platform.uploads.close()

    async def refuse(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        reasons = {404: "notFound", 405: "httpMethodNotAllowed"}
        message = "The sandbox serves nothing at this method and path."
        return google_error(Refusal(status, reasons.get(status, "internalError"), message)).response()

    routes = [*control_routes(platform, services), *TokenEndpoints(platform, identity).routes()]
    for service in services:
        routes += service.routes()
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: refuse})
    app.router.redirect_slashes = False
    return Logged(_Dated(app, platform), platform.log)


class _Dated:
    """Says with each reply what time it is by the services' clock.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.date
    """

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._clock = platform.clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = email.utils.formatdate(self._clock.now(), usegmt=True)
                message["headers"] = [*message["headers"], (b"date", date.encode())]
            await send(message)

        await self._app(scope, receive, dated)
