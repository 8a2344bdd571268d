"""All of a stored object is sent as it is stored, or the task fails before anything is registered."""

from __future__ import annotations

import gzip
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.sources import stored
from airflow_provider_jobs.core.sources.source import GzipSource
from airflow_provider_jobs.errors import ConfigurationError, JobsError, SourceChanged, TransportError
from airflow_provider_jobs.operators.files import sources
from airflow_provider_jobs.operators.files.sources import sources_of
from tests.integration.sending import Sender
from tests.integration.stores.servers import CONN_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_jobs.core.sources.source import Reader, Source
    from airflow_provider_jobs.sandbox import Sandbox
    from tests.integration.stores.servers import Store

PIECE = 64 * 1024
#: Several pieces, the last one not whole, different everywhere.
CONTENT = random.Random(5).randbytes(5 * PIECE + 1000)  # noqa: S311 - the same in each run


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(sources, "_STREAMED_PIECE_BYTES", PIECE)
    monkeypatch.setattr(sources, "_AZURE_PIECE_BYTES", PIECE)
    monkeypatch.setattr(stored, "PATIENCE", RetryPolicy(attempts=3, base_seconds=0.001))


@pytest.fixture
def put(store: Store) -> Callable[..., str]:
    """Return what stores an object over another connection than the one that reads, and returns its URL."""
    writer = store.file_system()

    def put(content: bytes, name: str = "rows.csv", **options: Any) -> str:
        path = ObjectStoragePath(f"{store.root}/{name}", conn_id=CONN_ID).path
        with writer.open(path, "wb", **options) as file:
            file.write(content)
        return f"{store.root}/{name}"

    return put


def source_at(url: str) -> Source:
    (source,) = sources_of(url, CONN_ID)
    return source


def everything(source: Source, offset: int = 0) -> bytes:
    blocks = []
    with closing(source.open(offset)) as reader:
        while block := reader.read(100_000):
            blocks.append(block)
    return b"".join(blocks)


def test_all_bytes_from_any_offset(put: Callable[..., str]) -> None:
    source = source_at(put(CONTENT))
    assert source.size == len(CONTENT)
    for offset in (0, 1, PIECE, 2 * PIECE + 7, len(CONTENT) - 1, len(CONTENT)):
        assert everything(source, offset) == CONTENT[offset:]
    source.check()


def test_an_empty_object(put: Callable[..., str]) -> None:
    assert everything(source_at(put(b""))) == b""


def test_four_at_once(put: Callable[..., str]) -> None:
    """Those of a store whose client has one connection, such as FTP's, do not disturb each other."""
    urls = [put(CONTENT[number:], f"{number}.csv") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        contents = list(pool.map(everything, sources_of(urls, CONN_ID)))
    assert [len(content) for content in contents] == [len(CONTENT) - number for number in range(4)]
    assert all(CONTENT.endswith(content) for content in contents)


@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
@pytest.mark.parametrize("when", ["before it is read", "while it is read"])
def test_an_object_that_changes_is_not_uploaded(
    put: Callable[..., str], jobs_sandbox: Sandbox, change: str, when: str
) -> None:
    """Nor compressed, when only its end tells how long it is."""
    changed = {"longer": CONTENT + b"x", "shorter": CONTENT[: 2 * PIECE], "other": CONTENT[::-1]}[change]
    for wrapped in (lambda source: source, GzipSource):
        source = source_at(put(CONTENT))
        sender = Sender(jobs_sandbox)
        reader = source.open()
        if when == "while it is read":
            reader.read(10)
        put(changed)
        _make_older(source)
        with pytest.raises(SourceChanged):
            _read_and_check(reader, source)
        with pytest.raises(SourceChanged):
            sender.submit(wrapped(source))
        assert not [upload for upload in sender.uploads() if upload["state"] == "complete"]
        assert not list(sender.client.list_jobs(allUsers=True))


def _read_and_check(reader: Reader, source: Source) -> None:
    with closing(reader):
        while reader.read(PIECE):
            pass
    source.check()


def _make_older(source: Any) -> None:
    """Let a source be of a second before: SFTP and FTP tell times in whole seconds."""
    if "mtime=" in source.fingerprint or "modify=" in source.fingerprint:
        source._seen = stored.Seen(source.size, source._seen.version + " before")


class TestContentEncoding:
    """A client that decompresses what it reads gives other bytes than were counted."""

    def test_azures_is_refused_by_name(self, abfs_server: Store) -> None:
        from azure.storage.blob import BlobServiceClient, ContentSettings  # noqa: PLC0415

        client = BlobServiceClient.from_connection_string(abfs_server.connection_string)
        with client.get_blob_client("tests", "encoded.csv") as blob:
            blob.upload_blob(
                gzip.compress(b"id\n" + b"1\n" * 50_000),
                overwrite=True,
                content_settings=ContentSettings(content_encoding="gzip"),
            )
        abfs_server.attach()
        try:
            with pytest.raises(ConfigurationError, match=r"encoded\.csv has the content encoding gzip"):
                source_at("abfs://tests/encoded.csv")
        finally:
            abfs_server.detach()

    def test_azures_is_found_by_its_bytes_too(
        self, abfs_server: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A store that says nothing of it is not believed."""
        monkeypatch.setattr("airflow_provider_jobs.operators.files.sources._encoding", lambda info: "")
        fs = abfs_server.file_system()
        fs.pipe_file(
            "tests/hidden.csv",
            gzip.compress(b"id\n" + b"1\n" * 50_000),
            content_settings={"content_encoding": "gzip"},
        )
        abfs_server.attach()
        try:
            with pytest.raises(ConfigurationError, match="other bytes than are stored"):
                everything(source_at("abfs://tests/hidden.csv"))
        finally:
            abfs_server.detach()

    def test_s3s_is_read_as_it_is_stored(self, s3_server: Store) -> None:
        content = gzip.compress(CONTENT)
        fs = s3_server.file_system()
        fs.pipe_file("tests/encoded.csv", content, ContentEncoding="gzip")
        s3_server.attach()
        try:
            assert everything(source_at("s3://tests/encoded.csv")) == content
        finally:
            s3_server.detach()


class TestVersions:
    """A version that a URL of S3 names is the one that is read, or none is."""

    @pytest.fixture
    def older(self, s3_server: Store) -> Iterator[str]:
        """The URL of the older one of two versions."""
        fs = s3_server.file_system()
        enabled = {"Status": "Enabled"}
        fs.makedirs("versioned", exist_ok=True)
        fs.call_s3("put_bucket_versioning", Bucket="versioned", VersioningConfiguration=enabled)
        older, _ = [
            fs.call_s3("put_object", Bucket="versioned", Key="rows.csv", Body=content)["VersionId"]
            for content in (CONTENT, CONTENT[::-1])
        ]
        yield f"s3://versioned/rows.csv?versionId={older}"
        s3_server.detach()

    def test_it_is_read_from_any_offset(self, older: str, s3_server: Store) -> None:
        fs = s3_server.file_system()
        fs.version_aware = True
        s3_server.attach(fs)
        source = source_at(older)
        for offset in (0, 1, PIECE, len(CONTENT) - 1):
            assert everything(source, offset) == CONTENT[offset:]
        source.check()

    def test_a_client_that_leaves_it_out_is_refused(self, older: str, s3_server: Store) -> None:
        """As that of Airflow's own connections does: the newest version would be sent in its place."""
        s3_server.attach()
        for given in (older, ObjectStoragePath(older, conn_id=CONN_ID)):
            with pytest.raises(ConfigurationError, match="names a version, and the store's client reads"):
                sources_of(given, CONN_ID)


@pytest.mark.parametrize(
    ("error", "becomes"), [(OSError(16, "Reduce"), TransportError), (PermissionError(), ConfigurationError)]
)
def test_a_folder_that_is_not_listed_is_not_left_out(
    s3_server: Store, error: OSError, becomes: type[JobsError]
) -> None:
    """As S3 does when it is busy: fsspec's search goes on without it, and two of three days were sent."""
    fs = s3_server.file_system()
    for day in (1, 2, 3):
        fs.pipe_file(f"tests/days/{day}/rows.csv", CONTENT)
    listed, away = fs._lsdir, True

    async def listing(path: str, *how: Any, **more: Any) -> Any:
        if away and path.endswith("days/2"):
            raise error
        return await listed(path, *how, **more)

    fs._lsdir = listing
    s3_server.attach(fs)
    try:
        with pytest.raises(becomes, match="days/2 cannot be read"):
            sources_of("s3://tests/days/*/rows.csv", CONN_ID)
        away = False
        assert len(sources_of("s3://tests/days/*/rows.csv", CONN_ID)) == 3
    finally:
        s3_server.detach()


def test_only_what_may_match_is_listed(s3_server: Store) -> None:
    """A folder of a million objects takes a thousand requests, a month of it few; all levels are one."""
    fs = s3_server.file_system()
    for name in ("2024-01.csv", "2024-02.csv", "2025-01.csv", "2024/01/a.csv", "2024/01/b/a.csv"):
        fs.pipe_file(f"tests/months/{name}", CONTENT)
    fs.pipe_file("tests/months/2024/", b"")  # as consoles show a folder
    listed, asked = fs._lsdir, {}

    async def listing(path: str, *how: Any, **more: Any) -> Any:
        found = await listed(path, *how, **more)
        asked[path] = [each["name"].removeprefix("tests/months/") for each in found]
        return found

    fs._lsdir = listing
    s3_server.attach(fs)
    try:
        assert len(sources_of("s3://tests/months/2024-*.csv", CONN_ID)) == 2
        assert asked["tests/months"] == ["2024-01.csv", "2024-02.csv"]
        asked.clear()
        assert len(sources_of("s3://tests/months/2024/**/a.csv", CONN_ID)) == 2
        assert len(sources_of("s3://tests/months/2024/**", CONN_ID)) == 2
        assert "tests/months/2024/01" not in asked
        assert len(sources_of("s3://tests/months/**", CONN_ID)) == 5
        assert len(sources_of("s3://tests/m*/20*", CONN_ID)) == 3
    finally:
        s3_server.detach()


def test_a_pattern_is_looked_for_anew_each_time(s3_server: Store) -> None:
    """What the client remembers of a folder may be what it had before another task wrote there."""
    other = s3_server.file_system()
    s3_server.attach()
    try:
        other.pipe_file("tests/anew/first.csv", CONTENT)
        with pytest.raises(ConfigurationError, match="matches no object"):
            sources_of("s3://tests/anew/*.txt", CONN_ID)
        other.pipe_file("tests/anew/second.txt", CONTENT)
        assert [each.name for each in sources_of("s3://tests/anew/*.txt", CONN_ID)] == ["second.txt"]
    finally:
        s3_server.detach()


class TestFailures:
    """A reading that fails, with an error of any class, is asked again from where it was."""

    @pytest.mark.parametrize("times", [1, 2])
    def test_a_connection_that_is_cut(
        self, put: Callable[..., str], store: Store, times: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class TheirOwn(Exception):
            pass

        source: Any = source_at(put(CONTENT))
        opened, anew = source.stored.open, []

        def broken(offset: int, **options: Any) -> Any:
            anew.append(options["anew"])
            file = opened(offset, **options)
            if len(anew) > times:
                return file
            monkeypatch.setattr(file, "read", _fails_after(file.read, 2, TheirOwn("gone")))
            return file

        monkeypatch.setattr(source.stored, "open", broken)
        assert everything(source) == CONTENT
        assert anew == [False] + [True] * times


def _fails_after(read: Callable[[int], bytes], count: int, error: Exception) -> Callable[[int], bytes]:
    left = [count]

    def failing(size: int) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise error
        return read(size)

    return failing
