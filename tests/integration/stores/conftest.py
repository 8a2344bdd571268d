"""Stores that run on this machine, each in a process of its own, one for all tests of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.stores import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.stores.servers import Store

PROTOCOLS = ["s3", "abfs", "sftp", "ftp"]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Store]:
    with servers.s3() as store:
        yield store


@pytest.fixture(scope="session")
def abfs_server() -> Iterator[Store]:
    program = servers.azurite_program()
    if program is None:
        pytest.skip("Azurite is missing: `make azurite`, which needs npm, or AZURITE=/its/folder")
    with servers.abfs(program) as store:
        yield store


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with servers.served_folder("sftp", tmp_path_factory.mktemp("sftp")) as store:
        yield store


@pytest.fixture(scope="session")
def ftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with servers.served_folder("ftp", tmp_path_factory.mktemp("ftp")) as store:
        yield store


@pytest.fixture(params=PROTOCOLS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each store in turn, attached: ``ObjectStoragePath(store.root + "/a.csv")`` works, and with CONN_ID."""
    running: Store = request.getfixturevalue(f"{request.param}_server")
    running.attach()
    yield running
    running.detach()
