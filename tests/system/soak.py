"""Tasks without end under random faults: ``make soak``. Prints, and keeps in a file, how it went.

Nothing may be lost, no job be made twice, and the triggerer not grow once it is warm.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.demo.processes import PROC, session_members
from tests.system.crowd.crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES, UPLOADS, PROJECTS, RETRIES = 8, 2, 2, 3
#: Runs at a time; the next one starts when one has ended.
RUNS = 2
JOB_SECONDS = 15.0
FAULT_SECONDS, SAMPLE_SECONDS = 4.0, 10.0
#: For the last runs to end once the faults are over.
END_SECONDS = 300.0
#: What the triggerer may grow from the second quarter of the time to the last.
MOST_MB, MOST_THREADS = 15.0, 8
ASKING = r"(bigquery\.jobs\.(insert|get|list)|redivis\.uploads\.(create|get|list)|redivis\.upload\.data)"
FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "reply", "status": 503, "times": 4},
    {"action": "reply", "status": 429, "reason": "rateLimitExceeded", "retry_after": 2, "times": 2},
    {"action": "cut", "times": 3},
    {"action": "drop_reply_after_accepting", "times": 2},
    {"action": "garbage", "times": 2},
    {"action": "delay", "seconds": 5, "times": 2},
    {"action": "hang", "seconds": 8},
    # Redivis's tokens do not expire, so one that is refused fails its task at once, as it should.
    {"action": "token_expired", "times": 1, "operation": r"bigquery\.jobs\.(insert|get|list)"},
    {"action": "reply", "status": 503, "times": 2, "operation": r"oauth\.token"},
    {"action": "expire all tokens"},
)


@dataclass(frozen=True)
class Sample:
    """The triggerer at a moment."""

    seconds: float
    rss_mb: float
    threads: int


@dataclass
class Figures:
    """How it went."""

    seconds: float = 0.0
    tasks: int = 0
    lost: int = 0
    retried: int = 0
    jobs: int = 0
    uploads: int = 0
    duplicates: int = 0
    faults: int = 0
    spoiled: int = 0
    samples: list[Sample] = field(default_factory=list)

    def quarter(self, number: int) -> Sample:
        """Return the medians of a quarter of the time, the first one being 0."""
        span = self.samples[-1].seconds / 4
        part = [each for each in self.samples if number * span <= each.seconds <= (number + 1) * span]
        return Sample(
            number * span, median(each.rss_mb for each in part), round(median(each.threads for each in part))
        )

    @property
    def right(self) -> bool:
        """Return whether nothing was lost, made twice or grown."""
        warm, late = self.quarter(1), self.quarter(3)
        grown = late.rss_mb - warm.rss_mb > MOST_MB or late.threads - warm.threads > MOST_THREADS
        return bool(self.tasks) and not (self.lost or self.duplicates or grown)

    def text(self) -> str:
        """Return all of it, as Markdown."""
        numbers = {
            "minutes": f"{self.seconds / 60:.1f}",
            "tasks": self.tasks,
            "lost (not successful in the end)": self.lost,
            "retried": self.retried,
            "BigQuery jobs": self.jobs,
            "Redivis uploads": self.uploads,
            "duplicates": self.duplicates,
            "faults asked for": self.faults,
            "requests that met one": self.spoiled,
        }
        lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in numbers.items())]
        lines += ["", "| quarter | triggerer, MB | threads |", "|---|---|---|"]
        for number in range(4):
            part = self.quarter(number)
            lines.append(f"| {number + 1} | {part.rss_mb:.1f} | {part.threads} |")
        return "\n".join([*lines, "", "right" if self.right else "WRONG", ""])


class Soak:
    """A crowd, its faults, and the figures."""

    def __init__(self, crowd: Crowd, seconds: float, dice: random.Random) -> None:
        self._crowd = crowd
        self._seconds = seconds
        self._dice = dice
        self._begun = time.monotonic()
        self._next_fault = self._next_sample = 0.0
        self._runs: list[str] = []
        self._ended: list[str] = []
        self.figures = Figures()

    def run(self) -> Figures:
        """Keep runs going until the time is over, then let the last ones end."""
        airflow = self._crowd.airflow
        airflow.wait(self._over, self._seconds + END_SECONDS, "the end of the soak", 1.0)
        self.figures.seconds = time.monotonic() - self._begun
        self._count()
        return self.figures

    def _over(self) -> bool:
        """Take one step; return whether it is over."""
        now = time.monotonic() - self._begun
        for run_id in list(self._runs):
            if self._crowd.airflow.rest.run_state("crowd", run_id) in {"success", "failed"}:
                self._runs.remove(run_id)
                self._ended.append(run_id)
        if now > self._seconds:
            book = self._crowd.sandbox.platform.faults
            self.figures.spoiled += sum(fault["applied"] for fault in book.overview())
            book.clear()
            return not self._runs
        while len(self._runs) < RUNS:
            self._runs.append(self._crowd.start())
        if now >= self._next_fault:
            self._next_fault = now + self._dice.expovariate(1 / FAULT_SECONDS)
            self._spoil()
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_SECONDS
            self.figures.samples.append(sample(self._crowd.airflow.triggerer.pid, now))
        return False

    def _spoil(self) -> None:
        fault = dict(self._dice.choice(FAULTS))
        if fault["action"] == "expire all tokens":
            self._crowd.sandbox.expire_tokens()
        else:
            self._crowd.sandbox.faults(**{"operation": ASKING, **fault})
        self.figures.faults += 1

    def _count(self) -> None:
        crowd, figures = self._crowd, self.figures
        for run_id in self._ended:
            tasks = crowd.tasks(run_id)
            figures.tasks += crowd.queries + crowd.uploads
            figures.lost += crowd.queries + crowd.uploads - sum(task["state"] == "success" for task in tasks)
            figures.retried += sum(task["try_number"] > 1 for task in tasks)
            for task in tasks:
                if task["state"] != "success":
                    sys.stdout.write(crowd.story(run_id, task))
        states = crowd.upload_states()
        figures.jobs, figures.uploads = len(crowd.jobs()), states.total()
        figures.duplicates = figures.jobs + figures.uploads - figures.tasks
        figures.lost += states.total() - states["completed"]


def sample(session: int, now: float) -> Sample:
    """Measure the triggerer: the process that Airflow supervises, and the one that runs the triggers."""
    found = [dict(status_of(pid)) for pid in session_members(session)]
    return Sample(
        now,
        sum(int(each["VmRSS"].split()[0]) for each in found) / 1024,
        sum(int(each["Threads"]) for each in found),
    )


def status_of(pid: int) -> Iterator[tuple[str, str]]:
    """Yield what Linux tells of a process."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        yield name, value.strip()


def main() -> int:
    """Soak, print the figures and keep them; return 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--figures", type=Path, default=Path("soak.md"), help="the file to write")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Crowd(Path(folder), queries=QUERIES, uploads=UPLOADS, projects=PROJECTS, retries=RETRIES) as crowd,
    ):
        crowd.sandbox.timing(running_seconds=JOB_SECONDS)
        figures = Soak(crowd, asked.minutes * 60, random.Random(asked.seed)).run()  # noqa: S311 - faults, no secret
    asked.figures.write_text(figures.text())
    sys.stdout.write(figures.text())
    return 0 if figures.right else 1


if __name__ == "__main__":
    sys.exit(main())
