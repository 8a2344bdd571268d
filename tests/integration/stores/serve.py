"""One store, served on a port of this machine: ``python -m tests.integration.stores.serve STORE [PATH]``.

STORE is s3, abfs (PATH is Azurite's program), sftp or ftp (PATH is the folder that they serve).

Prints the port, and ends when its standard input does: whoever started it may die in any way.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
USER, PASSWORD = "tests", "no-secret"


def s3(_folder: str) -> None:
    """Serve moto's S3, whose objects are in its memory."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - each server is a process, and loads its own

    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(port, flush=True)  # noqa: T201 - whoever started it reads this
    threading.Event().wait()


def abfs(program: str) -> None:
    """Run Azurite, which holds its blobs in memory, as long as this process does."""
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    command = [program, "--blobHost", HOST, "--blobPort", "0", *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as azurite:
        assert azurite.stdout
        for line in azurite.stdout:
            if found := re.search(r"listens on http://[\d.]+:(\d+)", line):
                print(found[1], flush=True)  # noqa: T201
                sys.stdin.read()
                break
        azurite.kill()


def access_by_password() -> Any:
    """Return the class of SSH servers that let in who has the password."""
    import asyncssh  # noqa: PLC0415

    class Access(asyncssh.SSHServer):  # type: ignore[misc] # it has no types here
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

    return Access


def sftp(folder: str) -> None:
    """Serve a folder over SFTP, as its root."""
    import asyncssh  # noqa: PLC0415

    async def serve() -> None:
        server = await asyncssh.listen(
            HOST,
            0,
            server_factory=access_by_password(),
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder.encode()),
        )
        print(server.get_port(), flush=True)  # noqa: T201
        await asyncio.Event().wait()

    asyncio.run(serve())


def ftp(folder: str) -> None:
    """Serve a folder over FTP, as its root."""
    from pyftpdlib.authorizers import DummyAuthorizer  # noqa: PLC0415
    from pyftpdlib.handlers import FTPHandler  # noqa: PLC0415
    from pyftpdlib.servers import FTPServer  # noqa: PLC0415

    class Handler(FTPHandler):  # type: ignore[misc]
        authorizer = DummyAuthorizer()

    Handler.authorizer.add_user(USER, PASSWORD, folder, perm="elradfmwMT")
    server = FTPServer((HOST, 0), Handler)
    print(server.address[1], flush=True)  # noqa: T201
    server.serve_forever(handle_exit=False)


STORES: dict[str, Callable[[str], None]] = {"s3": s3, "abfs": abfs, "sftp": sftp, "ftp": ftp}

if __name__ == "__main__":
    serve, path = STORES[sys.argv[1]], "".join(sys.argv[2:])
    if serve is abfs:
        serve(path)
    else:
        threading.Thread(target=serve, args=(path,), daemon=True).start()
        sys.stdin.read()
