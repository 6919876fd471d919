"""Signals and trends as an analyst meets them: what is told, with which numbers, and what is left untold."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pandas as pd
import pytest

from benchmarks import trends as planted
from pipeline_platform.aggregate.surprise import believed, dispersion, excess_probability, qn, silence_probability

D = date(2026, 11, 22)
START = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def told(aggregated, rows):
    """Signals of D from documents `(days before D, hour, row)` and other inputs, through the tables they come from."""

    def compute(*documents, market=()):
        numbers = count()
        filled = []
        for back, hour, row in documents:
            when = START - timedelta(days=back) + timedelta(hours=hour, minutes=next(numbers) % 60)
            filled.append({"channel": "python", "created_at": when, "event_date": when.date(), **row})
        frame = rows("enriched/documents", filled)
        days = sorted(set(frame["event_date"]))
        return aggregated(
            "aggregated/trend_signals",
            [D],
            documents=frame[(frame["event_date"] == D).to_numpy(dtype=bool)],
            hourly=aggregated("aggregated/sentiment_hourly", days, documents=frame),
            entities=aggregated("aggregated/entity_daily", days, documents=frame),
            topics=frame,
            market=rows("aggregated/market_daily", market),
        )

    return compute


def steady(per_hour=1, *, days=range(7, -1, -1), hours=range(24), **row):
    """So many documents in each of the hours of the days before D (0 is D itself)."""
    return [(back, hour, row) for back in days for hour in hours for _ in range(per_hour)]


def only(signals, kind, subject="reddit/python"):
    chosen = signals[(signals["kind"] == kind) & (signals["subject"] == subject)]
    (signal,) = chosen.astype(object).where(chosen.notna(), None).to_dict("records")
    return signal


def test_a_spike_is_told_with_its_baseline_and_its_widest_documents(told):
    burst = [(0, 6, {"score": n, "document_id": f"burst{n}"}) for n in range(18)]
    ignored = [(0, 6, {"score": 99, "is_canonical": False}), (0, 6, {"score": 99, "is_deleted": True})]
    signal = only(told(*steady(2), *burst, *ignored), "volume_spike")
    # Hours 5, 6 and 7 of the seven days before: 21 hours of 2 documents, so that the root of 2 is the spread.
    assert (signal["value"], signal["baseline"], signal["baseline_size"]) == (20.0, 2.0, 21)
    assert (signal["baseline_kind"], signal["direction"]) == ("hour_of_day", "up")
    assert signal["signal_id"] == "volume_spike:reddit/python:2026-11-22T06"
    assert signal["z_score"] == pytest.approx((20 - 2) / 2**0.5)
    # 20 of 62 documents, and one more in the past, in one of 22 hours.
    assert signal["p_value"] == pytest.approx(float(excess_probability(20, 42, 1 / 22, 1)))
    assert signal["p_value"] < 1e-9
    assert list(signal["evidence"]) == ["burst17", "burst16", "burst15", "burst14", "burst13"]


def test_an_hour_that_is_busy_every_day_is_no_spike(told):
    busy = steady(1) + steady(20, hours=[9])
    assert "volume_spike" not in set(told(*busy)["kind"])
    assert only(told(*busy, *steady(20, days=[0], hours=[15])), "volume_spike")["occurred_at"].hour == 15


def test_a_weekday_is_held_against_its_own_kind(told):
    # D is a Sunday. On working days ten times as much is said: for a Sunday, five times the usual is a spike.
    weekdays = [back for back in range(1, 29) if (D - timedelta(days=back)).weekday() != D.weekday()]
    sundays = [back for back in range(29) if back not in weekdays]
    said = steady(10, days=weekdays, hours=range(8, 12)) + steady(1, days=sundays, hours=range(8, 12))
    signal = only(told(*said, *steady(9, days=[0], hours=[10])), "volume_spike")
    assert (signal["value"], signal["baseline"], signal["baseline_kind"]) == (10.0, 1.0, "hour_of_week")


@pytest.mark.parametrize(("hours", "signals"), [(23, 0), (24, 1)])
def test_a_baseline_needs_a_day(told, hours, signals):
    found = told(*steady(1, days=[1], hours=range(24 - hours, 24)), *steady(14, days=[0], hours=[0]), (0, 23, {}))
    assert len(found[(found["kind"] == "volume_spike") & (found["subject"] == "reddit/python")]) == signals


def test_a_channel_that_falls_silent_is_told_until_it_speaks_again(told):
    others = steady(1, channel="rust")
    silent = steady(2, days=range(7, 0, -1)) + steady(2, days=[0], hours=[*range(4), *range(20, 24)])
    signal = only(told(*others, *silent), "outage")
    assert signal["signal_id"] == "outage:reddit/python:2026-11-22T04"
    assert (signal["occurred_at"].hour, signal["ends_at"].hour, signal["began_at"]) == (4, 20, signal["occurred_at"])
    assert (signal["value"], signal["baseline"], signal["direction"]) == (0.0, 32.0, "down")
    assert signal["p_value"] == pytest.approx(float(silence_probability(2 * 172, 16 / 188, 1)))
    assert list(signal["evidence"]) == []


def test_a_silence_goes_on_over_midnight(told):
    others = steady(1, channel="rust")
    signal = only(told(*others, *steady(2, days=range(7, 1, -1)), *steady(2, days=[1], hours=range(20))), "outage")
    assert signal["began_at"] == pd.Timestamp(START - timedelta(hours=4))
    assert signal["occurred_at"] == pd.Timestamp(START)
    assert signal["ends_at"] == pd.Timestamp(START + timedelta(days=1))


def test_who_is_silent_every_night_is_not_out(told):
    assert "outage" not in set(told(*steady(1, channel="rust"), *steady(3, hours=range(8, 20)))["kind"])


def test_the_present_hour_is_not_taken_for_a_whole_one(told):
    # It is half past ten: nothing is known of the hours after it, and its own documents are not all there yet.
    so_far = steady(2, days=range(7, 0, -1)) + steady(2, days=[0], hours=range(10)) + steady(40, days=[0], hours=[10])
    assert len(told(*so_far)) == 0


def test_a_shift_of_sentiment_is_told_with_documents_of_that_mood(told):
    rng = np.random.default_rng(1)

    def moods(days, middle):
        return [
            (back, hour, {"sentiment": float(np.clip(middle + rng.normal(0, 0.3), -1, 1)), "score": hour})
            for back in days
            for hour in range(24)
        ]

    signal = only(told(*moods(range(7, 0, -1), 0.2), *moods([0], -0.4)), "sentiment_shift")
    assert signal["direction"] == "down"
    assert signal["value"] == pytest.approx(-0.4, abs=0.1)
    assert signal["baseline"] == pytest.approx(0.2, abs=0.1)
    assert signal["z_score"] < -4
    assert len(signal["evidence"]) == 5
    assert "sentiment_shift" not in set(told(*moods(range(7, -1, -1), 0.2))["kind"])


def test_bursts_of_topics_and_entities_with_novelty(told):
    past = steady(4, topic="weather", entities=["ORG:old"]) + steady(16, topic="crypto")
    new = [(0, 6, {"topic": "weather", "entities": ["HASHTAG:launch", "ORG:old", "MENTION:x"]}) for _ in range(60)]
    found = told(*past, *new)
    launch = only(found, "entity_burst", "HASHTAG:launch")
    assert (launch["value"], launch["baseline"], launch["is_new"]) == (60.0, 0.0, True)
    assert launch["first_seen"] == pd.Timestamp(START)
    assert (launch["occurred_at"].hour, launch["ends_at"].hour) == (6, 7)
    old = only(found, "entity_burst", "ORG:old")
    # A fifth of what was said named it, and 80 documents came in that hour.
    assert (old["value"], old["baseline"], old["is_new"]) == (64.0, 16.0, False)
    assert old["first_seen"] == pd.Timestamp(START - timedelta(days=7))
    assert only(found, "topic_burst", "weather")["value"] == 64.0
    assert set(found.loc[found["kind"].isin(["topic_burst", "entity_burst"]), "subject"]) == {
        "HASHTAG:launch",
        "ORG:old",
        "weather",
    }


def test_an_earlier_burst_of_a_topic_does_not_hide_the_next(told):
    past = steady(1, days=range(21, -1, -1), topic="weather") + steady(8, days=range(21, -1, -1), topic="crypto")
    themes = [(back, hour, {"topic": "weather"}) for back in (12, 5) for hour in range(24) for _ in range(3)]
    new = [(0, hour, {"topic": "weather"}) for hour in range(24) for _ in range(3)]
    assert only(told(*past, *themes, *new), "topic_burst", "weather")["value"] == 96.0


def test_more_of_everything_is_no_burst(told):
    usual = {"topic": "weather", "entities": ["ORG:old"]}
    found = told(*steady(4, **usual), *steady(40, days=[0], hours=[6], **usual))
    assert set(found["kind"]) == {"volume_spike"}


def market_row(day, daily_return):
    asset = {"source": "coingecko", "symbol": "bitcoin", "currency": "USD"}
    return {**asset, "daily_return": daily_return, "event_date": day}


@pytest.mark.parametrize(("known", "signals"), [(10, 1), (9, 0)])
def test_a_great_move_is_told_with_the_documents_of_the_day(told, known, signals):
    # Returns alternate between 0.01 and 0.03: median 0.02, MAD 0.01.
    market = [market_row(D - timedelta(days=n), 0.01 if n % 2 else 0.03) for n in range(1, known + 1)]
    documents = [
        (0, 10, {"entities": ["COIN:bitcoin"], "document_id": "low", "score": 1}),
        (0, 10, {"entities": ["COIN:bitcoin", "TICKER:BITCOIN"], "document_id": "high", "score": 2}),
        (1, 10, {"entities": ["COIN:bitcoin"], "document_id": "earlier"}),
    ]
    result = told(*documents, market=[*market, market_row(D, -0.08)])
    assert len(result) == signals
    if signals:
        signal = only(result, "price_move", "coingecko:bitcoin:USD")
        assert signal["baseline"] == pytest.approx(0.02)
        assert signal["z_score"] == pytest.approx(-0.1 / 0.014826)
        assert signal["direction"] == "down"
        assert list(signal["evidence"]) == ["high", "low"]


def test_trends_of_an_hour(aggregated, rows):
    documents = [
        {"at": f"{day}T{hour:02}:30", "channel": "python", "sentiment": 0.5 if day == 22 else -0.5}
        for day in (20, 22)
        for hour in range(24)
    ]
    frame = rows("enriched/documents", documents)
    hourly = aggregated("aggregated/sentiment_hourly", [date(2026, 11, 20), D], documents=frame)
    result = aggregated("aggregated/volume_trends", [D], hourly=hourly)
    assert len(result) == 3 * 24
    last = result[(result["channel"] == "python").to_numpy(dtype=bool)].iloc[-1]
    # Known are 72 hours: 24 with one document, 24 without, 24 with one.
    assert (last["mean_24h"], last["canonical_documents"]) == (1.0, 1)
    assert last["mean_7d"] == pytest.approx(48 / 72)
    fading = 0.5 ** (np.arange(72)[::-1] / 12)
    assert last["smoothed"] == pytest.approx((fading[:24].sum() + fading[48:].sum()) / fading.sum())
    assert last["mean_sentiment_24h"] == pytest.approx(0.5)
    assert -0.5 < last["smoothed_sentiment"] < 0.5
    assert (last["baseline"], last["baseline_size"], last["usual"]) == ("preceding_hours", 71, 1.0)


def test_a_thousand_quiet_channels_raise_no_more_alarms_than_promised(aggregated, rows):
    """28 days of Poisson counts with a daily season; half the channels vary twice as much as that."""
    rng = np.random.default_rng(5)
    channels, hours = 250, 29 * 24
    level = 10 ** rng.uniform(-1, 1.3, channels)[:, None] * (1 + 0.6 * np.sin(np.arange(hours) * 2 * np.pi / 24))
    level[::2] *= rng.gamma(level[::2], 1 / level[::2])
    counts = rng.poisson(level)
    channel, hour = np.nonzero(counts)
    names = np.array([f"c{number:03}" for number in range(channels)])
    moments = pd.Timestamp(START - timedelta(days=28)) + pd.to_timedelta(hour, unit="h")
    template = rows("aggregated/sentiment_hourly", [{}])
    given = {"hour": moments, "source": "reddit", "channel": names[channel], "event_date": moments.date}
    numbers = {"canonical_documents": counts[channel, hour], "scored_documents": 0}
    frame = pd.DataFrame({**given, **numbers}, index=range(len(hour)))
    frame = frame.reindex(columns=template.columns).astype(template.dtypes.to_dict())
    found = aggregated("aggregated/trend_signals", [D], hourly=frame)
    # 6,000 hours and 250 channels are tested: a limit of 3.5 on the z-score alone would tell of some.
    assert len(found) <= 1


def test_shifts_of_small_channels_are_found_among_many_that_only_vary(aggregated, rows):
    """Forty documents on each of 29 days; those of half the channels vary by as much again as documents explain."""
    rng = np.random.default_rng(7)
    channels, shape = 250, (250, 29, 4)
    of_days = rng.normal(0, 0.5 / 40**0.5, shape[:2]) * (np.arange(channels) % 2)[:, None]
    of_days[:20, -1] += 0.6
    means = np.clip(0.1 + of_days[:, :, None] + rng.normal(0, 0.5 / 10**0.5, shape), -1, 1)
    channel, day, hour = (axis.ravel() for axis in np.indices(shape))
    names = np.array([f"c{number:03}" for number in range(channels)])
    moments = pd.Timestamp(START - timedelta(days=28)) + pd.to_timedelta(24 * day + 6 * hour, unit="h")
    template = rows("aggregated/sentiment_hourly", [{}])
    given = {"hour": moments, "source": "reddit", "channel": names[channel], "event_date": moments.date}
    numbers = {"canonical_documents": 10, "scored_documents": 10, "mean_sentiment": means.ravel()}
    frame = pd.DataFrame({**given, **numbers}, index=range(means.size))
    frame = frame.reindex(columns=template.columns).astype(template.dtypes.to_dict())
    found = aggregated("aggregated/trend_signals", [D], hourly=frame)
    shifted = set(found.loc[(found["kind"] == "sentiment_shift").to_numpy(dtype=bool), "subject"])
    planted_shifts = {f"reddit/{name}" for name in names[:20]}
    assert len(shifted & planted_shifts) >= 17
    assert len(shifted - planted_shifts) <= 1


def test_what_the_sandbox_plants_is_found_and_nothing_else():
    found = planted.tally(1, 5, before=12)
    assert found.planted["volume_spike"] == 5
    assert found.recalled["volume_spike"] >= 4
    assert sum(found.true.values()) >= 0.9 * sum(found.found.values())


def test_believing_the_best_of_many():
    assert believed(np.array([0.001, 0.5, np.nan, 0.012, 0.03]), 0.05).tolist() == [True, False, False, True, True]
    assert not believed(np.array([0.001]), 0.01, tests=100).any()
    assert believed(np.array([]), 0.05).tolist() == []


@pytest.mark.parametrize("known", [5, 8, 28])
def test_a_spread_bears_with_what_is_missing_and_what_is_wild(known):
    values = np.random.default_rng(1).normal(3, 2, (4000, 28))
    values[:, known:] = np.nan
    told = qn(values)
    assert np.mean(told) == pytest.approx(2, rel=0.08)
    assert qn(values[:, ::-1]) == pytest.approx(told)
    values[:, 0] = 1e6
    assert np.median(qn(values)) < 2 * np.median(told)
    assert np.isnan(qn(np.array([[np.nan, np.nan], [1.0, np.nan]]))).all()
    assert qn(np.ones((1, 6))) == [0.0]


def test_probabilities_of_counts():
    # No past at all: one event is added to it, so that x events have the probability share to the x.
    assert excess_probability(3, 0, 0.1, 1) == pytest.approx(0.001)
    assert excess_probability(0, 10, 0.1, 1) == 1
    # Twice as much variation, less surprise.
    assert excess_probability(20, 100, 0.05, 2) > 10 * excess_probability(20, 100, 0.05, 1)
    assert silence_probability(90, 0.1, 1) == pytest.approx(0.9**90)
    counts = np.random.default_rng(1).negative_binomial(5, 0.5, (3, 4000)).astype(float)
    assert dispersion(counts, np.full(counts.shape, 5.0)) == pytest.approx([2, 2, 2], abs=0.2)
