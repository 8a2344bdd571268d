"""Instances of the module, and calls of its methods.

An instance does one thing at a time; whoever finds all of them busy gets a new one, up to a bound. A
call that fails inside ends its instance, and nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tzdata
import wasmtime

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.language import Language
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.module import load_module, make_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_INSTANCES = 4  # 9 MB each when idle; one takes more than a CPU cannot give
_MOST_CATALOGS = 24  # registered in one instance; the least recently used one goes
DEADLINE_SECONDS = 120.0  # of one call; what fits into the evaluator's limits is done in a few
_MOST_MEMORY = 256 << 20  # of an idle instance: its memory grows and never shrinks
_WATCH_SECONDS = 0.05

_ENDS = (wasmtime.Trap, wasmtime.WasmtimeError)  # how a call ends that ends its instance
# The replies that are not called like their methods.
_REPLIES = {
    "GetAnalyzerOptions": "AnalyzerOptionsProto",
    "GetLanguageOptions": "LanguageOptionsProto",
    "RegisterCatalog": "local_service.RegisterResponse",
    "UnprepareModify": "local_service.UnprepareModifyRequest",  # an empty message
    "UnprepareQuery": "local_service.UnprepareQueryRequest",
    "UnregisterCatalog": "local_service.UnregisterRequest",
}


class GoogleSqlError(Exception):
    """What the module says is wrong: with a query, as a rule.

    :param code: one of Abseil's status codes.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Stopped(Exception):
    """The call was stopped from outside: whoever asked does not want to wait any longer."""


class DeadlineExceeded(Exception):
    """The call took longer than ``DEADLINE_SECONDS``."""


class Crashed(Exception):
    """A check inside the module failed; its instance is gone."""


class Instance:
    """One running module with its own memory; belongs to one thread at a time."""

    def __init__(
        self, load: Callable[[wasmtime.Engine], wasmtime.Module], language: Language | None = None
    ) -> None:
        self._engine = make_engine()
        self._store = wasmtime.Store(self._engine)
        self._store.set_epoch_deadline(1)
        self._exports = self._started(load(self._engine))
        self._catalogs: OrderedDict[object, int] = OrderedDict()
        self.broken = False  # of no use any more
        self.language = language or Language(self.call)

    def _started(self, module: wasmtime.Module) -> Any:
        """Start the module with nothing of this machine but its clock, chance and the time zones."""
        wasi = wasmtime.WasiConfig()
        wasi.stderr_file = "/dev/null"  # it prints what it was doing when it gives up
        wasi.preopen_dir(str(Path(tzdata.__file__).parent / "zoneinfo"), "/usr/share/zoneinfo")
        self._store.set_wasi(wasi)
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        exports: dict[str, Any] = dict(linker.instantiate(self._store, module).exports(self._store).items())
        exports["_initialize"](self._store)
        return exports

    def call(self, method: str, request: Any) -> Any:
        """Call a method of the service; give its reply.

        :raises GoogleSqlError: it says no.
        :raises wasmtime.Trap: it was interrupted, or has crashed; then the instance is broken.
        """
        try:
            answer = self._called(method, request.SerializeToString())
        except _ENDS:
            self.broken = True
            raise
        return message(_REPLIES.get(method, f"local_service.{method}Response")).FromString(answer)

    def _called(self, method: str, data: bytes) -> bytes:
        self._store.set_epoch_deadline(1)
        given, size = self._allocate(len(data) or 1), self._allocate(4)
        ctypes.memmove(self._address(given), data, len(data))
        place = self._exports[f"ZetaSqlLocalService_{method}"](self._store, given, len(data), size)
        length = int.from_bytes(ctypes.string_at(self._address(size), 4), "little")
        answer = ctypes.string_at(self._address(place), length) if place else b""
        for used in (given, size, place):
            if used:
                self._exports["wasm_free"](self._store, used)
        if not place:
            raise self._error()
        return answer

    def catalog(self, key: object, make: Callable[[], Any]) -> int:
        """Give the number of a registered catalog; registers what ``make`` gives if the key is a new one."""
        if key not in self._catalogs:
            if len(self._catalogs) >= _MOST_CATALOGS:
                _, oldest = self._catalogs.popitem(last=False)
                gone = message("local_service.UnregisterRequest")(registered_id=oldest)
                self.call("UnregisterCatalog", gone)
            self._catalogs[key] = self.call("RegisterCatalog", make()).registered_id
        self._catalogs.move_to_end(key)
        return self._catalogs[key]

    @property
    def memory_bytes(self) -> int:
        """How much memory it has taken."""
        return int(self._exports["memory"].data_len())

    def interrupt(self) -> None:
        """Stop the running call; the only method for other threads."""
        self._engine.increment_epoch()

    def close(self) -> None:
        """Give its memory back: now, and not when somebody collects garbage."""
        self.broken = True
        self._exports["memory"].close()
        self._store.close()
        self._engine.close()

    def _allocate(self, size: int) -> int:
        return int(self._exports["wasm_malloc"](self._store, size))

    def _address(self, place: int) -> int:
        # The memory may have moved since the last call.
        return ctypes.addressof(self._exports["memory"].data_ptr().contents) + place

    def _error(self) -> GoogleSqlError:
        length = self._exports["wasm_get_last_error_size"](self._store)
        place = self._exports["wasm_get_last_error"](self._store)
        said = ctypes.string_at(self._address(place), length).decode("utf-8", "replace") if length else ""
        found = re.fullmatch(r"Code: (\d+), Message: (.*)", said, re.DOTALL)
        return GoogleSqlError(int(found[1]), found[2]) if found else GoogleSqlError(2, said)


@dataclass
class _Loan:
    """When an instance that is lent has to stop."""

    stop: threading.Event
    deadline: float
    expired: bool = False


class GoogleSql:
    """The instances of this process; every method may be called from any thread."""

    def __init__(self) -> None:
        self._loaded: Future[Callable[[wasmtime.Engine], wasmtime.Module]] = Future()
        self._language: Language | None = None
        self._idle: list[Instance] = []
        self._free = threading.Semaphore(_MOST_INSTANCES)
        self._lent: dict[Instance, _Loan] = {}
        self._changed = threading.Condition()
        for work, name in ((self._load, "googlesql-compile"), (self._watch, "googlesql-deadline")):
            threading.Thread(target=work, name=name, daemon=True).start()

    def _load(self) -> None:
        try:
            self._loaded.set_result(load_module())
        except BaseException as error:  # noqa: BLE001 - whoever needs the module gets it
            self._loaded.set_exception(error)

    def _watch(self) -> None:
        """Interrupt the instances that are to stop, or whose deadline is over."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lent)
                for instance, loan in self._lent.items():
                    loan.expired = loan.expired or time.monotonic() > loan.deadline
                    if loan.expired or loan.stop.is_set():
                        instance.interrupt()
            time.sleep(_WATCH_SECONDS)  # an event that says "stop" wakes nobody who waits for others as well

    @contextlib.contextmanager
    def instance(self, stop: threading.Event | None = None) -> Iterator[Instance]:
        """Lend an instance.

        :param stop: when it is set, the running call stops soon.
        :raises Stopped: that happened.
        :raises DeadlineExceeded: what was done with it took too long.
        :raises Crashed: the module failed.
        """
        load = self._loaded.result()
        loan = _Loan(stop or threading.Event(), time.monotonic() + DEADLINE_SECONDS)
        with self._free:
            try:
                instance = self._idle.pop()
            except IndexError:
                instance = Instance(load, self._language)
                self._language = instance.language
            with self._changed:
                self._lent[instance] = loan
                self._changed.notify()
            try:
                yield instance
            except _ENDS as error:
                if loan.stop.is_set():
                    raise Stopped from error
                raise (DeadlineExceeded if loan.expired else Crashed)(str(error)) from error
            finally:
                with self._changed:
                    del self._lent[instance]
                if not instance.broken and instance.memory_bytes <= _MOST_MEMORY:
                    self._idle.append(instance)
                else:
                    instance.close()


@cache
def googlesql() -> GoogleSql:
    """Give the instances that all engines of this process share; starts to load the first time."""
    return GoogleSql()
