"""The paths of URLs: every id, name and type that becomes a part of one is checked and quoted here."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

#: Longer than any id or name of the three services, and shorter than what servers take; characters.
_MOST_CHARACTERS = 2048
#: Line ends and the like, and halves of characters, which cannot be encoded.
_NOWHERE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
#: What ends a path, or is read as a slash by some.
_NOT_QUOTED = re.compile(r"[?#\\\s]")


def path_of(*parts: str, safe: str = "") -> str:
    """Return ids, names and types as a path such as ``/a/b``: each is one segment of it, quoted.

    :param safe: Characters that stay as they are besides letters, digits and ``_.-~``.
    :raises ConfigurationError: one is empty, too long or not text, or leads to another path.
    """
    for part in parts:
        if not isinstance(part, str) or not part or len(part) > _MOST_CHARACTERS:
            raise ConfigurationError(f"{shown(part, 80)!r} cannot be a part of an address")
        # A proxy may take a quoted slash for a slash.
        if _NOWHERE.search(part) or not {".", ".."}.isdisjoint(re.split(r"[/\\]", part)):
            raise ConfigurationError(
                f"{shown(part, 80)!r} cannot be a part of an address: it leads elsewhere"
            )
    return "".join(f"/{quote(part, safe=safe)}" for part in parts)


def checked_path(path: str) -> str:
    """Return a path that is quoted already, as a service gives it, if no segment of it leads elsewhere.

    :raises ConfigurationError: one does, or it is not a path; a slash at the end is none.
    """
    if not isinstance(path, str) or not path.startswith("/") or _NOT_QUOTED.search(path):
        raise ConfigurationError(f"{shown(path, 80)!r} is not a path")
    first, *parts = path.split("/")[1:]
    path_of(*map(unquote, [first, *(parts[:-1] if parts[-1:] == [""] else parts)]))
    return path
