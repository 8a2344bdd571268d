"""Sample records: ``sample.sql`` makes them of the words of ``sample_words.json``.

The words have many scripts, and everything that breaks careless readers of CSV.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

COUNTS = {
    "User": 200, "Account": 5_000, "Contact": 200_000, "Opportunity": 20_000, "Case": 15_000,
    "Shipment__c": 10_000, "Lead": 2_000, "Task": 3_000, "AccountShare": 1_000, "Reading__b": 500,
}  # fmt: skip

_SQL = Path(__file__).with_suffix(".sql").read_text("utf-8")
_WORDS = json.loads(Path(__file__).with_name("sample_words.json").read_text("utf-8"))
SAMPLE_MACROS, *_STATEMENTS = re.split("(?=INSERT INTO)", _SQL)


def insert_sample(cursor: duckdb.DuckDBPyConnection, name: str, count: int, contacts: int) -> None:
    """Insert the sample records of an object into its empty table."""
    for variable, words in _WORDS.items():
        cursor.execute(f"SET VARIABLE {variable} = ?::VARCHAR[]", [words])
    cursor.execute("SET VARIABLE contacts = ?", [max(contacts, 1)])
    (statement,) = (each for each in _STATEMENTS if each.startswith(f'INSERT INTO "{name}"'))
    cursor.execute(statement, {"count": count})
