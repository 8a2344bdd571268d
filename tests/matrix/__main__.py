"""``python -m tests.matrix``: for each release of Airflow and each Python the wheel, and the tests.

What imports nothing of Airflow is the same on every release, and is tested on the newest alone; so is what
needs a running Airflow, by ``make test``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
AIRFLOWS = ("3.1.8", "3.2.2", "3.3.2")
PYTHONS = ("3.11", "3.12", "3.13")
TESTS = ("tests/unit", "tests/contract", "tests/integration")
#: What has nothing of Airflow in it.
WITHOUT_AIRFLOW = ("tests/unit/core", "tests/unit/clients", "tests/integration/sandbox")
PACKAGE = "airflow_provider_jobs"
#: Airflow 3.1 has a Starlette below the sandbox's floor: for the tests, Airflow's counts there.
OVERRIDES = {"3.1": "starlette<0.49\n"}
#: Airflow 3.2 has no bound for FastAPI, and cannot run a task with the newest; 3.3 has this one.
BOUNDS = {"3.2": ["fastapi<0.137"]}


class Cell(NamedTuple):
    """What came of one release on one Python.

    :param result: ``passed``, ``failed`` or ``not here``.
    :param counted: The last line of pytest.
    """

    airflow: str
    python: str
    result: str
    counted: str = ""


def interpreter(uv: str, version: str) -> str | None:
    """Return the path of a Python that runs, on PATH or among uv's own; None if there is none."""
    ask = [uv, "python", "find", "--system", "--no-python-downloads", version]
    told = subprocess.run(ask, capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else None


def built(folder: Path) -> tuple[Path, Path]:
    """Return the one sdist and the one wheel of a folder."""
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def environment(uv: str, python: str, airflow: str, wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel, and return its Python."""
    here = folder / "env"
    overrides = folder / "overrides.txt"
    release = airflow.rpartition(".")[0]
    overrides.write_text(OVERRIDES.get(release, ""))
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, here], check=True)
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--override", str(overrides)]
    package = f"{PACKAGE.replace('_', '-')}[test] @ {wheel.resolve().as_uri()}"
    wanted = [f"apache-airflow=={airflow}", *BOUNDS.get(release, ()), package]
    subprocess.run([*install, "--python", str(here / "bin" / "python"), *wanted], check=True)
    return here / "bin" / "python"


def unpack(sdist: Path, python: Path, folder: Path) -> Path:
    """Unpack the sdist, with the package as the wheel has installed it, and return the folder."""
    shutil.rmtree(folder / "source", ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    [source] = (folder / "source").iterdir()
    (source / "PKG-INFO").unlink()  # so that it is a clone for the tests that build the package
    shutil.rmtree(source / PACKAGE)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    libraries = subprocess.run(
        [python, "-c", where], check=True, capture_output=True, text=True
    ).stdout.strip()
    (source / PACKAGE).symlink_to(Path(libraries, PACKAGE))
    return source


def tried(python: Path, source: Path, tests: list[str]) -> tuple[bool, str]:
    """Run tests; return whether all passed, and pytest's last line.

    Warnings of older releases are not errors.
    """
    command = [str(python), "-m", "pytest", "--quiet", "-r", "fE", "-W", "ignore", "-p", "no:cacheprovider"]
    several = ["--numprocesses", "4", "--no-loadscope-reorder"]  # as `make unit`
    last = ""
    with subprocess.Popen([*command, *several, *tests], cwd=source, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            last = line.strip("= \n") or last
    return run.returncode == 0, last


def cell(uv: str, airflow: str, version: str, dist: Path, tests: list[str]) -> Cell:
    """Install the wheel on one release and one Python, run the tests, and return what came of it."""
    if (python := interpreter(uv, version)) is None:
        return Cell(airflow, version, "not here")
    print(f"Airflow {airflow}, Python {version}: {python}", flush=True)
    folder = ROOT / f".venv-matrix-{airflow}-{version}"
    folder.mkdir(exist_ok=True)
    sdist, wheel = built(dist)
    try:
        own = environment(uv, python, airflow, wheel, folder)
    except subprocess.CalledProcessError:
        return Cell(airflow, version, "failed", "it cannot be installed")
    passed, counted = tried(own, unpack(sdist, own, folder), tests)
    return Cell(airflow, version, "passed" if passed else "failed", counted)


def chosen(airflow: str, tests: list[str]) -> list[str]:
    """Return what pytest is to run on a release, if nothing is asked for."""
    apart = WITHOUT_AIRFLOW if airflow != AIRFLOWS[-1] else ()
    return tests or [*TESTS, *(f"--ignore={folder}" for folder in apart)]


def main() -> None:
    """Go through all of them, print a table, and fail if one has failed or none was there."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where wheel and sdist are")
    parser.add_argument(
        "--airflow", action="append", help="a release of Airflow; default: " + ", ".join(AIRFLOWS)
    )
    parser.add_argument(
        "--python", action="append", help="a version of Python; default: " + ", ".join(PYTHONS)
    )
    parser.add_argument("tests", nargs="*", help="what to run; default: all that touches Airflow")
    options = parser.parse_args()
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    cells = []
    for airflow, version in product(options.airflow or AIRFLOWS, options.python or PYTHONS):
        began = time.monotonic()
        cells.append(cell(uv, airflow, version, options.dist, chosen(airflow, options.tests)))
        *_, result, counted = cells[-1]
        print(
            f"Airflow {airflow}, Python {version}: {result} after {time.monotonic() - began:.0f} s {counted}"
        )
    print("\n| Airflow | Python | | pytest |\n|---|---|---|---|")
    print("\n".join(f"| {' | '.join(each)} |" for each in cells))
    for version in dict.fromkeys(each.python for each in cells if each.result == "not here"):
        print(f"Python {version} is not here: put it on PATH, or run uv python install {version}")
    results = {each.result for each in cells}
    sys.exit(0 if "passed" in results and "failed" not in results else 1)


if __name__ == "__main__":
    main()
