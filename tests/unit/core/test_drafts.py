"""Drafts in a folder that others write to as well: what they plant there, and what a kill leaves there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.core.drafts import Drafts, check_place
from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Begins a draft, says so, and goes on until it is killed.
WRITER = """
import sys
from airflow_provider_jobs.core.drafts import Drafts
drafts = Drafts(sys.argv[1], sys.argv[2] or None)
with drafts.begin("a.csv") as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""
WEEK_SECONDS = 7 * 24 * 3600


class Writer:
    """Another process that is writing a draft."""

    def __init__(self, folder: Path, key: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "begun\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def writer(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Writer]:
    writing = Writer(tmp_path, request.param)
    yield writing
    writing.kill()


def write(drafts: Drafts, name: str = "a.csv", content: bytes = b"new") -> Path:
    with drafts.begin(name) as file:
        file.write(content)
    return drafts.draft(name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_the_way(path: Path, what: str) -> None:
    """Put something where a file is to be."""
    if what == "a folder":
        path.mkdir()
    elif what == "a named pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))


def test_a_draft_is_private_and_its_name_cannot_be_guessed(tmp_path: Path) -> None:
    first, second = Drafts(tmp_path, "k"), Drafts(tmp_path, "k")
    paths = [write(first), write(second)]
    assert paths[0] != paths[1]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600] * 4
    assert all(len(path.name.split(".")[-2]) == 24 for path in paths)
    for drafts in (first, second):
        drafts.clear()
    assert names(tmp_path) == []


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_a_file_has_the_mode_that_the_umask_gives(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        drafts = Drafts(tmp_path, "k")
        write(drafts)
        drafts.give_names(["a.csv"])
        drafts.clear()
    finally:
        os.umask(before)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o666 & ~umask
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("to", ["file", "folder", "nothing"])
def test_a_link_of_the_name_is_replaced_and_not_followed(tmp_path: Path, to: str) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "shared"
    folder.mkdir()
    if to == "file":
        theirs.write_text("theirs")
    elif to == "folder":
        theirs.mkdir()
    (folder / "a.csv").symlink_to(theirs)
    drafts = Drafts(folder)
    write(drafts)
    drafts.give_names(["a.csv"])
    drafts.clear()
    assert not (folder / "a.csv").is_symlink()
    assert (folder / "a.csv").read_bytes() == b"new"
    assert not (to == "file" and theirs.read_text() != "theirs")
    assert not (to == "folder" and names(theirs))
    assert theirs.exists() is (to != "nothing")


def test_another_name_of_a_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "a.csv").hardlink_to(tmp_path / "theirs")
    drafts = Drafts(tmp_path)
    write(drafts)
    drafts.give_names(["a.csv"])
    assert ((tmp_path / "a.csv").read_bytes(), (tmp_path / "theirs").read_text()) == (b"new", "theirs")


@pytest.mark.parametrize("what", ["a folder", "a named pipe", "a socket"])
def test_what_is_in_the_way_is_told_before_any_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    in_the_way(Path("b.csv"), what)
    with pytest.raises(ConfigurationError, match=f"b.csv is {what}, which is not replaced: remove it"):
        check_place(Path("b.csv"))
    drafts = Drafts(tmp_path)
    for name in ("a.csv", "b.csv"):
        write(drafts, name)
    with pytest.raises(ConfigurationError, match=f"b.csv is {what}"):
        drafts.give_names(["a.csv", "b.csv"])
    drafts.clear()
    assert names(tmp_path) == ["b.csv"]


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    drafts = Drafts(tmp_path / "link")
    write(drafts)
    drafts.give_names(["a.csv"])
    drafts.clear()
    assert names(tmp_path / "real") == ["a.csv"]


@pytest.mark.parametrize("name", ["", "../a.csv", "b/a.csv", "/etc/a.csv", "a\0b"])
def test_a_name_leads_to_no_other_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of a file"):
        (drafts := Drafts(tmp_path)).begin(name)
    drafts.clear()
    assert names(tmp_path) == []


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.csv cannot be written: No such file"):
        Drafts(tmp_path / "no").begin("a.csv")


@pytest.mark.parametrize("what", ["a link", "a named pipe", "another name"])
def test_what_is_put_in_place_of_a_draft_is_neither_followed_nor_read(tmp_path: Path, what: str) -> None:
    """Between two attempts its name can be seen."""
    drafts = Drafts(tmp_path, "k")
    path = write(drafts)
    drafts.clear(keep=["a.csv"])
    path.unlink()
    (tmp_path / "theirs").write_text("theirs")
    if what == "a link":
        path.symlink_to(tmp_path / "theirs")
    elif what == "another name":
        path.hardlink_to(tmp_path / "theirs")
    else:
        os.mkfifo(path)
    again = Drafts(tmp_path, "k")
    again._token = path.name.split(".")[-2]  # the most that one who plants can hope for
    with pytest.raises(OSError, match=r"symbolic|put something in its place"):
        again.reopen("a.csv")
    with pytest.raises(OSError, match=r"symbolic|put something in its place"):
        again.read("a.csv")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        again.give_names(["a.csv"])
    write(again)
    assert again.draft("a.csv").read_bytes() == b"new"
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("what", ["a link", "a named pipe", "a folder", "another name"])
def test_what_is_put_in_place_of_a_lock_holds_up_nobody(tmp_path: Path, what: str) -> None:
    drafts = Drafts(tmp_path, "k")
    path = write(drafts)
    lock = path.with_name(path.name.removeprefix(".a.csv")).with_suffix(".lock")
    drafts.clear(keep=["a.csv"])
    (tmp_path / "theirs").write_text("theirs")
    if what == "a link":
        lock.symlink_to(tmp_path / "theirs")
    elif what == "another name":
        lock.hardlink_to(tmp_path / "theirs")
    else:
        in_the_way(lock, what)
    again = Drafts(tmp_path, "k")
    assert write(again) != path
    again.clear()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_the_next_attempt_goes_on_with_what_was_kept(tmp_path: Path) -> None:
    first = Drafts(tmp_path, "k")
    kept = write(first)
    write(first, "b.csv")
    first.clear(keep=["a.csv"])
    assert names(tmp_path) == [kept.name]
    second = Drafts(tmp_path, "k")
    with second.reopen("a.csv") as file:
        assert file.read() == b"new"
    assert second.draft("a.csv") == kept
    second.clear()
    assert names(tmp_path) == []


@pytest.mark.parametrize("writer", ["k", ""], indirect=True)
def test_who_is_killed_leaves_nothing_that_the_next_attempt_leaves_too(
    tmp_path: Path, writer: Writer
) -> None:
    writer.kill()
    assert len(names(tmp_path)) == 2
    drafts = Drafts(tmp_path, "k")
    write(drafts)
    drafts.give_names(["a.csv"])
    drafts.clear()
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"new"


@pytest.mark.parametrize("writer", ["k"], indirect=True)
def test_what_a_kill_has_cut_can_be_gone_on_with(tmp_path: Path, writer: Writer) -> None:
    writer.kill()
    with Drafts(tmp_path, "k").reopen("a.csv") as file:
        assert file.read() == b"half"


@pytest.mark.parametrize("writer", ["k", ""], indirect=True)
def test_what_is_being_written_is_left_alone(tmp_path: Path, writer: Writer) -> None:
    """By an attempt at the same work too, which Airflow may begin while it takes the one before for dead."""
    theirs = names(tmp_path)
    drafts = Drafts(tmp_path, "k")
    write(drafts)
    with pytest.raises(FileNotFoundError):
        Drafts(tmp_path, "k").reopen("a.csv")
    drafts.clear()
    assert set(theirs) <= set(names(tmp_path))


@pytest.mark.parametrize("writer", ["another task"], indirect=True)
def test_what_another_task_may_go_on_with_is_left_alone(tmp_path: Path, writer: Writer) -> None:
    writer.kill()
    theirs = names(tmp_path)
    for key in ("k", None):
        drafts = Drafts(tmp_path, key)
        write(drafts)
        drafts.clear()
    assert names(tmp_path) == theirs


@pytest.mark.parametrize("writer", ["another task"], indirect=True)
def test_what_nobody_can_go_on_with_any_more_goes(tmp_path: Path, writer: Writer) -> None:
    """A service keeps results for a week."""
    writer.kill()
    for path in tmp_path.iterdir():
        os.utime(path, (0, time.time() - WEEK_SECONDS - 2 * 24 * 3600))
    drafts = Drafts(tmp_path, "k")
    write(drafts)
    drafts.clear()
    assert names(tmp_path) == []


def test_what_is_not_a_draft_is_left_alone(tmp_path: Path) -> None:
    """Whatever it is called, if it is not a file that this user alone has by that name."""
    token = "0" * 24
    names_of_drafts = [f".a.once.{token}.draft", f".b.once.{token}.draft", f".c.once.{token}.draft"]
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / names_of_drafts[0]).mkdir()
    (tmp_path / names_of_drafts[1]).symlink_to(tmp_path / "theirs")
    (tmp_path / names_of_drafts[2]).hardlink_to(tmp_path / "theirs")
    (tmp_path / ".a.csv.draft").write_text("an editor's")
    before = names(tmp_path)
    drafts = Drafts(tmp_path)
    write(drafts)
    drafts.clear()
    assert names(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_has_left_is_left_alone(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path, "k")
    theirs = write(drafts)
    drafts.clear(keep=["a.csv"])
    os.chown(theirs, 12345, 12345)
    again = Drafts(tmp_path, "k")
    with pytest.raises(OSError, match="No such file"):
        again.reopen("a.csv")
    write(again)
    again.clear()
    assert names(tmp_path) == [theirs.name]
