"""Small PNG pictures for metadata: some kilobytes each, as they are stored in the event log with every run."""

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 100
INK = "#6b7280"
SHADES = 64
"""Colours of a picture: with a palette it takes a third of the bytes, and looks the same."""
NOTHING = "nothing to show"


def picture(draw: Callable[["Axes"], None], title: str, *, size: tuple[float, float], legend: bool = False) -> bytes:
    """A PNG of what `draw` draws.

    Args:
        draw: draws into the axes it is given.
        title: above the plot.
        size: width and height in inches, at `DOTS_PER_INCH`.
        legend: whether the names of what is drawn are told.
    """
    # Loading it costs a second, which only what draws should pay. The figure alone and not pyplot, which keeps figures
    # and is not made for several threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(size, dpi=DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw(axes)
    if not axes.has_data():
        axes.set_axis_off()
        axes.text(0.5, 0.5, NOTHING, ha="center", va="center", color=INK, fontsize=9, transform=axes.transAxes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set(color=INK, fontsize=8)
    axes.yaxis.label.set(color=INK, fontsize=8)
    if title:
        axes.set_title(unread(title), loc="left", color=INK, fontsize=9)
    if legend and axes.has_data():
        # Below the axes, where it covers nothing.
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8, labelcolor=INK)
    with warnings.catch_warnings():
        # Names come in every script, and a box for a letter that the font lacks is no news.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        canvas.draw()
    held = io.BytesIO()
    Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert(
        "RGB"
    ).quantize(SHADES).save(held, "PNG", optimize=True)
    return held.getvalue()


def unread(text: str) -> str:
    """A text in which matplotlib finds no formula: what stands between two dollar signs is none."""
    return text.replace("$", r"\$")
