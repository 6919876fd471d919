"""Small plots as metadata: PNG images within Markdown, which Dagster shows beside an asset or a check.

A picture of some kilobytes: it is stored in the event log with every run. What is drawn is for the caller to choose;
labels are cut, and whatever has no values becomes a picture that says so.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipeline_platform.quality.pictures import INK, picture, unread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = (5.2, 2.4)
COLOURS = ("#4f43dd", "#f5a623", "#2ca58d", "#d64550", "#8a8f98", "#1b9cfc")
MOST_BARS = 12
MOST_POINTS_NAMED = 10
MOST_COLUMNS_NAMED = 10
MOST_COLUMNS_IN_WORDS = 16
LETTERS = 34
"""Letters of a label: a longer one would leave no room for what it names."""
LACKING = "#eceef1"
"""Colour of a cell that has no value."""

Value = float | None


def bar_plot(
    groups: Mapping[str, Mapping[str, float]],
    *,
    title: str = "",
    unit: str = "",
    most: int = MOST_BARS,
    stacked: bool = False,
) -> dg.MarkdownMetadataValue:
    """Horizontal bars: for each label one of every group.

    Args:
        groups: values by label, by name of the group; names are told when there are several.
        title: above the plot, and what is read out where it cannot be seen.
        unit: of the values.
        most: labels that are shown: those with the largest values, in the order given.
        stacked: the bars of a label stand in one row, one after the other, and its value is their sum.
    """
    highest: dict[str, float] = {}
    for values in groups.values():
        for label, value in values.items():
            held = highest.get(label)
            highest[label] = value if held is None else held + value if stacked else max(value, held)
    chosen = set(sorted(highest, key=lambda label: -highest[label])[:most])
    labels = [label for label in highest if label in chosen]
    rows = 1 if stacked else max(len(groups), 1)

    def draw(axes: "Axes") -> None:
        if not labels:
            return
        height = 0.8 / rows
        ends = [0.0] * len(labels)
        for at, (name, values) in enumerate(groups.items()):
            offset = 0 if stacked else (at - (len(groups) - 1) / 2) * height
            places = [place + offset for place in range(len(labels))]
            lengths = [values.get(label, 0) for label in labels]
            colour = COLOURS[at % len(COLOURS)]
            axes.barh(places, lengths, height * 0.9, left=ends if stacked else None, color=colour, label=unread(name))
            ends = [end + length for end, length in zip(ends, lengths, strict=True)]
        axes.set_yticks(range(len(labels)), [_label(label) for label in labels])
        axes.invert_yaxis()
        axes.set_xlabel(unread(unit))

    return _plot(draw, title, legend=len(groups) > 1, rows=len(labels) * rows / 8)


def line_plot(
    positions: Sequence[Any],
    lines: Mapping[str, Sequence[Value]],
    *,
    title: str = "",
    unit: str = "",
    bands: Mapping[str, tuple[Sequence[Value], Sequence[Value]]] | None = None,
) -> dg.MarkdownMetadataValue:
    """Lines over common positions.

    Args:
        positions: numbers, days or moments, in order.
        lines: values at the positions by name; None leaves a gap. Names are told when there are several.
        title: above the plot, and what is read out where it cannot be seen.
        unit: of the values.
        bands: lower and upper ends of a shaded area at the positions by name, behind the lines.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    def draw(axes: "Axes") -> None:
        if len(positions) == 0 or not lines:
            return
        for name, (lower, upper) in (bands or {}).items():
            axes.fill_between(
                positions, _told(lower), _told(upper), color=COLOURS[0], alpha=0.18, linewidth=0, label=unread(name)
            )
        for at, (name, values) in enumerate(lines.items()):
            told = _told(values)
            marker = "o" if sum(map(math.isfinite, told)) < MOST_BARS else ""
            axes.plot(
                positions, told, color=COLOURS[at % len(COLOURS)], marker=marker, markersize=3, label=_label(name)
            )
        axes.set_ylabel(unread(unit))
        if any(isinstance(position, date) for position in positions):
            locator = AutoDateLocator(minticks=3, maxticks=8)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        else:
            axes.locator_params(axis="x", nbins=6)

    return _plot(draw, title, legend=len(lines) > 1 or bool(bands), rows=1)


def heat_plot(
    cells: Mapping[str, Mapping[Any, Value]],
    columns: Sequence[Any],
    *,
    title: str = "",
    palette: str = "Purples",
    limits: tuple[float | None, float | None] = (0.0, None),
    told: Callable[[float], str] | None = None,
    most: int = MOST_BARS,
) -> dg.MarkdownMetadataValue:
    """A matrix of coloured cells, in words too where they have room.

    Args:
        cells: values by column, by row; a cell without a value is grey.
        columns: the columns, in order; days are told as month and day.
        title: above the plot, and what is read out where it cannot be seen.
        palette: colours, by matplotlib's name.
        limits: values at the two ends of the palette; None for those there are.
        told: a value in few letters.
        most: rows that are shown: the first.
    """
    rows = list(cells)[:most]
    values = [[_number(cells[row].get(column)) for column in columns] for row in rows]
    known = [value for line in values for value in line if math.isfinite(value)]

    def draw(axes: "Axes") -> None:
        if not known:
            return
        from matplotlib import colormaps

        colours = colormaps[palette].with_extremes(bad=LACKING)
        low, high = (end if end is not None else pick(known) for end, pick in zip(limits, (min, max), strict=True))
        high = high if high > low else low + 1
        shown = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
        axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
        step = math.ceil(len(columns) / MOST_COLUMNS_NAMED)
        axes.set_xticks(range(0, len(columns), step), [_label(_day(column)) for column in columns[::step]])
        axes.tick_params(length=0)
        if len(columns) > MOST_COLUMNS_IN_WORDS:
            return
        for at, line in enumerate(values):
            for place, value in enumerate(line):
                if math.isfinite(value):
                    red, green, blue, _ = shown.cmap((value - low) / (high - low))
                    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
                    words = (told or _short)(value)
                    colour = "white" if dark else "#1c1d1f"
                    # It stays in its cell, so the layout need not measure it.
                    axes.text(place, at, words, ha="center", va="center", fontsize=6.5, color=colour, in_layout=False)

    return _plot(draw, title, legend=False, rows=(len(rows) + 2) / 8, width=6.4)


def point_plot(
    points: Mapping[str, tuple[float, float, float]], *, title: str = "", across: str = "", up: str = ""
) -> dg.MarkdownMetadataValue:
    """Points in a plane, the heaviest with their names.

    Args:
        points: place across, place up and weight by name; the area of a point grows with its weight.
        title: above the plot, and what is read out where it cannot be seen.
        across: what the horizontal axis tells, with the unit.
        up: what the vertical axis tells, with the unit.
    """
    heaviest = sorted(points, key=lambda name: (-points[name][2], name))[: MOST_POINTS_NAMED * 5]
    most = max((points[name][2] for name in heaviest), default=0) or 1

    def draw(axes: "Axes") -> None:
        if not heaviest:
            return
        places = [points[name] for name in heaviest]
        sizes = [12 + 130 * max(weight, 0) / most for _, _, weight in places]
        axes.axhline(0, color=LACKING, zorder=0)
        axes.axvline(0, color=LACKING, zorder=0)
        axes.scatter([x for x, _, _ in places], [y for _, y, _ in places], sizes, color=COLOURS[0], alpha=0.55)
        for name in heaviest[:MOST_POINTS_NAMED]:
            x, y, _ = points[name]
            axes.annotate(_label(name), (x, y), (4, 3), textcoords="offset points", fontsize=7, color=INK)
        axes.margins(0.15)
        axes.set_xlabel(unread(across))
        axes.set_ylabel(unread(up))

    return _plot(draw, title, legend=False, rows=1.2)


def together(plots: Sequence[dg.MarkdownMetadataValue]) -> dg.MarkdownMetadataValue:
    """Several plots, one below the other."""
    return dg.MetadataValue.md("\n\n".join(str(plot.md_str) for plot in plots))


def in_markdown(png: bytes, title: str) -> str:
    """A picture as Markdown that holds it; the title is read out where it cannot be seen."""
    return f"![{_plain(title)}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _plot(
    draw: Callable[["Axes"], None], title: str, *, legend: bool, rows: float, width: float = INCHES[0]
) -> dg.MarkdownMetadataValue:
    size = width, INCHES[1] * min(max(rows, 0.6), 2)
    return dg.MetadataValue.md(in_markdown(picture(draw, title, size=size, legend=legend), title))


def _plain(title: str) -> str:
    """A title without what ends the text of a picture in Markdown."""
    return title.translate(str.maketrans("[]\n", "() ")) or "plot"


def _label(text: Any) -> str:
    """A label in one line that is not too long, and in which nothing is a formula."""
    line = " ".join(str(text).split())
    return unread(line if len(line) <= LETTERS else f"{line[: LETTERS - 1]}…")


def _day(column: Any) -> Any:
    return f"{column:%m-%d}" if isinstance(column, date) else column


def _told(values: Sequence[Value]) -> list[float]:
    return [_number(value) for value in values]


def _number(value: Value) -> float:
    """A value to draw; what is no finite number leaves a gap."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _short(value: float) -> str:
    """A value in at most five letters."""
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2g}"
