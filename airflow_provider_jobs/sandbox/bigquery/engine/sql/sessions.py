"""Sessions: what queries leave for those after them, temporary tables and variables.

https://cloud.google.com/bigquery/docs/sessions-intro
"""

from __future__ import annotations

import base64
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId

#: The oldest are forgotten beyond so many; BigQuery ends them after 24 hours without a query.
_MOST_SESSIONS = 1000


@dataclass
class QuerySession:
    """What the queries of one session share."""

    session_id: str
    project: str
    location: str
    variables: dict[str, exp.Expression] = field(default_factory=dict)
    temporary: dict[str, TableId] = field(default_factory=dict)

    @property
    def statistics(self) -> dict[str, Any]:
        """What a job of the session says of it."""
        return {"sessionInfo": {"sessionId": self.session_id}}


class Sessions:
    """The sessions of a sandbox, until it ends."""

    def __init__(self) -> None:
        self._known: dict[str, QuerySession] = {}
        self._guard = threading.Lock()

    def of(self, project: str, location: str, query: Mapping[str, Any]) -> QuerySession | None:
        """Give the session that a query creates, or names; None if it is in none.

        :raises JobProblem: there is no such session here.
        """
        named = _named(query)
        if query.get("createSession") is True:
            if named:
                raise JobProblem("invalid", "Cannot create a session when a session id is specified")
            return self._created(project, location)
        if named is None:
            return None
        with self._guard:
            found = self._known.get(named)
        if found is None or (found.project, found.location) != (project, location):
            raise JobProblem("notFound", f"Not found: Session {named} in location {location}")
        return found

    def _created(self, project: str, location: str) -> QuerySession:
        session_id = base64.b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        session = QuerySession(session_id, project, location)
        with self._guard:
            self._known[session_id] = session
            while len(self._known) > _MOST_SESSIONS:
                del self._known[next(iter(self._known))]
        return session


def _named(query: Mapping[str, Any]) -> str | None:
    """Give the session that a query names; refuse other properties, which would change its result."""
    named = None
    for each in query.get("connectionProperties") or []:
        if each.get("key") != "session_id":
            what = f"connectionProperties {each.get('key')}"
            raise JobProblem("invalid", f"{what} is not supported by the sandbox")
        named = str(each.get("value") or "")
    return named
