"""What a provider installs on top of Airflow: distributions and megabytes on disk.

Counts the distributions that the provider needs, directly or not, and that apache-airflow does not. Sizes are
those of the installed files without bytecode.

    python benchmarks/weight.py DISTRIBUTION
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(name: str, found: dict[str, Distribution] | None = None) -> dict[str, Distribution]:
    """Return a distribution and everything it needs, by name."""
    found = {} if found is None else found
    requirement = Requirement(name)
    key = canonicalize_name(requirement.name)
    if key in found:
        return found
    try:
        found[key] = distribution(requirement.name)
    except PackageNotFoundError:
        return found  # a platform or an extra that was not asked for
    extras = requirement.extras or {""}
    for text in found[key].requires or []:
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            closure(str(needed).partition(";")[0], found)
    return found


def megabytes(installed: Distribution) -> float:
    """Return the size of a distribution's files."""
    paths = [installed.locate_file(file) for file in installed.files or [] if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in map(str_path, paths) if path.is_file()) / 1e6


def str_path(path: object) -> Path:
    """Return a real path: metadata promises only something path-like."""
    return Path(str(path))


def main() -> None:
    """Print one row of the table."""
    name = sys.argv[1]
    base = closure("apache-airflow")
    added = [found for key, found in closure(name).items() if key not in base]
    print(f"| `{name}` | {len(added)} | {sum(map(megabytes, added)):.1f} |")


if __name__ == "__main__":
    main()
