"""The demo as its user runs it: a command, a terminal, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# Airflow starts in 20 s and the demo takes 110 s where two cores are free.
DEMO_SECONDS = 300
STOP_SECONDS = 60
BIGQUERY_TASKS = (
    *("load_rides", "busy_stations", "snapshot", "hand_out", "send_rides"),
    *("opportunities", "sales", "hand_over", "stage_deals"),
    "deals_to_bigquery",
)
SALESFORCE_TASKS = ("won_deals", "all_contacts", "cases_are_read", "send_shipments", "read_back")
MARK = "DEMO_UNDER_TEST"


@dataclass
class Command:
    """A running demo in a session of its own, like one in a terminal."""

    process: subprocess.Popen[str]
    mark: str
    temporary: Path

    def read_until(self, text: str) -> str:
        """Read its output up to a line with ``text``."""
        assert self.process.stdout
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        pytest.fail(f"the demo ended without {text!r}:\n{''.join(lines)}")

    def left_over(self) -> list[str]:
        """Processes that it started and that still run, and files that it made and that are still there."""
        needle = f"{MARK}={self.mark}".encode()
        processes = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if needle in (folder / "environ").read_bytes():
                    processes.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it ended meanwhile, or is somebody else's
        return processes + [str(path) for path in self.temporary.iterdir()]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Command]:
    """Start the demo; its temporary files go into a folder that can be looked at."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    mark = uuid.uuid4().hex
    environment = os.environ | {"TMPDIR": str(temporary), MARK: mark}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.demo", "example_dags"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield Command(process, mark, temporary)
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=STOP_SECONDS)


def test_demo_shows_jobs_on_a_real_airflow_and_leaves_nothing(demo: Command) -> None:
    """What `make demo` promises: jobs ran, tasks deferred, the failure is shown whole, nothing stays."""
    output, _ = demo.process.communicate(timeout=DEMO_SECONDS)

    assert demo.process.returncode == 0, output
    assert demo.left_over() == []
    assert "FAILED" not in output
    for task in BIGQUERY_TASKS:
        assert re.search(rf"^{task} +success +airflow_\S+ ", output, re.MULTILINE), output
        assert re.search(rf"^\S+  {task}: the job is DONE$", output, re.MULTILINE), output
    assert re.search(r"^load_rides .* 120,000 ", output, re.MULTILINE)
    publish = re.search(r"^publish +success +/tables/acme\S+ +([\d,]+) ", output, re.MULTILINE)
    assert publish, output
    assert f"  ok      {publish[1]} rows in Redivis's acme.crm.sales: one upload" in output
    assert re.search(r"^\S+  publish: the job is completed$", output, re.MULTILINE), output
    assert re.search(r"^release +success ", output, re.MULTILINE), output
    for task in SALESFORCE_TASKS:
        assert re.search(rf"^{task} +success +750\w+ ", output, re.MULTILINE), output
        assert re.search(rf"^\S+  {task}: the job is JobComplete$", output, re.MULTILINE), output
    assert re.search(r"^all_contacts +success +\S+ +200,000 ", output, re.MULTILINE), output
    deals = re.search(r"^won_deals +success +\S+ +([\d,]+) ", output, re.MULTILINE)
    assert deals
    assert f"  ok      {deals[1]} won deals in BigQuery's crm.won_deals" in output
    assert "\nSalesforce rejected EX-4: INVALID_TYPE_ON_FIELD_IN_RECORD:" in output
    assert re.search(r"^load_damaged_rides +failed ", output, re.MULTILINE)
    failure = output.partition("How load_damaged_rides failed")[2].partition("Checked")[0]
    assert failure.count("\n  error ") >= 5
    assert "https://console.cloud.google.com/bigquery?" in failure
    assert len(re.findall(r"^  ok  ", output, re.MULTILINE)) >= 47
    assert "access_token" not in output


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param("starting Airflow", signal.SIGTERM, id="terminated while Airflow starts"),
        pytest.param(": running", signal.SIGINT, id="Ctrl-C while tasks run"),
    ],
)
def test_interrupted_demo_leaves_nothing(demo: Command, moment: str, number: signal.Signals) -> None:
    """A demo that is cut short ends all it started: no process, no file, and it says so."""
    demo.read_until(moment)

    os.killpg(demo.process.pid, number)
    output, _ = demo.process.communicate(timeout=STOP_SECONDS)

    assert demo.process.returncode == 128 + number, output
    assert f"{number.name}: everything that was started has been stopped" in output
    assert demo.left_over() == []
