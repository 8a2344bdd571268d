"""The reference has everything public, and a word about each of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs import provider_info
from website import docstrings, pages, reference
from website.links import page_of, rewritten

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = reference.entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_nothing_public_is_undocumented(entry: reference.Entry) -> None:
    """Classes, their public methods, and each parameter of a constructor."""
    assert list(entry.undocumented()) == []


def test_what_is_registered_with_airflow_is_in_the_reference() -> None:
    told = provider_info.get_provider_info()
    names = [each["hook-class-name"] for each in told["connection-types"]] + list(told["extra-links"])
    assert {name.rpartition(".")[2] for name in names} <= {entry.name for entry in ENTRIES}


def test_each_class_has_one_place() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names)) > 40
    texts = reference.pages()
    for entry in ENTRIES:
        assert f"\n## {entry.name}\n" in texts[entry.page]
        assert f"from {entry.module} import {entry.name}" in texts[entry.page]


def test_a_parameter_of_a_base_is_told_with_those_of_the_class() -> None:
    [query] = [entry for entry in ENTRIES if entry.name == "BigQueryQueryOperator"]
    found = {each.name: each for each in query.parameters}
    assert found["sql"].templated
    assert found["sql"].default == ""
    assert found["poll_interval"].default == "5.0"
    assert "Seconds between two looks" in found["poll_interval"].text


def test_docstrings_become_markdown() -> None:
    said = docstrings.parse(
        """Run ``it``, as :meth:`.Client.run` does.

:param name: Whose: the one of
    two lines, with ``:`` in it.
:raises Gone: there is
    nothing.
"""
    )
    assert said.text == "Run ``it``, as :meth:`.Client.run` does."
    assert said.parameters == {"name": "Whose: the one of two lines, with ``:`` in it."}
    assert said.raises == [("Gone", "there is nothing.")]
    assert (
        docstrings.markdown(said.text, {"Client.run": "x.md#run"})
        == "Run `it`, as [`Client.run`](x.md#run) does."
    )


def test_links_between_files_become_links_between_pages() -> None:
    code = "\n```\n[e](docs/a.md)\n```\n"
    text = f"[a](docs/names.md#labels) [b](benchmarks/README.md) [c](https://x.org/a.md) [d](#here){code}"
    here = f"[a](../names.md#labels) [b](benchmarks.md) [c](https://x.org/a.md) [d](#here){code}"
    assert rewritten(text, "README.md") == here
    assert rewritten("[x](../errors.md) [y](b.md)", "docs/how-to/c.md") == "[x](../errors.md) [y](b.md)"
    assert rewritten("[x](../../example_dags/a.py)", "docs/how-to/c.md") == "[x](../examples/a.md)"
    assert page_of("airflow_provider_jobs/errors.py") == "source/airflow_provider_jobs/errors.py.md"


@pytest.mark.parametrize("path", pages.examples(), ids=lambda path: path.stem)
def test_the_gallery_says_what_a_dag_shows(path: Path) -> None:
    """In a title and two sentences of its own, embedded from the file."""
    title, rest = pages.heading(path)
    assert len(title) > len("A title")
    assert pages.shown(rest).count(". ") >= 1
    made = dict(pages.gallery({}))
    assert path.read_text(encoding="utf-8") in made[f"examples/{path.stem}.md"]
    assert f"## {title}\n\n{pages.shown(rest)}\n" in made["examples/index.md"]
