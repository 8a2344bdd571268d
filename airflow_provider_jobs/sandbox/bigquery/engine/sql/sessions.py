"""Sessions: what queries leave for those after them, temporary tables, variables and functions.

https://cloud.google.com/bigquery/docs/sessions-intro
"""

from __future__ import annotations

import base64
import contextlib
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.names import TableId
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext

#: The oldest are forgotten beyond so many; BigQuery ends them after 24 hours without a query.
_MOST_SESSIONS = 1000
_LOOK_SECONDS = 0.1  # for a cancel, while another query of the session runs


@dataclass
class QuerySession:
    """What the queries of one session share."""

    session_id: str
    project: str
    location: str
    # The same as of a script: see QueryContext.
    variables: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    temporary: dict[str, TableId] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)  # one query of a session runs at a time

    @property
    def statistics(self) -> dict[str, Any]:
        """What a job of the session says of it."""
        return {"sessionInfo": {"sessionId": self.session_id}}

    @contextlib.contextmanager
    def lent(self, context: QueryContext) -> Iterator[None]:
        """Give a query what those before it left, and keep what it leaves, however it ends.

        :raises JobProblem: the job was cancelled before its turn.
        """
        while not self.turn.acquire(timeout=_LOOK_SECONDS):
            context.session.check()
        try:
            context.variables, context.temporary = self.variables, self.temporary
            context.functions = self.functions
            yield
        finally:
            self.turn.release()


class Sessions:
    """The sessions of a sandbox, until it ends."""

    def __init__(self) -> None:
        self._known: dict[str, QuerySession] = {}
        self._guard = threading.Lock()

    def of(self, context: QueryContext, *, dry: bool = False) -> QuerySession | None:
        """Give the session that a query creates, or names; None if it is in none.

        :param dry: whether the query does not run: it creates none.

        :raises JobProblem: there is no such session here.
        """
        project, location, named = context.project, context.location, _named(context.query)
        if context.query.get("createSession") is True:
            if named:
                raise JobProblem("invalid", "Cannot create a session when a session id is specified")
            return None if dry else self._created(project, location)
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
