"""The health page as HTML: no script, no network, light or dark as the reader's system."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import jinja2
from markupsafe import Markup, escape

from pipeline_platform.serve.charts import share, stacked
from pipeline_platform.serve.health_facts import HOURS, HealthFacts
from pipeline_platform.serve.health_page import PAGE, UNKNOWN


def page(facts: HealthFacts) -> str:
    """The page; everything that was read from upstreams, and every error, is escaped."""
    slowest = max((one.seconds or 0 for one in facts.sources), default=0)
    return _templates().from_string(PAGE).render(facts=facts, hours=HOURS, slowest=slowest)


def unknown(reason: str) -> str:
    """The page when nothing can be told."""
    return _templates().from_string(UNKNOWN).render(reason=reason)


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.globals |= {"runs_chart": _runs_chart, "records_chart": _records_chart, "share": _share}
    environment.filters |= {"moment": _moment, "ago": _ago, "duration": _duration, "percent": _percent, "count": _count}
    return environment


def _runs_chart(facts: HealthFacts) -> Markup:
    series = {name: facts.runs[status] for name, status in (("failed", "failure"), ("succeeded", "success"))}
    return Markup(stacked(_hours(facts.hours), series, "runs that ended, by hour"))  # noqa: S704 - it escapes its labels


def _records_chart(facts: HealthFacts) -> Markup:
    return Markup(stacked(_hours(facts.hours), {"records": facts.records}, "records received, by hour"))  # noqa: S704


def _hours(hours: Sequence[datetime]) -> list[str]:
    return [f"{hour:%d %b %H:00}" for hour in hours]


def _share(value: float | None, highest: float) -> Markup:
    return Markup(share(value or 0, highest))  # noqa: S704 - numbers only


def _moment(value: datetime | None) -> str:
    return "–" if value is None else f"{value:%Y-%m-%d %H:%M}"


def _ago(value: datetime | None, now: datetime) -> Markup:
    if value is None:
        return escape("never")
    told = f'<time datetime="{value.isoformat()}" title="{value:%Y-%m-%d %H:%M:%S} UTC">{{}}</time>'
    seconds = max(0.0, (now - value).total_seconds())
    # To the minute: who looks at a table of times does not count seconds.
    shown = f"{seconds // 60:.0f} min" if 60 <= seconds < 3600 else _duration(float(int(seconds)))
    return Markup(told).format(f"{shown} ago")  # noqa: S704 - numbers only


def _duration(seconds: float | None) -> str:
    """Two units at most."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
    days, rest = divmod(int(timedelta(seconds=seconds).total_seconds()), 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest % 60} s"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _count(value: int) -> str:
    return f"{value:,}"
