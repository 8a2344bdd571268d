"""What a fault does to a request.

An action may act before the operation runs, and on its reply before that is sent. Actions that
spoil the body on its way in or out belong here too: an exchange carries ``receive``.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.connection import ConnectionCut, gone
from airflow_provider_jobs.sandbox.replies import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

    from airflow_provider_jobs.sandbox.auth import TokenBook

# What a number may be: nothing hangs longer than ten minutes, and a reply is a final one.
RANGES = {"seconds": (0, 600), "status": (200, 599), "retry_after": (0, 86400)}


@dataclass
class Exchange:
    """What an action may touch of one request."""

    receive: Receive
    authorization: str
    tokens: TokenBook
    stopping: asyncio.Event


@dataclass(frozen=True)
class Action:
    """Does nothing; the actions below override what they need."""

    async def before(self, _exchange: Exchange) -> None:
        """Act before the operation; a Refusal is the reply, ConnectionCut ends the connection."""

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Act on the reply of an operation that has run."""
        return reply


@dataclass(frozen=True)
class Delay(Action):
    """Wait before the operation."""

    seconds: float = 1.0

    async def before(self, exchange: Exchange) -> None:
        """Wait, at most until the sandbox ends."""
        await _wait(exchange.stopping, self.seconds)


@dataclass(frozen=True)
class Answer(Action):
    """Answer with an error in place of the operation."""

    status: int = 503
    reason: str = "backendError"
    message: str = "The sandbox was asked to answer this."
    retry_after: int | None = None

    async def before(self, _exchange: Exchange) -> None:
        """Refuse."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        raise Refusal(self.status, self.reason, self.message, headers=headers)


@dataclass(frozen=True)
class NotFound(Action):
    """Answer 404, as for a job that another location holds or that is not visible yet."""

    message: str = "Not found: the sandbox was asked not to find this."

    async def before(self, _exchange: Exchange) -> None:
        """Refuse."""
        raise Refusal(404, "notFound", self.message)


@dataclass(frozen=True)
class TokenExpired(Action):
    """Let the presented token end: 401, and for good unless it is the announced token."""

    async def before(self, exchange: Exchange) -> None:
        """Refuse."""
        exchange.tokens.expire(exchange.authorization)
        raise Refusal(401, "authError", "Invalid Credentials", location="Authorization")


@dataclass(frozen=True)
class Cut(Action):
    """Reset the connection before the operation."""

    async def before(self, _exchange: Exchange) -> None:
        """Cut."""
        raise ConnectionCut


@dataclass(frozen=True)
class DropReply(Action):
    """Run the operation, then reset the connection in place of its reply."""

    async def after(self, _exchange: Exchange, _reply: Reply) -> Reply:
        """Cut."""
        raise ConnectionCut


@dataclass(frozen=True)
class Hang(Action):
    """Take the request and never answer; ends with the client, the sandbox or the seconds."""

    seconds: float = 60.0

    async def before(self, exchange: Exchange) -> None:
        """Wait, then cut."""
        left = asyncio.ensure_future(gone(exchange.receive))
        try:
            await _wait(exchange.stopping, self.seconds, left)
        finally:
            left.cancel()
        raise ConnectionCut


@dataclass(frozen=True)
class Garbage(Action):
    """Run the operation, then answer something that is no JSON, with the same status."""

    body: str = "<html>not what was asked for"

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Replace the body."""
        return Reply(status=reply.status, headers=reply.headers, content=self.body.encode())


@dataclass(frozen=True)
class Patch(Action):
    """Run the operation, then change its reply: objects are merged, everything else is replaced."""

    document: dict[str, Any] = field(default_factory=dict)

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Merge."""
        return Reply(_merged(reply.document, self.document), reply.status, reply.headers)


ACTIONS: dict[str, type[Action]] = {
    "delay": Delay,
    "reply": Answer,
    "not_found": NotFound,
    "token_expired": TokenExpired,
    "cut": Cut,
    "drop_reply_after_accepting": DropReply,
    "hang": Hang,
    "garbage": Garbage,
    "patch": Patch,
}


def make_action(settings: Mapping[str, Any]) -> Action:
    """Give the action that ``{"action": name, …its settings}`` describes.

    :raises Refusal: 400, naming what is wrong.
    """
    kind = ACTIONS.get(str(settings.get("action")))
    if kind is None:
        raise Refusal(400, "invalid", f"action must be one of {', '.join(ACTIONS)}.")
    given = {name: value for name, value in settings.items() if name != "action"}
    known = {item.name: str(item.type) for item in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise Refusal(400, "invalid", f"{settings['action']} has no setting {name}.")
        _check(name, value, known[name])
    return kind(**given)


def _check(name: str, value: Any, wanted: str) -> None:
    accepted: dict[str, tuple[type, ...]] = {
        "float": (int, float),
        "str": (str,),
        "int": (int,),
        "dict": (dict,),
    }
    types = accepted[wanted.removesuffix(" | None").partition("[")[0]]
    right: bool = isinstance(value, types) and not isinstance(value, bool)
    if not right:
        raise Refusal(400, "invalid", f"{name} must be of type {wanted}.")
    least, most = RANGES.get(name, (None, None))
    if least is not None and most is not None and not least <= value <= most:
        raise Refusal(400, "invalid", f"{name} must be between {least} and {most}.")


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


async def _wait(stopping: asyncio.Event, seconds: float, other: asyncio.Future[None] | None = None) -> None:
    """Wait for the seconds, the end of the sandbox or the other future, whichever is first."""
    stop = asyncio.ensure_future(stopping.wait())
    waiting: set[asyncio.Future[Any]] = {stop} if other is None else {stop, other}
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stop
