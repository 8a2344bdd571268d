"""No release is taken that has an advisory which was known when this was written.

``make advisories`` asks the package index for new ones; those go into the list below, and beside the floor.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
#: Each advisory with the package, the last release that it is about, and the first without it.
ADVISORIES = {
    "GHSA-9hjg-9r4m-mvj7": ("requests", "2.32.3", "2.32.4"),
    "GHSA-gc5v-m9x4-r6x2": ("requests", "2.32.5", "2.33.0"),
    "GHSA-38jv-5279-wg99": ("urllib3", "2.6.2", "2.6.3"),
    "GHSA-mf9v-mfxr-j63j": ("urllib3", "2.6.3", "2.7.0"),
    "GHSA-qccp-gfcp-xxvc": ("urllib3", "2.6.3", "2.7.0"),
    "GHSA-r6ph-v2qm-q3c2": ("cryptography", "46.0.4", "46.0.5"),
    "GHSA-537c-gmf6-5ccf": ("cryptography", "48.0.0", "48.0.1"),
    "GHSA-w2gf-jxc9-pf2q": ("duckdb", "1.0.0", "1.1.0"),
    "GHSA-vmp8-hg63-v2hp": ("duckdb", "1.4.1", "1.4.2"),
    "GHSA-vqfr-h8mv-ghfj": ("h11", "0.14.0", "0.16.0"),
    "GHSA-7f5h-v6xp-fcq8": ("starlette", "0.49.0", "0.49.1"),
    "GHSA-86qp-5c8j-p5mr": ("starlette", "1.0.0", "1.0.1"),
    "GHSA-82w8-qh3p-5jfq": ("starlette", "1.3.0", "1.3.1"),
    "GHSA-rgxp-2hwp-jwgg": ("pyarrow", "23.0.0", "23.0.1"),
    "GHSA-6w46-j5rx-g56g": ("pytest", "9.0.2", "9.0.3"),
}
_LINE = re.compile(r'^ +"([\w-]+)[^"]*",? *(?:# (.*))?$', re.MULTILINE)


def requirements() -> dict[str, list[Requirement]]:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found: dict[str, list[Requirement]] = {}
    for text in chain(project["dependencies"], *project["optional-dependencies"].values()):
        found.setdefault(Requirement(text).name, []).append(Requirement(text))
    return found


def reasons() -> dict[str, str]:
    """Return what stands beside each requirement."""
    return dict(_LINE.findall(PYPROJECT.read_text(encoding="utf-8")))


@pytest.mark.parametrize("advisory", ADVISORIES)
def test_no_release_with_a_known_advisory_is_taken(advisory: str) -> None:
    package, last, first = ADVISORIES[advisory]
    for requirement in requirements()[package]:
        assert not requirement.specifier.contains(last)
        assert min(
            Version(each.version) for each in requirement.specifier if each.operator == ">="
        ) >= Version(first)
    assert advisory in reasons()[package]
    if package == "starlette" and Version(version("apache-airflow-core")) < Version("3.2"):
        pytest.skip("Airflow 3.1 takes no Starlette without it: docs/security.md says so")
    assert Version(version(package)) >= Version(first)


def test_every_reason_is_in_the_list() -> None:
    named = re.findall(r"GHSA(?:-\w{4}){3}", PYPROJECT.read_text(encoding="utf-8"))
    assert set(named) == ADVISORIES.keys()
