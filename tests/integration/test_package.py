"""What a built package says of itself: wheel and sdist, as hatchling makes them."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://code.example.com/team/airflow-provider-jobs"
RELATIVE = re.compile(r"\]\((?!https://)[^)]*\)")


def build(builder: type[WheelBuilder | SdistBuilder], root: Path, folder: Path) -> Path:
    [path] = builder(str(root)).build(directory=str(folder), versions=["standard"])
    return Path(path)


def told_by(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    [root] = folder.iterdir()
    return root


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    monkeypatch.delenv("DOCUMENTATION_URL", raising=False)


def test_a_package_knows_where_it_is_from_and_keeps_that_in_its_sdist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that somebody else makes of the sdist says the same."""
    monkeypatch.setenv("REPOSITORY_URL", f"{REPOSITORY}/")
    sdist = build(SdistBuilder, ROOT, tmp_path)
    monkeypatch.delenv("REPOSITORY_URL")
    told = told_by(build(WheelBuilder, unpacked(sdist, tmp_path / "source"), tmp_path))
    urls = dict(each.split(", ", 1) for each in told.get_all("Project-URL", []))
    assert urls == {
        "Documentation": f"{REPOSITORY}/blob/HEAD/docs/index.md",
        "Source": REPOSITORY,
        "Changelog": f"{REPOSITORY}/blob/HEAD/CHANGELOG.md",
        "Security": f"{REPOSITORY}/blob/HEAD/SECURITY.md",
    }
    readme = told.get_payload()
    assert isinstance(readme, str)
    assert RELATIVE.findall(readme) == []
    assert f"]({REPOSITORY}/blob/HEAD/docs/reliability.md)" in readme


def test_the_documentation_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCUMENTATION_URL", "https://docs.example.com/jobs")
    told = told_by(build(WheelBuilder, ROOT, tmp_path))
    assert told.get_all("Project-URL") == ["Documentation, https://docs.example.com/jobs"]


def test_without_an_address_no_link_is_dead_and_the_rest_is_there(tmp_path: Path) -> None:
    """The code in the README is left alone; the wheel of the sdist holds the package and nothing else."""
    sdist = build(SdistBuilder, ROOT, tmp_path)
    wheel = build(WheelBuilder, unpacked(sdist, tmp_path / "source"), tmp_path)
    told = told_by(wheel)
    readme = told.get_payload()
    assert isinstance(readme, str)
    assert (told.get_all("Project-URL"), RELATIVE.findall(readme)) == (None, [])
    assert "from airflow_provider_jobs.operators.bigquery import BigQueryInsertJobOperator" in readme
    assert told["Requires-Python"] == ">=3.11"
    classifiers = told.get_all("Classifier", [])
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= set(classifiers)
    assert "Framework :: Apache Airflow :: Provider" in classifiers
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"airflow_provider_jobs"}
    assert "airflow_provider_jobs/py.typed" in names


@pytest.mark.parametrize(
    "given", ["http://x.org/a", "https://name:word@x.org/a", "https://x.org/a?key=b", "x"]
)
def test_an_address_that_is_not_plain_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("REPOSITORY_URL", given)
    with pytest.raises(ValueError, match="REPOSITORY_URL has to be an https address") as refused:
        build(WheelBuilder, ROOT, tmp_path)
    assert given not in str(refused.value) or given == "x"
