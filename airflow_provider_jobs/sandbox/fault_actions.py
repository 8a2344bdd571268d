"""What a fault does to a request.

An action may act before the operation runs, somewhere inside the body that it takes in, and on its
reply before that is sent. ``upload_faults`` holds the actions that only uploads can meet,
``reply_faults`` those that spoil what is sent back.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field, fields
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_type_hints

from airflow_provider_jobs.sandbox.connection import ConnectionCut, gone, wait_for_first
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.switches import check_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

    from airflow_provider_jobs.sandbox.auth import TokenBook
    from airflow_provider_jobs.sandbox.clock import Clock

# What a number may be: nothing hangs longer than ten minutes, and a reply is a final one.
RANGES = {
    "seconds": (0, 600),
    "jump_seconds": (-86400.0, 86400.0),
    "status": (200, 599),
    "retry_after": (0, 86400),
    "bytes": (0, 1 << 50),
    "bytes_per_second": (1, 1 << 50),
    "record": (0, 1 << 50),
    "page": (0, 1 << 50),
}

RetryAfterForm = Literal["seconds", "date", "epoch"]


@dataclass
class Exchange:
    """What an action may touch of one request."""

    receive: Receive
    authorization: str
    tokens: TokenBook
    stopping: asyncio.Event
    clock: Clock
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)  # a later request took this one's upload


@dataclass(frozen=True)
class Action:
    """Does nothing; the actions below override what they need."""

    #: Whether only the reply that completes an upload counts as a match.
    final: ClassVar[bool] = False

    async def before(self, _exchange: Exchange) -> None:
        """Act before the operation; a Refusal is the reply, ConnectionCut ends the connection."""

    def due(self) -> int | None:
        """Give how many bytes of an upload's request come before ``during``; None: it never acts there."""
        return None

    async def during(self, _exchange: Exchange) -> None:
        """Act inside the body of an upload, as ``before`` does."""

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Act on the reply of an operation that has run."""
        return reply

    def lift(self) -> None:
        """End what still lasts: the fault is taken away. Any thread may call it."""


@dataclass(frozen=True)
class Delay(Action):
    """Wait before the operation."""

    seconds: float = 1.0

    async def before(self, exchange: Exchange) -> None:
        """Wait, at most until the sandbox ends."""
        await wait_for_first(self.seconds, exchange.stopping.wait())


@dataclass(frozen=True)
class ClockJump(Action):
    """Put the services' clock ahead before the operation, or back; it stays there."""

    jump_seconds: float = 7200.0

    async def before(self, exchange: Exchange) -> None:
        """Put it there."""
        exchange.clock.advance(self.jump_seconds)


@dataclass(frozen=True)
class Inside(Action):
    """Acts inside the body of an upload, after so many bytes; before the operation where none are given."""

    bytes: int | None = None

    async def before(self, exchange: Exchange) -> None:
        """Act, unless bytes come first."""
        if self.bytes is None:
            await self.during(exchange)

    def due(self) -> int | None:
        """Give the bytes."""
        return self.bytes


@dataclass(frozen=True)
class ErrorReply(Inside):
    """Answer with an error in place of the operation; with ``bytes``, after taking so many of an upload."""

    status: int = 503
    reason: str = "backendError"
    message: str = "The sandbox was asked to answer this."
    retry_after: int | None = None  # seconds
    retry_after_form: RetryAfterForm = "seconds"

    async def during(self, _exchange: Exchange) -> None:
        """Refuse."""
        after, form = self.retry_after, self.retry_after_form
        headers = {} if after is None else {"Retry-After": spell_retry_after(after, form)}
        raise Refusal(self.status, self.reason, self.message, headers=headers)


@dataclass(frozen=True)
class NotFound(Action):
    """Answer 404, as for a job that another location holds or that is not visible yet."""

    message: str = "Not found: the sandbox was asked not to find this."

    async def before(self, _exchange: Exchange) -> None:
        """Refuse."""
        raise Refusal(404, "notFound", self.message)


@dataclass(frozen=True)
class TokenExpired(Inside):
    """Let the presented token end: 401, and for good unless it is the announced token.

    With ``bytes``, after taking so many of an upload.
    """

    async def during(self, exchange: Exchange) -> None:
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
class HoldReply(Action):
    """Run the operation, then keep its reply back until the fault is taken away, at most so long."""

    seconds: float = 60.0
    _held: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set, init=False)

    async def after(self, exchange: Exchange, reply: Reply) -> Reply:
        """Wait."""
        held = (asyncio.get_running_loop(), asyncio.Event())
        self._held.add(held)
        await wait_for_first(self.seconds, held[1].wait(), exchange.stopping.wait())
        self._held.discard(held)
        return reply

    def lift(self) -> None:
        """Let them go."""
        for loop, released in tuple(self._held):
            loop.call_soon_threadsafe(released.set)


@dataclass(frozen=True)
class Hang(Action):
    """Take the request and never answer; ends with the client, the sandbox or the seconds."""

    seconds: float = 60.0

    async def before(self, exchange: Exchange) -> None:
        """Wait, then cut."""
        await wait_for_first(self.seconds, exchange.stopping.wait(), gone(exchange.receive))
        raise ConnectionCut


@dataclass(frozen=True)
class Garbage(Action):
    """Run the operation, then answer something that is not JSON, with the same status."""

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
    "clock_jump": ClockJump,
    "reply": ErrorReply,
    "not_found": NotFound,
    "token_expired": TokenExpired,
    "cut": Cut,
    "drop_reply_after_accepting": DropReply,
    "hold_reply": HoldReply,
    "hang": Hang,
    "garbage": Garbage,
    "patch": Patch,
}


def make_action(settings: Mapping[str, Any], kinds: Mapping[str, type[Action]]) -> Action:
    """Give the action that ``{"action": name, …its settings}`` describes.

    :raises Refusal: 400, naming what is wrong.
    """
    kind = kinds.get(str(settings.get("action")))
    if kind is None:
        raise Refusal(400, "invalid", f"action must be one of {', '.join(kinds)}.")
    given = {name: value for name, value in settings.items() if name != "action"}
    hints, known = get_type_hints(kind), {item.name for item in fields(kind) if item.init}
    for name, value in given.items():
        if name not in known:
            raise Refusal(400, "invalid", f"{settings['action']} has no setting {name}.")
        check_value(name, value, hints[name])
        least, most = RANGES.get(name, (-math.inf, math.inf))
        if isinstance(value, int | float) and not least <= value <= most:
            raise Refusal(400, "invalid", f"{name} must be between {least} and {most}.")
    return kind(**given)


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


def spell_retry_after(seconds: int, form: RetryAfterForm) -> str:
    """Give a Retry-After header: seconds, an HTTP date, or seconds since 1970."""
    moment = time.time() + seconds
    return {"seconds": str(seconds), "date": formatdate(moment, usegmt=True), "epoch": str(round(moment))}[
        form
    ]
