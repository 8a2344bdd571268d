"""How long many small files take: 200 of 1 MiB, each a load job of 0.2 s, at 50 ms before each answer.

By this package's operator with 4 and with 16 files at a time, by google-cloud-bigquery in 4 threads, and by
the operator of another commit, if a checkout of it is named. Each run is a process of its own, and they take
turns. Seconds are medians, ratios the medians of the rounds' ratios. Ends with 1 if a bar is missed.

    python -m benchmarks.many [--peer PYTHON] [--before CHECKOUT] [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.side_by_side import HERE, round_ratio

FILES, BYTES = 200, 1024 * 1024
#: A row's name: the client, and how many files it sends at a time.
ROWS = {
    "ours, 4 at a time": ("ours", 4),
    "ours, 16 at a time": ("ours", 16),
    "Google's client, 4 threads": ("google", 4),
    "before, 4 at a time": ("before", 4),
}
#: Seconds that a row may take.
BARS = {"ours, 4 at a time": 6.0, "ours, 16 at a time": 5.0}


def seconds_of(client: str, at_a_time: int, folder: Path, python: str, path: str) -> float:
    """Run a client against a server of its own, and return its seconds."""
    environment = {**os.environ, "PYTHONPATH": path, "AIRFLOW_HOME": str(folder.parent / "home")}
    with subprocess.Popen(
        [sys.executable, str(HERE / "many_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin  # noqa: S101 - it is a pipe
        assert server.stdout  # noqa: S101 - it is a pipe
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        name = "google" if client == "google" else "ours"
        arguments = [name, url, str(folder), str(FILES), str(at_a_time)]
        done = subprocess.run(
            [python, str(HERE / "many_clients.py"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        server.stdin.close()
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def main() -> int:
    """Measure, print, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="the Python of an environment with Google's client")
    parser.add_argument("--before", help="a checkout of the commit to compare with")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    here = {"ours": (sys.executable, str(HERE.parent)), "before": (sys.executable, arguments.before)}
    ways = here | {"google": (arguments.peer, "")}
    rows = {name: row for name, row in ROWS.items() if ways[row[0]][0] and ways[row[0]][1] is not None}
    figures: dict[str, list[float]] = {name: [] for name in rows}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        for number in range(FILES):
            (folder / f"{number:03}.csv").write_bytes(os.urandom(BYTES))
        for _ in range(arguments.runs):
            for name, (client, at_a_time) in rows.items():
                figures[name].append(seconds_of(client, at_a_time, folder, *ways[client]))
    print(f"| {FILES} files of 1 MiB, 50 ms | s | slowest run | times as long as ours, 4 at a time |")
    print("|---|---|---|---|")
    for name, found in figures.items():
        ratio = round_ratio(found, figures["ours, 4 at a time"])
        print(f"| {name} | {statistics.median(found):.1f} | {max(found):.1f} | {ratio:.1f} |")
    missed = [name for name, bar in BARS.items() if statistics.median(figures[name]) > bar]
    for name in missed:
        print(f"\nMISSED: {name} has to take at most {BARS[name]:.0f} s.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
