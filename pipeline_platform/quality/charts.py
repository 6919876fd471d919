"""Charts of what an anomaly rests on: SVG for pages, PNG for Dagster, both from labels and values alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pipeline_platform.quality.pictures import picture, unread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 560, 150
PNG_INCHES = (6.3, 2.0)
LEFT, RIGHT, TOP, BOTTOM = 56, 8, 10, 22
MOST_LABELS = 14
LETTER = 6.6
"""Width of a letter of a label."""


@dataclass(frozen=True)
class Evidence:
    """What is drawn.

    Attributes:
        labels: days, hours or categories.
        values: what was seen there.
        usual: what is usual there; one value for a level, empty for nothing.
        last_counts: the last label is the judged one, as with days; otherwise all of them are.
    """

    labels: Sequence[str]
    values: Sequence[float]
    usual: Sequence[float]
    last_counts: bool

    @property
    def highest(self) -> float:
        """The greatest value to be shown, at least a little above 0."""
        return max([*self.values, *self.usual, 0.0]) or 1.0


def evidence(labels: Sequence[str], values: Sequence[float], usual: Sequence[float], expected: float) -> Evidence:
    """The evidence of a row of `quality/anomalies`."""
    over_days = bool(labels) and all(len(label) == 10 and label[4:5] == "-" for label in labels)
    return Evidence(list(labels), list(values), list(usual) or ([expected] if over_days else []), over_days)


def svg(shown: Evidence, title: str) -> str:
    """A bar per label, what is usual as a line; colours come from the page (classes `bar`, `odd`, `usual`)."""
    count = max(len(shown.values), 1)
    step = (WIDTH - LEFT - RIGHT) / count
    floor = HEIGHT - BOTTOM

    def height(value: float) -> float:
        return (floor - TOP) * max(value, 0.0) / shown.highest

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>",
        f'<line class="axis" x1="{LEFT}" y1="{floor}" x2="{WIDTH - RIGHT}" y2="{floor}"/>',
        f'<text class="tick" x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{_short(shown.highest)}</text>',
        f'<text class="tick" x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>',
    ]
    for at, (label, value) in enumerate(zip(shown.labels, shown.values, strict=False)):
        odd = at == count - 1 if shown.last_counts else True
        tall = max(height(value), 1.0)
        parts.append(
            f'<rect class="{"odd" if odd else "bar"}" x="{LEFT + at * step + step * 0.12:.1f}" y="{floor - tall:.1f}" '
            f'width="{step * 0.76:.1f}" height="{tall:.1f}"><title>{escape(label)}: {_short(value)}</title></rect>'
        )
    for at in range(count if shown.usual else 0):
        level = shown.usual[at] if len(shown.usual) == count else shown.usual[0]
        y = floor - height(level)
        ends = f'x1="{LEFT + at * step:.1f}" x2="{LEFT + (at + 1) * step:.1f}"'
        parts.append(f'<line class="usual" {ends} y1="{y:.1f}" y2="{y:.1f}"/>')
    parts += [
        f'<text class="tick" x="{LEFT + (at + 0.5) * step:.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">'
        f"{escape(label)}</text>"
        for at, anchor, label in _ticks(shown)
    ]
    return "".join([*parts, "</svg>"])


def png(shown: Evidence, title: str) -> bytes:
    """The same as a picture."""

    def draw(axes: "Axes") -> None:
        places = range(len(shown.values))
        last = len(shown.values) - 1
        colours = ["#c2410c" if at == last or not shown.last_counts else "#94a3b8" for at in places]
        axes.bar(places, shown.values, color=colours)
        if len(shown.usual) == len(shown.values):
            axes.step(places, shown.usual, where="mid", color="#0f766e", linewidth=1.5)
        elif shown.usual:
            axes.axhline(shown.usual[0], color="#0f766e", linewidth=1.5)
        axes.set_xticks([at for at, _, _ in _ticks(shown)], [unread(label) for _, _, label in _ticks(shown)])

    return picture(draw, title, size=PNG_INCHES)


def _ticks(shown: Evidence) -> list[tuple[int, str, str]]:
    """Labels with their position and the way they are set: all categories, or the first, middle and last day."""
    count = len(shown.labels)
    if count <= MOST_LABELS and not shown.last_counts:
        room = max(3, int((WIDTH - LEFT - RIGHT) / max(count, 1) / LETTER))
        return [(at, "middle", _cut(label, room)) for at, label in enumerate(shown.labels)]
    places = sorted({0, count // 2, count - 1}) if count else []
    anchors = ("start", "middle", "end") if len(places) == 3 else ("middle",) * len(places)
    return [(at, anchor, _cut(shown.labels[at], 16)) for at, anchor in zip(places, anchors, strict=True)]


def _cut(label: str, room: int) -> str:
    return label if len(label) <= room else f"{label[: room - 1]}…"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def sparkline(values: Sequence[float]) -> str:
    """Scores of the days, oldest first, as a small line from 0 to 1; nothing for fewer than two."""
    if len(values) < 2:
        return ""
    step = 96 / (len(values) - 1)
    points = " ".join(f"{2 + at * step:.1f},{18 - 16 * min(max(value, 0), 1):.1f}" for at, value in enumerate(values))
    return (
        f'<svg class="spark" viewBox="0 0 100 20" role="img" aria-label="the last {len(values)} days">'
        f'<polyline points="{points}"/></svg>'
    )
