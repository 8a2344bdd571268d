"""Where the repository's files are in the site, and what a link between them becomes."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Pages that are not in the folder of docs.
PAGES = {
    "README.md": "project/readme-of-the-repository.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/reporting.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "findings/README.md": "project/findings.md",
    "LICENSE": "project/licence.md",
    "example_dags": "examples/index.md",
}
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]+)?\)")


def slug(heading: str, separator: str = "-") -> str:
    """Return a heading's anchor, as it is where the repository is shown in the browser."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def page_of(path: str) -> str:
    """Return the site's page of a file, both relative: to the repository, and to the site."""
    if path in PAGES:
        return PAGES[path]
    folder, _, rest = path.partition("/")
    if folder == "docs":
        return rest
    if folder == "example_dags" and path.endswith(".py") and "/" not in rest:
        return f"examples/{rest.removesuffix('.py')}.md"
    return f"source/{path}.md"


def rewritten(text: str, path: str) -> str:
    """Return a file's Markdown with its links leading to pages of the site.

    :param path: The file, relative to the repository.
    """
    here = posixpath.dirname(page_of(path))

    def replaced(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[1]))
        return f"]({posixpath.relpath(page_of(target), here or '.')}{found[2] or ''})"

    parts = _FENCE.split(text)
    parts[::2] = [_LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)


def linked_files() -> set[str]:
    """Return the files outside of docs that the pages link to, relative to the repository."""
    found = set[str]()
    for page in [*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in PAGES if name.endswith(".md"))]:
        if not page.is_file():
            continue
        for target, _ in _LINK.findall("".join(_FENCE.split(page.read_text(encoding="utf-8"))[::2])):
            path = os.path.relpath((page.parent / target).resolve(), ROOT)
            if not path.startswith("docs/") and path not in PAGES:
                found.add(path)
    return found
