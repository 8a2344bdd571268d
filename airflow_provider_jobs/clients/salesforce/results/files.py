"""Where results go: files that appear under their names once they are whole."""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from airflow_provider_jobs.core.drafts import Drafts, check_folder, check_place
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GZIP_FORMAT = 31
_GZIP_LEVEL = 6
_MOST_FIELD_CHARACTERS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Output:
    """What files to write.

    :param name: The file's name; of parts, each has its number before the suffixes: ``a-00000.csv``.
    :param split: A file for each page of the results, each with the header; otherwise one file.
    :param compress: By gzip: a whole page that comes compressed is kept as it came, others are compressed
        here. The name is left as it is.
    """

    name: str
    split: bool = False
    compress: bool = False

    def page_name(self, page_number: int) -> str:
        """Return the name of a page's draft: its part's, or one that never becomes a file."""
        if not self.split:
            return f"{self.name}.page{page_number:05d}"
        stem, dot, suffixes = self.name.partition(".")
        return f"{stem}-{page_number:05d}{dot}{suffixes}"


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or the beginning of one, that is whole.

    :param size_bytes: As it is written, compressed or not.
    """

    name: str
    record_count: int
    size_bytes: int
    sha256: str


class LocalSink(Drafts):
    """Takes files into a folder of this machine; until all are whole, they are hidden drafts in it.

    The folder may be a link. A link that has the name of a file is replaced, and not followed.

    :param key: As of :class:`.Drafts`.
    """

    def check(self, names: Sequence[str]) -> None:
        """See, before any work is done, that files can get these names; leave nothing behind.

        :raises ConfigurationError: something is in the way, or the folder cannot be written.
        """
        for name in names:
            check_place(self._folder / name)
        check_folder(self._folder)

    def begin(self, name: str) -> BinaryIO:
        """Begin a draft, as :meth:`.Drafts.begin` does; the folder is made first.

        :raises ConfigurationError: it cannot be.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{self._folder} cannot be made: {error.strerror}") from None
        return super().begin(name)

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Give all files their names, and return where each is."""
        self.give_names([part.name for part in parts])
        return [str(self._folder / part.name) for part in parts]

    def listed(self) -> list[str]:
        """Return the names in the folder, of whatever kind; none if there is no folder.

        :raises ConfigurationError: it cannot be listed.
        """
        try:
            return [each.name for each in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigurationError(f"{self._folder} cannot be listed: {error.strerror}") from None

    def remove(self, name: str) -> None:
        """Delete a file that was published before.

        :raises ConfigurationError: it cannot be.
        """
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{self._folder / name} cannot be removed: {error.strerror}") from None


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
    parts: tuple[Part, ...] = ()
    page_count: int = 0
    header: str | None = None
    listed: bool = False
    ends_a_line: bool = True
    next_locator: str | None = None
    list_locator: str | None = None
    last_locator: str | None = None

    @property
    def work(self) -> tuple[str, str, dict[str, Any], int | None]:
        """What is downloaded, and how: the same for each attempt."""
        return self.job_id, self.location, self.output, self.page_records

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_json` reads."""
        return asdict(self) | {"parts": [asdict(part) for part in self.parts]}  # Airflow refuses a tuple

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
    """A download that is complete: all records are accounted for, all files published."""

    files: tuple[WrittenFile, ...]
    record_count: int
    page_count: int


def published(sink: LocalSink, parts: Sequence[Part], page_count: int) -> Downloaded:
    """Publish files that are whole, and return what was written."""
    places = sink.publish(parts)
    files = tuple(WrittenFile(**asdict(part), place=place) for part, place in zip(parts, places, strict=True))
    return Downloaded(files, sum(part.record_count for part in parts), page_count)


def write_lines(sink: LocalSink, output: Output, lines: Sequence[str]) -> Downloaded:
    """Publish a file of these lines, of which the first is the header."""
    with sink.begin(output.name) as file:
        draft = Draft(file, compress=output.compress)
        draft.write("".join(f"{line}\n" for line in lines).encode())
        draft.end()
        part = Part(output.name, len(lines) - 1, file.tell(), draft.sha256)
    return published(sink, [part], 0)


def read_draft(sink: LocalSink, name: str) -> Iterator[bytes]:
    """Yield what a draft holds, a block at a time."""
    with sink.read(name) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


class Draft:
    """A file being written: hashed and, if wanted, compressed on the way.

    :param hashed: False saves the hash of what is hashed later, as a part of something larger.
    """

    def __init__(self, file: BinaryIO, *, compress: bool = False, hashed: bool = True) -> None:
        self._file = file
        self._hash = hashlib.sha256() if hashed else None
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT) if compress else None

    def write(self, block: bytes) -> None:
        """Add text."""
        self._append(self._compressor.compress(block) if self._compressor else block)

    def keep(self, packed: bytes) -> None:
        """Add what is compressed already, and with it all of the file."""
        self._compressor = None
        self._append(packed)

    def end(self) -> None:
        """Add what the compressor still holds."""
        if self._compressor:
            self._append(self._compressor.flush())

    @property
    def sha256(self) -> str:
        """Of all bytes; empty if they are not hashed."""
        return self._hash.hexdigest() if self._hash else ""

    def _append(self, block: bytes) -> None:
        if self._hash:
            self._hash.update(block)
        self._file.write(block)


def join_columns(sink: LocalSink, output: Output, drafts: Sequence[str], delimiter: str) -> Part:
    """Write the draft of one file that has the columns and records of several.

    A record has nothing in a column that its draft does not have.

    :param drafts: Names of drafts of CSV, each with a header or empty.
    """
    csv.field_size_limit(_MOST_FIELD_CHARACTERS)  # the reader's own limit is below that of long texts
    columns: dict[str, None] = {}
    for name in drafts:
        with _text(sink, name) as text:
            columns |= dict.fromkeys(next(csv.reader(text, delimiter=delimiter), []))
    count = 0
    with sink.begin(output.name) as file:
        draft = Draft(file, compress=output.compress)
        lines = SimpleNamespace(write=lambda line: draft.write(line.encode("utf-8", "surrogateescape")))
        how: dict[str, Any] = {"delimiter": delimiter, "quoting": csv.QUOTE_ALL, "lineterminator": "\n"}
        writer = csv.DictWriter(lines, list(columns), restval="", extrasaction="ignore", **how)
        writer.writeheader()
        for name in drafts:
            with _text(sink, name) as text:
                for row in csv.DictReader(text, delimiter=delimiter, restval=""):
                    writer.writerow(row)
                    count += 1
        draft.end()
        return Part(output.name, count, file.tell(), draft.sha256)


def _text(sink: LocalSink, name: str) -> TextIO:
    return io.TextIOWrapper(sink.read(name), encoding="utf-8", errors="surrogateescape", newline="")


class Assembly:
    """Pages in the order of the results: a file each, or one file that takes the drafts of all in turn.

    A compressed page is a gzip member of its own: threads compress at a time, an interrupted file can be gone
    on with, and whatever reads gzip reads members one after another as one file.

    :ivar parts: The files so far.
    """

    def __init__(self, sink: LocalSink, output: Output) -> None:
        self._sink = sink
        self._output = output
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._ends_a_line = True
        self.parts: list[Part] = []

    def recall(self, checkpoint: Checkpoint) -> bool:
        """Go on with the files of an earlier attempt; return False if one is not there as it was."""
        self.parts, self._ends_a_line = list(checkpoint.parts), checkpoint.ends_a_line
        return all(self._reopen(part) for part in self.parts)

    def add(self, page: Part, *, ends_a_line: bool) -> None:
        """Take the draft of the next page."""
        if self._output.split:
            self.parts.append(page)
            return
        file = self._file = self._file or self._sink.begin(self._output.name)
        for block in self._blocks(page.name):
            self._hash.update(block)
            file.write(block)
        file.flush()  # what the checkpoint tells of has to be in the file
        self._sink.drop(page.name)
        self._ends_a_line = ends_a_line
        record_count = sum(part.record_count for part in [*self.parts, page])
        self.parts = [Part(self._output.name, record_count, file.tell(), self._hash.hexdigest())]

    def _blocks(self, draft: str) -> Iterator[bytes]:
        if not self._ends_a_line:
            yield zlib.compress(b"\n", _GZIP_LEVEL, _GZIP_FORMAT) if self._output.compress else b"\n"
        yield from read_draft(self._sink, draft)

    def close(self) -> None:
        """Close the file, without dropping it."""
        if self._file:
            self._file.close()

    def _reopen(self, part: Part) -> bool:
        """Go on after the first bytes of a draft; return False if they are not these."""
        self.close()
        self._hash = hashlib.sha256()
        try:
            self._file = self._sink.reopen(part.name)
        except OSError:
            return False
        left = part.size_bytes
        while left and (block := self._file.read(min(left, BLOCK_BYTES))):
            self._hash.update(block)
            left -= len(block)
        self._file.truncate()
        return self._hash.hexdigest() == part.sha256
