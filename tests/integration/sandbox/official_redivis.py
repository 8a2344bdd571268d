"""The official client of Redivis, unchanged, from an environment of its own: ``make redivis-client``.

Its name keeps this file out of every other run: the client is 46 packages, 800 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Path(__file__).parents[3] / ".venv-redivis/bin/python"
PROGRAM = Path(__file__).with_name("redivis_program.py")
SECONDS = 120
MEBIBYTE = 1024 * 1024
ROW = b"%015d,%s\n" % (0, b"x" * 47)  # 64 bytes


class Client:
    """A dataset of its own, and the client's program."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox = sandbox
        self.home = home
        self.name = f"lab_{uuid.uuid4().hex[:12]}"
        self.dataset = f"acme.{self.name}"
        self.table = f"{self.dataset}:next.orders"

    def start(self, action: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Let the client do something; nothing of this user's Redivis gets in."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("REDIVIS_")},
            "HOME": str(self.home),
            "REDIVIS_API_ENDPOINT": self.sandbox.redivis,
            "REDIVIS_API_TOKEN": self.sandbox.redivis_token,
            "REDIVIS_INSTALL_EXCEPTHOOK": "0",
        }
        command = [str(PYTHON), str(PROGRAM), action, *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def run(self, action: str, *arguments: str) -> Any:
        """The same, which has to succeed; return what it prints."""
        done = self.start(action, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])  # before it, the client may tell of retries

    def files(self) -> list[dict[str, Any]]:
        """Return what the sandbox knows of the files of this dataset."""
        return [each for each in self.sandbox.uploads() if self.name in each["target"]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox, tmp_path: Path) -> Iterator[Client]:
    client = Client(sandbox, tmp_path)
    client.run("make", "acme", client.name)
    yield client
    sandbox.clear_faults()


def write(folder: Path, size: int) -> tuple[Path, str]:
    content = ROW * (size // len(ROW))
    path = folder / "a.csv"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("size", "kind"),
    [(1024, "multipart"), (2 * MEBIBYTE, "plain"), (60 * MEBIBYTE, "resumable")],
)
def test_files_of_every_size_arrive_whole(client: Client, tmp_path: Path, size: int, kind: str) -> None:
    path, sha256 = write(tmp_path, size)
    upload, names = client.run("send", client.table, str(path))
    assert (upload["status"], upload["numRows"]) == ("completed", size // 64 - 1)
    assert names == ["a.csv"]
    (file,) = client.files()
    assert (file["kind"], file["sha256"], file["bytes_received"]) == (kind, sha256, size)


def test_the_client_goes_on_where_it_was_cut(client: Client, tmp_path: Path) -> None:
    size = 60 * MEBIBYTE
    path, sha256 = write(tmp_path, size)
    client.sandbox.faults(
        operation=r"redivis\.upload\.data", action="cut_after_bytes", bytes=20 * MEBIBYTE, times=1
    )
    upload, _ = client.run("send", client.table, str(path))
    assert upload["status"] == "completed"
    (file,) = client.files()
    assert (file["sha256"], file["bytes_received"]) == (sha256, size)


def test_a_short_file_is_not_registered(client: Client, tmp_path: Path) -> None:
    """The client takes 308 for success; what it then wants to register is incomplete."""
    path, _ = write(tmp_path, 60 * MEBIBYTE)
    client.sandbox.faults(
        operation=r"redivis\.upload\.data", action="short_308", bytes=20 * MEBIBYTE, times=1
    )
    done = client.start("send", client.table, str(path))
    assert done.returncode != 0
    assert "The temporary upload is incomplete" in done.stderr


def test_an_upload_of_the_same_name_is_refused_or_replaced(client: Client, tmp_path: Path) -> None:
    path, _ = write(tmp_path, 1024)
    client.run("send", client.table, str(path))
    assert "already exists" in client.start("send", client.table, str(path)).stderr
    upload, names = client.run("send", client.table, str(path), "replace_on_conflict")
    assert upload["status"] == "completed"
    assert names == ["a.csv"]


def test_versions_are_released_and_opened(client: Client, tmp_path: Path) -> None:
    path, _ = write(tmp_path, 1024)
    client.run("send", client.table, str(path))
    released, opened, tags, tables = client.run("release", client.dataset)
    assert released["version"]["tag"] == "v1.0"
    assert released["version"]["isReleased"]
    assert not opened["version"]["isReleased"]
    assert tags == ["next", "v1.0"]
    assert tables == ["orders"]
