"""A proxy that cuts all connections after so many bytes, and an SFTP server that can do little."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from tests.integration.stores.serve import HOST, access_by_password

#: Where an FTP server says that it waits for the data.
_PASSIVE = re.compile(rb"(227 .*\()\d+,\d+,\d+,\d+,(\d+),(\d+)\)")


class CuttingProxy:
    """Passes bytes on, an FTP server's data too; once so many have come from clients, it takes no more.

    :param most_bytes: Of all connections together.
    """

    def __init__(self, port: int, most_bytes: int) -> None:
        self._left = most_bytes
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.port = self._listen(port)

    def close(self) -> None:
        """Cut all connections, and take no other."""
        with self._lock:
            self._left = 0
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _listen(self, target: int) -> int:
        listener = socket.create_server((HOST, 0))
        self._sockets.append(listener)
        threading.Thread(target=self._accept, args=(listener, target), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, target: int) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((HOST, target))
                self._sockets += [client, server]
                for what in (self._send, self._answer):
                    threading.Thread(target=what, args=(client, server), daemon=True).start()

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := client.recv(64 * 1024):
                with self._lock:
                    self._left -= len(block)
                if self._left <= 0:
                    self.close()
                    return
                server.sendall(block)
            server.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := server.recv(64 * 1024):
                client.sendall(_PASSIVE.sub(self._passive, block))
            client.shutdown(socket.SHUT_WR)

    def _passive(self, found: re.Match[bytes]) -> bytes:
        port = self._listen(int(found[2]) * 256 + int(found[3]))
        return b"%b127,0,0,1,%d,%d)" % (found[1], port // 256, port % 256)


async def _end(server: Any, connections: list[Any]) -> None:
    """Leave nothing that is collected later, in some other test."""
    server.close()
    for each in connections:
        each.abort()
        await each.wait_closed()
    await server.wait_closed()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def little_sftp(folder: Path) -> Iterator[int]:
    """Serve a folder by an SFTP server without posix-rename, whose folder ``locked`` takes no file."""
    import asyncssh  # noqa: PLC0415 - as the servers do: only who uses it loads it

    connections: list[Any] = []

    class Access(access_by_password()):  # type: ignore[misc] # it has no types here
        def connection_made(self, conn: Any) -> None:
            connections.append(conn)

    class Little(asyncssh.SFTPServer):  # type: ignore[misc] # nor this
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            raise asyncssh.SFTPOpUnsupported("no such request")

        def rename(self, oldpath: bytes, newpath: bytes) -> None:
            if (folder / newpath.decode().lstrip("/")).exists():
                raise asyncssh.SFTPFailure("there is a file of that name")
            super().rename(oldpath, newpath)

        def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            if b"/locked/" in path and pflags & asyncssh.FXF_WRITE:
                raise asyncssh.SFTPPermissionDenied("not for you")
            return super().open(path, pflags, attrs)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> Any:
        return await asyncssh.listen(
            HOST,
            0,
            server_factory=Access,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda channel: Little(channel, chroot=str(folder).encode()),
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        yield server.get_port()
    finally:
        asyncio.run_coroutine_threadsafe(_end(server, connections), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
