"""The sandbox in a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import uvicorn

from airflow_provider_jobs.sandbox import control
from airflow_provider_jobs.sandbox.app import make_app
from airflow_provider_jobs.sandbox.auth import TokenBook
from airflow_provider_jobs.sandbox.bigquery.routes import BigQuery
from airflow_provider_jobs.sandbox.clock import Clock
from airflow_provider_jobs.sandbox.connection import SandboxProtocol
from airflow_provider_jobs.sandbox.keys import EMAIL, make_identity
from airflow_provider_jobs.sandbox.page.jobs import Jobs
from airflow_provider_jobs.sandbox.page.routes import StatusPage
from airflow_provider_jobs.sandbox.platform import Platform
from airflow_provider_jobs.sandbox.redivis.routes import Redivis
from airflow_provider_jobs.sandbox.salesforce.routes import Salesforce
from airflow_provider_jobs.sandbox.storage.routes import CloudStorage
from airflow_provider_jobs.sandbox.uploads.book import UploadBook
from airflow_provider_jobs.sandbox.uploads.control import UploadControl

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from types import TracebackType

T = TypeVar("T")
HOST = "127.0.0.1"
START_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 75  # longer than a client keeps an idle connection, so that it never meets a closed one
GRACE_SECONDS = 5  # for requests that are still being answered when the sandbox closes
KEPT_BY_RESET = frozenset({"credentials", "lock"})  # of what is in the root


class Sandbox:
    """The three services on localhost, from construction to ``close``; also a context manager.

    :param root: folder that keeps the state; None: a temporary one, deleted by ``close``.
    :param port: 0 lets the system choose.
    :param token: the bearer token that never expires; None makes one.
    :param clock_ahead_seconds: how much the services' clock is ahead of this machine's; below 0 it is behind.
    :param sample_records: whether Salesforce has more sample records than its users.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        port: int = 0,
        token: str | None = None,
        clock_ahead_seconds: float = 0.0,
        sample_records: bool = True,
    ) -> None:
        self._clock_ahead_seconds, self._sample_records = clock_ahead_seconds, sample_records
        self.token = self.redivis_token = self.salesforce_token = token or secrets.token_urlsafe(24)
        self._undo = contextlib.ExitStack()  # what is open, closed in reverse order
        self._thread = threading.Thread()  # until the server's own has started
        with contextlib.ExitStack() as opened:
            self._open(opened, root, port)
            self._undo = opened.pop_all()

    def _open(self, opened: contextlib.ExitStack, root: Path | str | None, port: int) -> None:
        """Take root and ports, and begin."""
        self.root = opened.enter_context(_root(root))
        self._socket = opened.enter_context(_listener(port))
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self.bigquery = self.url  # + /bigquery/v2/… is the API
        self.redivis = f"{self.url}/api/v1"
        self._foreign_socket = opened.enter_context(_listener(0))
        self.redivis_storage = f"http://localhost:{self._foreign_socket.getsockname()[1]}"
        self.salesforce = self.url  # + /services/data/… is the API, + /services/oauth2/token the login
        opened.callback(self._end)
        self._begin()

    def _begin(self) -> None:
        """Build the services and start the thread."""
        identity = make_identity(self.root, self.url)
        self.key_file = identity.key_file
        self.workload_identity_file = identity.workload_identity_file
        clock = Clock(self._clock_ahead_seconds)
        uploads = UploadBook(self.root, clock)
        self.platform = Platform(self.root, self.url, TokenBook(self.token, EMAIL), uploads, clock)
        self._bigquery = BigQuery(self.platform)
        self.buckets, self.engine = self._bigquery.buckets, self._bigquery.engine
        storage = CloudStorage(self.platform, self.engine.storage)
        self._redivis = Redivis(self.platform, self.redivis_storage)
        self._salesforce = Salesforce(self.platform, sample_records=self._sample_records)
        self.org = self._salesforce.org
        self.salesforce_account = self._salesforce.identity.account
        self.salesforce_account_file = self._salesforce.identity.account_file
        self.salesforce_key_file = self._salesforce.identity.key_file
        page = StatusPage(self.platform, Jobs(self._bigquery, self._redivis, self._salesforce), self.token)
        self.page = f"{self.url}/#token={quote(self.token)}"  # the browser keeps the fragment to itself
        app = make_app(
            self.platform, identity, [self._bigquery, storage, self._redivis, self._salesforce, page]
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=SandboxProtocol,
                ws="none",
                lifespan="on",
                log_level="warning",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,  # the services' clock may differ from this machine's
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="sandbox", daemon=True)
        started = threading.Event()
        self._loop.call_soon(self._report_start, started)
        self._thread.start()
        if not started.wait(START_SECONDS) or not self._server.started:
            raise RuntimeError("the sandbox did not start; its log says why")

    def _report_start(self, started: threading.Event) -> None:
        """Tell the constructor as soon as the server accepts connections, or has failed."""
        if self._server.started or self._server.should_exit:
            started.set()
        else:
            self._loop.call_later(0.005, self._report_start, started)

    def _serve(self) -> None:
        try:
            sockets = [self._socket.dup(), self._foreign_socket.dup()]  # the server closes what it is given
            self._loop.run_until_complete(self._server.serve(sockets=sockets))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def close(self) -> None:
        """End the server, its jobs and its threads; twice is harmless."""
        self._undo.close()

    def reset(self) -> None:
        """Begin anew at the same addresses: no job, table, record, object, fault or logged request is left.

        The announced token and the credentials stay; what runs is ended.
        """
        self._end()
        for path in self.root.iterdir():
            if path.name in KEPT_BY_RESET:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        self._begin()

    def _end(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join()

    def _stop(self) -> None:
        self.platform.stopping.set()
        self._server.should_exit = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def announcement(self) -> dict[str, str]:
        """Give what a client needs to know, as the command line prints it."""
        return {
            "page": self.page,
            "bigquery": self.bigquery,
            "redivis": self.redivis,
            "salesforce": self.salesforce,
            "token": self.token,
            "redivis_token": self.redivis_token,
            "salesforce_token": self.salesforce_token,
            "root": str(self.root),
            "key_file": str(self.key_file),
            "workload_identity_file": str(self.workload_identity_file),
            "salesforce_account_file": str(self.salesforce_account_file),
            "salesforce_key_file": str(self.salesforce_key_file),
            "buckets": str(self.buckets),
        }

    def faults(self, **spec: Any) -> dict[str, Any]:
        """Add a fault: ``action="reply", status=503, operation="bigquery.jobs.get", times=2``."""
        return self.platform.faults.add(spec)

    def clear_faults(self) -> None:
        """Take all faults away."""
        self.platform.faults.clear()

    def requests(self) -> list[dict[str, Any]]:
        """Give the logged requests, oldest first."""
        return self.platform.log.entries()

    def clear_requests(self) -> None:
        """Forget the logged requests."""
        self.platform.log.clear()

    def timing(self, **spec: Any) -> dict[str, Any]:
        """Set ``pending_seconds``, ``running_seconds``, ``cancel_seconds``; of one ``project`` if named."""
        return self.platform.timing.change(spec)

    def uploads(self) -> list[dict[str, Any]]:
        """Give what has arrived of every upload, with the digests of complete ones; oldest first."""
        return self._ask(UploadControl(self.platform).overview())

    def expire_uploads(self, upload_id: str | None = None) -> int:
        """End the open session of one upload, or all; give how many."""

        async def expire() -> int:
            return UploadControl(self.platform).expire_sessions(upload_id)

        return self._ask(expire())

    def upload_settings(self, **spec: Any) -> dict[str, Any]:
        """Set ``completed_status``, ``expired_status``, ``lifetime_seconds`` of all sessions."""
        return self.platform.upload_settings.change(spec)

    def redivis_settings(self, **spec: Any) -> dict[str, Any]:
        """Set how Redivis behaves: ``storage="foreign"``, ``numbers="texts"``, ``queued_polls=2``, …."""
        return self._redivis.settings.change(spec)

    def salesforce_settings(self, **spec: Any) -> dict[str, Any]:
        """Set how Salesforce behaves: ``page_rows=1000``, ``result_url="full"``, …."""
        return self._salesforce.settings.change(spec)

    def bigquery_jobs(self) -> list[dict[str, Any]]:
        """Give every job of every project as jobs.get does, oldest first; statements of scripts left out."""
        return self._ask(self._bigquery.every_job())

    def redivis_uploads(self) -> list[dict[str, Any]]:
        """Give every upload with its ``table``, oldest first; those that were deleted are gone."""
        return self._ask(self._redivis.every_upload())

    def salesforce_jobs(self) -> list[dict[str, Any]]:
        """Give every job of the org, oldest first."""
        return self._ask(self._salesforce.control_methods.jobs())

    def force_salesforce_job(self, job_id: str, **spec: Any) -> dict[str, Any]:
        """Put a job into a ``state``; ``errorMessage`` and counters may be given, or alone."""
        return self._ask(self._salesforce.control_methods.force(job_id, spec))

    def salesforce_records(self, action: str, **spec: Any) -> dict[str, Any]:
        """``delete``, ``undelete``, ``merge`` or ``purge`` records of an ``object``, by ``ids``."""
        return self._ask(self._salesforce.org_methods.records({"action": action, **spec}))

    def salesforce_transaction(self, action: str, **spec: Any) -> dict[str, Any]:
        """``begin`` a long transaction, ``write`` in it, ``commit`` it or ``roll_back``."""
        return self._ask(self._salesforce.org_methods.transaction({"action": action, **spec}))

    def salesforce_schema(self, action: str, **spec: Any) -> dict[str, Any]:
        """``add``, ``hide``, ``show``, ``rename``, ``retype`` a field; or ``use_currencies``."""
        return self._ask(self._salesforce.org_methods.schema({"action": action, **spec}))

    def advance(self, seconds: float) -> None:
        """Put the clock forward that sessions expire by."""
        self.platform.clock.advance(seconds)

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Run something on the server's event loop."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def issue_token(self, email: str, **spec: Any) -> str:
        """Give a token of any account; ``scopes`` and ``seconds`` may be given."""
        return str(control.issue(self.platform.tokens, {"email": email, **spec})["token"])

    def expire_tokens(self) -> int:
        """End all tokens but the announced one."""
        return self.platform.tokens.expire_all()

    def token_lifetime(self, seconds: float) -> None:
        """Set how long tokens live that are issued from now on."""
        self.platform.tokens.lifetime_seconds = seconds


@contextlib.contextmanager
def _root(root: Path | str | None) -> Iterator[Path]:
    """Give the folder of the state, for this sandbox alone; a temporary one goes at the end.

    :raises OSError: it is not a folder, or another sandbox uses it.
    """
    with contextlib.ExitStack() as undo:
        if root is None:
            path = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="jobs-sandbox-")))
        else:
            path = Path(root).absolute()
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = undo.enter_context((path / "lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(f"another sandbox uses the root {path}") from error
        yield path


def _listener(port: int) -> socket.socket:
    # Named, because asyncio switches Nagle's delay off only where it sees the protocol: 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener
