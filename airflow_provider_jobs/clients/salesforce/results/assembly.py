"""Pages in the order of the results, as one file or as a file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.salesforce.results.files import (
    Draft,
    Part,
    compressed,
    open_draft,
    read_draft,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from airflow_provider_jobs.clients.salesforce.results.files import Fetched, Output, Sink


class Parts:
    """A file for each page.

    :ivar parts: The files so far.
    :ivar ends_a_line: False if the last page has no line end at its end.
    """

    def __init__(self, sink: Sink, output: Output) -> None:
        self._sink = sink
        self._output = output
        self.parts: list[Part] = []
        self.ends_a_line = True

    def page_name(self, page_number: int) -> str:
        """Return the name of a page's draft, which becomes a file."""
        return self._output.part_name(page_number)

    def has_header(self, page_number: int) -> bool:  # noqa: ARG002 - the other needs it
        """Return True: each part is a CSV file by itself."""
        return True

    def recall(self, parts: Sequence[Part]) -> bool:
        """Go on with the parts of an earlier attempt; return False if one is not there as it was."""
        if not all(self._sink.has(part) for part in parts):
            return False
        self.parts = list(parts)
        return True

    def add(self, page: Fetched) -> None:
        """Take the next part."""
        part = Part(page.name, page.record_count, page.size_bytes, page.sha256)
        self._sink.keep(part)
        self.parts.append(part)

    def finish(self) -> None:
        """Do nothing: all parts are whole."""

    def close(self) -> None:
        """Do nothing: no file is open."""


class OneFile:
    """All pages in one file, one after another; drafts of pages wait for their turn beside it.

    A compressed page is a gzip member of its own: threads compress at a time, an interrupted file can be gone
    on with, and whatever reads gzip reads members one after another as one file.
    """

    def __init__(self, sink: Sink, output: Output) -> None:
        self._sink = sink
        self._output = output
        self._file: BinaryIO | None = None
        self._draft: Draft | None = None
        self.ends_a_line = True
        self._records = 0

    @property
    def parts(self) -> list[Part]:
        """The file so far."""
        draft = self._opened()
        return [Part(self._output.name, self._records, draft.size_bytes, draft.sha256)]

    def page_name(self, page_number: int) -> str:
        """Return the name of the page's draft, which never becomes a file."""
        return f"{self._output.name}.page{page_number:05d}"

    def has_header(self, page_number: int) -> bool:
        """Return True for the first page."""
        return page_number == 0

    def recall(self, parts: Sequence[Part]) -> bool:
        """Go on with the file of an earlier attempt; return False if it is not there as it was."""
        if not parts:
            return True
        (part,) = parts
        try:
            self._file = self._sink.draft(part.name).open("r+b")
        except OSError:
            return False
        self._draft = Draft(self._file)
        self._records = part.record_count
        if self._draft.recall(part.size_bytes, part.sha256):
            return True
        self.close()
        return False

    def add(self, page: Fetched) -> None:
        """Take the next page."""
        draft = self._opened()
        if not self.ends_a_line:
            draft.append(compressed([b"\n"]) if self._output.compress else b"\n")
        for block in read_draft(self._sink.draft(page.name)):
            draft.append(block)
        self._sink.discard(page.name)
        self.ends_a_line = page.ends_a_line
        self._records += page.record_count
        draft.flush()  # what the checkpoint tells of has to be in the file

    def finish(self) -> None:
        """Close the file, and have the sink take it."""
        (part,) = self.parts
        self._close_file()
        self._sink.keep(part)

    def close(self) -> None:
        """Close the file, without dropping it."""
        self._close_file()
        self._draft = None

    def _opened(self) -> Draft:
        if self._draft is None:
            self._file = open_draft(self._sink.draft(self._output.name))
            self._draft = Draft(self._file)
        return self._draft

    def _close_file(self) -> None:
        if self._file:
            self._file.close()
        self._file = None


Assembly = Parts | OneFile


def assembly_for(sink: Sink, output: Output) -> Assembly:
    """Return what makes these files."""
    return (Parts if output.split else OneFile)(sink, output)
