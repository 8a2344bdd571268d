"""Bring scenarios about on a cluster, one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.system.cluster.acts import ACTS, Wrong
from tests.system.cluster.stage import Result, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.system.cluster.cluster import Cluster
    from tests.system.cluster.table import Scenario


def perform(
    cluster: Cluster, scenarios: Iterable[Scenario], report: Callable[[str], None] = lambda _: None
) -> Iterator[Result]:
    """Yield what was left of each; what goes wrong with one does not keep the others from happening."""
    for scenario in scenarios:
        report(scenario.what)
        cluster.wait_whole()
        cluster.restarts.clear()
        begun, problem = time.monotonic(), ""
        with Stage(cluster, scenario) as stage:
            try:
                stage.begin()
                ACTS[scenario.name](stage)
                stage.end()
            except (TimeoutError, Wrong) as error:
                problem = str(error)
            outcomes = {mode: party.outcome() for mode, party in stage.parties.items()}
            seconds = time.monotonic() - begun
            result = Result(scenario, outcomes, seconds, dict(cluster.restarts), problem)
            report(result.line())
            yield result
