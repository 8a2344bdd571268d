"""URL parameters, read by type: a value that is none is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.problems import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_UINT32 = 2**32 - 1
MOST_UINT64 = 2**64 - 1


class Parameters:
    """The URL parameters of one request; unknown names are ignored, as BigQuery ignores them."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, name: str) -> str | None:
        """Give a text; None if it is missing or empty."""
        return self._values.get(name) or None

    def texts(self, name: str) -> list[str]:
        """Give every value of a repeated parameter."""
        return [value for value in self._values.getlist(name) if value]

    def number(self, name: str, most: int = MOST_UINT32) -> int | None:
        """Give a whole number that is not negative; None if it is missing."""
        text = self._values.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or len(text) > len(str(MOST_UINT64)) or int(text) > most:
            raise bad_value(name, text)
        return int(text)

    def flag(self, name: str) -> bool:
        """Give a truth value; false if it is missing."""
        text = self._values.get(name, "false")
        if text.lower() not in {"true", "false"}:
            raise bad_value(name, text)
        return text.lower() == "true"

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Give one of the choices; the first if it is missing."""
        text = self._values.get(name, choices[0])
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise bad_value(name, text)


def bad_value(name: str, text: str) -> ApiError:
    """Give the refusal of a parameter's value."""
    return ApiError(400, "invalidParameter", f"Invalid value for {name}: {text[:100]!r}.", name)
