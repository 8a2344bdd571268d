"""How fast query results arrive: this package's client and simple-salesforce's `download`.

On loopback, and through a proxy that is a link with a round trip of 200 ms on which one connection carries
30 MB/s (`slow_link.py`); from a server that compresses, as clients ask it to, and one that does not. Each run
is a process of its own, and the two take turns. A speed, in megabytes of CSV, is the median of its runs; a
ratio is the median of the rounds' ratios. Ours counts and hashes every record, and joins the pages to one
file; the other leaves a file for each.

    python -m benchmarks.downloads [--pages 20] [--mebibytes 52] [--runs 2]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.download_server import JOB_ID, make_page
from benchmarks.side_by_side import HERE, round_ratio, server_process
from benchmarks.slow_link import Shape

CLIENTS = ("ours", "simple-salesforce")
#: Rows of the table: 6 MB under way in 200 ms are 30 MB/s; the link itself carries more than all of them.
LINKS = {"loopback": None, "200 ms, 30 MB/s a connection": Shape(1e10, 0.2, 6_000_000)}
ENCODINGS = {"plain": False, "gzip": True}


def receive(client: str, url: str, folder: Path) -> dict[str, float]:
    """Run one download, and return its figures."""
    command = [sys.executable, str(HERE / "download_clients.py"), client, url, JOB_ID, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--mebibytes", type=int, default=52)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_page(folder, arguments.mebibytes)
        print("| link | MB | MB/s ours | simple-salesforce | ratio | MB grown ours | simple-salesforce |")
        print("|---|---|---|---|---|---|---|")
        for (link, shape), (encoding, compresses) in itertools.product(LINKS.items(), ENCODINGS.items()):
            with contextlib.ExitStack() as stack:
                facts = f"{name!r}, {arguments.pages}, {records}, compresses={compresses}"
                org = f"from download_server import Org; s = Org({facts})"
                url = stack.enter_context(server_process(org))
                if shape:
                    program = f"from slow_link import *; s = SlowLink({url!r}, {shape!r})"
                    url = stack.enter_context(server_process(program))
                total = records * arguments.pages
                print(row(f"{link}, {encoding}", url, folder, arguments.runs, total), flush=True)


if __name__ == "__main__":
    main()
