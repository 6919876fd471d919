"""Charts of the health page as SVG, from labels and numbers alone; colours come from the page."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 560, 130
LEFT, RIGHT, TOP, BOTTOM = 44, 4, 8, 20


def stacked(labels: Sequence[str], series: Mapping[str, Sequence[float]], title: str) -> str:
    """A bar per label in which the series stand on each other.

    Args:
        labels: below the bars; the first, the middle and the last are shown.
        series: values by name, which is also the class that gives the colour.
        title: what it shows, for who cannot see it.
    """
    highest = max((sum(values) for values in zip(*series.values(), strict=True)), default=0) or 1
    step, floor = (WIDTH - LEFT - RIGHT) / max(len(labels), 1), HEIGHT - BOTTOM
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<line class="axis" x1="{LEFT}" y1="{floor}" x2="{WIDTH - RIGHT}" y2="{floor}"/>',
        f'<text class="tick" x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{_short(highest)}</text>',
        f'<text class="tick" x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>',
    ]
    for at, label in enumerate(labels):
        told = ", ".join(f"{_short(values[at])} {name}" for name, values in series.items())
        base, bars = float(floor), []
        for name, values in series.items():
            tall = (floor - TOP) * values[at] / highest
            if tall > 0:
                tall = max(tall, 1.0)
                base -= tall
                bars.append(
                    f'<rect class="{escape(name)}" x="{LEFT + at * step + step * 0.1:.1f}" y="{base:.1f}" '
                    f'width="{step * 0.8:.1f}" height="{tall:.1f}"/>'
                )
        parts.append(f"<g><title>{escape(label)}: {escape(told)}</title>{''.join(bars)}</g>")
    last = len(labels) - 1
    for at, anchor in ((0, "start"), (last // 2, "middle"), (last, "end")) if labels else ():
        x = LEFT + (at + {"start": 0.1, "middle": 0.5, "end": 0.9}[anchor]) * step
        text = escape(labels[at])
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{text}</text>')
    return "".join([*parts, "</svg>"])


def share(value: float, highest: float) -> str:
    """A bar of its share of the highest."""
    width = 100 * value / highest if highest else 0
    return (
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{width:.1f}" height="8"/></svg>'
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"
