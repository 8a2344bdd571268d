"""Transactions of several statements of a script: all of what they change, or nothing.

https://cloud.google.com/bigquery/docs/transactions
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import invalid_query, unsupported
from airflow_provider_jobs.sandbox.bigquery.engine.sql.plan import statement_kind
from airflow_provider_jobs.sandbox.bigquery.engine.sql.statements import ensure_anonymous_dataset

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.context import QueryContext
    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement


class Transaction:
    """The transaction of a script: none, open, or open after a statement of it has failed."""

    def __init__(self, context: QueryContext) -> None:
        self._context = context
        self._open = False
        self._temporary = dict(context.temporary)  # as they were when it began
        self._functions = dict(context.functions)
        self.statistics: dict[str, Any] = {}  # of the statements in it

    def control(self, what: str) -> str:
        """Begin, commit or roll back; give the ``statementType``.

        :raises JobProblem: there is one, or none, or it cannot be committed.
        """
        if what == "BeginStatement":
            self._begin()
            return "BEGIN_TRANSACTION"
        if not self._open:
            word = "commit" if what == "CommitStatement" else "roll back"
            raise invalid_query(f"Cannot {word}: there is no active transaction")
        if what == "RollbackStatement":
            self.abandon()
            return "ROLLBACK_TRANSACTION"
        if self._context.transaction_failed:
            raise unsupported("commit a transaction in which a statement has failed")
        self._context.session.commit()
        self._close()
        return "COMMIT_TRANSACTION"

    def check(self, statement: Statement) -> bool:
        """Whether a statement would change something in the open transaction.

        :raises JobProblem: the sandbox cannot, because a statement has failed before.
        """
        changes = self._open and statement_kind(statement) != "SELECT"
        if changes and self._context.transaction_failed:
            raise unsupported(f"run {statement.keyword} in a transaction in which a statement has failed")
        return changes

    def failed(self, *, changes: bool) -> None:
        """Note that a statement has failed; what it changed cannot be told from what others did."""
        session = self._context.session
        if self._open and not self._context.transaction_failed and (changes or not session.is_usable()):
            session.rollback()
            self._context.transaction_failed = True

    def end(self) -> None:
        """End with the script, which rolls back what it has not committed.

        :raises JobProblem: BigQuery would keep it open, for the next query of the session.
        """
        if self._open and self._context.in_session:
            raise unsupported("keep a transaction open for the next query of a session")
        self.abandon()

    def abandon(self) -> None:
        """Roll back, if there is anything."""
        if not self._open:
            return
        if not self._context.transaction_failed:
            self._context.session.rollback()
        for now, before in (
            (self._context.temporary, self._temporary),
            (self._context.functions, self._functions),
        ):
            now.clear()
            now.update(before)
        self._close()

    def _begin(self) -> None:
        context = self._context
        if self._open:
            raise invalid_query("Cannot begin a transaction: transactions cannot be nested")
        ensure_anonymous_dataset(context)  # for results, which outlive a rollback
        self._temporary, self._functions = dict(context.temporary), dict(context.functions)
        context.session.begin()
        self._open = True
        self.statistics = {"transactionInfo": {"transactionId": uuid.uuid4().hex}}

    def _close(self) -> None:
        self._open = self._context.transaction_failed = False
        self.statistics = {}
