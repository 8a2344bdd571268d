"""What users of Redivis's official client do; run by its own Python, prints what came of it as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import redivis  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable


def make(owner: str, name: str) -> Any:
    """Make a dataset and its table ``orders``."""
    dataset = redivis.organization(owner).dataset(name).create(description="Made by the official client.")
    table = dataset.table("orders").create(upload_merge_strategy="replace")
    return [dataset.properties, table.properties, table.exists(), dataset.exists()]


def send(reference: str, path: str, *options: str) -> Any:
    """Upload a file, and see it in the list."""
    table = redivis.table(reference)
    upload = table.upload("a.csv").create(path, progress=False, **dict.fromkeys(options, True))
    return [upload.properties, [each.name for each in table.list_uploads()]]


def release(reference: str) -> Any:
    """Release what is there and open the next version, found by a reference that does not say whose it is."""
    dataset = redivis.dataset(reference).get()
    released = dataset.release(release_notes="First.").properties
    opened = redivis.dataset(reference).create_next_version(if_not_exists=True)
    names = [each.name for each in opened.list_tables()]
    return [released, opened.properties, [each.tag for each in opened.list_versions()], names]


ACTIONS: dict[str, Callable[..., Any]] = {"make": make, "send": send, "release": release}

if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    print(json.dumps(ACTIONS[action](*arguments)))  # noqa: T201 - its reply
