"""What waiting costs: calls, CPU, memory and lateness, beside one get a job and beside Google's trigger.

Each row of the tables is a process of its own (``waiting_triggers.py``) against one loopback server
(``waiting_server.py``), which answers after 200 ms. Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
#: Seconds between two looks, in every row: the default of Google's trigger.
INTERVAL = 4.0
NAMES = {"jobs": "one list a tick", "gets": "one get a job", "google": "Google's trigger"}
#: Client, deferred jobs, how many of them end in the measured time.
ROWS = [
    ("jobs", 1, 1),
    ("jobs", 30, 20),
    ("jobs", 1_000, 200),
    ("jobs", 10_000, 1_000),
    ("gets", 30, 20),
    ("gets", 1_000, 200),
    ("google", 1, 1),
    ("google", 10, 6),
    ("google", 30, 20),
    ("google", 1_000, 0),
]
#: The largest number of jobs that Google's trigger still polls every four seconds at 200 ms latency.
GOOGLE_HOLDS = 10
#: Client and number of triggers whose memory is measured.
WEIGHED = [("jobs", 1_000), ("jobs", 10_000), ("google", 200)]
#: How connections fail beside a good one.
TROUBLES = [[], ["503", "silent"]]
PARTS = ("costs", "news")
#: Jobs that wait when 200 of them end within 5 s, in a project with so many ended jobs of others.
BURSTS = (1_000, 10_000)
BURST = {"ending": 200, "burst": 5.0, "others": 50_000, "seconds": 15.0}
#: What is out while single jobs, or all others, can be asked for: a row's name, and its requests.
SPOILT = {
    "nothing": {},
    "one job's get answers 503 for 9 s": {"kind": "get", "how": "503", "job": "j5", "seconds": 9},
    "one job's get answers 503 for 100 s": {"kind": "get", "how": "503", "job": "j5", "seconds": 100},
    "one job's get never answers": {"kind": "get", "how": "silent", "job": "j5", "seconds": 100},
    "jobs.list answers 503": {"kind": "list", "how": "503", "job": "", "seconds": 100},
    "jobs.list answers 403 quotaExceeded": {"kind": "list", "how": "403", "job": "", "seconds": 100},
    "jobs.list never answers": {"kind": "list", "how": "silent", "job": "", "seconds": 100},
    "jobs.list answers a byte a second": {"kind": "list", "how": "trickle", "job": "", "seconds": 100},
}
#: Jobs of each of them, and how many of the good one end.
BESIDE = 100, 80


@contextmanager
def serving() -> Iterator[str]:
    """Run the server, and yield its address."""
    command = [sys.executable, str(HERE / "waiting_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin  # noqa: S101 - it is a pipe
        assert server.stdout  # noqa: S101 - it is a pipe
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.stdin.close()


def environment(url: str, home: str) -> dict[str, str]:
    """Return the environment of a triggerer with connections to the server, for both providers."""
    found = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(HERE.parent)),
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "NO_PROXY": "127.0.0.1",
        "BIGQUERY_EMULATOR_HOST": url,  # the official client asks there
    }
    for name in ("bench", "bad503", "badsilent"):
        extra = {"project": name, "api_endpoint": url, "access_token": "loopback", "keyfile_dict": key(url)}
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        found[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
    return found


def key(url: str) -> str:
    """Return the key of a service account whose tokens the server gives."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "bench",
            "private_key_id": "1",
            "private_key": private.decode(),
            "client_email": "robot@bench.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{url}/token",
        }
    )


class Bench:
    """Runs the processes and remembers their figures."""

    def __init__(self, url: str, env: dict[str, str], peer: str | None, *, quick: bool) -> None:
        self._url, self._env, self._peer = url, env, peer
        self._times = {"warm_seconds": 8.0, "seconds": 10.0} if quick else {}
        self.missed = False

    def figures(self, client: str, jobs: int, **settings: Any) -> dict[str, Any] | None:
        """Let so many jobs wait, and return the figures; None without Google's provider."""
        python = self._peer if client == "google" else sys.executable
        if python is None:
            return None
        asked = {"client": client, "url": self._url, "jobs": jobs, "interval": INTERVAL, **self._times}
        command = [python, str(HERE / "waiting_triggers.py"), json.dumps(asked | settings)]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            if line.startswith("FIGURES "):
                found: dict[str, Any] = json.loads(line.removeprefix("FIGURES "))
                return found
        raise RuntimeError(f"no figures of {command}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")

    def bar(self, text: str, value: float, limit: float) -> None:
        """Print whether a figure keeps its bar, an upper one."""
        kept = value <= limit
        self.missed = self.missed or not kept
        print(f"| {text} | {value:.3g} | {limit:.3g} | {'kept' if kept else 'MISSED'} |", flush=True)


def quantile(delays: list[float], share: float) -> float:
    """Return the delay that this share of all does not exceed."""
    return delays[max(0, math.ceil(share * len(delays)) - 1)] if delays else math.nan


def waiting(bench: Bench) -> dict[tuple[str, int], dict[str, Any]]:
    """Print the table of costs."""
    print("\n| | deferred jobs | calls a minute | most a tick | CPU s a minute | ms a job | p50 s | p99 s |")
    print("|---|---|---|---|---|---|---|---|")
    rows = {}
    for client, jobs, ending in ROWS:
        found = bench.figures(client, jobs, ending=ending)
        if found is None:
            continue
        rows[client, jobs] = found
        delays = [*found["delays"], *[math.inf] * found["missed"]]
        found["p99"] = quantile(delays, 0.99)
        seen = [f"{quantile(delays, share):.1f}" if delays else "not measured" for share in (0.5, 0.99)]
        found["a_job"] = found["cpu"] / (jobs - (ending - 1) / 2 if ending else jobs)
        print(
            f"| {NAMES[client]} | {jobs:,} | {found['calls']:,.0f} | {found['most_calls'] or ''} "
            f"| {found['cpu']:.2f} | {found['a_job'] * 1000:.2f} | {seen[0]} | {seen[1]} |",
            flush=True,
        )
    return rows


def memory(bench: Bench) -> dict[tuple[str, int], float]:
    """Print the table of memory."""
    print("\n| | deferred jobs | KB a job |\n|---|---|---|")
    weights = {}
    for client, jobs in WEIGHED:
        found = bench.figures(client, jobs, memory=True, latency=0.0)
        if found:
            weights[client, jobs] = found["bytes"] / 1024
            print(f"| {NAMES[client]} | {jobs:,} | {weights[client, jobs]:.1f} |", flush=True)
    return weights


def trouble(bench: Bench) -> list[tuple[float, float]]:
    """Print the table of a good connection beside bad ones; return its p99 and the slowest cancel of each."""
    print(f"\n| beside a good connection, {BESIDE[0]} jobs each | p50 s | p99 s | cancels arrived after, s |")
    print("|---|---|---|---|")
    found = []
    for modes in TROUBLES:
        figures = bench.figures("jobs", BESIDE[0], ending=BESIDE[1], troubles=modes)
        if figures:
            delays = [*figures["delays"], *[math.inf] * figures["missed"]]
            found.append((quantile(delays, 0.99), max([0.0, *figures["cancels"]])))
            names = " and ".join({"503": "one answers 503", "silent": "one never answers"}[m] for m in modes)
            cancels = ", ".join(f"{seconds:.2f}" for seconds in figures["cancels"])
            print(
                f"| {names or 'nothing'} | {quantile(delays, 0.5):.1f} | {found[-1][0]:.1f} | {cancels} |",
                flush=True,
            )
    return found


def bursts(bench: Bench) -> dict[int, float]:
    """Print the table of many that end at once; return the p99 of each."""
    print("\n| 200 of them end within 5 s, among 50,000 done | calls a minute | p50 s | p99 s | slowest s |")
    print("|---|---|---|---|---|")
    found = {}
    for jobs in BURSTS:
        if figures := bench.figures("jobs", jobs, **BURST):
            delays = [*figures["delays"], *[math.inf] * figures["missed"]]
            found[jobs] = quantile(delays, 0.99)
            print(
                f"| {jobs:,} | {figures['calls']:.0f} | {quantile(delays, 0.5):.1f} | {found[jobs]:.1f} "
                f"| {delays[-1]:.1f} |",
                flush=True,
            )
    return found


def spoilt(bench: Bench) -> dict[str, float]:
    """Print the table of what is out; return the p99 of the others in each case."""
    print(f"\n| {BESIDE[0]} jobs, and | calls a minute | p50 s | p99 s |")
    print("|---|---|---|---|")
    found = {}
    for name, requests in SPOILT.items():
        if figures := bench.figures("jobs", BESIDE[0], ending=BESIDE[1], spoilt=requests):
            delays = [*figures["delays"], *[math.inf] * figures["missed"]]
            found[name] = quantile(delays, 0.99)
            print(
                f"| {name} | {figures['calls']:.0f} | {quantile(delays, 0.5):.1f} | {found[name]:.1f} |",
                flush=True,
            )
    return found


def bars(
    bench: Bench,
    rows: dict[tuple[str, int], dict[str, Any]],
    weights: dict[tuple[str, int], float],
    troubles: list[tuple[float, float]],
) -> None:
    """Print which bars are kept."""
    print("\n| bar | figure | at most | |\n|---|---|---|---|")
    ours, gets = rows["jobs", 1_000], rows["gets", 1_000]
    bench.bar("1,000 jobs: calls of the dearest tick", ours["most_calls"], 2)
    bench.bar("1,000 jobs: p99 of detection, s", ours["p99"], INTERVAL + 1)
    bench.bar("1,000 jobs: part of the calls of one get a job", ours["calls"] / gets["calls"], 1 / 50)
    bench.bar("1,000 jobs: part of the CPU of one get a job", ours["cpu"] / gets["cpu"], 1 / 30)
    if google := rows.get(("google", GOOGLE_HOLDS)):
        bench.bar("CPU a job, part of that of Google's trigger", ours["a_job"] / google["a_job"], 1 / 80)
    bench.bar("10,000 jobs: CPU s a minute", rows["jobs", 10_000]["cpu"], 5)
    bench.bar("10,000 jobs: p99 of detection, s", rows["jobs", 10_000]["p99"], INTERVAL + 1)
    for client, jobs in WEIGHED:
        if client == "jobs":
            bench.bar(f"{jobs:,} jobs: KB a job", weights[client, jobs], 6)
    alone = troubles[0][0]
    for p99, cancel in troubles[1:]:
        bench.bar("beside a bad connection: p99 later by, s", p99 - alone, 1)
        bench.bar("beside a bad connection: its cancel after, s", cancel, 5)


def bars_of_news(bench: Bench, burst: dict[int, float], out: dict[str, float]) -> None:
    """Print which bars of what is told at once are kept."""
    print("\n| bar | figure | at most | |\n|---|---|---|---|")
    for jobs, p99 in burst.items():
        bench.bar(f"a burst among {jobs:,} jobs: p99 of detection, s", p99, INTERVAL + 2)
    for name, p99 in out.items():
        bench.bar(f"{name}: p99 of detection of the others, s", p99, INTERVAL + 1)


def main() -> int:
    """Measure, print, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="the Python of an environment with Google's provider")
    parser.add_argument("--quick", action="store_true", help="measure ten seconds a row, to try it")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    arguments = parser.parse_args()
    with serving() as url, tempfile.TemporaryDirectory() as home:
        bench = Bench(url, environment(url, home), arguments.peer, quick=arguments.quick)
        if "costs" in arguments.parts:
            rows, weights, troubles = waiting(bench), memory(bench), trouble(bench)
            bars(bench, rows, weights, troubles)
        if "news" in arguments.parts:
            bars_of_news(bench, bursts(bench), spoilt(bench))
    return int(bench.missed)


if __name__ == "__main__":
    sys.exit(main())
