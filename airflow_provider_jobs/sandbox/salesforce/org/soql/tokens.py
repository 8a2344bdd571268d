"""Words, signs and values of a SOQL query, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_jobs.sandbox.salesforce.org.refusals import refusal_at

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<time>\d\d:\d\d:\d\d(?:\.\d+)?Z)
  | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
  | (?P<sign><=|>=|!=|<>|[=<>(),:])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


@dataclass(frozen=True)
class Token:
    """One word, sign or value.

    :param kind: ``name``, ``string``, ``number``, ``date``, ``datetime``, ``time``, ``sign`` or ``end``.
    :param text: as written; of a string what it means.
    :param pattern: of a string, what it means after LIKE: wildcards that were escaped still are.
    """

    kind: str
    text: str
    at: int
    pattern: str = ""

    @property
    def word(self) -> str:
        """The token in upper case: keywords have no case. Empty for a string."""
        return "" if self.kind == "string" else self.text.upper()


def tokens_of(soql: str) -> list[Token]:
    """Split a query; the last token is the end.

    :raises SalesforceRefusal: MALFORMED_QUERY, at a character that begins nothing.
    """
    found, at = [], 0
    while at < len(soql):
        match = _TOKEN.match(soql, at)
        if match is None:
            raise _unreadable(soql, at)
        kind = str(match.lastgroup)
        if kind == "string":
            found.append(_string(soql, match[0], at))
        elif kind != "blank":
            found.append(Token(kind, match[0], at))
        at = match.end()
    return [*found, Token("end", "<EOF>", len(soql))]


def _unreadable(soql: str, at: int) -> Exception:
    row, column = soql.count("\n", 0, at) + 1, at - soql.rfind("\n", 0, at) - 1
    if soql[at] == "'":
        message = f"line {row}:{column} mismatched character '<EOF>' expecting '''"
    else:
        message = f"line {row}:{column} no viable alternative at character '{soql[at]}'"
    return refusal_at("MALFORMED_QUERY", soql, at, message)


def _string(soql: str, written: str, at: int) -> Token:
    meaning, pattern, end = [], [], 0
    inside = written[1:-1]
    for match in _ESCAPE.finditer(inside):
        between = inside[end : match.start()]
        character, escaped = _escape(soql, match[1], at + 1 + match.start())
        meaning += [between, character]
        pattern += [between, escaped]
        end = match.end()
    rest = inside[end:]
    return Token("string", "".join([*meaning, rest]), at, "".join([*pattern, rest]))


def _escape(soql: str, written: str, at: int) -> tuple[str, str]:
    """Give what an escape means, and how a pattern spells that."""
    if written in ("%", "_"):
        return written, "\\" + written
    if len(written) > 1:
        character = chr(int(written[1:], 16))
    elif written.lower() in _ESCAPES:
        character = _ESCAPES[written.lower()]
    else:
        row, column = soql.count("\n", 0, at) + 1, at - soql.rfind("\n", 0, at)
        message = f"line {row}:{column} no viable alternative at character '{written}'"
        raise refusal_at("MALFORMED_QUERY", soql, at, message)
    return character, "\\\\" if character == "\\" else character
