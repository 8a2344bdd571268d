"""Bytes from a socket to a file, in a thread, without passing through the event loop.

A gigabyte a second is possible only if Python touches no byte: Linux moves them by itself
(splice). Whole blocks of zeros are left out, so that a sparse file stays one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES = 1 << 20  # faster than 256 KiB and than 4 MiB, which leaves the processor's cache
SPLICED_BYTES = 32 * BLOCK_BYTES  # before a block is looked at again: is it all zeros?
WAIT_MS = 50  # until a silent connection's transfer looks whether it should end
SPLICE = hasattr(os, "splice")


class Pour:
    """One transfer: ``count`` bytes of a socket to a place of a file, or nowhere.

    :param target: a file descriptor; None drops the bytes.
    :param ended: whether to stop early, asked about often.
    :param counted: told how many bytes were just moved.
    """

    def __init__(
        self,
        source: int,
        target: int | None,
        at: int,
        count: int,
        ended: Callable[[], bool],
        counted: Callable[[int], None],
    ) -> None:
        self._source = source
        self._target = target
        self._at = at
        self._left = count
        self._ended = ended
        self._counted = counted
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)

    def run(self) -> bool:
        """Move the bytes; give False if the connection broke or the transfer was ended before the last."""
        if self._target is None or not SPLICE:
            return self._copy(self._left, past_zeros=False)
        outlet, inlet = os.pipe()
        try:
            with contextlib.suppress(PermissionError):  # its user has large pipes enough; a small one will do
                fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, BLOCK_BYTES)
            while self._left:
                if not self._copy(BLOCK_BYTES, past_zeros=True):
                    return False
                if not self._splice(outlet, inlet, min(SPLICED_BYTES, self._left)):
                    return False
        finally:
            os.close(outlet)
            os.close(inlet)
        return True

    def _copy(self, most: int, *, past_zeros: bool) -> bool:
        """Move so many bytes through a buffer; past zeros, whole blocks of them do not count."""
        view = memoryview(_buffer())
        left = most
        while left and self._left and not self._ended():
            block = view[: min(BLOCK_BYTES, self._left)]
            filled = self._fill(block)
            zeros = self._write(block[:filled])
            self._moved(filled)
            if filled < len(block):
                return False
            if not (past_zeros and zeros):
                left -= min(left, filled)
        return not self._left or not self._ended()

    def _fill(self, block: memoryview) -> int:
        """Read until the block is full; give less only where the transfer ends."""
        filled = 0
        while filled < len(block):
            try:
                count = os.readv(self._source, [block[filled:]])
            except BlockingIOError:
                if not self._wait():
                    break
                continue
            except OSError:
                break
            if count == 0:
                break
            filled += count
        return filled

    def _write(self, block: memoryview) -> bool:
        """Write a block; tell whether it was left out for being all zeros."""
        if self._target is None:
            return False
        if len(block) == BLOCK_BYTES and _buffer() == _ZEROS:
            os.truncate(self._target, self._at + len(block))
            return True
        done = 0
        while done < len(block):
            done += os.pwrite(self._target, block[done:], self._at + done)
        return False

    def _splice(self, outlet: int, inlet: int, left: int) -> bool:
        """Let the kernel move bytes through a pipe."""
        while left:
            if self._ended():
                return False
            try:
                count = os.splice(self._source, inlet, left, flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE)
            except BlockingIOError:
                if not self._wait():
                    return False
                continue
            except OSError:
                return False
            if count == 0:
                return False
            self._empty(outlet, count)
            left -= count
        return True

    def _empty(self, outlet: int, count: int) -> None:
        """Move what the pipe holds to the file."""
        while count and self._target is not None:
            done = os.splice(outlet, self._target, count, offset_dst=self._at)
            self._moved(done)
            count -= done

    def _moved(self, count: int) -> None:
        self._at += count
        self._left -= count
        self._counted(count)

    def _wait(self) -> bool:
        """Wait for more bytes; tell whether to go on."""
        while not self._ended():
            if self._poll.poll(WAIT_MS):
                return True
        return False


_ZEROS = bytes(BLOCK_BYTES)
_threads = threading.local()


def _buffer() -> bytearray:
    """Give this thread's buffer."""
    buffer: bytearray | None = getattr(_threads, "buffer", None)
    if buffer is None:
        buffer = _threads.buffer = bytearray(BLOCK_BYTES)
    return buffer
