"""GoogleSQL text, split into statements by Google's parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import GoogleSqlError
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import leaf
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement, at, in_script, invalid_query

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import Instance


def split(instance: Instance, script: str) -> list[Statement]:
    """Parse a script and give its statements.

    :raises JobProblem: a syntax error, or no statement at all.
    """
    request = message("local_service.ParseRequest")(
        sql_statement=script, options=instance.language.options, allow_script=True
    )
    whole = Statement(script, 0, len(script), None)
    try:
        parsed = instance.call("Parse", request).parsed_script
    except GoogleSqlError as error:
        raise invalid_query(in_script(error.message, whole, [])) from error
    statements = [whole.inner(leaf(node)) for node in parsed.statement_list_node.statement_list]
    if not statements:
        raise invalid_query("Syntax error: Unexpected end of statement" + at(script, len(script)))
    return statements
