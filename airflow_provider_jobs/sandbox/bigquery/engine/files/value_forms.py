"""How numbers, dates and times are written in files, as patterns that Python and DuckDB read alike.

https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv#data_types
"""

from __future__ import annotations

_NUMBER = "[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?"
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DAY = "[0-9]{1,2}-[0-9]{1,2}"
_MINUTES = "(?:[01]?[0-9]|2[0-3]):[0-9]{1,2}"
_SECONDS = ":[0-9]{1,2}(?:[.][0-9]*)?"
# Without a colon between hours and minutes it is refused: https://github.com/project-koku/nise/issues/470.
_ZONE = "(?: *(?:[zZ]|[uU][tT][cC])| *[+-][0-9]{1,2}(?::[0-9]{2})?| +[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*)"
_ANY_DATE = f"{_YEAR}(?:-{_DAY}|/[0-9]{{1,2}}/[0-9]{{1,2}})"

# Seconds since 1970, which a TIMESTAMP may be, too.
EPOCH = "-?[0-9]+(?:[.][0-9]*)?"
# Of text without blanks around it; what has the form may still be no value: 2020-02-30.
FORMS = {
    "INTEGER": "[+-]?[0-9]+",
    "FLOAT": f"{_NUMBER}|[+-]?(?i:inf|infinity)|[+-]?(?i:nan)",
    "NUMERIC": _NUMBER,
    "BIGNUMERIC": _NUMBER,
    "DATE": f"{_YEAR}-{_DAY}",
    "TIME": f"{_MINUTES}{_SECONDS}",
    "DATETIME": f"{_YEAR}-{_DAY}(?:[ Tt] *{_MINUTES}(?:{_SECONDS})?)?",
    "TIMESTAMP": f"{_ANY_DATE}(?:[ Tt] *{_MINUTES}(?:{_SECONDS})?)?{_ZONE}?",
}
