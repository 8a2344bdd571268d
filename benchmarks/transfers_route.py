"""Salesforce's records into a BigQuery table, by this package and by Airflow's own route.

    python -m benchmarks.transfers_route --peer PYTHON [--object Contact] [--where SOQL] [--runs 3] [--merge]

PEER is the interpreter of an environment with apache-airflow-providers-google and -salesforce. Theirs is
SalesforceToGcsOperator and then GCSToBigQueryOperator, which leave a table of text. Ours is
SalesforceToBigQueryOperator, mode full, up to its staging table of text with every row counted: the script
that makes typed rows of that is the warehouse's work, and takes the sandbox minutes; `--merge` runs it too.

Both read the same sandbox. Each run is a process of its own, and they take turns; memory is what a process
has at most, above one that only imports Airflow. Long text is left out: Airflow's CSV does not quote a lone
carriage return, and keeps the character 0, so that the load fails. Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests

from benchmarks.side_by_side import HERE, round_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROJECT = "route"
MOST_MEMORY_SHARE, LEAST_SPEED = 0.1, 10.0
LEFT_OUT = {"address", "location", "textarea"}


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[dict[str, Any]]:
    """Run the sandbox in a process of its own, and give what it announces."""
    command = [sys.executable, "-m", "airflow_provider_jobs.sandbox", "--root", str(folder / "sandbox")]
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


class Bench:
    """The sandbox, with its records and an empty dataset and bucket."""

    def __init__(self, announced: dict[str, Any], asked: argparse.Namespace, home: Path) -> None:
        name, where = asked.object, asked.where
        self._url, self._home = announced["bigquery"], home
        self._python = {"ours": sys.executable, "google": asked.peer}
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {announced['token']}"
        fields = self._ask("GET", f"/services/data/v59.0/sobjects/{name}/describe")["fields"]
        names = [each["name"] for each in fields if each["type"] not in LEFT_OUT]
        self._settings = {
            "url": self._url,
            "token": announced["token"],
            "key_file": announced["key_file"],
            "salesforce_account": json.loads(Path(announced["salesforce_account_file"]).read_text()),
            "project": PROJECT,
            "object": name,
            "where": where or None,
            "fields": names,
            "merge": asked.merge,
            "schema": [{"name": each, "type": "STRING"} for each in names],
        }
        self._ask("POST", "/storage/v1/b", {"name": "route"})
        dataset = {"datasetReference": {"projectId": PROJECT, "datasetId": "d"}}
        self._ask("POST", f"/bigquery/v2/projects/{PROJECT}/datasets", dataset)
        soql = f"SELECT Id FROM {name}" + (f" WHERE {where}" if where else "")  # noqa: S608 - SOQL, of the caller
        found = self._ask("GET", f"/services/data/v59.0/queryAll?{urlencode({'q': soql})}")
        self.rows = self._settings["rows"] = int(found["totalSize"])

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        reply = self._session.request(method, self._url + path, json=document, timeout=600)
        reply.raise_for_status()
        return reply.json()

    def run(self, route: str, by: str) -> dict[str, Any]:
        """Run a route, or nothing, in a process of one of the environments; give its figures."""
        settings = json.dumps({**self._settings, "table": f"d.{route}"})
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(HERE.parent),
            "AIRFLOW_HOME": str(self._home / by),
            "NO_PROXY": "127.0.0.1",
        }
        command = [self._python[by], "-m", "benchmarks.transfers_route_clients", route, settings]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{route}:\n{done.stdout[-1000:]}\n{done.stderr[-4000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {**found, "loading": self._loading()}

    def _loading(self) -> float:
        """Give the seconds that the warehouse took for the newest load job."""
        path = f"/bigquery/v2/projects/{PROJECT}/jobs?projection=full&allUsers=true"
        jobs = self._ask("GET", path).get("jobs", [])
        spans = [each["statistics"] for each in jobs if "load" in each["configuration"]]
        return (int(spans[0]["endTime"]) - int(spans[0]["startTime"])) / 1000 if spans else 0.0

    def loaded(self) -> int:
        """Give how many rows the target of Airflow's own route has."""
        path = f"/bigquery/v2/projects/{PROJECT}/datasets/d/tables/google"
        return int(self._ask("GET", path)["numRows"])


def middle(runs: Sequence[dict[str, Any]], name: str) -> float:
    """Give the median of a figure."""
    return float(statistics.median(each[name] for each in runs))


def report(rows: int, figures: dict[str, list[dict[str, Any]]], idle: dict[str, float]) -> bool:
    """Print the tables, and tell whether the bars are kept."""
    print("| route | rows a second | s | of that, the load job | CPU s | MB above idle | of that, imports |")
    print("|---|---|---|---|---|---|---|")
    grown = {}
    for name, runs in figures.items():
        seconds, loading = middle(runs, "seconds"), middle(runs, "loading")
        grown[name], imports = (middle(runs, each) - idle[name] for each in ("peak_mb", "imported_mb"))
        print(f"| {name} | {rows / seconds:,.0f} | {seconds:.1f} | {loading:.1f} ", end="")
        print(f"| {middle(runs, 'cpu_seconds'):.1f} | {grown[name]:.0f} | {imports:.0f} |")
    print("\n| route | stage | s |\n|---|---|---|")
    for name, runs in figures.items():
        for stage in runs[0]["stages"]:
            print(f"| {name} | {stage} | {statistics.median(each['stages'][stage] for each in runs):.1f} |")
    whole = [[each["seconds"] for each in figures[name]] for name in ("google", "ours")]
    own = [[each["seconds"] - each["loading"] for each in figures[name]] for name in ("google", "ours")]
    speed, share = round_ratio(*own), grown["ours"] / grown["google"]
    print(f"\n{rows:,} rows: {round_ratio(*whole):.1f} times the speed; without the load job, whose time is")
    print(f"the warehouse's, {speed:.1f} times (bar {LEAST_SPEED:.0f}); {share:.3f} of the memory ", end="")
    print(f"(bar {MOST_MEMORY_SHARE})")
    return speed >= LEAST_SPEED and share <= MOST_MEMORY_SHARE


def main() -> int:
    """Measure, print, and return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="the Python of an environment with both providers")
    parser.add_argument("--object", default="Contact", help="of the sandbox's org; it has 200,000 contacts")
    parser.add_argument("--where", default="", help="SOQL: not all of them")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--merge", action="store_true", help="ours to its end: at most some thousand rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sandbox(Path(name)) as announced:
        bench = Bench(announced, arguments, Path(name))
        idle = {by: bench.run("idle", by)["peak_mb"] for by in ("ours", "google")}
        figures: dict[str, list[dict[str, Any]]] = {"ours": [], "google": []}
        for _ in range(arguments.runs):
            for route, runs in figures.items():
                runs.append(bench.run(route, route))
        if bench.loaded() != bench.rows:
            raise RuntimeError(f"Airflow's own route has loaded {bench.loaded()} of {bench.rows} rows")
    return 0 if report(bench.rows, figures, idle) else 1


if __name__ == "__main__":
    sys.exit(main())
