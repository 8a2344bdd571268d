"""What a SOQL query says, before anything in it is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Name:
    """A field path, an object or a function, as written."""

    text: str
    at: int


@dataclass(frozen=True)
class Literal:
    """A value.

    :param kind: ``string``, ``number``, ``date``, ``datetime``, ``time``, ``boolean``, ``null`` or
        ``range`` (TODAY …).
    :param count: the number of a range that takes one, as in ``LAST_N_DAYS:7``.
    """

    kind: str
    text: str
    at: int
    pattern: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Operand:
    """A field, or a date function of one."""

    field: Name
    function: Name | None = None


@dataclass(frozen=True)
class Comparison:
    """A field against values. Several only for IN, NOT IN, INCLUDES and EXCLUDES."""

    operand: Operand
    operator: str
    values: tuple[Literal, ...]
    at: int


@dataclass(frozen=True)
class SemiJoin:
    """A field that is among those of other records, or is not."""

    operand: Operand
    negated: bool
    query: Query
    at: int


@dataclass(frozen=True)
class Negation:
    """NOT a condition."""

    condition: Condition


@dataclass(frozen=True)
class Chain:
    """Conditions joined by AND, or by OR."""

    word: str
    conditions: tuple[Condition, ...]


Condition: TypeAlias = "Comparison | SemiJoin | Negation | Chain"


@dataclass(frozen=True)
class Selected:
    """A field to select; ``function`` is TOLABEL, or FIELDS with its argument as the field."""

    field: Name
    function: Name | None = None
    alias: str | None = None


@dataclass(frozen=True)
class Ordering:
    """A field to order by."""

    field: Name
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """SELECT … FROM … WHERE … ORDER BY … LIMIT."""

    selected: tuple[Selected, ...]
    object: Name
    alias: str | None
    where: Condition | None
    order: tuple[Ordering, ...]
    limit: int | None
    at: int
