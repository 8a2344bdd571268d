"""What is left of a task and its jobs after every end that it can come to, on a real Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.ends.table import ENDS, SERVICES
from tests.system.ends.theatre import Theatre

if TYPE_CHECKING:
    from tests.system.ends.table import End
    from tests.system.ends.theatre import Result


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Result]:
    """Bring all ends about, side by side."""
    with Theatre(tmp_path_factory.mktemp("ends") / "numbers.csv") as theatre:
        return {(each.end.name, each.service): each for each in theatre.perform()}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_end(results: dict[tuple[str, str], Result], end: End, service: str) -> None:
    """The task's state, how many jobs there were, and how each of them ended."""
    result = results[end.name, service]
    assert result.outcome == end.expected(service), result.story
