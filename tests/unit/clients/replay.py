"""A transport that answers from recorded replies and keeps what it was asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.conftest import Clock

REPLIES = Path(__file__).parent / "replies"
PROJECTS = "https://bigquery.googleapis.com/bigquery/v2/projects"


def recorded(name: str) -> Reply:
    """Return a reply of the folder ``replies``."""
    reply = json.loads((REPLIES / f"{name}.json").read_text(encoding="utf-8"))
    return Reply(reply["status"], reply["headers"], json.dumps(reply["body"]).encode())


def resource(name: str) -> Any:
    """Return the body of a reply of the folder ``replies``."""
    return recorded(name).json()


def refusal(status: int, reason: str = "r") -> Reply:
    error = {"code": status, "message": "refused", "errors": [{"reason": reason, "message": "refused"}]}
    return Reply(status, {}, json.dumps({"error": error}).encode())


def job(job_id: str, state: str = "DONE", **more: Any) -> dict[str, Any]:
    """Return a small Job resource, as it is listed too."""
    reference = {"projectId": "p", "jobId": job_id, "location": "EU"}
    return {"jobReference": reference, "state": state, "status": {"state": state}, **more}


class NoToken:
    def headers(self) -> dict[str, str]:
        return {}

    def renew(self, rejected: Mapping[str, str]) -> bool:
        return False


class Replay(Transport):
    """Gives its replies in order: the name of a recorded one, a Reply, a document, or an error to raise.

    Retries are the real ones, on the test's clock.
    """

    def __init__(self, clock: Clock, *replies: Any) -> None:
        super().__init__(NoToken(), user_agent="test", timing=clock.timing)
        self.replies = list(replies)
        self.sent: list[Request] = []

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        self.sent.append(replace(request, params=dict(request.params)))  # the caller goes on with its own
        assert self.replies, f"one request too many: {request}"
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, str):
            return recorded(reply)
        return reply if isinstance(reply, Reply) else Reply(200, {}, json.dumps(reply).encode())

    @property
    def asked(self) -> list[str]:
        """Methods and paths, without what all paths begin with."""
        return [f"{request.method} {request.url.removeprefix(PROJECTS + '/')}" for request in self.sent]

    @property
    def params(self) -> list[dict[str, Any]]:
        """The query parameters of the requests, those without a value left out."""
        return [
            {name: value for name, value in request.params.items() if value is not None}
            for request in self.sent
        ]


def client_of(clock: Clock, *replies: Any, **options: Any) -> tuple[BigQueryClient, Replay]:
    replay = Replay(clock, *replies)
    client = BigQueryClient(replay, "p", **options)
    client._many.jobs.at_a_time = 1  # replies come in order
    return client, replay
