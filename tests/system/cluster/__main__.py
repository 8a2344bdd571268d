"""On Celery, Redis and PostgreSQL: the example DAGs, and what can happen to a cluster. ``make cluster``.

Prints what the example DAGs did, and the table of docs/cluster.md as it was seen. Leaves nothing running.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.demo.__main__ import Demo, Interrupted, Interruption, Narrator, prepared
from tests.demo.processes import ProgramFailed
from tests.system.cluster.cluster import ROOT, running
from tests.system.cluster.perform import perform
from tests.system.cluster.servers import missing
from tests.system.cluster.table import SCENARIOS, markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.system.cluster.table import Scenario


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if everything happened as it should."""
    options = parser().parse_args(arguments)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 1
    interruption, narrator = Interruption(), Narrator()
    interruption.install()
    chosen = [each for each in SCENARIOS if each.name in options.only or not options.only]
    try:
        passed = run(chosen, interruption, narrator, examples=not options.only, keep=options.keep_logs)
    except Interrupted as interrupted:
        narrator.step(f"{interrupted}: everything that was started has been stopped")
        return 128 + interrupted.number
    except (ProgramFailed, TimeoutError, OSError) as error:
        print(f"\nThe cluster failed: {error}", file=sys.stderr)
        return 1
    narrator.step("nothing is left running" if passed else "the cluster FAILED: see above")
    return 0 if passed else 1


def run(
    scenarios: Sequence[Scenario],
    interruption: Interruption,
    narrator: Narrator,
    *,
    examples: bool,
    keep: Path | None,
) -> bool:
    """Run the example DAGs, then bring each scenario about; return whether all was as it has to be."""

    def pause(seconds: float) -> None:
        time.sleep(seconds)  # between two looks at a condition; nothing is assumed to have happened
        interruption.check()

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-cluster-")))
        dags = folder / "dags"
        shutil.copytree(ROOT / "example_dags", dags)
        sandbox, facts, environment = stack.enter_context(prepared(folder, pause, narrator))
        cluster = stack.enter_context(running(dags, environment, pause, narrator.step))
        if keep:
            stack.callback(shutil.copytree, cluster.home, keep, dirs_exist_ok=True)
        passed = Demo(cluster, sandbox, facts, narrator, folder).run() if examples else True
        narrator.title("What happens to a cluster")
        results = list(perform(cluster, scenarios, narrator.step))
        narrator.title("What was left")
        print(markdown(results))
        for each in results:
            if not each.right:
                print(f"\n{each.line()}\n{each.problem}")
        narrator.step("stopping everything")
    return passed and all(each.right for each in results)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.system.cluster", description=__doc__)
    names = [each.name for each in SCENARIOS]
    made.add_argument("only", nargs="*", choices=[[], *names], help="scenarios; default is all, and the DAGs")
    made.add_argument("--keep-logs", type=Path, help="a folder for Airflow's home, logs and all")
    return made


if __name__ == "__main__":
    sys.exit(main())
