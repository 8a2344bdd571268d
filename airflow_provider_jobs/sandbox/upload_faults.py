"""What faults do to uploads in particular.

They meet the operations that take bytes or tell how many there are: ``bigquery.upload.data``,
``bigquery.upload.status``, ``redivis.upload.data`` and so on. ``bytes`` counts within one request.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Literal

from airflow_provider_jobs.sandbox.connection import ConnectionCut, wait_for_first
from airflow_provider_jobs.sandbox.fault_actions import Action, Exchange, Inside
from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.replies import Reply


class SessionExpired(Refusal):
    """The upload's session ends here, for good."""

    def __init__(self, status: int) -> None:
        reason = "notFound" if status == HTTPStatus.NOT_FOUND else "gone"
        super().__init__(status, reason, "The upload session has expired.")


@dataclass(frozen=True)
class CutAfterBytes(Inside):
    """Take so many bytes, keep them and reset the connection."""

    bytes: int | None = 0

    async def during(self, _exchange: Exchange) -> None:
        """Cut."""
        raise ConnectionCut


@dataclass(frozen=True)
class Stall(Inside):
    """Take so many bytes, then nothing for some seconds, or until a later request takes the upload over."""

    bytes: int | None = 0
    seconds: float = 60.0

    async def during(self, exchange: Exchange) -> None:
        """Wait."""
        await wait_for_first(self.seconds, exchange.stopping.wait(), exchange.abandoned.wait())


@dataclass(frozen=True)
class ExpireSession(Inside):
    """End the upload's session, for this request and all later ones."""

    status: Literal[404, 410] = 404
    bytes: int | None = 0

    async def during(self, _exchange: Exchange) -> None:
        """End it."""
        raise SessionExpired(self.status)


@dataclass(frozen=True)
class Short308(Action):
    """Take the whole body, keep only so many bytes of it and say so."""

    bytes: int = 0


@dataclass(frozen=True)
class NoRange308(Action):
    """Take the whole body, lose everything that the session has stored, and answer 308 without a Range."""


@dataclass(frozen=True)
class LostFinalReply(Action):
    """Complete the upload, then reset the connection; counts only requests that complete one."""

    final: ClassVar[bool] = True

    async def after(self, _exchange: Exchange, _reply: Reply) -> Reply:
        """Cut."""
        raise ConnectionCut


UPLOAD_ACTIONS: dict[str, type[Action]] = {
    "cut_after_bytes": CutAfterBytes,
    "stall": Stall,
    "session_expired": ExpireSession,
    "short_308": Short308,
    "308_without_range": NoRange308,
    "lost_final_reply": LostFinalReply,
}
