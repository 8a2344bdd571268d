"""Where results go: files that appear under their names once they are whole."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from airflow_provider_jobs.jobs import JobRef

_GZIP_FORMAT = 31
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Output:
    """What files to write.

    :param name: The file's name; of parts, each has its number before the suffixes: ``a-00000.csv``.
    :param split: A file for each page of the results, each with the header; otherwise one file.
    :param compress: By gzip; equal results give equal bytes. The name is left as it is.
    """

    name: str
    split: bool = False
    compress: bool = False

    def part_name(self, part_number: int) -> str:
        """Return the name of a part."""
        stem, dot, suffixes = self.name.partition(".")
        return f"{stem}-{part_number:05d}{dot}{suffixes}"


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or the beginning of one, that is whole.

    :param size_bytes: As it is written, compressed or not.
    """

    name: str
    record_count: int
    size_bytes: int
    sha256: str


class Sink(Protocol):
    """Takes files. Each is written to a draft on this machine first; threads write several at a time."""

    def draft(self, name: str) -> Path:
        """Return where to write a file that is to be called so: always the same place."""

    def keep(self, part: Part) -> None:
        """Take a draft that is whole; its name is not to be seen yet."""

    def has(self, part: Part) -> bool:
        """Return True if an earlier attempt kept this very file."""

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Give all files their names, and return where each is."""

    def discard(self, name: str) -> None:
        """Drop a file that was not published, if there is one."""

    def clear(self, keep: Collection[str] = ()) -> None:
        """Drop all files that were not published, earlier attempts' too, but those of these names."""


class LocalSink:
    """A folder of this machine; drafts are hidden files in it.

    :param key: Tells the drafts of one piece of work from another's, from one attempt to the next; no two
        attempts of one key may run at a time. Without it, nobody finds the drafts again.
    """

    def __init__(self, folder: str | Path, key: str | None = None) -> None:
        self._folder = Path(folder)
        self._key = key or secrets.token_hex(8)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be made: {error.strerror}") from None

    def draft(self, name: str) -> Path:
        """Return the hidden file that becomes the one of this name."""
        return self._folder / f".{name}.{self._key}.draft"

    def keep(self, part: Part) -> None:
        """Do nothing: a draft is where it has to be."""

    def has(self, part: Part) -> bool:
        """Return True if the draft holds exactly these bytes."""
        return _digest(self.draft(part.name)) == (part.size_bytes, part.sha256)

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Rename all drafts."""
        for part in parts:
            self.draft(part.name).replace(self._folder / part.name)
        return [str(self._folder / part.name) for part in parts]

    def discard(self, name: str) -> None:
        """Delete a draft."""
        self.draft(name).unlink(missing_ok=True)

    def clear(self, keep: Collection[str] = ()) -> None:
        """Delete all drafts of this key but those of these names."""
        kept = {self.draft(name) for name in keep}
        for path in self._folder.glob(".*.draft"):
            if path.name.endswith(f".{self._key}.draft") and path not in kept:
                path.unlink(missing_ok=True)


def _digest(path: Path) -> tuple[int, str] | None:
    try:
        with path.open("rb") as file:
            return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Fetched(Part):
    """A page whose draft is whole; it has no SHA-256 if it is but a part of a file.

    :param locator: Of the page after it, as the page itself says.
    :param header: The digest of its header, None if it is empty.
    """

    ends_a_line: bool
    locator: str
    header: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a download came: enough for another attempt to go on after the last whole page.

    :param location: Of the job: kind and version.
    :param output: The :class:`Output` that is written, as JSON.
    :param page_count: Pages that are whole.
    :param header: The SHA-256 of their header.
    :param ends_a_line: False if the last of them has no line end at its end.
    :param next_locator: Where pages are followed one by one: that of the next page.
    :param list_locator: Where they are listed: of the part of the list that names the last whole page.
    :param last_locator: The last whole page's.
    """

    job_id: str
    location: str
    output: dict[str, Any]
    page_records: int | None
    parts: tuple[Part, ...]
    page_count: int
    header: str | None
    listed: bool
    ends_a_line: bool = True
    next_locator: str | None = None
    list_locator: str | None = None
    last_locator: str | None = None

    def is_of(self, ref: JobRef, output: Output, page_records: int | None) -> bool:
        """Return True if it is of this very download."""
        return (self.job_id, self.location, self.output, self.page_records) == (
            ref.id,
            ref.location,
            asdict(output),
            page_records,
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads."""
        return asdict(self) | {"parts": [asdict(part) for part in self.parts]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Checkpoint:
        """Read what :meth:`to_json` wrote."""
        return cls(**data | {"parts": tuple(Part(**part) for part in data["parts"])})


@dataclass(frozen=True, slots=True)
class WrittenFile(Part):
    """A file that was published.

    :param place: Its path, or its URL.
    """

    place: str


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A download that is complete: all records are accounted for, all files published.

    :param ref: The job, of several the first.
    """

    ref: JobRef
    files: tuple[WrittenFile, ...]
    record_count: int
    page_count: int


def downloaded(ref: JobRef, files: Sequence[Part], places: Sequence[str], pages: int) -> Downloaded:
    """Return what was written."""
    written = tuple(
        WrittenFile(**asdict(part), place=place) for part, place in zip(files, places, strict=True)
    )
    return Downloaded(ref, written, sum(part.record_count for part in files), pages)


def open_draft(path: Path) -> BinaryIO:
    """Begin a draft.

    :raises ConfigurationError: it cannot be written.
    """
    try:
        return path.open("wb")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


def read_draft(path: Path) -> Iterator[bytes]:
    """Yield what a draft holds, a block at a time."""
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


class Draft:
    """A file being written: counted, hashed and, if wanted, compressed on the way.

    :param hashed: False saves the hash of what is hashed later, as a part of something larger.
    """

    def __init__(self, file: BinaryIO, *, compress: bool = False, hashed: bool = True) -> None:
        self._file = file
        self._hash = hashlib.sha256() if hashed else None
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT) if compress else None
        self.size_bytes = 0

    def write(self, block: bytes) -> None:
        """Add text."""
        self.append(self._compressor.compress(block) if self._compressor else block)

    def append(self, block: bytes) -> None:
        """Add bytes as they are, which may be compressed already."""
        self._note(block)
        self._file.write(block)

    def flush(self) -> None:
        """Have all bytes so far in the file."""
        self._file.flush()

    def end(self) -> None:
        """Add what the compressor still holds."""
        if self._compressor:
            self.append(self._compressor.flush())

    @property
    def sha256(self) -> str:
        """Of all bytes so far; empty if they are not hashed."""
        return self._hash.hexdigest() if self._hash else ""

    def recall(self, size_bytes: int, sha256: str) -> bool:
        """Go on after the first bytes of the file; return False if they are not these."""
        left = size_bytes
        while left and (block := self._file.read(min(left, BLOCK_BYTES))):
            self._note(block)
            left -= len(block)
        if left or self.sha256 != sha256:
            return False
        self._file.truncate()
        return True

    def _note(self, block: bytes) -> None:
        if self._hash:
            self._hash.update(block)
        self.size_bytes += len(block)


def compressed(blocks: Iterable[bytes]) -> bytes:
    """Return text as a gzip member of its own."""
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return b"".join(map(compressor.compress, blocks)) + compressor.flush()
