"""What a built package says of where it is from: by ``REPOSITORY_URL`` and ``DOCUMENTATION_URL``.

The repository's address is written nowhere here: whoever publishes sets these. With it the package has
URLs, and the README's links are absolute, as an index needs them; without it those links are plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: An address without a name, a password or a query.
_ADDRESS = re.compile(r"https://[\w.-]+(?::\d+)?(?:/[\w.~-]+)*")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Fills in the README and the project's URLs."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what is dynamic, unless an sdist that a wheel is built from knows it already."""
        repository, documentation = address("REPOSITORY_URL"), address("DOCUMENTATION_URL")
        if "readme" not in metadata:
            readme = Path(self.root, "README.md").read_text(encoding="utf-8")
            metadata["readme"] = {"content-type": "text/markdown", "text": absolute(readme, repository)}
        metadata.setdefault("urls", urls(repository, documentation))


def address(variable: str) -> str:
    """Return the address that a variable of the environment holds, empty if it is not set.

    :raises ValueError: it is not a plain https address.
    """
    given = os.environ.get(variable, "").rstrip("/")
    if given and not _ADDRESS.fullmatch(given):
        raise ValueError(f"{variable} has to be an https address without name, password and query")
    return given


def urls(repository: str, documentation: str) -> dict[str, str]:
    """Return the project's URLs; Airflow's page of providers links to the one of the documentation."""
    found = {"Documentation": documentation} if documentation else {}
    if repository:
        found.setdefault("Documentation", f"{repository}/blob/HEAD/docs/index.md")
        found["Source"] = repository
        found["Changelog"] = f"{repository}/blob/HEAD/CHANGELOG.md"
        found["Security"] = f"{repository}/blob/HEAD/SECURITY.md"
    return found


def absolute(text: str, repository: str) -> str:
    """Return Markdown whose links to files lead to the repository, or are plain text if it is not known."""
    replacement = rf"[\1]({repository}/blob/HEAD/\2)" if repository else r"\1"
    parts = _FENCE.split(text)
    parts[::2] = [_LINK.sub(replacement, part) for part in parts[::2]]
    return "".join(parts)
