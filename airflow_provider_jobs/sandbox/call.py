"""One request as a handler sees it, and what a handler is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.replies import Refusal, Reply

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_jobs.sandbox.auth import Grant
    from airflow_provider_jobs.sandbox.fault_actions import Action, Exchange

MOST_DIGITS = 18  # of a number in a request
MOST_BODY_BYTES = 16 * 1024 * 1024  # of a JSON document; uploads stream elsewhere


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

    @property
    def media_type(self) -> str:
        """What the body says that it is."""
        return str(self.request.headers.get("content-type", "")).partition(";")[0].strip().lower()

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
        body = await self.body()
        if self.media_type != "application/json":
            message = f"Content-Type must be application/json, not {self.media_type[:100]!r}."
            raise Refusal(400, "badRequest", message)
        return read_object(body)


def whole_number(text: str) -> int | None:
    """Give the number that a text spells; None: it spells none, or one that nobody means."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


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
