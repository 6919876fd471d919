"""Plots of trends, signals and forecasts."""

from datetime import date

import pandas as pd

from pipeline_platform.defs.plots import bar_plot, line_plot, together
from pipeline_platform.defs.plotted import Plot, greatest, on, only, values
from pipeline_platform.schemas.aggregated.measures import EVERY

HOURS_SHOWN = 72


def volume_trends(rows: pd.DataFrame, _: date) -> Plot:
    """All documents hour by hour beside what is usual."""
    hours = only(rows, source=EVERY, channel=EVERY).sort_values("hour").tail(HOURS_SHOWN)
    lines = {"documents": "canonical_documents", "smoothed": "smoothed", "usual": "usual"}
    bands = {}
    if hours["usual_at_most"].notna().any():
        bands["up to what is far out"] = ([0.0] * len(hours), values(hours["usual_at_most"]))
    return line_plot(
        [hour.to_pydatetime() for hour in hours["hour"]],
        {name: values(hours[column]) for name, column in lines.items() if hours[column].notna().any()},
        title="Documents an hour, of all sources",
        unit="documents",
        bands=bands,
    )


def trend_signals(rows: pd.DataFrame, day: date) -> Plot:
    """The strongest signals of the last day that has some."""
    last = max(rows["event_date"].dropna(), default=day)
    today = on(rows, last)
    named = today.assign(
        name=today["kind"].astype(object) + " " + today["subject"].astype(object),
        strength=today["z_score"].astype("float64").abs(),
    )
    most = greatest(named.groupby("name")["strength"].max())
    up = set(only(named, direction="up")["name"])
    return bar_plot(
        {
            "up": {name: value if name in up else 0.0 for name, value in most.items()},
            "down": {name: value for name, value in most.items() if name not in up},
        },
        title=f"Strongest signals of {last}",
        unit="|z|",
        stacked=True,
    )


def forecasts(rows: pd.DataFrame, day: date, hours: pd.DataFrame, market: pd.DataFrame, weather: pd.DataFrame) -> Plot:
    """What is expected of all documents, of a price and of a temperature, after what was."""
    whole = only(hours, channel=EVERY)
    joined = market["source"].astype(object) + ":" + market["symbol"].astype(object)
    past = {
        ("canonical_documents", "1h"): (whole["source"], whole["hour"], whole["canonical_documents"]),
        ("close", "1d"): (joined + ":" + market["currency"].astype(object), market["event_date"], market["close"]),
        ("temperature_mean_c", "1d"): (
            weather["source"].astype(object) + ":" + weather["place"].astype(object),
            weather["event_date"],
            weather["temperature_mean_c"],
        ),
    }
    today = on(rows, day)
    plots = []
    for (measure, step), (subjects, moments, seen) in past.items():
        series = only(today, measure=measure, step=step)
        named = sorted(set(series["subject"].dropna()))
        if not named:
            continue
        # All sources together where there is such a series, else the one of the longest history.
        known = greatest(series.groupby("subject")["history"].max(), 1)
        subject = EVERY if EVERY in named else next(iter(known), named[0])
        mine = (subjects == subject).to_numpy(dtype=bool, na_value=False)
        history = pd.Series(seen[mine].tolist(), index=pd.to_datetime(moments[mine].tolist(), utc=True)).sort_index()
        told = only(series, subject=subject).sort_values("valid_at")
        plots.append(_fan(measure, subject, history, told))
    return together(plots) if plots else line_plot([], {}, title="Forecasts")


def _fan(measure: str, subject: str, history: pd.Series, told: pd.DataFrame) -> Plot:
    ahead = [moment.to_pydatetime() for moment in told["valid_at"]]
    behind = [moment.to_pydatetime() for moment in history.index if not ahead or moment < told["valid_at"].min()]
    seen = [float(value) for value in history.tolist()[: len(behind)]]
    gap: list[float | None] = [None] * len(behind)
    # The forecast begins where what is known ends, so that the two lines meet.
    meets: list[float | None] = [*gap[:-1], *seen[-1:]]
    model = str(told["model"].iloc[0]) if len(told) else ""
    unit = told["unit"].iloc[0] if len(told) and pd.notna(told["unit"].iloc[0]) else ""
    return line_plot(
        [*behind, *ahead],
        {"seen": [*seen, *([None] * len(ahead))], f"expected ({model})": [*meets, *values(told["forecast"])]},
        bands={
            name: ([*meets, *values(told[f"lower_{name[:2]}"])], [*meets, *values(told[f"upper_{name[:2]}"])])
            for name in ("95 %", "80 %")
        },
        title=f"{measure} of {'all sources' if subject == EVERY else subject}",
        unit=unit,
    )
