"""BigQuery, Salesforce and Redivis jobs on a real Airflow, all on this machine.

Starts the sandbox and an Airflow in temporary folders, runs the example DAGs, prints and checks what
happened, and leaves nothing running, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.demo import report, rides, sales, salesforce
from tests.demo.airflow import Airflow
from tests.demo.checks import AirflowRecords, Check, Results
from tests.demo.processes import POLL_SECONDS, ProgramFailed
from tests.demo.sandbox_process import SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import FrameType

# The DAGs, and how each has to end; those that take long begin first.
EXPECTED = {
    "salesforce_sales": "success",
    "bigquery_jobs": "success",
    "salesforce_query": "success",
    "salesforce_ingest": "success",
    "bigquery_upload": "success",
    "bigquery_failure": "failed",
}
# An operator waits 5 s on its worker before it defers, and its trigger 10 s before it looks: jobs that end
# just before that look cost the demo no time.
JOB_SECONDS = 13.0
# Seven jobs of five tasks, one after the other, take 115 s on two cores.
RUN_SECONDS = 300.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interruption:
    """Notes a signal; whoever waits looks. So nothing is cut short half-way, least of all the stopping."""

    def __init__(self) -> None:
        self._number: int | None = None

    def install(self) -> None:
        """Take over the signals that end a program."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._number = number

    def check(self) -> None:
        """Do nothing, unless a signal came.

        :raises Interrupted: it did.
        """
        if self._number is not None:
            raise Interrupted(self._number)


class Narrator:
    """Prints each step with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Say what is happening."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    @staticmethod
    def title(text: str) -> None:
        """Begin a part."""
        print(f"\n{text}\n{'=' * len(text)}", flush=True)


@dataclass(frozen=True)
class Demo:
    """The whole demo, once everything runs.

    :param folder: Where the DAGs write files.
    """

    airflow: Airflow
    sandbox: SandboxProcess
    facts: rides.Facts
    narrator: Narrator
    folder: Path

    def run(self) -> bool:
        """Run the DAGs, print what they did, check it; returns whether all is as it should be."""
        self.airflow.wait_dags(*EXPECTED)
        conf = {"folder": str(self.folder)}
        runs = {dag_id: self.airflow.rest.trigger(dag_id, conf) for dag_id in EXPECTED}
        self.narrator.step(f"started the DAGs {', '.join(runs)}; the last fails on purpose")
        self._watch(runs)
        self.narrator.step("all have ended; asking Airflow, the services and the files what happened")
        records = AirflowRecords.collect(self.airflow, runs)
        self._tell(records)
        checks = [*records.checks(EXPECTED)]
        if records.run_states == EXPECTED:  # or there is nothing to compare, and the reason was told above
            results = Results.collect(self.sandbox)
            moved = salesforce.Moved.collect(self.sandbox, records.tasks, self.folder)
            self.narrator.title("What went out of Salesforce, and what became of what came in")
            print("\n".join(moved.lines()))
            sold = sales.Sold.collect(self.sandbox)
            checks += [*results.checks(self.facts, records), *moved.checks(), *sold.checks(moved.org)]
        told = [file for folder in self.airflow.folders for file in self.sandbox.files_with_token(folder)]
        checks.append(Check("neither Airflow's logs nor its database hold the services' token", [], told))
        self.narrator.title("Checked")
        return _show(checks)

    def _watch(self, runs: dict[str, str]) -> None:
        """Tell every change of a task until all runs have ended."""
        states: dict[str, str] = {}

        def ended() -> bool:
            over = all(self.airflow.rest.run_state(*run) in {"success", "failed"} for run in runs.items())
            for task in (task for run in runs.items() for task in self.airflow.rest.tasks(*run)):
                name, state = task["task_id"], task["state"]
                if state and states.get(name) != state and state not in {"scheduled", "queued"}:
                    states[name] = state
                    self.narrator.step(f"  {name}: {state}")
            return over

        self.airflow.wait(ended, RUN_SECONDS, f"the end of {' and '.join(runs)}", poll_seconds=1.0)

    def _tell(self, records: AirflowRecords) -> None:
        say = self.narrator.title
        say("What each job did")
        rows = [report.TITLES, *(task.cells for task in records.tasks)]
        print("\n".join(report.table(rows)))
        total = sum(task.seconds for task in records.tasks)
        held = [task.worker_seconds for task in records.tasks if task.worker_seconds is not None]
        if held:
            print(f"\nOf {total:.0f} s, tasks held a worker for {sum(held):.0f} s, says Airflow's audit log.")
        print("They wait a second there at first (inline_wait): short jobs end by then.")
        say("The tasks waited in the triggerer: its log")
        for task in records.tasks:
            log = records.trigger_logs[task.task_id]
            for line in report.trigger_proof(log, task.task_id, str(task.job.get("job_id"))):
                print(line)
        for task_id, text in records.failures.items():
            say(f"How {task_id} failed: the end of its log")
            print(text)


def _show(checks: Iterable[Check]) -> bool:
    passed = True
    for check in checks:
        print(check.line)
        passed = passed and check.passed
    return passed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if everything happened as it should."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack a character
    interruption = Interruption()
    interruption.install()
    narrator = Narrator()
    try:
        passed = _run_or_stop(options, interruption, narrator)
    except Interrupted as interrupted:
        narrator.step(f"{interrupted}: everything that was started has been stopped")
        return 128 + interrupted.number
    except (ProgramFailed, TimeoutError, OSError, requests.RequestException) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    narrator.step("nothing is left running" if passed else "the demo FAILED: see above")
    return 0 if passed else 1


def _run_or_stop(options: argparse.Namespace, interruption: Interruption, narrator: Narrator) -> bool:
    """Run; what fails because a signal also ended a program of ours is an interruption too."""
    try:
        return _run(options.dags_folder, interruption, narrator, keep=options.keep)
    except (ProgramFailed, TimeoutError, OSError, requests.RequestException):
        interruption.check()
        raise


def _run(dags: Path, interruption: Interruption, narrator: Narrator, *, keep: bool) -> bool:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-demo-")))

        def pause(seconds: float) -> None:
            time.sleep(seconds)  # between two looks at a condition; nothing is assumed to have happened
            interruption.check()

        sandbox, facts, environment = stack.enter_context(prepared(folder, pause, narrator))

        def pause_and_look(seconds: float) -> None:
            sandbox.program.ensure_alive()
            pause(seconds)

        airflow = stack.enter_context(Airflow(dags, environment, pause=pause_and_look, report=narrator.step))
        passed = Demo(airflow, sandbox, facts, narrator, folder).run()
        if keep:
            _keep(airflow, sandbox, pause_and_look)
        narrator.step("stopping everything")
    return passed


@contextlib.contextmanager
def prepared(
    folder: Path, pause: Callable[[float], None], narrator: Narrator
) -> Iterator[tuple[SandboxProcess, rides.Facts, dict[str, str]]]:
    """Start the sandbox, and make what the DAGs need: yields it, the facts, and what Airflow has to know."""
    with SandboxProcess(folder, job_seconds=JOB_SECONDS, pause=pause) as sandbox:
        narrator.step(f"the sandbox answers as BigQuery, Salesforce and Redivis on {sandbox.url}")
        sandbox.fill_salesforce()
        facts = rides.write_rides(sandbox.buckets)
        facts.damaged_rows = rides.write_damaged_rides(sandbox.buckets)
        rides_file = rides.write_local_file(sandbox.buckets, folder)
        for dataset in (rides.DATASET, salesforce.DATASET):
            sandbox.create_dataset(dataset)
        (sandbox.buckets / sales.BUCKET).mkdir()
        narrator.step(
            f"generated {facts.rows:,} bike rides, {facts.row_bytes / 1e6:.1f} MB in {facts.files} files,"
            f" in gs://{rides.BUCKET}/rides/"
        )
        yield (
            sandbox,
            facts,
            {
                "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": sandbox.connection(),
                "AIRFLOW_CONN_REDIVIS_DEFAULT": sandbox.redivis_connection(),
                "AIRFLOW_CONN_SALESFORCE_DEFAULT": sandbox.salesforce_connection(),
                "AIRFLOW_VAR_RIDES_FILE": str(rides_file),
                "AIRFLOW_VAR_CRM_EXPORTS": str(sandbox.buckets / sales.BUCKET),
            },
        )


def _keep(airflow: Airflow, sandbox: SandboxProcess, pause: Callable[[float], None]) -> None:
    """Stay until somebody asks for the end."""
    print(f"\nAirflow's UI: {airflow.rest.url}\nThe sandbox:  {sandbox.url}, its buckets {sandbox.buckets}")
    print(f"Its jobs:     {sandbox.page}")
    print("Ctrl-C stops everything.", flush=True)
    with contextlib.suppress(Interrupted):
        while True:
            pause(POLL_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("dags_folder", type=_folder, help="the folder with the example DAGs")
    parser.add_argument("--keep", action="store_true", help="keep Airflow and the sandbox open until Ctrl-C")
    return parser


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


if __name__ == "__main__":
    sys.exit(main())
