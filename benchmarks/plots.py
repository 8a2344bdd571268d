"""Draws tables of benchmarks/README.md as bars, for the documentation: ``python -m benchmarks.plots``.

A length is the number that stands in the table, and the number is beside it as it stands there.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "benchmarks" / "README.md"
PICTURES = ROOT / "docs" / "images" / "benchmarks"
#: Pixels; a phone's page is 358 wide.
_WIDTH, _LINE, _BAR, _MARGIN = 358, 20, 12, 12
#: What is left for the number and its name, right of the longest bar.
_WORDS = 150
#: Ours first; each is at least 3 to 1 on white.
_COLOURS = ("#1565c0", "#757575", "#a1887f")


@dataclass(frozen=True)
class Plot:
    """A picture of one table.

    :param section: The heading that the table stands below.
    :param columns: The headings of its columns that are drawn, and what a bar of each is called.
    :param only: What a row has in some column to be drawn; empty draws all.
    :param rows: Rows that are drawn, by their first cell, and what they are called; empty draws all.
    """

    name: str
    section: str
    title: str
    columns: Mapping[str, str]
    only: tuple[str, str] = ("", "")
    rows: Mapping[str, str] = field(default_factory=dict)


_OURS, _GOOGLE = "this package", "Google's"
PLOTS = (
    Plot(
        "imports",
        "Import",
        "Seconds to import the operators of BigQuery",
        {"seconds": ""},
        rows={
            "`airflow_provider_jobs.operators.bigquery`": _OURS,
            "`airflow.providers.google.cloud.operators.bigquery`": _GOOGLE,
        },
    ),
    Plot(
        "weight",
        "Weight",
        "MB installed on top of Airflow",
        {"MB": ""},
        rows={"`airflow-provider-jobs`": _OURS, "`apache-airflow-providers-google`": _GOOGLE},
    ),
    Plot(
        "uploads",
        "Uploads",
        "Upload of 512 MiB, MB/s",
        {"ours": _OURS, "google": "Google's client", "curl": "curl"},
    ),
    Plot(
        "downloads",
        "Downloads",
        "Download of 1.09 GB of results, MB/s",
        {"MB/s ours": _OURS, "simple-salesforce": "simple-salesforce"},
    ),
    Plot(
        "route",
        "Transfers",
        "Salesforce to BigQuery: rows a second",
        {"rows a second": ""},
        rows={"ours": _OURS, "Airflow's own": "Airflow's two operators"},
    ),
    Plot(
        "latency",
        "Latency",
        "Seconds from a job's end to its task's, median",
        {"p50 of 2 to 40 s": ""},
        rows={
            "this build": _OURS,
            "this build, `from_trigger`": "this package, from_trigger",
            "Google's operator": "Google's operator",
        },
    ),
    Plot(
        "waiting",
        "Waiting",
        "1,000 deferred jobs: seconds of CPU a minute",
        {"CPU s a minute": ""},
        only=("deferred jobs", "1,000"),
        rows={
            "one list a tick": _OURS,
            "one get a job": "one request for each job",
            "Google's trigger": "Google's trigger",
        },
    ),
    Plot(
        "many",
        "Many files",
        "200 files of 1 MiB, seconds",
        {"s": ""},
        rows={
            "ours, 4 at a time": "this package, 4 at a time",
            "ours, 16 at a time": "this package, 16 at a time",
            "Google's client, 4 threads": "Google's client, 4 threads",
        },
    ),
)


def tables(text: str, section: str) -> Iterator[list[dict[str, str]]]:
    """Yield the tables below a heading: rows, by the headings of their columns; the first one is "".

    A heading that a table has twice counts where it comes first.
    """
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for found in re.findall(r"(?:^\|.*\|$\n?)+", body, re.MULTILINE):
        head, _, *lines = (
            [cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()
        )
        yield [dict(reversed([*zip(head, line, strict=True), ("", line[0])])) for line in lines]


def bars(plot: Plot, text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return a plot's groups of bars: what the row is called, and each bar's name and figure.

    :param text: What holds the tables.
    """
    [table] = (rows for rows in tables(text, plot.section) if plot.columns.keys() <= rows[0].keys())
    column, value = plot.only
    chosen = [
        (plot.rows.get(row[""], row[""]), [(name, row[head]) for head, name in plot.columns.items()])
        for row in table
        if (not plot.rows or row[""] in plot.rows) and (not column or row[column] == value)
    ]
    if len(chosen) < max(len(plot.rows), 1):
        raise LookupError(f"{plot.name}: the table below {plot.section} lacks rows that are drawn")
    return chosen


def words(plot: Plot, text: str) -> str:
    """Return what a picture shows, for who does not see it."""
    said = (
        f"{row}: " + ", ".join(f"{name} {figure}".strip() for name, figure in each)
        for row, each in bars(plot, text)
    )
    return f"{plot.title}. {'; '.join(said)}"


def picture(plot: Plot, text: str) -> str:
    """Return a plot as SVG, on white: it is shown on pages of both colours."""
    groups = bars(plot, text)
    most = max(_number(figure) for _, each in groups for _, figure in each)
    parts, top = [_text(plot.title, _MARGIN, 22, bold=True)], 32
    for place, (row, each) in enumerate(groups):
        top += _LINE
        parts.append(_text(row, _MARGIN, top - 5))
        for number, (name, figure) in enumerate(each):
            length = max(1.0, (_WIDTH - 2 * _MARGIN - _WORDS) * _number(figure) / most)
            colour = _COLOURS[number if len(each) > 1 else not row.startswith(_OURS)]
            parts.append(
                f'<rect x="{_MARGIN}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>'
            )
            parts.append(_text(f"{figure} {name}".strip(), _MARGIN + length + 6, top + _BAR - 1))
            top += _BAR + 5
        top += 4 if place + 1 < len(groups) else 0
    height = top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="#212121">\n'
        f"<title>{html.escape(words(plot, text))}</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _number(figure: str) -> float:
    return float(figure.replace(",", ""))


def _text(words: str, left: float, base: float, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{left:.1f}" y="{base}"{weight}>{html.escape(words)}</text>'


def main() -> None:
    """Write the pictures."""
    text = FIGURES.read_text(encoding="utf-8")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS:
        (PICTURES / f"{plot.name}.svg").write_text(picture(plot, text), encoding="utf-8")


if __name__ == "__main__":
    main()
