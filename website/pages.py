"""Pages that are made of the repository's other files: examples, sources, what a project has beside docs."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from website.links import PAGES, ROOT, linked_files, page_of, rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "bash"}
#: The gallery's first lines.
_GALLERY = """# Example DAGs

Whole DAGs, embedded from `example_dags/`: `make demo` runs them on a real Airflow against the sandbox.
Copy one into your folder of DAGs, and change the names of tables and buckets.
"""


def examples() -> list[Path]:
    """Return the example DAGs."""
    return sorted((ROOT / "example_dags").glob("*.py"))


def heading(path: Path) -> tuple[str, str]:
    """Return the first line of a DAG's docstring, and the rest."""
    head, _, rest = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem).partition(
        "\n"
    )
    return head.lstrip("# ").rstrip("."), rest.strip()


def shown(text: str) -> str:
    """Return the first two sentences of a DAG's docstring, its drawings left out."""
    prose = " ".join("".join(text.split("```")[::2]).split())
    return " ".join(re.split(r"(?<=[.]) (?=[A-Z`])", prose)[:2])


def _operators(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_jobs")
        for alias in node.names
    ]
    return sorted(name for name in names if name.endswith(("Operator", "Sensor", "Hook")))


def gallery(links: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the gallery's pages: their paths, and their Markdown.

    :param links: Where each class's reference is.
    """
    index = _GALLERY
    for path in examples():
        title, rest = heading(path)
        names = ", ".join(f"[`{name}`](../{links[name]})" for name in _operators(path) if name in links)
        index += f"\n## {title}\n\n{shown(rest)}\n\n[`{path.name}`]({path.stem}.md) uses {names}.\n"
        code = path.read_text(encoding="utf-8")
        text = (
            f'# {title}\n\n{rest}\n\nUses {names}.\n\n```python title="example_dags/{path.name}"\n{code}```\n'
        )
        yield f"examples/{path.stem}.md", text
    yield "examples/index.md", index


def beside_docs() -> Iterator[tuple[str, str]]:
    """Yield the pages of files that are not in docs: README and its like, sources that a page links to."""
    for name, page in PAGES.items():
        path = ROOT / name
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            yield page, rewritten(text, name) if name.endswith(".md") else f"# Licence\n\n```\n{text}```\n"
    for name in linked_files():
        path = ROOT / name
        if path.is_file() and page_of(name).startswith("source/"):
            code = path.read_text(encoding="utf-8")
            language = _LANGUAGES.get(path.suffix, "")
            yield (
                page_of(name),
                f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n````{language}\n{code}````\n",
            )
