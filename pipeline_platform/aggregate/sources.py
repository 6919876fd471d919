"""Aggregates of the platform's own work: what each stream brought, and how fresh it was."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.schemas.aggregated.sources import SOURCE_DAILY
from pipeline_platform.schemas.columns import DAY, INTEGER, STAMP, TEXT

FETCH_LOG: dict[str, Any] = {
    "source": TEXT,
    "stream": TEXT,
    "event_date": DAY,
    "fetches": INTEGER,
    "failed_fetches": INTEGER,
    "requests": INTEGER,
    "last_success_at": STAMP,
    "last_error": TEXT,
}
STREAM_DAY = ["event_date", "source", "stream"]


def fetch_log(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The log of fetches as a frame: a row per source, stream and the UTC day on which they ended."""
    return pd.DataFrame({name: pd.array([row[name] for row in rows], dtype=of) for name, of in FETCH_LOG.items()})


def source_daily(
    days: Sequence[date],
    raw: pd.DataFrame,
    cleaned: pd.DataFrame,
    quarantine: pd.DataFrame,
    copies: pd.DataFrame,
    fetches: pd.DataFrame,
    scores: pd.DataFrame,
) -> pd.DataFrame:
    """Records received, cleaned, quarantined and copied per stream and day, how fresh, and how fetching went that day.

    Args:
        days: days to give rows for.
        raw: counts of the layer, one row per stream and day with `rows`, `newest_event` and `newest_fetch` (see `Input`
            in `registry.py`).
        cleaned: counts of the layer, with `rows`.
        quarantine: counts of the layer, with `rows`.
        copies: number of documents that are copies, as `rows` per source, stream and day.
        fetches: as `fetch_log` gives it; days on which nothing was fetched have no row.
        scores: `table`, `score`, `event_date` of `quality/scores`; that of the cleaned table is the stream's.

    Returns:
        Rows of `aggregated/source_daily`.
    """
    counted = pd.DataFrame(
        {
            "raw_records": raw.groupby(STREAM_DAY)["rows"].sum(),
            "cleaned_rows": cleaned.groupby(STREAM_DAY)["rows"].sum(),
            "quarantined_rows": quarantine.groupby(STREAM_DAY)["rows"].sum(),
            "duplicates": copies.groupby(STREAM_DAY)["rows"].sum(),
            **fetches.groupby(STREAM_DAY)[["fetches", "failed_fetches", "requests"]].sum(),
        }
    )
    daily = counted.fillna(0).astype("int64")
    daily = daily.join(fetches.set_index(STREAM_DAY)[["last_success_at", "last_error"]])
    times = raw.astype(dict.fromkeys(("newest_event", "newest_fetch"), "datetime64[us, UTC]"))
    daily = daily.join(times.groupby(STREAM_DAY)[["newest_event", "newest_fetch"]].max()).reset_index()
    judged = daily["cleaned_rows"] + daily["quarantined_rows"]
    day_end = pd.to_datetime(daily["event_date"], utc=True) + pd.Timedelta(days=1)
    seen_until = daily["newest_fetch"].where(daily["newest_fetch"] < day_end, day_end)
    lag = (seen_until - daily["newest_event"]).dt.total_seconds().clip(lower=0)
    daily = daily.assign(
        quarantined_share=daily["quarantined_rows"] / judged.where(judged > 0),
        freshness_lag_s=lag.where(daily["newest_fetch"].notna()),
        quality_score=_score_of_stream(daily, scores),
    )
    return shaped(SOURCE_DAILY, on_days(daily, days))


def _score_of_stream(daily: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """The score of the cleaned table of each row's stream and day."""
    by_table = scores.set_index(["table", "event_date"])["score"]
    return by_table.reindex(pd.MultiIndex.from_arrays(["cleaned/" + daily["stream"], daily["event_date"]])).reset_index(
        drop=True
    )
