"""The module's machine code: compiled once for each user of a machine, then mapped from the cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import wasmtime

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

# Of zetasql.wasm in the package's release that pyproject.toml pins; other code is not run.
_DIGEST = "00135b44fe391fa8d56f6804dca013bc681e45d607561a638b81c98a08744bcb"


def make_engine() -> wasmtime.Engine:
    """Give an engine of the one configuration that the code is compiled for; one for each instance.

    Its epoch stops one running call and no other: so no two instances share an engine.
    """
    config = wasmtime.Config()
    config.shared_memory = True  # the module's memory is a shared one
    config.epoch_interruption = True
    return wasmtime.Engine(config)


@cache
def load_module() -> Callable[[wasmtime.Engine], wasmtime.Module]:
    """Give what makes a module for an engine; compiles if no earlier process has.

    A folder that cannot be written costs every process the compilation: about half a minute of CPU.
    """
    try:
        path = _cached()
    except OSError as error:
        _log.warning("the compiled GoogleSQL cannot be kept, so every start compiles it: %s", error)
        code = _compiled()
        return lambda engine: wasmtime.Module.deserialize(engine, code)
    return lambda engine: wasmtime.Module.deserialize_file(engine, str(path))


def cache_folder() -> Path:
    """Give the folder of the compiled code, below ``XDG_CACHE_HOME``, else ``~/.cache``.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if not base.is_absolute():  # "all paths must be absolute", else to be ignored
        base = Path.home() / ".cache"
    return base / "airflow-provider-jobs"


def _cached() -> Path:
    """Give the file with the compiled code; of processes that start at once one compiles, the others wait."""
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    versions = "-".join(importlib.metadata.version(name) for name in ("zetasql", "wasmtime"))
    path = folder / f"googlesql-{versions}.cwasm"
    if _is_usable(path):
        return path
    with (folder / "compiling.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_usable(path):
            _write(path, _compiled())
    return path


def _is_usable(path: Path) -> bool:
    """Whether the code is there, ours, and made for this machine: a home may be shared by several."""
    try:
        if path.stat().st_uid != os.getuid():
            return False
        wasmtime.Module.deserialize_file(make_engine(), str(path)).close()
    except (FileNotFoundError, wasmtime.WasmtimeError):
        return False
    return True


def _compiled() -> bytes:
    found = importlib.util.find_spec("zetasql")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the sandbox needs zetasql: install airflow-provider-jobs[sandbox]")
    code = (Path(found.origin).parent / "wasi" / "zetasql.wasm").read_bytes()
    if hashlib.sha256(code).hexdigest() != _DIGEST:
        raise RuntimeError(
            "zetasql.wasm is not the one of zetasql 0.1.5: install airflow-provider-jobs[sandbox]"
        )
    _log.warning("compiling GoogleSQL, once on this machine: up to a minute, queries wait for it")
    started = time.monotonic()
    compiled = bytes(wasmtime.Module(make_engine(), code).serialize())
    _log.warning("GoogleSQL is compiled, after %.0f seconds", time.monotonic() - started)
    return compiled


def _write(path: Path, code: bytes) -> None:
    """Let the file appear whole, or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    draft = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - mkstemp gives a descriptor
            file.write(code)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise
