"""Moves a folder of DAGs here from Google's operators: rewrites imports, and says what needs a hand."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_jobs.commands.output import until_closed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_provider_jobs.commands.import_lines import Rewritten

_DESCRIPTION = """Rewrite imports of Google's BigQuery operators and sensors in a folder of DAGs, or in one
file, and print what needs a hand. Nothing is changed without --write. The exit code is 0 if nothing is left
to do, 1 if something is, or if a file could not be read."""
#: Folders that hold no DAGs.
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``migrate`` to those of a parser."""
    own = commands.add_parser(
        "migrate", help="Rewrite imports of Google's operators in DAGs", description=_DESCRIPTION
    )
    own.add_argument("dags", type=Path, help="A folder of DAGs, or one file")
    own.add_argument("--write", action="store_true", help="Change the files")
    own.set_defaults(func=run)


def run(options: argparse.Namespace) -> None:
    """Go through a folder, print what is changed and what needs a hand, and exit.

    :raises SystemExit: with the exit code, or a sentence on what is missing.
    """
    if importlib.util.find_spec("libcst") is None:
        sys.exit("migrate needs libcst: install airflow-provider-jobs with its extra migrate")
    if not options.dags.exists():
        sys.exit(f"{options.dags} does not exist")
    # Names of files may be bytes that are not text.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = 1
    with until_closed():
        code = _gone_through(options.dags, write=options.write)
    sys.exit(code)


def _gone_through(dags: Path, *, write: bool) -> int:
    """Go through a folder, and return the exit code."""
    from airflow_provider_jobs.commands.import_lines import rewrite  # noqa: PLC0415 - an extra brings libcst

    changed = hands = skipped = files = 0
    for path in _files(dags):
        files += 1
        try:
            found = rewrite(_read(path))
            if write and found.changes:
                _replace(path, found.code)
        except (ValueError, OSError) as error:
            skipped += 1
            print(f"{path}: skipped: {error}")
            continue
        _tell(path, found)
        changed += bool(found.changes)
        hands += len(found.hands)
    what = "changed" if write else "to change, by --write"
    print(f"{files} files: {changed} {what}; {hands} lines need a hand; {skipped} files skipped")
    return 1 if hands or skipped or (changed and not write) else 0


def _files(place: Path) -> Iterator[Path]:
    """Yield Python files, in order; none of hidden folders, and no links."""
    if place.is_file():
        yield place
        return
    for folder, inside, names in os.walk(place):
        inside[:] = sorted(each for each in inside if not each.startswith(".") and each not in _SKIPPED)
        paths = (Path(folder, name) for name in sorted(names) if name.endswith(".py"))
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _read(path: Path) -> bytes:
    if path.suffix != ".py":
        raise ValueError("its name does not end in .py: export a notebook first")
    return path.read_bytes()


def _replace(path: Path, code: bytes) -> None:
    """Put a file in the place of another, whole: the scheduler may read it at any time.

    It stays whose it was, or the scheduler could not read what root has rewritten.
    """
    path = path.resolve()  # of a link, what it leads to
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(code)
        shutil.copymode(path, draft)
        was, now = path.stat(), Path(draft).stat()
        if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
            os.chown(draft, was.st_uid, was.st_gid)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _tell(path: Path, found: Rewritten) -> None:
    for line, text in sorted([*found.changes, *found.hands]):
        print(f"{path}:{line}: {text}")
