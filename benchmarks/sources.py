"""How fast four stored files are read, with how much memory: by this package, by each store's own client.

Each store runs on this machine (`tests/integration/stores`), each run is a process of its own, and the two
take turns. The other client copies to files: boto3, azure-storage-blob, asyncssh, ftplib and shutil, four
threads; ours throws away what a source gives, which is what an upload reads. MB: the peak above that of a
process that has imported the operators only.

    python -m benchmarks.sources [--mebibytes 64] [--runs 3] [--before ../a-checkout]

With ``--before`` an earlier build, of which a checkout is there, takes its turn too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.side_by_side import round_ratio
from tests.integration.stores import servers
from tests.integration.stores.serve import HOST, PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STORES = ("local", "s3", "abfs", "sftp", "ftp")
FILES = 4
#: The most MB above an idle task that a row of ours may take.
MOST_MB = 100
MEASURED = "measured "


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def by_ours(store: servers.Store) -> Callable[[int], None]:
    """Return what reads one of the files as an upload does."""
    from airflow_provider_jobs.operators.files.sources import sources_of

    if store.protocol != "local":
        store.attach()

    conn_id = servers.CONN_ID if "://" in store.root else None
    sources = sources_of([f"{store.root}/{number}" for number in range(FILES)], conn_id)

    def read(number: int) -> None:
        with contextlib.closing(sources[number].open()) as reader:
            while reader.read(1 << 20):
                pass

    return read


def by_theirs(store: servers.Store, folder: Path) -> Callable[[int], None]:
    """Return what copies one of the files with the store's own client."""
    return partial(
        {"s3": _boto3, "abfs": _azure, "sftp": _asyncssh, "ftp": _ftplib, "local": _shutil}[store.protocol],
        store,
        folder,
    )


def _boto3(store: servers.Store, folder: Path, number: int) -> None:
    import boto3

    login = {"aws_access_key_id": "tests", "aws_secret_access_key": "no-secret", "region_name": "us-west-2"}
    client = boto3.session.Session().client("s3", endpoint_url=store.address, **login)
    client.download_file("tests", str(number), str(folder / str(number)))


def _azure(store: servers.Store, folder: Path, number: int) -> None:
    from azure.storage.blob import BlobClient

    client = BlobClient.from_connection_string(store.connection_string, "tests", str(number))
    with client, (folder / str(number)).open("wb") as file:
        client.download_blob().readinto(file)


def _asyncssh(store: servers.Store, folder: Path, number: int) -> None:
    import asyncssh

    async def copy() -> None:
        login: dict[str, Any] = {"username": USER, "password": PASSWORD, "known_hosts": None}
        async with (
            asyncssh.connect(HOST, int(store.address), **login) as connection,
            connection.start_sftp_client() as client,
        ):
            await client.get(f"/tests/{number}", str(folder / str(number)))

    asyncio.run(copy())


def _ftplib(store: servers.Store, folder: Path, number: int) -> None:
    from ftplib import FTP

    with FTP() as client, (folder / str(number)).open("wb") as file:  # noqa: S321 - it is what is measured
        client.connect(HOST, int(store.address))
        client.login(USER, PASSWORD)
        client.retrbinary(f"RETR /tests/{number}", file.write, 1 << 20)


def _shutil(store: servers.Store, folder: Path, number: int) -> None:
    shutil.copyfile(Path(store.root, str(number)), folder / str(number))


def measure(client: str, *store: str) -> None:
    """Read all files with a client, in this process, and print seconds and bytes of memory."""
    from airflow_provider_jobs.operators import bigquery  # noqa: F401 - an idle task has it

    idle, of = peak_bytes(), servers.Store(*store)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(FILES) as pool:
        read = by_theirs(of, Path(folder)) if client == "theirs" else by_ours(of)
        began = time.monotonic()
        list(pool.map(read, range(FILES)))
        seconds = time.monotonic() - began
    print(MEASURED + json.dumps([seconds, peak_bytes() - idle]), flush=True)


@contextlib.contextmanager
def running(name: str, size: int) -> Iterator[servers.Store | None]:
    """Run a store with the files in it; give None of Azure where its server is missing."""
    program = servers.azurite_program()
    if name == "abfs" and program is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if name == "local":
            store = servers.Store("local", "", folder)
        elif name == "s3":
            store = stack.enter_context(servers.s3())
        elif name == "abfs" and program:
            store = stack.enter_context(servers.abfs(program))
        else:
            store = stack.enter_context(servers.served_folder(name, Path(folder)))
        for number in range(FILES):
            content = os.urandom(1 << 20) * (size >> 20)
            if name in {"s3", "abfs"}:
                store.file_system().pipe_file(f"tests/{number}", content)
            else:
                Path(folder, "" if name == "local" else "tests", str(number)).write_bytes(content)
        yield store


def run(client: str, store: servers.Store, where: Path = servers.ROOT) -> tuple[float, int]:
    """Measure a client in a process of its own.

    :param where: Whose package is measured, by this benchmark.
    """
    command = [sys.executable, "-m", "benchmarks.sources", "--measure", client, store.protocol, store.address]
    environment = {**os.environ, "PYTHONPATH": str(servers.ROOT)}
    done = subprocess.run(
        [*command, store.root], check=True, stdout=subprocess.PIPE, cwd=where, env=environment
    )
    # What clients log comes before and after.
    found = next(line for line in done.stdout.decode().splitlines() if line.startswith(MEASURED))
    seconds, memory = json.loads(found.removeprefix(MEASURED))
    return seconds, memory


def main() -> int:
    """Print the table; return 1 if a store of ours takes too much memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier build")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return 0
    logging.getLogger("azure").setLevel(logging.WARNING)  # each request otherwise
    size, missed = arguments.mebibytes << 20, False
    print(
        "| store | MB/s ours | its own client | ours x its own | x before | peak MB ours | its own | before |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in STORES:
        with running(name, size) as store:
            if store is None:
                print(f"| {name} | Azurite is missing: make azurite | | | | | | |", flush=True)
                continue
            turns = [partial(run, "ours", store), partial(run, "theirs", store)]
            # Builds before had one connection to an FTP server, which takes one file at a time.
            if arguments.before and name != "ftp":
                turns.append(partial(run, "before", store, arguments.before))
            rounds = [[turn() for turn in turns] for _ in range(arguments.runs)]
        seconds = [[each[who][0] for each in rounds] for who in range(len(turns))]
        peaks = [max(each[who][1] for each in rounds) / 1e6 for who in range(len(turns))]
        speeds = [FILES * size / statistics.median(each) / 1e6 for each in seconds]
        ratio = round_ratio(seconds[1], seconds[0])
        before = f"{round_ratio(seconds[2], seconds[0]):.2f}" if len(turns) > 2 else ""  # noqa: PLR2004
        print(
            f"| {name} | {speeds[0]:.0f} | {speeds[1]:.0f} | {ratio:.2f} | {before} | {peaks[0]:.0f} "
            f"| {peaks[1]:.0f} | {f'{peaks[2]:.0f}' if before else ''} |",
            flush=True,
        )
        missed |= peaks[0] > MOST_MB
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
