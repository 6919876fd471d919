"""Detectors of what is unusual: arrays of a history and a day in, strengths out. 1 is the strength that is told.

Shapes: `series` is the number of series judged at once, `days` that of the history, oldest first, the last of which is
the day before the judged one. A day without a measurement is NaN. A series with too little history gets NaN, and NaN
is never told.
"""

from dataclasses import dataclass

import numpy as np

from pipeline_platform.aggregate.surprise import NORMAL_MAD
from pipeline_platform.quality.drift import divergence_of

WEEK = 7
FREAKS = 2
"""Extreme days of the history that do not count: an outage last week must not excuse the one of today."""

VOLUME_DAYS = 14
VOLUME_Z = 6.0
NOISE_SHARE = 0.1
"""Volumes within 10 % of what is expected are usual, however steady the history."""

SHIFT_DAYS = 7
SHIFT_SLACK = 0.75
SHIFT_LIMIT = 10.0
SHIFT_CLIP = 4.0

SHARE_DAYS = 14
SHARE_ROWS = 20
SHARE_JUMP = 0.1
SHARE_Z = 6.0
SHARE_NOISE = 0.02

ONSET = 0.5
"""A share or a mix that was as odd the day before is told no more: at least half of what is odd must be new."""

DRIFT_ROWS = 50
DRIFT_BITS = 0.1

VARIED = 5
"""Distinct numbers a day from which a day with one is no chance."""

GAP_HOURS = 3
GAP_EVENTS = 15.0


@dataclass(frozen=True)
class Judged:
    """Strengths and what was expected, one per series, in the unit of the observation."""

    strength: np.ndarray
    expected: np.ndarray


def volume(history: np.ndarray, today: np.ndarray) -> Judged:
    """Counts against the same weekday and against the level of the last week; both must find them unusual.

    Counts are looked at on the scale 2 sqrt(x + 3/8), on which Poisson noise has a deviation of 1 (Anscombe 1948). The
    z-score is robust: median, and median absolute deviation, of what is left when the median of each weekday is taken
    away. The deviation is taken as at least that of Poisson noise, and as 10 % of the count.

    Args:
        history: counts, `(series, days)`, days a multiple of 7.
        today: counts, `(series,)`.
    """
    left, level, scale = _without_weekdays(history)
    now = _steady(today) - level[:, 0]  # the first day of a window of whole weeks has the weekday of today
    recent = _median(left[:, -WEEK:])
    by_weekday, by_level = now / scale, (now - recent) / scale
    agree = np.sign(by_weekday) == np.sign(by_level)
    strength = np.where(agree, np.minimum(np.abs(by_weekday), np.abs(by_level)), 0.0) / VOLUME_Z
    strength = np.where(_beyond(left, now), strength, 0.0)
    judged = (np.isfinite(history).sum(axis=1) >= VOLUME_DAYS) & (np.isfinite(history[:, ::WEEK]).sum(axis=1) > 1)
    return Judged(np.where(judged, strength, np.nan), _counts(level[:, 0]))


def shift(history: np.ndarray, today: np.ndarray) -> Judged:
    """A lasting change of level that no single day tells: two-sided CUSUM (Page 1954) over the last 7 days.

    Days are z-scores against the days before those 7, less the weekday, cut at 4 so that one wild day is no shift;
    slack 0.75, limit 10. Told on the day on which the sum first passes the limit.
    """
    left, level, scale = _without_weekdays(history[:, :-WEEK])
    phase = np.arange(-SHIFT_DAYS, 0) % WEEK
    week = _steady(history[:, -SHIFT_DAYS:]) - level[:, phase]
    path = np.column_stack([week, _steady(today) - level[:, 0]]) / scale[:, None]
    path = np.clip(np.nan_to_num(path), -SHIFT_CLIP, SHIFT_CLIP)
    sums = np.zeros((2, len(path)))
    before = sums
    for z in path.T:
        before = sums
        sums = np.maximum(0, sums + np.stack([z, -z]) - SHIFT_SLACK)
    crossed = (sums > SHIFT_LIMIT) & (before <= SHIFT_LIMIT)
    strength = np.where(crossed, sums, 0.0).max(axis=0) / SHIFT_LIMIT
    judged = (np.isfinite(left).sum(axis=1) >= VOLUME_DAYS) & np.isfinite(today)
    return Judged(np.where(judged, strength, np.nan), _counts(level[:, 0]))


def share_jump(history: np.ndarray, rows: np.ndarray, today: np.ndarray, rows_today: np.ndarray) -> Judged:
    """Shares (of nulls, of duplicates) that rise by at least 10 points and 6 robust deviations, from a day to the next.

    Held against the median of the history, and of the weekday where that is higher. The deviation is taken as at least
    that of as many draws as the day has rows, and as 2 points. Where the day before was as high nothing is told: it has
    been told, or the column fills as its rows grow older.

    Args:
        history: shares, `(series, days)`, days a multiple of 7.
        rows: rows behind them; days of fewer than 20 say nothing.
        today: shares of the day, `(series,)`.
        rows_today: rows behind those.
    """
    told = np.where(rows >= SHARE_ROWS, history, np.nan)
    center = _median(told)
    usual = np.fmax(center, _median(told[:, ::WEEK]))
    spread = NORMAL_MAD * _median(np.abs(told - center[:, None]))
    drawn = np.sqrt(usual * (1 - usual) / np.maximum(rows_today, 1))
    rise = today - usual
    strength = np.minimum(rise / SHARE_JUMP, rise / np.fmax(spread, np.fmax(drawn, SHARE_NOISE)) / SHARE_Z)
    is_new = ~(today - told[:, -1] < ONSET * rise)
    strength = np.where(_beyond(told, today) & is_new, strength, 0.0)
    judged = (np.isfinite(told).sum(axis=1) >= SHARE_DAYS) & (rows_today >= SHARE_ROWS)
    return Judged(np.where(judged, strength, np.nan), usual)


def drift(history: np.ndarray, ages: np.ndarray, today: np.ndarray, rows_today: float) -> float:
    """How far the shares of categories lie from their mean over the history: Jensen-Shannon divergence, base 2.

    The mean over the days of the weekday counts where it is nearer, and so does the day before, doubly: what was as odd
    then is told no more. Told from 0.1 bit, plus what chance gives as many draws (Miller 1955), and from twice as far
    as the third most unlike day of the history.

    Args:
        history: shares, `(days, categories)`.
        ages: how many days before the judged one each of them is, `(days,)`.
        today: shares, `(categories,)`.
        rows_today: draws behind `today`.
    """
    if len(history) < SHARE_DAYS or rows_today < DRIFT_ROWS:
        return np.nan
    mean = history.mean(axis=0)
    chance = (len(today) - 1) / (2 * np.log(2) * rows_today)
    apart = divergence_of(today, mean)
    same_weekday = ages % WEEK == 0
    if same_weekday.any():
        apart = min(apart, divergence_of(today, history[same_weekday].mean(axis=0)))
    if (ages == 1).any():
        apart = min(apart, divergence_of(today, history[ages == 1][0]) / ONSET)
    usual = np.sort([divergence_of(day, mean) for day in history])[-1 - FREAKS]
    return float(min(apart / (DRIFT_BITS + chance), apart / (2 * usual) if usual > 0 else np.inf))


def gap(history: np.ndarray, today: np.ndarray) -> tuple[Judged, np.ndarray]:
    """The longest run of hours without events in which events are usual.

    Told from 3 hours in which at least 15 events were to be expected (the median of the hour in the history), if no
    more than two days of the history had one as long.

    Args:
        history: events per hour, `(series, days, 24)`.
        today: events per hour, `(series, 24)`.

    Returns:
        Strengths with 0 expected hours, and the hours missed, `(series,)`.
    """
    usual = np.nan_to_num(_median(history, axis=1))
    length, missed = _longest_gap(today, usual)
    before = np.stack([_longest_gap(history[:, day], usual)[0] for day in range(history.shape[1])], axis=1)
    longest = np.sort(before, axis=1)[:, -1 - FREAKS]
    strength = np.minimum(length / GAP_HOURS, missed / GAP_EVENTS)
    strength = np.where(length > longest, strength, 0.0)
    judged = np.isfinite(history).all(axis=2).sum(axis=1) >= VOLUME_DAYS
    return Judged(np.where(judged, strength, np.nan), np.zeros(len(today))), length


def _longest_gap(day: np.ndarray, usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Length of the run of empty hours that misses most events, and how many those are, `(series,)` each."""
    best_length, best_missed = np.zeros(len(day)), np.zeros(len(day))
    length, missed = np.zeros(len(day)), np.zeros(len(day))
    for hour in range(day.shape[1]):
        empty = (day[:, hour] == 0) & (usual[:, hour] > 0)
        length, missed = np.where(empty, length + 1, 0), np.where(empty, missed + usual[:, hour], 0)
        better = missed > best_missed
        best_length, best_missed = np.where(better, length, best_length), np.where(better, missed, best_missed)
    return best_length, best_missed


def frozen(history: np.ndarray, distinct: np.ndarray, today: np.ndarray) -> np.ndarray:
    """Numbers that do not move though they used to; strengths of 1 or more.

    Either a day has one value only, where nine days of ten had several and half of them five; told at twice the
    strength when the day before had one only too. Or range and mean are to the bit what they were on the two days
    before, where nine pairs of days of ten differed.

    Args:
        history: minimum, maximum and mean, `(series, days, 3)`.
        distinct: distinct values of those days, `(series, days)`.
        today: minimum, maximum and mean, `(series, 3)`.
    """
    known = np.isfinite(history).all(axis=2)
    flat = known & (history[..., 0] == history[..., 1])
    was_moving = (known & ~flat).sum(axis=1) >= np.maximum(SHARE_DAYS, 0.9 * known.sum(axis=1))
    varied = _median(np.where(known, distinct, np.nan)) >= VARIED
    is_flat = (today[:, 0] == today[:, 1]) & was_moving & varied
    both = known[:, 1:] & known[:, :-1]
    same = both & (history[:, 1:] == history[:, :-1]).all(axis=2)
    changed = (both & ~same).sum(axis=1) >= np.maximum(SHARE_DAYS - 1, 0.9 * both.sum(axis=1))
    stands = (today == history[:, -1]).all(axis=1) & same[:, -1] & changed & (today[:, 0] != today[:, 1])
    strength = np.where(is_flat, 1.0 + flat[:, -1], np.where(stands, 1.0, 0.0))
    return np.where(np.isfinite(today).all(axis=1), strength, np.nan)


def _steady(counts: np.ndarray) -> np.ndarray:
    return 2 * np.sqrt(counts + 3 / 8)


def _counts(steady: np.ndarray) -> np.ndarray:
    return np.maximum(0, (steady / 2) ** 2 - 3 / 8)


def _without_weekdays(history: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steadied counts less the median of their weekday; those medians, `(series, 7)`; and the robust deviation."""
    series, days = history.shape
    weeks = _steady(history).reshape(series, days // WEEK, WEEK)
    level = _median(weeks, axis=1)
    known = np.isfinite(weeks).sum(axis=1, keepdims=True)
    # Of a single day nothing is left; of few, less than there was.
    left = np.where(known > 1, weeks - level[:, None, :], np.nan)
    widened = np.abs(left) * np.sqrt(known / np.maximum(known - 1, 1))
    spread = NORMAL_MAD * _median(widened.reshape(series, days))
    # A tenth of a count x is a tenth of sqrt(x) on this scale.
    tenth = NOISE_SHARE * _median(level) / 2
    return left.reshape(series, days), level, np.fmax(np.fmax(spread, tenth), 1.0)


def _beyond(history: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Whether `now` lies outside the range of the history without its most extreme days."""
    ordered = np.sort(history, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(len(ordered))
    low = ordered[rows, np.minimum(FREAKS, history.shape[1] - 1)]
    high = ordered[rows, np.maximum(known - 1 - FREAKS, 0)]
    return (now < low) | (now > high)


def _median(values: np.ndarray, axis: int = 1) -> np.ndarray:
    """Median without NaN, NaN where there is nothing."""
    ordered = np.sort(values, axis=axis)
    known = np.isfinite(ordered).sum(axis=axis, keepdims=True)
    places = [np.maximum((known - 1) // 2, 0), np.maximum(known // 2, 0)]
    last = values.shape[axis] - 1
    low, high = (np.take_along_axis(ordered, np.minimum(place, last), axis=axis) for place in places)
    return ((low + high) / 2).squeeze(axis)
