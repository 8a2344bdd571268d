"""Four stored files at once take little memory: MEBIBYTES=64 sends files of 64 MiB."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk import ObjectStoragePath

from tests.integration.stores.servers import CONN_ID, ROOT

if TYPE_CHECKING:
    from tests.integration.stores.servers import Store

SIZE = int(os.environ.get("MEBIBYTES", "24")) << 20
#: More than an idle task has: what the stores' packages take is counted too.
MOST = 100_000_000
READ = textwrap.dedent("""
    import sys
    from contextlib import closing
    from concurrent.futures import ThreadPoolExecutor
    from airflow_provider_jobs.operators import bigquery
    from airflow_provider_jobs.operators.files.sources import sources_of
    from tests.integration.stores.servers import CONN_ID, Store

    def peak():
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def read(source):
        count = 0
        with closing(source.open()) as reader:
            while block := reader.read(1 << 20):
                count += len(block)
        return count

    idle = peak()
    store = Store(*sys.argv[1:4])
    store.attach()
    sources = sources_of([f"{store.root}/large{number}" for number in range(4)], CONN_ID)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, sources)) == [int(sys.argv[4])] * 4
    print(f"grown: {peak() - idle}", flush=True)
""")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak of a process")
def test_four_files_at_once_take_little_memory(store: Store) -> None:
    for number in range(4):
        _put(store, f"large{number}")
    command = [sys.executable, "-c", READ, store.protocol, store.address, store.root, str(SIZE)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    grown = int(done.stdout.partition("grown: ")[2].split()[0])
    print(f"{store.protocol}: {grown:,} bytes more than an idle task")  # noqa: T201 - shown by `pytest -s`
    assert grown <= MOST


def _put(store: Store, name: str) -> None:
    if store.protocol == "abfs":  # adlfs warns of bodies as large as these
        from azure.storage.blob import BlobClient  # noqa: PLC0415 - only who uses a store loads its packages

        with BlobClient.from_connection_string(store.connection_string, "tests", name) as blob:
            blob.upload_blob(bytes(SIZE), overwrite=True)
        return
    with ObjectStoragePath(f"{store.root}/{name}", conn_id=CONN_ID).open("wb") as file:
        for _ in range(SIZE >> 20):
            file.write(bytes(1 << 20))
