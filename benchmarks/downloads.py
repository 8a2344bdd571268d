"""How fast query results arrive: this package's client and simple-salesforce's `download`.

On loopback, and through a proxy that is a link with a round trip of 200 ms on which one connection carries
30 MB/s (`slow_link.py`); from a server that compresses, as clients ask it to, and one that does not. Each run
is a process of its own, and the two take turns. A speed, in megabytes of CSV, is the median of its runs; a
ratio is the median of the rounds' ratios. Ours counts and hashes every record, and joins the pages to one
file; the other leaves a file for each.

    python -m benchmarks.downloads [--pages 20] [--mebibytes 52] [--runs 2] [--before ../a-checkout]

With ``--before`` a second table has an earlier build, of which a checkout is there, in turns with this one:
what the server sends compressed becomes files that are compressed, and a plain one, on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.download_server import JOB_ID, make_page
from benchmarks.side_by_side import HERE, round_ratio, server_process
from benchmarks.slow_link import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = ("ours", "simple-salesforce")
#: Rows of the table: 6 MB under way in 200 ms are 30 MB/s; the link itself carries more than all of them.
LINKS = {"loopback": None, "200 ms, 30 MB/s a connection": Shape(1e10, 0.2, 6_000_000)}
#: What the second table measures: files of a client.
KEPT = {
    "ours, gzip parts": "a gzip file a page",
    "ours, one gzip file": "one gzip file",
    "ours": "one plain file",
}
ENCODINGS = {"plain": False, "gzip": True}


def receive(client: str, url: str, folder: Path, package: Path = HERE.parent) -> dict[str, float]:
    """Run one download, by the package in a checkout, and return its figures."""
    command = [sys.executable, str(HERE / "download_clients.py"), client, url, JOB_ID, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def row(name: str, url: str, folder: Path, runs: int, records: int) -> str:
    """Let the clients take turns, and return a row of the table."""
    rounds: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
    for _ in range(runs):
        for client in CLIENTS:
            figures = receive(client, url, folder)
            if figures["records"] != records:
                raise RuntimeError(f"{client} counted {figures['records']} records of {records}")
            rounds[client].append(figures)
    seconds = {client: [each["seconds"] for each in rounds[client]] for client in CLIENTS}
    megabytes = rounds["ours"][0]["bytes"] / 1e6
    rates = " | ".join(f"{megabytes / statistics.median(seconds[client]):.0f}" for client in CLIENTS)
    grown = " | ".join(f"{max(each['grown_mb'] for each in rounds[client]):.0f}" for client in CLIENTS)
    ratio = round_ratio(seconds["simple-salesforce"], seconds["ours"])
    return f"| {name} | {megabytes:.0f} | {rates} | {ratio:.1f} | {grown} |"


def beside(before: Path, url: str, folder: Path, runs: int, size: float) -> Iterator[str]:
    """Let this build and one before it take turns, and yield the rows of the second table.

    :param size: Megabytes of CSV.
    """
    for client, name in KEPT.items():
        rounds: dict[Path, list[dict[str, float]]] = {HERE.parent: [], before: []}
        for _ in range(runs):
            for package, figures in rounds.items():
                figures.append(receive(client, url, folder, package))
        now, then = ([each["seconds"] for each in figures] for figures in rounds.values())
        rates = " | ".join(f"{size / statistics.median(seconds):.0f}" for seconds in (now, then))
        work = " | ".join(
            f"{1000 * statistics.median(each['cpu_seconds'] for each in figures) / size:.1f}"
            for figures in rounds.values()
        )
        yield f"| {name} | {rates} | {round_ratio(then, now):.1f} | {work} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--mebibytes", type=int, default=52)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--only-before", action="store_true", help="the second table alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_page(folder, arguments.mebibytes)
        if not arguments.only_before:
            links(folder, arguments.pages, records, arguments.runs)
        if arguments.before:
            print("\n| from gzip on loopback to | MB/s of CSV | before | ratio | CPU ms a MB | before |")
            print("|---|---|---|---|---|---|")
            size = (folder / "page.csv").stat().st_size * arguments.pages / 1e6
            with server_process(org(folder, arguments.pages, records, compresses=True)) as url:
                for line in beside(arguments.before.resolve(), url, folder, arguments.runs, size):
                    print(line, flush=True)


def org(folder: Path, pages: int, records: int, *, compresses: bool) -> str:
    """Return the program of a server."""
    facts = f"{str(folder)!r}, {pages}, {records}, compresses={compresses}"
    return f"from download_server import Org; s = Org({facts})"


def links(folder: Path, pages: int, records: int, runs: int) -> None:
    """Print the first table."""
    print("| link | MB | MB/s ours | simple-salesforce | ratio | MB grown ours | simple-salesforce |")
    print("|---|---|---|---|---|---|---|")
    for (link, shape), (encoding, compresses) in itertools.product(LINKS.items(), ENCODINGS.items()):
        with contextlib.ExitStack() as stack:
            program = org(folder, pages, records, compresses=compresses)
            url = stack.enter_context(server_process(program))
            if shape:
                program = f"from slow_link import *; s = SlowLink({url!r}, {shape!r})"
                url = stack.enter_context(server_process(program))
            print(row(f"{link}, {encoding}", url, folder, runs, records * pages), flush=True)


if __name__ == "__main__":
    main()
