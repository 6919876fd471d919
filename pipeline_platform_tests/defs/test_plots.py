"""Plots are pictures that a browser shows, of a few kilobytes."""

import base64
import io
import re
from datetime import date, timedelta

import pytest
from PIL import Image

from pipeline_platform.defs.plots import bar_plot, line_plot

DAYS = [date(2026, 11, 1) + timedelta(days=n) for n in range(30)]
PICTURE = re.compile(r"!\[([^\]\n]*)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


@pytest.mark.parametrize(
    "plot",
    [
        bar_plot({"documents": {"positive": 12, "neutral": 30, "negative": 0}}, title="labels", unit="documents"),
        bar_plot({"day": {"a": 0.5, "b": 0.5}, "week": {"b": 0.25, "c": 0.75}}, title="labels"),
        bar_plot({"many": {f"label {n}": n for n in range(100)}}),
        bar_plot({"none": {}}),
        bar_plot({}),
        line_plot(DAYS, {"documents": [float(n) for n in range(30)], "gaps": [None, 1.0] * 15}, title="a [month]"),
        line_plot([1, 2, 3], {"one": [3.0, 2.0, 1.0]}, unit="s"),
        line_plot([], {}),
    ],
    ids=["labels", "groups", "many", "no labels", "no groups", "days", "numbers", "nothing"],
)
def test_a_plot_is_a_small_picture(plot):
    found = PICTURE.fullmatch(plot.md_str)
    assert found
    held = base64.b64decode(found[2])
    assert len(held) < 10_000
    picture = Image.open(io.BytesIO(held))
    assert picture.width == 520
    assert len(picture.getcolors() or ()) > 1


def test_the_same_values_make_the_same_picture():
    def plot(share: float) -> str:
        return bar_plot({"day": {"a": share, "b": 1 - share}}).md_str

    assert plot(0.25) == plot(0.25)
    assert plot(0.25) != plot(0.5)


def test_only_the_largest_bars_are_shown_in_the_order_given():
    many = {f"label {n}": float(n % 7) for n in range(30)}
    shown = {name: value for name, value in many.items() if value >= 5}
    assert bar_plot({"a": many}, most=len(shown)).md_str == bar_plot({"a": shown}, most=30).md_str
