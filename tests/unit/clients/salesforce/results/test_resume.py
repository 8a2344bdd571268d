"""A download that was interrupted goes on behind its last whole page, or begins anew; it never mixes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.files import Checkpoint, LocalSink, Output
from airflow_provider_jobs.errors import ConfigurationError, JobsError
from tests.unit.clients.salesforce.org import HEADER, ORG, QUERY_REF, Results, paged, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.conftest import Clock

COUNTS = (2, 1, 3, 2, 1)
OUTPUTS = [Output("a.csv"), Output("a.csv", split=True), Output("a.csv.gz", compress=True)]


class Attempts:
    """Downloads the same again and again, as the attempts of a task do."""

    def __init__(self, clock: Clock, folder: Path, output: Output, **how: Any) -> None:
        self.org = Results(clock, paged(*COUNTS))
        self.folder = folder
        self.output = output
        self.how = how
        self.kept: list[Checkpoint | None] = []

    def interrupted(self, page: int) -> Checkpoint | None:
        """Fail at a page; return the last checkpoint as another process reads it."""
        self.org.faults[f"page {page}"] = [refusal(400)]
        with pytest.raises(JobsError):
            self.run(None)
        self.org.sent.clear()
        last = self.kept[-1] if self.kept else None
        return Checkpoint.from_json(json.loads(json.dumps(last.to_json()))) if last else None

    def run(self, checkpoint: Checkpoint | None, key: str = "k", *, last: bool = False) -> Any:
        """Download.

        :param last: No other attempt follows.
        """
        client = SalesforceClient(self.org, ORG)
        sink = LocalSink(self.folder, key)
        return client.download(
            QUERY_REF,
            self.output,
            sink,
            checkpoint=checkpoint,
            on_checkpoint=None if last else self.kept.append,
            **self.how,
        )

    @property
    def pages_asked(self) -> list[str]:
        return sorted(
            str(each.params.get("locator")) for each in self.org.sent if each.url.endswith("/results")
        )

    def reference(self, folder: Path) -> dict[str, bytes]:
        SalesforceClient(self.org, ORG).download(QUERY_REF, self.output, LocalSink(folder))
        return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("how", [{}, {"workers": 1}])
@pytest.mark.parametrize("output", OUTPUTS, ids=["one", "parts", "gzip"])
@pytest.mark.parametrize("page", range(1, len(COUNTS)))
def test_it_goes_on_behind_the_last_whole_page(
    clock: Clock, tmp_path: Path, page: int, output: Output, how: Any
) -> None:
    attempts = Attempts(clock, tmp_path / "out", output, **how)
    checkpoint = attempts.interrupted(page)
    assert checkpoint
    assert checkpoint.page_count == page
    assert sum(part.record_count for part in checkpoint.parts) == sum(COUNTS[:page])
    done = attempts.run(checkpoint)
    assert attempts.pages_asked == [f"L{number}" for number in range(page, len(COUNTS))]
    assert contents(tmp_path / "out") == attempts.reference(tmp_path / "reference")
    assert done.page_count == len(COUNTS)
    assert attempts.kept[-1] is None


@pytest.mark.parametrize("output", OUTPUTS, ids=["one", "parts", "gzip"])
def test_what_is_not_there_any_more_is_read_again(clock: Clock, tmp_path: Path, output: Output) -> None:
    attempts = Attempts(clock, tmp_path / "out", output)
    checkpoint = attempts.interrupted(2)
    attempts.run(checkpoint, key="another worker")
    assert len(attempts.pages_asked) == len(COUNTS)


@pytest.mark.parametrize("output", OUTPUTS, ids=["one", "parts", "gzip"])
def test_what_was_changed_is_read_again(clock: Clock, tmp_path: Path, output: Output) -> None:
    attempts = Attempts(clock, tmp_path / "out", output)
    checkpoint = attempts.interrupted(2)
    for path in (tmp_path / "out").iterdir():
        path.write_bytes(b"x" * path.stat().st_size)
    attempts.run(checkpoint)
    assert len(attempts.pages_asked) == len(COUNTS)
    published = {name: data for name, data in contents(tmp_path / "out").items() if name[0] != "."}
    assert published == attempts.reference(tmp_path / "reference")


def test_what_was_written_after_the_checkpoint_is_dropped(clock: Clock, tmp_path: Path) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    checkpoint = attempts.interrupted(2)
    (draft,) = (tmp_path / "out").iterdir()
    with draft.open("ab") as file:
        file.write(b"half a page" * 100)  # more than what follows the checkpoint
    attempts.run(checkpoint)
    assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}


@pytest.mark.parametrize(
    "other",
    [
        {"job_id": "750000000000000AAA"},
        {"location": "v60.0/jobs/query"},
        {"output": {"name": "b", "split": False, "compress": False}},
        {"page_records": 7},
    ],
)
def test_a_checkpoint_of_another_download_is_ignored(
    clock: Clock, tmp_path: Path, other: dict[str, Any]
) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    checkpoint = attempts.interrupted(2)
    assert checkpoint
    attempts.run(replace(checkpoint, **other))
    assert len(attempts.pages_asked) == len(COUNTS)


@pytest.mark.parametrize("page", [1, 2])
def test_pages_that_are_listed_in_another_way_are_read_again(clock: Clock, tmp_path: Path, page: int) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    checkpoint = attempts.interrupted(page)
    assert checkpoint
    attempts.run(replace(checkpoint, last_locator="another"))
    assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}
    assert len(attempts.pages_asked) == len(COUNTS)


def test_a_list_that_is_shorter_now_is_read_again(clock: Clock, tmp_path: Path) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    checkpoint = attempts.interrupted(1)
    attempts.org.faults["list 0"] = [{"resultPages": [], "done": True}]
    attempts.run(checkpoint)
    assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}


@pytest.mark.parametrize("output", OUTPUTS[:2], ids=["one", "parts"])
def test_an_end_before_the_first_page_leaves_no_checkpoint(
    clock: Clock, tmp_path: Path, output: Output
) -> None:
    attempts = Attempts(clock, tmp_path / "out", output)
    assert attempts.interrupted(0) is None
    assert contents(tmp_path / "out") == {}


def test_all_pages_may_be_there_already(clock: Clock, tmp_path: Path) -> None:
    """Only publishing was left."""
    for how in ({}, {"workers": 1}):
        attempts = Attempts(clock, tmp_path / "out", Output("a.csv"), **how)
        checkpoint = attempts.interrupted(4)
        assert checkpoint
        attempts.run(checkpoint, "k")
        (last,) = [each for each in attempts.kept if each and each.page_count == len(COUNTS)]
        (tmp_path / "out" / "a.csv").rename(LocalSink(tmp_path / "out", "k").draft("a.csv"))
        attempts.org.sent.clear()
        attempts.run(last)
        assert attempts.pages_asked == []
        assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}


def test_a_checkpoint_before_any_page_goes_on(clock: Clock, tmp_path: Path) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"), workers=1)
    output = {"name": "a.csv", "split": False, "compress": False}
    nothing = Checkpoint(QUERY_REF.id, str(QUERY_REF.location), output, None)
    attempts.run(nothing)
    assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}


def test_a_line_without_its_end_is_remembered(clock: Clock, tmp_path: Path) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    first = attempts.org.pages[0]
    first[-1] = first[-1].rstrip()
    attempts.org.framed = True
    checkpoint = attempts.interrupted(1)
    attempts.run(checkpoint)
    first[-1] += b"\n"
    assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}


def test_a_header_that_changed_meanwhile_is_an_error(clock: Clock, tmp_path: Path) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    checkpoint = attempts.interrupted(2)
    attempts.org.header = HEADER.replace(b"Name", b"Last")
    with pytest.raises(JobsError, match="another header"):
        attempts.run(checkpoint)


def test_who_begins_anew_takes_any_header(clock: Clock, tmp_path: Path) -> None:
    attempts = Attempts(clock, tmp_path / "out", Output("a.csv"))
    checkpoint = attempts.interrupted(2)
    attempts.org.header = HEADER.replace(b"Name", b"Last")
    LocalSink(tmp_path / "out", "k").draft("a.csv").unlink()
    attempts.run(checkpoint)
    assert contents(tmp_path / "out") == {"a.csv": attempts.org.expected}


@pytest.mark.parametrize("how", [{}, {"workers": 1}])
@pytest.mark.parametrize("output", OUTPUTS, ids=["one", "parts", "gzip"])
@pytest.mark.parametrize("place", ["info", "page 2", "page 4"])
def test_the_last_attempt_leaves_nothing_behind(
    clock: Clock, tmp_path: Path, place: str, output: Output, how: Any
) -> None:
    """Neither its own drafts nor those that it was to go on with."""
    attempts = Attempts(clock, tmp_path, output, **how)
    checkpoint = attempts.interrupted(2)
    assert contents(tmp_path)
    attempts.org.faults[place] = [refusal(400)]
    with pytest.raises(JobsError):
        attempts.run(checkpoint, last=True)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("output", OUTPUTS, ids=["one", "parts", "gzip"])
@pytest.mark.parametrize("given", ["none", "of another download", "changed"])
def test_what_nobody_goes_on_with_is_dropped(
    clock: Clock, tmp_path: Path, output: Output, given: str
) -> None:
    """Whatever the last attempt fails with, and whoever has written it."""
    attempts = Attempts(clock, tmp_path, output)
    checkpoint = attempts.interrupted(3)
    assert checkpoint
    if given == "changed":
        for path in tmp_path.iterdir():
            path.write_bytes(b"x")
    used = {"none": None, "of another download": replace(checkpoint, page_records=7)}.get(given, checkpoint)
    attempts.org.faults["page 0"] = [refusal(400)]
    with pytest.raises(JobsError):
        attempts.run(used, last=True)
    assert contents(tmp_path) == {}


def test_drafts_of_an_attempt_that_was_killed_are_dropped(clock: Clock, tmp_path: Path) -> None:
    """It had pages on their way, of which no checkpoint tells; another task's are left alone."""
    attempts = Attempts(clock, tmp_path, Output("a.csv"))
    checkpoint = attempts.interrupted(2)
    LocalSink(tmp_path, "k").draft("a.csv.page00077").touch()
    other = LocalSink(tmp_path, "other").draft("a.csv")
    other.touch()
    attempts.run(checkpoint)
    assert set(contents(tmp_path)) == {"a.csv", other.name}


@pytest.mark.parametrize("output", OUTPUTS, ids=["one", "parts", "gzip"])
def test_an_attempt_that_does_not_get_far_keeps_what_there_is(
    clock: Clock, tmp_path: Path, output: Output
) -> None:
    attempts = Attempts(clock, tmp_path, output)
    checkpoint = attempts.interrupted(2)
    attempts.org.faults["info"] = [refusal(400)]
    with pytest.raises(JobsError):
        attempts.run(checkpoint)
    attempts.org.sent.clear()
    attempts.run(checkpoint)
    assert attempts.pages_asked == ["L2", "L3", "L4"]


def test_a_folder_that_cannot_be_is_a_configuration_error(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        LocalSink(tmp_path / "file" / "folder").begin("a.csv")


@pytest.mark.parametrize("name", ["no/such/a.csv", "a.csv"])
def test_a_file_that_cannot_be_is_a_configuration_error(clock: Clock, tmp_path: Path, name: str) -> None:
    org = Results(clock, paged(1))
    sink = LocalSink(tmp_path, "k")
    if "/" not in name:
        sink.draft(name).mkdir()
    with pytest.raises((ConfigurationError, IsADirectoryError)):
        SalesforceClient(org, ORG).download(QUERY_REF, Output(name), sink)
