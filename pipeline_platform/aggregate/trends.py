"""Signals: hours and days on which something stood out from its own past.

Robust z-score: (value - median) / (1.4826 MAD), with 3.5 as the limit (Iglewicz & Hoaglin, How to Detect and Handle
Outliers, 1993). Counts in quiet places have a MAD of 0; there the divisor is at least the root of the median, the
spread of a Poisson count, and at least 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.aggregate.sums import reach
from pipeline_platform.aggregate.text import exploded
from pipeline_platform.schemas.aggregated.trends import TREND_SIGNALS

NORMAL_MAD = 1.4826
"""The MAD of a normal distribution times this is its standard deviation."""

HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class TrendRules:
    """When something stands out.

    Attributes:
        min_z: limit of the robust z-score.
        min_documents: canonical documents an hour must have.
        volume_days, min_hours: days before an hour that make its baseline, and hours of them there must be. The
            baseline of a channel starts with the channel's first document, that of an entity with the first document
            of any kind; hours without documents count as 0 from there.
        return_days, min_returns: days before a day that make its baseline, and returns there must be.
        max_evidence: documents named as evidence.
    """

    min_z: float = 3.5
    min_documents: int = 5
    volume_days: int = 7
    min_hours: int = 24
    return_days: int = 30
    min_returns: int = 10
    max_evidence: int = 5


RULES = TrendRules()


def _spread(baseline: np.ndarray) -> tuple[float, float]:
    median = float(np.median(baseline))
    return median, NORMAL_MAD * float(np.median(np.abs(baseline - median)))


def _canonical(documents: pd.DataFrame) -> pd.DataFrame:
    """Canonical documents that are not removed, widest reach first."""
    kept = documents["is_canonical"].to_numpy(dtype=bool) & ~documents["is_deleted"].to_numpy(dtype=bool)
    rows = documents[kept]
    rows = rows.assign(reach=reach(rows), moment=rows["created_at"].astype("datetime64[us, UTC]").dt.floor("h"))
    return rows.sort_values(["reach", "document_id"], ascending=[False, True], kind="stable")


def _busy_hours(
    kind: str, rows: pd.DataFrame, everything: pd.DataFrame | None, days: Sequence[date], rules: TrendRules
) -> Iterator[dict[str, Any]]:
    """Hours in which a `subject` of `rows` was far busier than in the hours before.

    Args:
        kind: kind of the signals.
        rows: canonical documents with `subject` and `moment` (the hour), widest reach first.
        everything: documents whose first hour starts the baseline; None when it is the subject's own first.
        days: days to look at.
        rules: limits.
    """
    counts = rows.groupby(["subject", "moment"]).size()
    start = pd.Timestamp(min(days), tz="UTC") - pd.Timedelta(days=rules.volume_days)
    length = (max(days) - min(days) + timedelta(days=rules.volume_days + 1)).days * HOURS_A_DAY
    window = rules.volume_days * HOURS_A_DAY

    def dense(of: pd.Series) -> np.ndarray:
        hours = ((pd.DatetimeIndex(of.index) - start) // pd.Timedelta(hours=1)).to_numpy()
        inside = (hours >= 0) & (hours < length)
        filled = np.zeros(length, dtype="int64")
        filled[hours[inside]] = of.to_numpy()[inside]
        return filled

    common = None if everything is None else dense(everything.groupby("moment").size())
    wanted = {(pd.Timestamp(day, tz="UTC") - start) // pd.Timedelta(days=1) for day in days}
    busy = counts[counts >= rules.min_documents].index.get_level_values("subject").unique()
    for subject in sorted(busy):
        volume = dense(counts.loc[subject])
        for hour in np.flatnonzero(volume >= rules.min_documents):
            if hour // HOURS_A_DAY not in wanted:
                continue
            seen = (volume if common is None else common)[hour - window : hour]
            baseline = volume[hour - window + int(np.argmax(seen > 0)) : hour] if seen.any() else volume[:0]
            if len(baseline) < rules.min_hours:
                continue
            median, spread = _spread(baseline)
            z_score = (volume[hour] - median) / max(spread, median**0.5, 1.0)
            if z_score < rules.min_z:
                continue
            moment = start + pd.Timedelta(hours=int(hour))
            behind = rows[(rows["subject"] == subject).to_numpy(dtype=bool) & (rows["moment"] == moment).to_numpy()]
            yield {
                "signal_id": f"{kind}:{subject}:{moment:%Y-%m-%dT%H}",
                "kind": kind,
                "subject": subject,
                "occurred_at": moment,
                "value": float(volume[hour]),
                "baseline": median,
                "z_score": float(z_score),
                "baseline_size": len(baseline),
                "evidence": behind["document_id"].head(rules.max_evidence).tolist(),
                "event_date": moment.date(),
            }


def _great_moves(
    market: pd.DataFrame, named: pd.DataFrame, days: Sequence[date], rules: TrendRules
) -> Iterator[dict[str, Any]]:
    """Days on which the price of an asset moved far more than on the days before."""
    known = market[market["daily_return"].notna().to_numpy(dtype=bool)].sort_values("event_date", kind="stable")
    wanted = set(days)
    for (source, symbol, currency), asset in known.groupby(["source", "symbol", "currency"]):
        dates = asset["event_date"].tolist()
        returns = asset["daily_return"].to_numpy(dtype="float64")
        for position, day in enumerate(dates):
            first = next(i for i, earlier in enumerate(dates) if (day - earlier).days <= rules.return_days)
            baseline = returns[first:position]
            if day not in wanted or len(baseline) < rules.min_returns:
                continue
            median, spread = _spread(baseline)
            if spread == 0 or abs(returns[position] - median) < rules.min_z * spread:
                continue
            about = named["subject"].isin([f"COIN:{symbol}", f"TICKER:{str(symbol).upper()}"])
            behind = named[(about & (named["event_date"] == day)).to_numpy(dtype=bool)]
            subject = f"{source}:{symbol}:{currency}"
            yield {
                "signal_id": f"daily_return:{subject}:{day}",
                "kind": "daily_return",
                "subject": subject,
                "occurred_at": pd.Timestamp(day, tz="UTC"),
                "value": float(returns[position]),
                "baseline": median,
                "z_score": float((returns[position] - median) / spread),
                "baseline_size": len(baseline),
                "evidence": behind["document_id"].drop_duplicates().head(rules.max_evidence).tolist(),
                "event_date": day,
            }


def trend_signals(
    days: Sequence[date], documents: pd.DataFrame, market: pd.DataFrame, rules: TrendRules = RULES
) -> pd.DataFrame:
    """Busy hours of channels and entities, and great moves of prices, with the documents behind them.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents` from `rules.volume_days` before the first day.
        market: rows of `aggregated/market_daily` from `rules.return_days` before the first day.
        rules: limits and baselines.

    Returns:
        Rows of `aggregated/trend_signals`.
    """
    if not days:
        return TREND_SIGNALS.empty()
    rows = _canonical(documents)
    in_channels = rows[rows["channel"].notna().to_numpy(dtype=bool)]
    in_channels = in_channels.assign(subject=in_channels["source"] + "/" + in_channels["channel"])
    named = exploded(rows)
    named = named.assign(subject=named["entity_type"] + ":" + named["entity"])
    signals = [
        *_busy_hours("channel_volume", in_channels, None, days, rules),
        *_busy_hours("entity_volume", named, rows, days, rules),
        *_great_moves(market, named, days, rules),
    ]
    return shaped(TREND_SIGNALS, on_days(TREND_SIGNALS.frame(signals), days))
