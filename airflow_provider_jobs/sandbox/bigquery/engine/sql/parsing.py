"""GoogleSQL text: split into statements, and parsed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError, SqlglotError, TokenError

from airflow_provider_jobs.sandbox.bigquery.engine.sql.calls import check_calls
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement, at, invalid_query

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIALECT = BigQuery()

# Statements of the scripting language and of administration that DuckDB has nothing for.
_REFUSED = {
    "ASSERT", "BREAK", "CALL", "CASE", "CONTINUE", "EXECUTE", "EXPLAIN", "EXPORT", "FOR", "GRANT", "IF",
    "ITERATE", "LEAVE", "LOAD", "LOOP", "RAISE", "REPEAT", "RETURN", "REVOKE", "WHILE",
}  # fmt: skip
_ACCEPTED = {
    "ALTER", "BEGIN", "COMMIT", "CREATE", "DECLARE", "DELETE", "DROP", "FROM", "INSERT", "MERGE", "ROLLBACK",
    "SELECT", "SET", "TRUNCATE", "UPDATE", "WITH", "(",
}  # fmt: skip


def split(script: str) -> list[Statement]:
    """Split a script at its semicolons.

    :raises JobProblem: an unclosed literal or comment, or no statement at all.
    """
    try:
        tokens = _DIALECT.tokenize(script)
    except TokenError as error:
        raise invalid_query(_unclosed(script)) from error
    statements: list[Statement] = []
    current: list[Token] = []
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            current.append(token)
        elif current:
            statements.append(Statement(script, tuple(current)))
            current = []
    if current:
        statements.append(Statement(script, tuple(current)))
    if not statements:
        raise invalid_query("Syntax error: Unexpected end of statement" + at(script, len(script)))
    return statements


def _unclosed(script: str) -> str:
    """Find the literal, name or comment that never ends: the first opening that has no partner."""
    scanner = re.compile(
        r"--[^\n]*|\#[^\n]*|/\*.*?\*/|'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`[^`]*`",
        re.DOTALL,
    )
    blanked = scanner.sub(lambda found: " " * len(found[0]), script)
    for mark, what in (
        ("/*", "comment"),
        ("'", "string literal"),
        ('"', "string literal"),
        ("`", "identifier literal"),
    ):
        if mark in blanked:
            return f"Syntax error: Unclosed {what}" + at(script, blanked.index(mark))
    return "Syntax error: Illegal input character"


def parse(statement: Statement) -> exp.Expression:
    """Parse one statement.

    :raises JobProblem: a syntax error, or a statement that the sandbox does not know.
    """
    if statement.keyword in _REFUSED:
        where = at(statement.script, statement.start)
        raise invalid_query(f"Unsupported statement in the sandbox: {statement.keyword}{where}")
    if statement.keyword not in _ACCEPTED:
        raise invalid_query(_unexpected(statement, statement.tokens[0]))
    check_calls(statement)
    try:
        trees = _DIALECT.parser().parse(_with_named_placeholders(statement.tokens), statement.script)
    except ParseError as error:
        raise invalid_query(_syntax_error(statement, error)) from error
    except (SqlglotError, ValueError, RecursionError) as error:
        raise invalid_query(
            "Syntax error: The statement cannot be parsed" + at(statement.script, statement.start)
        ) from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression) or isinstance(tree, exp.Command):
        raise invalid_query(
            f"Unsupported statement in the sandbox: {statement.keyword}"
            + at(statement.script, statement.start)
        )
    if isinstance(tree, exp.Delete) and not tree.this:  # DELETE without FROM
        tree.set("this", tree.args["tables"][0])
        tree.set("tables", None)
    return tree


def _with_named_placeholders(tokens: Sequence[Token]) -> list[Token]:
    """Give each positional parameter a name, ``@?1``, ``@?2``, since the tree does not keep their order."""
    named: list[Token] = []
    count = 0
    for token in tokens:
        if token.token_type is not TokenType.PLACEHOLDER:
            named.append(token)
            continue
        count += 1
        place = (token.line, token.col, token.start, token.end)
        named.append(Token(TokenType.PARAMETER, "@", *place))
        named.append(Token(TokenType.VAR, f"?{count}", *place))
    return named


def _syntax_error(statement: Statement, error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    here = [t for t in statement.tokens if (t.line, t.col) == (first.get("line"), first.get("col"))]
    token = here[0] if here else statement.tokens[-1]
    description = str(first.get("description") or "")
    expected = re.match(r"Expecting (\S+)", description)
    if expected and token is statement.tokens[-1]:
        return f'Syntax error: Expected "{expected[1]}" but got end of script' + at(
            statement.script, statement.end
        )
    if expected:
        found = f'Expected "{expected[1]}" but got {_named(token)}'
        return f"Syntax error: {found}" + at(statement.script, token.start)
    if token is statement.tokens[-1] and "Required keyword" in description:
        return "Syntax error: Unexpected end of script" + at(statement.script, statement.end)
    return _unexpected(statement, token)


def _unexpected(statement: Statement, token: Token) -> str:
    return f"Syntax error: Unexpected {_named(token)}" + at(statement.script, token.start)


def _named(token: Token) -> str:
    if token.token_type is TokenType.NUMBER:
        kind = "integer literal" if token.text.isdigit() else "floating point literal"
        return f'{kind} "{token.text}"'
    if token.token_type is TokenType.STRING:
        return f'string literal "{token.text}"'
    if token.token_type in {TokenType.VAR, TokenType.IDENTIFIER}:
        return f'identifier "{token.text}"'
    return f"keyword {token.text.upper()}" if token.text.isalpha() else f'"{token.text}"'
