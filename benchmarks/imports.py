"""What importing the operators costs over Airflow itself, beside Google's provider.

Each sample is a fresh interpreter: `import airflow.sdk` first, then the module under test; seconds are those
of the second import, megabytes the growth of the resident set. Bytecode is compiled beforehand by one
uncounted run. Medians of the samples are printed.

    python benchmarks/imports.py [--samples 15] [--peer PYTHON]

PEER is the interpreter of an environment with apache-airflow-providers-google; `make benchmark` makes one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

SAMPLE = """
import gc, json, sys, time
import airflow.sdk

def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

gc.collect()
loaded, memory, began = set(sys.modules), resident_mb(), time.perf_counter()
__import__(sys.argv[1], fromlist=["*"])
seconds = time.perf_counter() - began
print(json.dumps([seconds, resident_mb() - memory, len(set(sys.modules) - loaded)]))
"""

OURS = [
    "airflow_provider_jobs.operators.bigquery",
    "airflow_provider_jobs.operators.redivis",
    "airflow_provider_jobs.operators.salesforce",
    "airflow_provider_jobs.sensors.bigquery",
    "airflow_provider_jobs.triggers.job",
]
GOOGLES = [
    "airflow.providers.google.cloud.operators.bigquery",
    "airflow.providers.google.cloud.sensors.bigquery",
    "airflow.providers.google.cloud.triggers.bigquery",
]


def sample(python: str, module: str) -> list[float]:
    """Return seconds, megabytes and modules of one import in a fresh interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [python, "-W", "ignore", "-c", SAMPLE, module],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--peer", help="interpreter of an environment with Google's provider")
    arguments = parser.parse_args()
    rows = [(sys.executable, module) for module in OURS]
    if arguments.peer:
        rows += [(arguments.peer, module) for module in GOOGLES]
    print("| module | seconds | MB | modules |\n|---|---|---|---|")
    for python, module in rows:
        sample(python, module)
        samples = [sample(python, module) for _ in range(arguments.samples)]
        seconds, megabytes, modules = (statistics.median(column) for column in zip(*samples, strict=True))
        print(f"| `{module}` | {seconds:.3f} | {megabytes:.1f} | {modules:.0f} |")


if __name__ == "__main__":
    main()
