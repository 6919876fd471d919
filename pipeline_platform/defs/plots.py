"""Small plots as metadata: PNG images within Markdown, which Dagster shows beside an asset or a check.

A picture of some kilobytes: it is stored in the event log with every run.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipeline_platform.quality.pictures import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = (5.2, 2.4)
COLOURS = ("#4f43dd", "#f5a623", "#2ca58d", "#d64550", "#8a8f98", "#1b9cfc")
MOST_BARS = 12


def bar_plot(
    groups: Mapping[str, Mapping[str, float]], *, title: str = "", unit: str = "", most: int = MOST_BARS
) -> dg.MarkdownMetadataValue:
    """Horizontal bars: for each label one of every group.

    Args:
        groups: values by label, by name of the group; names are told when there are several.
        title: above the plot, and what is read out where it cannot be seen.
        unit: of the values.
        most: labels that are shown: those with the largest values, in the order given.
    """
    highest: dict[str, float] = {}
    for values in groups.values():
        for label, value in values.items():
            highest[label] = max(value, highest.get(label, value))
    chosen = set(sorted(highest, key=lambda label: -highest[label])[:most])
    labels = [label for label in highest if label in chosen]

    def draw(axes: "Axes") -> None:
        height = 0.8 / max(len(groups), 1)
        for at, (name, values) in enumerate(groups.items()):
            places = [place + (at - (len(groups) - 1) / 2) * height for place in range(len(labels))]
            lengths = [values.get(label, 0) for label in labels]
            axes.barh(places, lengths, height * 0.9, color=COLOURS[at % len(COLOURS)], label=name)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlabel(unit)

    return _plot(draw, title, legend=len(groups) > 1, rows=max(len(labels) * max(len(groups), 1) / 8, 0.6))


def line_plot(
    positions: Sequence[Any], lines: Mapping[str, Sequence[float | None]], *, title: str = "", unit: str = ""
) -> dg.MarkdownMetadataValue:
    """Lines over common positions.

    Args:
        positions: numbers, days or moments, in order.
        lines: values at the positions by name; None leaves a gap. Names are told when there are several.
        title: above the plot, and what is read out where it cannot be seen.
        unit: of the values.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    def draw(axes: "Axes") -> None:
        for at, (name, values) in enumerate(lines.items()):
            told = [float("nan") if value is None else value for value in values]
            marker = "o" if len(told) < MOST_BARS else ""
            axes.plot(positions, told, color=COLOURS[at % len(COLOURS)], marker=marker, markersize=3, label=name)
        axes.set_ylabel(unit)
        if any(isinstance(position, date) for position in positions):
            locator = AutoDateLocator(maxticks=6)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        else:
            axes.locator_params(axis="x", nbins=6)

    return _plot(draw, title, legend=len(lines) > 1, rows=1)


def _plot(draw: Callable[["Axes"], None], title: str, *, legend: bool, rows: float) -> dg.MarkdownMetadataValue:
    size = INCHES[0], INCHES[1] * min(max(rows, 0.6), 2)
    return dg.MetadataValue.md(in_markdown(picture(draw, title, size=size, legend=legend), title))


def in_markdown(png: bytes, title: str) -> str:
    """A picture as Markdown that holds it; the title is read out where it cannot be seen."""
    return f"![{_plain(title)}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _plain(title: str) -> str:
    """A title without what ends the text of a picture in Markdown."""
    return title.translate(str.maketrans("[]\n", "() ")) or "plot"
