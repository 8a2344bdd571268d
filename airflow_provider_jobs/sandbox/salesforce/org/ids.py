"""Ids of records, made here and in DuckDB."""

from __future__ import annotations

from airflow_provider_jobs.sandbox.salesforce.ids import ALPHABET, SUFFIXES, digits_of, long_of

# After the key prefix: the org's part, the same for all records; then a counter of five digits.
_ORG = "Fk00000"
_COUNTER_DIGITS = 5

_FORM = "[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?"


def record_id(key_prefix: str, counter: int) -> str:
    """Spell the id of the record with this number."""
    return long_of(key_prefix + _ORG + digits_of(counter).rjust(_COUNTER_DIGITS, "0"))


def id_macros() -> str:
    """Give the same for DuckDB: ``sf_id(key_prefix, number)`` and ``sf_normal_id(text)``.

    The latter gives NULL for what has no form of an id, or a checksum that does not fit.
    """
    places = [f"(n // {62**power}) % 62" for power in reversed(range(_COUNTER_DIGITS))]
    digits = " || ".join(f"substr('{ALPHABET}', 1 + {place}, 1)" for place in places)
    upper = [f"({place} BETWEEN 10 AND 35)" for place in places]
    first, second, third = (
        _mark_of([_upper_at(start + place) for place in range(5)]) for start in (1, 6, 11)
    )
    return f"""
CREATE OR REPLACE MACRO sf_head_marks(x) AS {first} || {second};
CREATE OR REPLACE MACRO sf_id(prefix, n) AS
    prefix || '{_ORG}' || {digits} || sf_head_marks(prefix || '{_ORG}') || {_mark_of(upper)};
CREATE OR REPLACE MACRO sf_marks(x) AS
    sf_head_marks(x) || {third};
CREATE OR REPLACE MACRO sf_normal_id(x) AS CASE
    WHEN NOT regexp_full_match(x, '{_FORM}') THEN NULL
    WHEN length(x) = 15 OR substr(x, 16) = sf_marks(x) THEN substr(x, 1, 15) || sf_marks(x) END;
"""


def _upper_at(place: int) -> str:
    return f"(ascii(substr(x, {place}, 1)) BETWEEN 65 AND 90)"


def _mark_of(upper: list[str]) -> str:
    bits = " + ".join(f"{each}::INTEGER * {1 << place}" for place, each in enumerate(upper))
    return f"substr('{SUFFIXES}', 1 + {bits}, 1)"
