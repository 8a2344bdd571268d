"""Files whose lines are too long to be read: found out before anything tries."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import threading
    from pathlib import Path

MOST_LINE_BYTES = 100 << 20  # https://cloud.google.com/bigquery/quotas#load_jobs
BLOCK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Tell whether a file is compressed, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def has_long_line(path: Path, cancelled: threading.Event) -> bool:
    """Tell whether a line, decompressed, is longer than the most; False also once it is cancelled."""
    compressed = is_gzip(path)
    if not compressed and path.stat().st_size <= MOST_LINE_BYTES:
        return False
    with path.open("rb") as plain:
        if not compressed:
            return _has_long_line(plain, cancelled)
        try:
            with gzip.open(plain) as file:
                return _has_long_line(file, cancelled)  # type: ignore[arg-type] # it reads bytes, too
        except (EOFError, OSError, zlib.error):  # a broken archive; whoever reads it will say so
            return False


def _has_long_line(file: BinaryIO, cancelled: threading.Event) -> bool:
    length = 0
    while not cancelled.is_set() and (block := file.read(BLOCK_BYTES)):
        newline = block.rfind(b"\n")
        # Blocks are short beside the limit, so a line within one needs no look.
        length = length + len(block) if newline < 0 else len(block) - newline - 1
        if length > MOST_LINE_BYTES:
            return True
    return False
