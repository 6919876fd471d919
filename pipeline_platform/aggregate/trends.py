"""Signals: what stood out from its own past, in volume, sentiment, topics, entities and prices.

There are thousands of series, and on any day some of them are unusual by chance. So everything that is tested on a day
is tested together: every test gives a probability under "as before", and per kind those are believed of which at most a
share `TrendRules.rate` is wrong. What is believed must also be large enough to matter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.bursts import Burst, entity_bursts, topic_bursts
from pipeline_platform.aggregate.frames import shaped
from pipeline_platform.aggregate.hourly import BEFORE, BEFORE_DAYS, HOURS_A_DAY, Hours, baseline_names, hours_of, usual
from pipeline_platform.aggregate.sums import reach
from pipeline_platform.aggregate.surprise import (
    MAD_EFFICIENCY,
    NORMAL_MAD,
    QN_EFFICIENCY,
    believed,
    dispersion,
    excess_probability,
    normal_score,
    qn,
    silence_probability,
    two_sided,
)
from pipeline_platform.aggregate.text import exploded
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.aggregated.trends import TREND_SIGNALS

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TrendRules:
    """When something stands out.

    Attributes:
        rate: share of the signals of a kind and day that may be wrong; also the chance of any on a day of nothing.
        min_z: limit of the robust z-score of volumes and prices.
        min_documents: canonical documents that a spike or burst must have.
        min_factor: times as many as expected that a burst must have.
        min_silent_hours: hours of silence that are an outage.
        silences_per_day: silences as long that there may have been before, a day: who is silent every night or weekend
            is not out.
        max_silent_days: days after its beginning for which an outage is told.
        min_shift: change of the mean sentiment that matters.
        min_scored: scored documents that a day must have for its sentiment to be compared; the past needs three times
            as many.
        return_days, min_returns: days before a day that its return is compared with, and returns there must be.
        max_evidence: documents named as evidence.
    """

    rate: float = 0.01
    min_z: float = 3.5
    min_documents: int = 5
    min_factor: float = 2.0
    min_silent_hours: int = 3
    silences_per_day: float = 0.1
    max_silent_days: int = 7
    min_shift: float = 0.15
    min_scored: int = 10
    return_days: int = 30
    min_returns: int = 10
    max_evidence: int = 5


RULES = TrendRules()

FEW_DAYS = 5
"""Fewer days do not tell how much days vary."""

Signal = dict[str, Any]


class Evidence:
    """Finds the documents behind a signal.

    Args:
        rows: canonical documents that are not removed, widest reach first, with `moment`, the hour.
        most: documents to name.
    """

    def __init__(self, rows: pd.DataFrame, most: int) -> None:
        self._rows, self._most = rows, most

    def behind(self, subject: tuple[str, str], first: pd.Timestamp, end: pd.Timestamp, sign: int = 0) -> list[str]:
        """Documents of a source and channel from `first` to before `end`; with a sign, those of such sentiment."""
        rows = self._rows
        chosen = ((rows["moment"] >= first) & (rows["moment"] < end)).to_numpy(dtype=bool)
        for column, value in zip(("source", "channel"), subject, strict=True):
            if value != EVERY:
                chosen &= (rows[column] == value).to_numpy(dtype=bool, na_value=False)
        if sign:
            chosen &= np.sign(rows["sentiment"].to_numpy(dtype="float64", na_value=0.0)) == sign
        return rows["document_id"][chosen].head(self._most).tolist()


def canonical(documents: pd.DataFrame) -> pd.DataFrame:
    """Canonical documents that are not removed, widest reach first, with `moment`, their hour."""
    kept = documents["is_canonical"].to_numpy(dtype=bool) & ~documents["is_deleted"].to_numpy(dtype=bool)
    rows = documents[kept]
    rows = rows.assign(reach=reach(rows), moment=rows["created_at"].astype("datetime64[us, UTC]").dt.floor("h"))
    return rows.sort_values(["reach", "document_id"], ascending=[False, True], kind="stable")


def _spikes(hours: Hours, evidence: Evidence, rules: TrendRules) -> Iterator[Signal]:
    """Hours with far more documents than is usual for them: by z-score, by interquartile range, and by probability."""
    usually = usual(hours)
    counts = hours.counts[:, BEFORE:]
    known = np.isfinite(counts) & (usually.kind >= 0)
    if not known.any():
        return
    told = np.full(counts.shape, np.nan)
    told[known] = excess_probability(
        counts[known], usually.documents[known], 1 / (1 + usually.size[known]), usually.dispersion[known]
    )
    z_scores = usually.z_scores(counts)
    large = (counts >= rules.min_documents) & (z_scores >= rules.min_z) & (counts > usually.fence)
    found = believed(told.ravel(), rules.rate).reshape(told.shape) & large
    names, baselines = hours.names(), baseline_names(usually.kind.ravel())
    for subject, hour in np.argwhere(found):
        moment = hours.moment(BEFORE + hour)
        yield {
            "signal_id": f"volume_spike:{names[subject]}:{moment:%Y-%m-%dT%H}",
            "kind": "volume_spike",
            "subject": names[subject],
            "direction": "up",
            "occurred_at": moment,
            "ends_at": moment + HOUR,
            "began_at": moment,
            "value": float(counts[subject, hour]),
            "baseline": float(usually.median[subject, hour]),
            "z_score": float(z_scores[subject, hour]),
            "p_value": float(told[subject, hour]),
            "baseline_kind": baselines[subject * HOURS_A_DAY + hour],
            "baseline_size": int(usually.size[subject, hour]),
            "evidence": evidence.behind(hours.subjects[subject], moment, moment + HOUR),
        }


def _silences(counts: np.ndarray) -> list[tuple[int, int]]:
    """First hour and hour after the last one of every run of hours without documents, oldest first."""
    silent = np.concatenate([[False], counts == 0, [False]])
    edges = np.flatnonzero(silent[1:] != silent[:-1])
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _outages(hours: Hours, rules: TrendRules) -> Iterator[Signal]:
    """Silences of the day that are rare and too long for chance."""
    found: list[tuple[int, int, int, float, float]] = []
    oldest = BEFORE - rules.max_silent_days * HOURS_A_DAY
    for subject, first in enumerate(hours.first):
        lengths: list[int] = []
        for start, end in _silences(hours.counts[subject, first : hours.until]):
            length = end - start
            as_long = sum(one >= length for one in lengths)
            lengths.append(length)
            known = start / HOURS_A_DAY
            of_day = first + end > BEFORE and first + start >= oldest
            if not of_day or known < 1 or length < rules.min_silent_hours or as_long > rules.silences_per_day * known:
                continue
            before = hours.counts[subject, first : first + start]
            mean = before.mean()
            spread = dispersion(before, np.full(start, mean))
            told = float(silence_probability(before.sum(), length / (length + start), spread))
            found.append((subject, int(first) + start, int(first) + end, told, float(mean * length)))
    # A silence may begin with any hour, so that every hour of every subject counts as a test.
    good = believed(np.array([one[3] for one in found]), rules.rate, len(hours.subjects) * HOURS_A_DAY)
    names = hours.names()
    for (subject, start, end, told, expected), is_good in zip(found, good, strict=True):
        if not is_good:
            continue
        first = hours.moment(max(start, BEFORE))
        yield {
            "signal_id": f"outage:{names[subject]}:{first:%Y-%m-%dT%H}",
            "kind": "outage",
            "subject": names[subject],
            "direction": "down",
            "occurred_at": first,
            "ends_at": hours.moment(end),
            "began_at": hours.moment(start),
            "value": 0.0,
            "baseline": expected,
            "z_score": -float(normal_score(told)),
            "p_value": told,
            "baseline_kind": "preceding_hours",
            "baseline_size": start - int(hours.first[subject]),
            "evidence": [],
        }


def _shifts(hours: Hours, evidence: Evidence, rules: TrendRules) -> Iterator[Signal]:
    """Days whose mean sentiment lies far from that of the days before.

    The spread of a document's sentiment is taken from the hourly means of the past. If days usually vary more than that
    explains (by Qn, so that earlier shifts do not hide the next), that is the spread, which fewer numbers tell
    (Student's t).
    """
    shape = (len(hours.subjects), BEFORE_DAYS + 1, HOURS_A_DAY)
    scored, total = hours.scored.reshape(shape), hours.total.reshape(shape)
    past, past_total = scored[:, :-1].sum(axis=(1, 2)), total[:, :-1].sum(axis=(1, 2))
    now, now_total = scored[:, -1].sum(axis=1), total[:, -1].sum(axis=1)
    compared = (now >= rules.min_scored) & (past >= 3 * rules.min_scored)
    if not compared.any():
        return
    scored, total, past, now = scored[compared], total[compared], past[compared], now[compared]
    usually, today = past_total[compared] / past, now_total[compared] / now

    def deviations(numbers: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of groups of documents (columns): how far from usual, as one document would be, and which there are."""
        some = numbers > 0
        means = np.divide(sums, numbers, out=np.zeros_like(sums), where=some)
        return np.where(some, np.sqrt(numbers) * (means - usually[:, None]), np.nan), some.sum(axis=1)

    width = (len(usually), -1)
    of_hours, heard = deviations(scored[:, :-1].reshape(width), total[:, :-1].reshape(width))
    of_days, days = deviations(scored[:, :-1].sum(axis=2), total[:, :-1].sum(axis=2))
    by_hour = np.nansum(of_hours**2, axis=1) / np.maximum(heard - 1, 1)
    by_day = qn(of_days) ** 2
    by_days = (days >= FEW_DAYS) & (by_day > by_hour)
    variance = np.where(by_days, by_day, by_hour)
    freedom = np.where(by_days, QN_EFFICIENCY * (days - 1), np.minimum(heard - 1, 30)).clip(1)
    shift = today - usually
    error = np.sqrt(variance * (1 / now + 1 / past))
    t = np.divide(shift, error, out=np.zeros_like(shift), where=error > 0)
    told = two_sided(t, freedom)
    good = believed(told, rules.rate) & (np.abs(shift) >= rules.min_shift)
    names = hours.names()
    start = pd.Timestamp(hours.day, tz="UTC")
    for place in np.flatnonzero(good):
        subject = np.flatnonzero(compared)[place]
        yield {
            "signal_id": f"sentiment_shift:{names[subject]}:{hours.day}",
            "kind": "sentiment_shift",
            "subject": names[subject],
            "direction": "up" if shift[place] > 0 else "down",
            "occurred_at": start,
            "ends_at": start + DAY,
            "began_at": start,
            "value": float(np.clip(today[place], -1, 1)),
            "baseline": float(np.clip(usually[place], -1, 1)),
            "z_score": float(t[place]),
            "p_value": float(told[place]),
            "baseline_kind": "preceding_days",
            "baseline_size": int(days[place]),
            "evidence": evidence.behind(hours.subjects[subject], start, start + DAY, int(np.sign(shift[place]))),
        }


def _price_moves(market: pd.DataFrame, named: pd.DataFrame, day: date, rules: TrendRules) -> Iterator[Signal]:
    """Prices that moved far more than on the days before."""
    first = day - timedelta(days=rules.return_days)
    inside = (market["event_date"] >= first) & (market["event_date"] <= day) & market["daily_return"].notna()
    known = market[inside.to_numpy(dtype=bool)].sort_values("event_date", kind="stable")
    found: list[tuple[str, str, float, float, float, int]] = []
    for (source, symbol, currency), asset in known.groupby(["source", "symbol", "currency"]):
        returns = asset["daily_return"].to_numpy(dtype="float64")
        before = returns[:-1]
        if asset["event_date"].iloc[-1] != day or len(before) < rules.min_returns:
            continue
        median = float(np.median(before))
        spread = NORMAL_MAD * float(np.median(np.abs(before - median)))
        if spread > 0:
            z_score = (float(returns[-1]) - median) / spread
            found.append(
                (f"{source}:{symbol}:{currency}", str(symbol), float(returns[-1]), median, z_score, len(before))
            )
    z_scores, sizes = np.array([one[4] for one in found]), np.array([one[5] for one in found])
    told = two_sided(z_scores, np.maximum(MAD_EFFICIENCY * (sizes - 1), 1.0)) if found else z_scores
    good = believed(told, rules.rate) & (np.abs(z_scores) >= rules.min_z)
    start = pd.Timestamp(day, tz="UTC")
    for (subject, symbol, value, median, z_score, size), p_value, is_good in zip(found, told, good, strict=True):
        if not is_good:
            continue
        about = named["subject"].isin([f"COIN:{symbol}", f"TICKER:{symbol.upper()}"]).to_numpy(dtype=bool)
        yield {
            "signal_id": f"price_move:{subject}:{day}",
            "kind": "price_move",
            "subject": subject,
            "direction": "up" if z_score > 0 else "down",
            "occurred_at": start,
            "ends_at": start + DAY,
            "began_at": start,
            "value": value,
            "baseline": median,
            "z_score": z_score,
            "p_value": float(p_value),
            "baseline_kind": "preceding_days",
            "baseline_size": size,
            "evidence": named["document_id"][about].drop_duplicates().head(rules.max_evidence).tolist(),
        }


def _on(day: date, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["event_date"] == day).to_numpy(dtype=bool)]


def _burst_signal(kind: str, burst: Burst, rows: pd.DataFrame, rules: TrendRules) -> Signal:
    inside = (rows["subject"] == burst.subject) & (rows["moment"] >= burst.first) & (rows["moment"] < burst.end)
    return {
        "signal_id": f"{kind}:{burst.subject}:{burst.day}",
        "kind": kind,
        "subject": burst.subject,
        "direction": "up",
        "occurred_at": burst.first,
        "ends_at": burst.end,
        "began_at": burst.first,
        "value": burst.documents,
        "baseline": burst.expected,
        "z_score": float(normal_score(burst.p_value)),
        "p_value": burst.p_value,
        "baseline_kind": "preceding_days",
        "baseline_size": burst.days,
        "is_new": burst.first_seen == burst.day,
        "first_seen": pd.Timestamp(burst.first_seen, tz="UTC"),
        "evidence": rows["document_id"][inside.to_numpy(dtype=bool)].head(rules.max_evidence).tolist(),
    }


def trend_signals(
    days: Sequence[date],
    documents: pd.DataFrame,
    hourly: pd.DataFrame,
    entities: pd.DataFrame,
    topics: pd.DataFrame,
    market: pd.DataFrame,
    rules: TrendRules = RULES,
) -> pd.DataFrame:
    """What stood out on each day, with the documents behind it.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`.
        hourly: rows of `aggregated/sentiment_hourly` from `hourly.BEFORE_DAYS` before the first day.
        entities: rows of `aggregated/entity_daily`, likewise.
        topics: `topic`, `is_canonical`, `is_deleted`, `event_date` of `enriched/documents`, likewise.
        market: rows of `aggregated/market_daily` from `rules.return_days` before the first day.
        rules: limits.

    Returns:
        Rows of `aggregated/trend_signals`.
    """
    signals: list[Signal] = []
    rows = canonical(documents)
    about = rows[rows["topic"].notna().to_numpy(dtype=bool)]
    about = about.assign(subject=about["topic"])
    named = exploded(rows)
    named = named.assign(subject=named["entity_type"] + ":" + named["entity"])
    for day in days:
        hours = hours_of(day, hourly)
        told, of_topics, of_entities = (_on(day, one) for one in (rows, about, named))
        evidence = Evidence(told, rules.max_evidence)
        limits = (rules.rate, rules.min_documents, rules.min_factor)
        on_topics = topic_bursts(hours, of_topics, topics, *limits)
        on_entities = entity_bursts(hours, of_entities, entities, *limits)
        found = [
            *_spikes(hours, evidence, rules),
            *_outages(hours, rules),
            *_shifts(hours, evidence, rules),
            *(_burst_signal("topic_burst", burst, of_topics, rules) for burst in on_topics),
            *(_burst_signal("entity_burst", burst, of_entities, rules) for burst in on_entities),
            *_price_moves(market, of_entities, day, rules),
        ]
        signals += [{**one, "event_date": day} for one in found]
    return shaped(TREND_SIGNALS, TREND_SIGNALS.frame(signals))
