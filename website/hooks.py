"""What MkDocs calls while it builds: adds pages that are made, turns links to files into links to pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from website import pages, reference
from website.links import ROOT, rewritten

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made, and what the pages look like."""
    links = {name: f"reference/{page}" for name, page in reference.anchors(reference.entries()).items()}
    made = [*pages.gallery(links), *pages.beside_docs()]
    made += [(f"reference/{name}.md", text) for name, text in reference.pages().items()]
    for path, text in made:
        files.append(File.generated(config, path, content=text))
    for asset in sorted((ROOT / "website" / "assets").iterdir()):
        files.append(File.generated(config, f"assets/{asset.name}", abs_src_path=str(asset)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turn links to the repository's files into links to pages."""
    if page.file.generated_by:
        return markdown
    return rewritten(markdown, f"docs/{page.file.src_uri}")
