"""Generated files: text as programs of all kinds write it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from airflow_provider_jobs.core.sources.csv_records import CsvForm

BOM = codecs.BOM_UTF8
LF, CRLF, CR = "\n", "\r\n", "\r"


@dataclass(frozen=True)
class Dialect:
    """How a set of CSV files is written, and how BigQuery is told to read it."""

    delimiter: str
    quote: str
    quoted_newlines: bool
    skip: int | None
    autodetect: bool
    encoding: str | None

    @property
    def form(self) -> CsvForm:
        return CsvForm(self.skip or 0, self.quote, self.delimiter, self.quoted_newlines, self.autodetect)

    @property
    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {"allowQuotedNewlines": True} if self.quoted_newlines else {}
        if self.delimiter != ",":
            found["fieldDelimiter"] = self.delimiter
        if self.quote != '"':
            found["quote"] = self.quote
        if self.encoding:
            found["encoding"] = self.encoding
        return found


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    autodetect = draw(st.sampled_from([False, False, True]))
    return Dialect(
        draw(st.sampled_from(",,,;\t|")),
        draw(st.sampled_from(['"', '"', '"', "'", ""])),
        draw(st.booleans()),
        draw(st.sampled_from([0, 1, 1, 1, 2, None] if not autodetect else [0, 1, 1, 1, 2])),
        autodetect,
        draw(st.sampled_from([None, None, None, "UTF-8", "ISO-8859-1"])),
    )


NAMES = st.sampled_from(
    [
        *("", "a", "bob", "né", "x y", "7", "true", '12" pipe', "it's", 'say "x"', "''", '"', "\ufeff"),
        *("a,b", "a;b", "line\nend", "line\r\nend", "cr\rend"),
    ]
)
IDS = st.sampled_from(["1", "22", "-3", "", "4"])


@st.composite
def csv_files(draw: st.DrawFn, dialect: Dialect) -> list[bytes]:
    """Return some files of one kind; mostly sound ones, of one origin or several."""
    strange = draw(st.sampled_from([False, False, True]))
    line_end = draw(st.sampled_from([LF, LF, CRLF, CR]))
    headers = draw(_headers(dialect))
    return [draw(_csv_file(dialect, headers, line_end, strange)) for _ in range(draw(st.integers(1, 4)))]


@st.composite
def _headers(draw: st.DrawFn, dialect: Dialect) -> list[list[str]]:
    names = draw(
        st.sampled_from([["id", "name"], ["id", "name"], ["a", "a"], ["id", "long\nname"], ["id", '5" pipe']])
    )
    return [["title"]] * max((dialect.skip or 0) - 1, 0) + [names] * bool(dialect.skip)


@st.composite
def _csv_file(
    draw: st.DrawFn, dialect: Dialect, headers: list[list[str]], usual_end: str, strange: bool
) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([b"", BOM, b"\n", b"\r", b"\r\n"]))
    ends = st.just(usual_end)
    if strange:
        ends = draw(
            st.sampled_from(
                [st.just(usual_end), st.just(LF), st.just(CRLF), st.just(CR), st.sampled_from([LF, CRLF, CR])]
            )
        )
    if strange and headers and draw(st.booleans()):
        headers = [*headers[:-1], headers[-1][::-1]]
    if strange and headers and draw(st.integers(0, 4)) == 0:
        headers = draw(st.sampled_from([headers[1:], headers + headers[-1:]]))
    rows = [[draw(IDS), draw(NAMES)] for _ in range(draw(st.integers(0, 3)))]
    always = draw(st.booleans())
    lines = [_line(dialect, cells, always=always) for cells in headers + rows]
    if strange:
        lines = lines[: draw(st.integers(0, len(lines)))] if draw(st.integers(0, 5)) == 0 else lines
        lines += draw(
            st.sampled_from(
                [
                    [],
                    [],
                    [],
                    [""],
                    [dialect.quote + "open"],
                    ["5" + dialect.delimiter + dialect.quote + "open"],
                ]
            )
        )
    text = "".join(line + draw(ends) for line in lines)
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    mark = BOM if draw(st.sampled_from([False, False, True])) else b""
    encoding = "latin-1" if dialect.encoding == "ISO-8859-1" else "utf-8"
    return mark + text.encode(encoding, "replace")


def _line(dialect: Dialect, cells: list[str], *, always: bool) -> str:
    mark = dialect.quote
    if not mark:
        return dialect.delimiter.join(cells)
    return dialect.delimiter.join(
        mark + cell.replace(mark, mark * 2) + mark
        if always or set(cell) & {dialect.delimiter, "\n", "\r"} or cell.startswith(mark)
        else cell
        for cell in cells
    )


_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["1", "22", "null", '"7"']),
        "name": st.sampled_from(['"a"', "null", '"né\\n"', '"\ufeff"', '"}{"']),
    },
)


@st.composite
def _json_file(draw: st.DrawFn) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([b"", BOM, b"\n", b"\r"]))
    end = draw(st.sampled_from([LF, LF, CRLF, CR]))
    rows = draw(st.lists(_VALUES, max_size=3))
    text = "".join(
        "{" + ", ".join(f'"{name}": {value}' for name, value in row.items()) + "}" + end for row in rows
    )
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    return (BOM if draw(st.booleans()) else b"") + text.encode()


JSON_FILES = st.lists(_json_file(), min_size=1, max_size=4)
