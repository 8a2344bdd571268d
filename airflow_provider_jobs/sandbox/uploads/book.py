"""Every upload of every service: what has arrived of it, where it is, what it hashes to."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.documents import Documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox.clock import Clock
    from airflow_provider_jobs.sandbox.uploads.body import Body

OPEN, COMPLETE, EXPIRED, FAILED = "open", "complete", "expired", "failed"
LATEST_SHOWN = 10_000  # older ones are forgotten, once nobody needs their files
BODIES_AT_ONCE = 64  # large ones, each with a thread
DIGEST_BLOCK_BYTES = 1 << 20
KIND = "upload"
NOT_KEPT = frozenset({"stored", "turn", "reader"})


@dataclass(eq=False)
class Upload:
    """One file on its way in."""

    upload_id: str  # public; also the file's name
    service: str
    kind: str  # "resumable", "multipart", "plain", "simple"
    target: str  # what it is for, in the service's words
    account: str
    folder: str  # of the file, below the sandbox's root
    secret_hash: str  # of the session URI's secret; "" where there is no session
    started_at: float
    total: int | None = None  # None: not known yet
    details: dict[str, Any] = field(default_factory=dict)  # the service's own
    state: str = OPEN
    session_over: bool = False  # it is complete, but cannot be asked for any more
    released: bool = False  # nobody needs the file any more
    requests: int = 0
    bytes_received: int = 0  # what was sent twice counts twice
    sha256: str = ""
    md5: str = ""
    stored: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    reader: Body | None = None  # the request that is bringing bytes

    def overview(self) -> dict[str, Any]:
        """Give what a test may know: never a session URI."""
        shown = ("service", "kind", "target", "account", "total", "state", "requests", "bytes_received")
        return {
            "id": self.upload_id,
            **{name: getattr(self, name) for name in shown},
            "bytes": self.stored,
            "sha256": self.sha256 or None,
            "md5": self.md5 or None,
            **self.details.get("shown", {}),
        }


class UploadBook:
    """All uploads; used on the event loop."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.threads = ThreadPoolExecutor(BODIES_AT_ONCE, thread_name_prefix="sandbox-body")
        self._digesting = ThreadPoolExecutor(2, thread_name_prefix="sandbox-digest")
        self._closing = threading.Event()
        self._root = root
        self._clock = clock
        self._documents = Documents(root / "uploads.sqlite")
        self._uploads: dict[str, Upload] = {}
        self._sessions: dict[str, Upload] = {}
        self._digests: dict[str, asyncio.Task[None]] = {}
        for document in self._documents.read(KIND):
            self._register(Upload(**document))

    def start(
        self, service: str, kind: str, target: str, account: str, folder: str, total: int | None = None
    ) -> Upload:
        """Take a new upload with an empty file."""
        now = self._clock.now()
        upload_id = f"{service}-{kind}-{secrets.token_hex(8)}"
        upload = Upload(upload_id, service, kind, target, account, folder, "", now, total)
        (self._root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path(upload).touch(mode=0o600)
        self._register(upload)
        self._forget_oldest()
        return upload

    def open_session(self, upload: Upload) -> str:
        """Give the secret by which the upload is found from now on."""
        secret = secrets.token_urlsafe(48)
        upload.secret_hash = _hash(secret)
        self._sessions[upload.secret_hash] = upload
        self.write(upload)
        return secret

    def session(self, secret: str) -> Upload | None:
        """Give the upload of a session."""
        return self._sessions.get(_hash(secret))

    def get(self, upload_id: str) -> Upload | None:
        """Give an upload by its public id."""
        return self._uploads.get(upload_id)

    def all(self) -> list[Upload]:
        """Give every upload, oldest first."""
        return list(self._uploads.values())

    def path(self, upload: Upload) -> Path:
        """Give the place of the file."""
        return self._root / upload.folder / upload.upload_id

    def truncate(self, upload: Upload, size: int) -> None:
        """Lose what lies behind the size."""
        with self.path(upload).open("r+b") as file:
            file.truncate(size)
        upload.stored = size

    @contextlib.contextmanager
    def arriving(self, upload: Upload) -> Iterator[None]:
        """Count the request of a file that comes in one; what breaks off is not stored at all."""
        upload.requests = 1
        try:
            yield
        except BaseException:
            self.end(upload, FAILED)
            raise

    async def pour(self, upload: Upload, body: Body, most: int) -> None:
        """Bring the next bytes of a body to the end of the file, at most so many."""

        def stored(count: int) -> None:
            upload.stored += count
            upload.bytes_received += count

        file = os.open(self.path(upload), os.O_WRONLY)
        try:
            await body.pour(file, upload.stored, most, stored)
        finally:
            os.close(file)

    async def fill(self, upload: Upload, blocks: AsyncIterator[bytes]) -> None:
        """Bring a file that comes in blocks to the disk."""
        file = os.open(self.path(upload), os.O_WRONLY)
        try:
            async for block in blocks:
                os.write(file, block)
                upload.stored += len(block)
                upload.bytes_received += len(block)
        finally:
            os.close(file)

    def complete(self, upload: Upload) -> None:
        """All bytes have arrived; their digests are taken now."""
        upload.state = COMPLETE
        upload.total = upload.stored
        self.write(upload)
        self._digest(upload)

    def end(self, upload: Upload, state: str) -> None:
        """Give an upload up, with its bytes."""
        upload.state = state
        self.write(upload)
        self.path(upload).unlink(missing_ok=True)

    def expire(self, upload: Upload) -> None:
        """End a session: what is incomplete is given up, what is complete cannot be asked for any more."""
        if upload.state == OPEN:
            self.end(upload, EXPIRED)
        elif upload.state == COMPLETE and not upload.session_over:
            upload.session_over = True
            self.write(upload)

    async def digests(self, upload: Upload) -> tuple[str, str]:
        """Wait for SHA-256 and MD5 of a complete upload, in hexadecimal."""
        if not upload.sha256:
            await asyncio.shield(self._digest(upload))
        return upload.sha256, upload.md5

    def release(self, upload: Upload) -> None:
        """Delete the file, as soon as its digests are known."""
        if not upload.released:
            upload.released = True
            self.write(upload)
        if upload.sha256 or not self.path(upload).exists():
            self.path(upload).unlink(missing_ok=True)
        else:
            self._digest(upload).add_done_callback(lambda _: self.path(upload).unlink(missing_ok=True))

    def write(self, upload: Upload) -> None:
        """Keep what has changed for the next start."""
        document = {name: value for name, value in vars(upload).items() if name not in NOT_KEPT}
        self._documents.write(KIND, upload.upload_id, document)

    async def close(self) -> None:
        """End all threads and close the file."""
        self._closing.set()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.threads.shutdown)
        await loop.run_in_executor(None, self._digesting.shutdown)
        await asyncio.gather(*self._digests.values())
        self._documents.close()

    def _digest(self, upload: Upload) -> asyncio.Task[None]:
        """Begin to take the digests, once."""
        task = self._digests.get(upload.upload_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._take_digests(upload))
            self._digests[upload.upload_id] = task
        return task

    async def _take_digests(self, upload: Upload) -> None:
        loop, path = asyncio.get_running_loop(), self.path(upload)
        sha256, md5 = await asyncio.gather(
            loop.run_in_executor(self._digesting, _digest_of, path, "sha256", self._closing),
            loop.run_in_executor(self._digesting, _digest_of, path, "md5", self._closing),
        )
        if sha256 and md5:
            upload.sha256, upload.md5 = sha256, md5
            self.write(upload)

    def _register(self, upload: Upload) -> None:
        self._uploads[upload.upload_id] = upload
        path = self.path(upload)
        upload.stored = path.stat().st_size if path.exists() else upload.total or 0
        if upload.secret_hash:
            self._sessions[upload.secret_hash] = upload

    def _forget_oldest(self) -> None:
        for oldest in list(self._uploads.values()) if len(self._uploads) > LATEST_SHOWN else []:
            over = oldest.released and oldest.sha256 if oldest.state == COMPLETE else oldest.state != OPEN
            if over:
                del self._uploads[oldest.upload_id]
                self._sessions.pop(oldest.secret_hash, None)
                self._digests.pop(oldest.upload_id, None)
                self._documents.remove(KIND, oldest.upload_id)
                self.path(oldest).unlink(missing_ok=True)
            if len(self._uploads) <= LATEST_SHOWN:
                return


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _digest_of(path: Path, algorithm: str, closing: threading.Event) -> str | None:
    """Give a digest; None if the file is gone, or the sandbox ends before: the next start takes it."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while block := file.read(DIGEST_BLOCK_BYTES):
                if closing.is_set():
                    return None
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
