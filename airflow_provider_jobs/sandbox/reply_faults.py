"""What faults do to replies: other headers, another body, or a body that does not arrive as it should.

Those that change how a body is sent count its bytes as they go over the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.fault_actions import Action, Exchange, spell_retry_after
from airflow_provider_jobs.sandbox.replies import Refusal, Replaced, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY = 204  # a status whose reply has no body


@dataclass(frozen=True)
class Answer(Action):
    """Answer a status and a body, such as a proxy's page of HTML, in place of the operation."""

    status: int = 503
    body: str = "<html><body><h1>Service Unavailable</h1></body></html>"
    content_type: str = "text/html; charset=UTF-8"
    retry_after: int | None = None  # seconds

    async def before(self, _exchange: Exchange) -> None:
        """Answer."""
        raise Replaced(self.reply())

    def reply(self) -> Reply:
        """Give the answer."""
        after = self.retry_after
        headers = {} if after is None else {"Retry-After": spell_retry_after(after, "seconds")}
        content = b"" if self.status == EMPTY else self.body.encode()
        return Reply(status=self.status, headers=headers, content=content, media_type=self.content_type)


@dataclass(frozen=True)
class Redirect(Action):
    """Point to another address in place of the operation, as the old host of a renamed org does."""

    status: int = 301
    location: str = "https://renamed.example.com/"

    async def before(self, _exchange: Exchange) -> None:
        """Point there."""
        raise Replaced(Reply(status=self.status, headers={"Location": self.location}, content=b""))


@dataclass(frozen=True)
class AnswerAfterAccepting(Answer):
    """Run the operation, then answer that."""

    async def before(self, _exchange: Exchange) -> None:
        """Let it run."""

    async def after(self, _exchange: Exchange, _reply: Reply) -> Reply:
        """Answer."""
        return self.reply()


@dataclass(frozen=True)
class ChangeHeaders(Action):
    """Run the operation, then set headers of its reply; null takes one away."""

    headers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not name.isascii() or not (value is None or (isinstance(value, str) and value.isprintable())):
                raise Refusal(400, "invalid", "headers must be texts or null.")

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Set them."""
        return replace(reply, headers=changed(reply.headers, self.headers))


@dataclass(frozen=True)
class CutReply(Action):
    """Run the operation, send so many bytes of its reply's body, then reset the connection."""

    bytes: int = 0

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Have it cut."""
        return replace(reply, sending=replace(reply.sending, cut_at=self.bytes))


@dataclass(frozen=True)
class StallReply(Action):
    """Run the operation, send so many bytes of its reply's body, then nothing for some seconds."""

    bytes: int = 0
    seconds: float = 60.0

    async def after(self, exchange: Exchange, reply: Reply) -> Reply:
        """Have it stall."""
        sending = replace(
            reply.sending, stall_at=self.bytes, stall_seconds=self.seconds, stopping=exchange.stopping
        )
        return replace(reply, sending=sending)


@dataclass(frozen=True)
class SlowReply(Action):
    """Run the operation, then send its reply's body no faster than this."""

    bytes_per_second: float = 1024.0 * 1024

    async def after(self, _exchange: Exchange, reply: Reply) -> Reply:
        """Have it slow."""
        return replace(reply, sending=replace(reply.sending, bytes_per_second=self.bytes_per_second))


REPLY_ACTIONS: dict[str, type[Action]] = {
    "answer": Answer,
    "redirect": Redirect,
    "answer_after_accepting": AnswerAfterAccepting,
    "headers": ChangeHeaders,
    "cut_reply": CutReply,
    "stall_reply": StallReply,
    "slow_reply": SlowReply,
}


def changed(headers: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Give the headers with some set and some, whose value is None, gone; case does not matter."""
    renamed = {name.lower() for name in changes}
    kept = {name: value for name, value in headers.items() if name.lower() not in renamed}
    return kept | {name: value for name, value in changes.items() if value is not None}
