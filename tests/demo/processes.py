"""Programs that run for a while, each in a session of its own: all that it started can be ended too."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

# How long a program may take to end by itself after SIGTERM, before SIGKILL.
STOP_SECONDS = 5.0
# How often a condition is looked at: the demo's waits last seconds.
POLL_SECONDS = 0.2
# The end of a log that explains a failure: about a screen of text.
TAIL_BYTES = 4096
# Linux describes its processes here.
PROC = Path("/proc")


class ProgramFailed(RuntimeError):
    """A program ended or never became ready; the message carries the end of its log."""


class Program:
    """One program, its output in a file.

    :param name: What messages call it.
    :param command: Program and arguments. No secrets: others can read a command line.
    :param environment: The whole environment.
    :param log: The file that standard output and error are appended to.
    :param stdout: Another file for standard output, if that is to be read and not logged.
    :param user: Whose it is, if root may not run it.
    :param stop_signal: What asks it to end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        stdout: Path | None = None,
        *,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self.stdout = stdout or log
        self.user = user
        self.stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start it, again if it was stopped."""
        with self.log.open("ab") as log, self.stdout.open("ab") as stdout:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                start_new_session=True,
                user=self.user,
                group=self.user and pwd.getpwnam(self.user).pw_gid,
                extra_groups=[] if self.user else None,
            )
        self._stopping = False

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its session."""
        if self._process is None:
            raise ProgramFailed(f"{self.name} does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended_by_itself(self) -> bool:
        """Whether it was started, and has ended without being asked to."""
        return self._process is not None and not self._stopping and not self.running

    def exit_code(self) -> int | None:
        """The exit code, or None while it runs, or when :meth:`kill` has cleared it away."""
        return None if self._process is None else self._process.poll()

    def ensure_alive(self) -> None:
        """Do nothing, unless it ended without being asked to.

        :raises ProgramFailed: it ended.
        """
        if self.ended_by_itself:
            raise ProgramFailed(f"{self.name} ended with exit code {self.exit_code()}. {self.tail()}")

    def tail(self) -> str:
        """The end of its log, with the path."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return f"The end of {self.log}:\n{log.read().decode(errors='replace').strip()}"

    def terminate(self) -> None:
        """Ask it to end; don't wait."""
        self._stopping = True
        if self._process is not None and self.running:
            self._process.send_signal(self.stop_signal)

    def kill(self) -> None:
        """End it, and everything it started, at once; forget it, since its id may now become another's."""
        if self._process is None:
            return
        self._stopping = True
        deadline = time.monotonic() + STOP_SECONDS
        while members := session_members(self._process.pid):
            for pid in members:
                _kill(pid)
            self._process.poll()
            if time.monotonic() > deadline:
                raise ProgramFailed(f"{self.name}: processes {members} do not end")
            time.sleep(POLL_SECONDS / 10)  # between two looks: a session of processes has no event to await
        self._process.wait()
        self._process = None

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it: politely first, and after ``seconds`` by force."""
        stop_all([self], seconds)


def stop_all(programs: Iterable[Program], seconds: float = STOP_SECONDS) -> None:
    """End programs together: ask each, give them ``seconds``, then end what is left of their sessions."""
    stopping = list(programs)
    for program in stopping:
        program.terminate()
    deadline = time.monotonic() + seconds
    while any(program.running for program in stopping) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 2)  # as above
    for program in stopping:
        program.kill()


def wait_until(
    condition: Callable[[], Result | None],
    seconds: float,
    what: str,
    pause: Callable[[float], None] = time.sleep,
    poll_seconds: float = POLL_SECONDS,
) -> Result:
    """Call ``condition`` until it returns something true, and return that.

    :param pause: Called between two looks; it may raise to end the wait.
    :raises TimeoutError: ``seconds`` passed; says ``what`` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        pause(poll_seconds)
    return result


def session_members(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    if not (PROC / "self" / "stat").exists():
        return [pid for pid in _listed_processes() if _session(pid) == session]
    members = []
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        # pid (name) state parent group session …; the name may hold spaces and brackets
        state, _, _, its_session = text.rpartition(")")[2].split()[:4]
        if int(its_session) == session and state not in {"Z", "X"}:
            members.append(int(folder.name))
    return members


def _listed_processes() -> list[int]:
    """All processes where there is no /proc, as on macOS."""
    command = ["/bin/ps", "-axo", "pid=,state="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split() for line in listing.stdout.splitlines()]
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
