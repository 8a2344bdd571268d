"""How the org says no, in Salesforce's codes and words.

Codes: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
"""

from __future__ import annotations

# How much of the query an error message shows on either side of the place.
_SHOWN_CHARACTERS = 40


class SalesforceRefusal(Exception):
    """A request that is refused before there is a job: one entry of the REST error body.

    :param code: ``errorCode``, such as ``MALFORMED_QUERY``, ``INVALID_FIELD``, ``INVALID_TYPE``.
    :param message: ``message``, word for word.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class IngestFailed(Exception):
    """An ingest job that ends as ``Failed``: nothing of its data was processed.

    :param message: the job's ``errorMessage``, such as ``InvalidBatch : Field name not found : Nmae``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def not_for_bulk(name: str) -> SalesforceRefusal:
    """Give the refusal of an object that the Bulk API does not take."""
    return SalesforceRefusal("INVALIDENTITY", f"Entity '{name}' is not supported by the Bulk API.")


def refusal_at(code: str, soql: str, at: int, message: str) -> SalesforceRefusal:
    """Give a refusal that shows the place in the query: the line, a caret, row and column."""
    start = soql.rfind("\n", 0, at) + 1
    end = soql.find("\n", at)
    line = soql[start : end if end >= 0 else len(soql)]
    column = at - start
    first = _cut_left(line, column - _SHOWN_CHARACTERS)
    shown = line[first : max(column + _SHOWN_CHARACTERS, first)].rstrip("\r")
    row = soql.count("\n", 0, at) + 1
    place = f"\n{shown}\n{' ' * (column - first)}^\nERROR at Row:{row}:Column:{column + 1}\n"
    return SalesforceRefusal(code, place + message)


def _cut_left(line: str, wanted: int) -> int:
    """Where to begin: at a word, not inside one."""
    if wanted <= 0:
        return 0
    blank = line.find(" ", wanted, wanted + _SHOWN_CHARACTERS)
    return blank + 1 if blank >= 0 else wanted
