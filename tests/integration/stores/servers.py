"""Servers of stores on this machine, and the file systems through which Airflow reaches them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.io import store as airflow_stores
from airflow.sdk.io.store import attach

from tests.integration.stores.serve import HOST, PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A connection that Airflow need not look up: its file systems are attached.
CONN_ID = "stores"
ROOT = Path(__file__).parents[3]
#: Azurite's own account, which is public; the key is in its documentation.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Store:
    """A store that runs, for a test or for a process that a test starts: all of it is plain text.

    :param protocol: Of its URLs: ``s3``, ``abfs``, ``sftp`` or ``ftp``.
    :param address: Where it listens: a URL for s3 and abfs, a port for the others.
    :param root: What URLs begin with, such as ``s3://tests``: a bucket, container or folder that is there.
    """

    protocol: str
    address: str
    root: str

    def file_system(self) -> Any:
        """Return a new file system of this store, as Airflow's provider of it makes one."""
        new = {"skip_instance_cache": True}
        if self.protocol == "s3":
            from s3fs import S3FileSystem  # noqa: PLC0415 - only who uses a store loads its packages

            return S3FileSystem(
                key="tests",
                secret="no-secret",
                client_kwargs={"endpoint_url": self.address, "region_name": "us-west-2"},
                **new,
            )
        if self.protocol == "abfs":
            from adlfs import AzureBlobFileSystem  # noqa: PLC0415

            return AzureBlobFileSystem(account_name=ACCOUNT, connection_string=self.connection_string, **new)
        login = {"port": int(self.address), "username": USER, "password": PASSWORD}
        if self.protocol == "sftp":
            from sshfs import SSHFileSystem  # noqa: PLC0415

            return SSHFileSystem(HOST, known_hosts=None, **login, **new)
        from fsspec.implementations.ftp import FTPFileSystem  # noqa: PLC0415

        return FTPFileSystem(HOST, **login, **new)

    @property
    def connection_string(self) -> str:
        """What Azure's own clients, and adlfs, take to reach Azurite."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.address}/{ACCOUNT};"
        )

    def attach(self, file_system: Any = None) -> None:
        """Let Airflow use this store for URLs of its protocol, with :data:`CONN_ID` or without.

        Without, some methods of a path, ``unlink`` and ``glob`` for two, do without Airflow's file system.
        """
        self.detach()
        file_system = file_system or self.file_system()
        attach(self.protocol, CONN_ID, fs=file_system)
        attach(self.protocol, fs=file_system)

    def detach(self) -> None:
        """Let Airflow forget it."""
        for alias in (self.protocol, f"{self.protocol}-{CONN_ID}"):
            airflow_stores._STORE_CACHE.pop(alias, None)


@contextlib.contextmanager
def _served(store: str, path: object = "") -> Iterator[str]:
    """Run a server, and give its port."""
    command = [sys.executable, "-m", "tests.integration.stores.serve", store, str(path)]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            port = process.stdout.readline().strip()
            if not port:
                said.seek(0)
                raise RuntimeError(f"the server of {store} did not start: {said.read()[-2000:]}")
            yield port
        finally:
            process.stdin.close()  # which ends it


@contextlib.contextmanager
def s3() -> Iterator[Store]:
    """Run moto's S3, with the bucket ``tests``."""
    with _served("s3") as port:
        store = Store("s3", f"http://{HOST}:{port}", "s3://tests")
        store.file_system().mkdir("tests")
        yield store


@contextlib.contextmanager
def served_folder(protocol: str, folder: Path) -> Iterator[Store]:
    """Run an SFTP or FTP server of a folder, in which ``tests`` is made."""
    (folder / "tests").mkdir()
    with _served(protocol, folder) as port:
        yield Store(protocol, port, f"{protocol}://{HOST}/tests")


def azurite_program() -> Path | None:
    """Return the program that npm installs, from ``AZURITE`` or where ``make azurite`` puts it."""
    folder = Path(os.environ.get("AZURITE") or ROOT / ".azurite")
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    return program if program.exists() else None


@contextlib.contextmanager
def abfs(program: Path) -> Iterator[Store]:
    """Run Azurite, with the container ``tests``; its blobs are in its memory."""
    with _served("abfs", program) as port:
        store = Store("abfs", f"http://{HOST}:{port}", "abfs://tests")
        store.file_system().mkdir("tests")
        yield store
