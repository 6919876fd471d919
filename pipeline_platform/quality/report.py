"""The quality report of a day as one page: no script, no network, light or dark as the reader's system."""

from collections.abc import Sequence
from typing import Any, get_args

import jinja2
from markupsafe import Markup

from pipeline_platform.quality.charts import evidence, sparkline, svg
from pipeline_platform.quality.facts import SHOWN_HISTORY, Checked, DayFacts
from pipeline_platform.quality.outages import Affected, Effect
from pipeline_platform.quality.report_page import PAGE
from pipeline_platform.schemas.quality import PARTS
from pipeline_platform.schemas.table import Layer


def page(facts: DayFacts) -> str:
    """The page; everything that was read from upstreams is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.globals |= {"chart": _chart, "trend": _trend, "layers": _layers, "affected": _affected, "level": _level}
    environment.filters |= {"share": _share, "moment": _moment}
    return environment.from_string(PAGE).render(facts=facts, parts=PARTS, shown=SHOWN_HISTORY)


def _chart(anomaly: dict[str, Any]) -> Markup:
    title = f"{anomaly['table']} {anomaly['column']}: {anomaly['kind']}"
    shown = evidence(anomaly["labels"], anomaly["values"], anomaly["usual"], anomaly["expected"])
    return Markup(svg(shown, title))  # noqa: S704 - it escapes what it is given


def _trend(values: Sequence[float]) -> Markup:
    return Markup(sparkline(values))  # noqa: S704 - numbers only


def _layers(checks: Sequence[Checked]) -> list[tuple[str, list[Checked]]]:
    """The checks by the layer of their table, upstream first."""
    order = get_args(Layer)
    by_layer: dict[str, list[Checked]] = {}
    for check in checks:
        by_layer.setdefault(check.table.partition("/")[0], []).append(check)
    return sorted(
        by_layer.items(), key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0])
    )


def _affected(effects: Sequence[Effect]) -> list[tuple[str, list[Affected | None]]]:
    """A row per table, upstream first, with a cell per source; None where the table is not made from it."""
    by_source = [{one.table: one for one in effect.tables} for effect in effects]
    order = get_args(Layer)
    paths = dict.fromkeys(path for cells in by_source for path in cells)
    ranked = sorted(paths, key=lambda path: order.index(path.partition("/")[0]))
    return [(path, [cells.get(path) for cells in by_source]) for path in ranked]


def _level(missing: float | None) -> int:
    """How dark a cell is: from 0 for what is little or not known to 3 for most."""
    return 0 if missing is None else sum(missing >= step for step in (0.05, 0.2, 0.5))


def _share(value: float | None) -> str:
    """Three decimals, and never 1.000 for what is less."""
    if value is None:
        return "–"
    return f"{min(value, 0.999):.3f}" if value < 1 else "1.000"


def _moment(value: Any) -> str:
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M}"
