"""The documentation's plots have the figures of benchmarks/README.md, and no others."""

from __future__ import annotations

import re

import pytest

from benchmarks import plots

TEXT = plots.FIGURES.read_text(encoding="utf-8")


@pytest.mark.parametrize("plot", plots.PLOTS, ids=lambda plot: plot.name)
def test_a_plot_is_drawn_from_the_table(plot: plots.Plot) -> None:
    """``python -m benchmarks.plots`` writes it; the page shows it with words."""
    drawn = plots.picture(plot, TEXT)
    assert (plots.PICTURES / f"{plot.name}.svg").read_text(encoding="utf-8") == drawn
    assert f"![{plot.title}](../docs/images/benchmarks/{plot.name}.svg)" in TEXT
    figures = [figure for _, each in plots.bars(plot, TEXT) for _, figure in each]
    widths = [float(each) for each in re.findall(r'width="([\d.]+)" height="12"', drawn)]
    numbers = [float(figure.replace(",", "")) for figure in figures]
    assert [width / max(widths) for width in widths] == pytest.approx(
        [number / max(numbers) for number in numbers], abs=0.01
    )


def test_no_other_plot_is_kept() -> None:
    assert {path.stem for path in plots.PICTURES.iterdir()} == {plot.name for plot in plots.PLOTS}


def test_a_row_that_is_gone_is_missed() -> None:
    with pytest.raises(LookupError, match="weight"):
        plots.picture(plots.PLOTS[1], TEXT.replace("| `airflow-provider-jobs` |", "| `other` |"))
