"""What every aggregate keeps to: empty frames, days, order of rows, ranges."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_platform.aggregate.registry import AGGREGATES
from pipeline_platform.schemas.aggregated import AGGREGATED

START = date(2026, 11, 1)
DAYS = [START + timedelta(days=n) for n in range(20)]
NAMES = [one.table for one in AGGREGATES]
COMPUTED = [one for one in AGGREGATES if not any(given.table.endswith("/*") for given in one.inputs.values())]
FIXED = hypothesis_settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))

hours = st.integers(0, 24 * 20 - 1)
unit = st.floats(-1, 1).map(lambda value: round(value, 4))
price = st.floats(0.01, 1e6)


def dated(row):
    when = datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(hours=row.pop("hour"))
    return {
        **row,
        "created_at": when,
        "opened_at": when,
        "observed_at": when,
        "occurred_at": when,
        "event_date": when.date(),
    }


def several(**columns):
    return st.lists(st.fixed_dictionaries({"hour": hours, **columns}).map(dated), max_size=60)


def closed(row):
    return {
        **row,
        "closed_at": row["occurred_at"] + timedelta(days=row.pop("days")) if row["days"] is not None else None,
    }


ROWS = {
    "enriched/documents": several(
        source=st.sampled_from(["reddit", "rss"]),
        channel=st.sampled_from(["a", "b", None]),
        is_canonical=st.booleans(),
        is_deleted=st.booleans(),
        sentiment=st.none() | unit,
        sentiment_label=st.sampled_from(["positive", "neutral", "negative", None]),
        score=st.none() | st.integers(-5, 50),
        replies=st.none() | st.integers(0, 5),
        entities=st.lists(
            st.sampled_from(["COIN:bitcoin", "TICKER:BTC", "TICKER:QQ", "ORG:x", "MENTION:y", "REPOSITORY:a/b"]),
            unique=True,
        ),
        place=st.sampled_from(["berlin-de", "paris-fr", "DE", None]),
        keywords=st.lists(st.sampled_from(["rate cut", "storm", "new release", "goal"]), unique=True),
        topic=st.sampled_from(["crypto", "weather", "sports", None]),
        emotion=st.sampled_from(["joy", "anger", None]),
    ),
    "enriched/topics": st.just(
        [dated({"hour": 24 * day, "topic_id": f"2026-11-01:{one}", "label": one}) for day in range(20) for one in "ab"]
    ),
    "enriched/document_topics": several(
        topic_id=st.sampled_from(["2026-11-01:a", "2026-11-01:b"]), weight=st.floats(0, 1)
    ),
    "deduplicated/market_bars": several(
        symbol=st.sampled_from(["bitcoin", "ethereum"]),
        interval=st.sampled_from(["5m", "1h", "4h", "1d", "4d"]),
        asset_class=st.just("crypto"),
        close=price,
        open=st.none() | price,
        volume=st.none() | price,
        volume_unit=st.sampled_from(["coins", "currency"]),
    ),
    "deduplicated/weather_observations": several(
        source=st.sampled_from(["openweather", "open_meteo"]),
        place=st.sampled_from(["berlin-de", "paris-fr"]),
        location=st.sampled_from(["Berlin", "Paris"]),
        country=st.sampled_from(["DE", None]),
        temperature_c=st.floats(-40, 40),
        humidity_pct=st.none() | st.floats(0, 100),
        rain_1h_mm=st.none() | st.floats(0, 50),
        condition=st.sampled_from(["Rain", "Clear", None]),
    ),
    "deduplicated/repositories": several(repository=st.sampled_from(["a/b", "c/d"]), stars=st.integers(0, 100)),
    "deduplicated/repo_events": several(
        repository=st.sampled_from(["a/b", "c/d"]),
        event_type=st.sampled_from(["commit", "pull_request", "issue", "star", "release"]),
        author_id=st.sampled_from(["p1", "p2", None]),
        days=st.none() | st.integers(0, 40),
    ).map(lambda rows: [closed(row) for row in rows]),
    "deduplicated/trending": several(name=st.sampled_from(["a/b", "C/d"]), rank=st.integers(1, 9)),
}
INPUTS = st.fixed_dictionaries(ROWS)


def window(frame: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    return frame[((frame["event_date"] >= first) & (frame["event_date"] <= last)).to_numpy(dtype=bool)]


def all_days(aggregated, frames):
    """`frames` with the aggregates over every day among them, as inputs of other aggregates."""
    known = dict(frames)
    for one in COMPUTED:
        full = {name: known[given.table] for name, given in one.inputs.items()}
        known[one.table] = aggregated(one.table, DAYS, **full)
    return known


def everything(aggregated, known, days):
    """Every aggregate over `days`, each from the part of its inputs that it declares."""
    return {
        one.table: aggregated(
            one.table,
            days,
            **{
                name: window(known[given.table], min(days) - timedelta(days=given.days_before), max(days))
                for name, given in one.inputs.items()
            },
        )
        for one in COMPUTED
    }


def busy(seed):
    """Twenty days of rows in which everything happens: bursts, great moves, closings, changing stars."""
    random = Random(seed)
    hour = partial(random.randrange, 24 * 20)
    burst = random.randrange(24 * 9, 24 * 20)
    move = random.randrange(12, 20)
    texts = [
        {
            "hour": burst if n < 20 else hour(),
            "source": "reddit",
            "channel": random.choice(["a", "b"]) if n >= 20 else "a",
            "is_canonical": n < 20 or random.random() < 0.8,
            "sentiment": random.uniform(-1, 1),
            "sentiment_label": random.choice(["positive", "negative"]),
            "score": random.randrange(50),
            "entities": ["COIN:bitcoin", "REPOSITORY:a/b"] if n < 20 or random.random() < 0.3 else [],
            "place": random.choice(["berlin-de", "paris-fr", None]),
            "keywords": random.sample(["rate cut", "storm", "new release", "goal"], 2),
            "emotion": random.choice(["joy", "anger", None]),
            "topic": "crypto" if n < 20 else random.choice(["crypto", "weather", "weather", None]),
        }
        for n in range(500)
    ]
    topics = [{"hour": 24 * day, "topic_id": "2026-11-01:a", "label": "a"} for day in range(20)]
    # Rows of one number have one id.
    assigned = [{"hour": one["hour"], "topic_id": "2026-11-01:a", "weight": 0.5} for one in texts]
    bars = [
        {"hour": 24 * day + 5, "close": (100 + random.random()) * (2 if day == move else 1), "volume": 1.0}
        for day in range(20)
    ]
    bars += [{"hour": 24 * day + 6, "close": 101.0 + day % 3, "source": "yahoo"} for day in range(20)]
    weather = [
        {"hour": hour(), "temperature_c": random.uniform(-5, 25), "rain_1h_mm": random.random()} for _ in range(90)
    ]
    stars = [{"hour": hour(), "stars": random.randrange(99)} for _ in range(15)]
    events = [
        {
            "hour": hour(),
            "event_type": random.choice(["commit", "issue", "pull_request"]),
            "author_id": random.choice("pqr"),
            "days": random.choice([None, 0, 1, 9]),
        }
        for _ in range(80)
    ]
    ranks = [{"hour": hour(), "rank": random.randrange(1, 9)} for _ in range(20)]
    given = dict(zip(ROWS, (texts, topics, assigned, bars, weather, stars, events, ranks), strict=True))
    made = {path: [dated(row) for row in some] for path, some in given.items()}
    made["deduplicated/repo_events"] = [closed(row) for row in made["deduplicated/repo_events"]]
    return made


def test_every_aggregated_table_has_its_aggregate():
    assert [table.path for table in AGGREGATED] == NAMES


@pytest.mark.parametrize("table", NAMES)
@pytest.mark.parametrize("days", [[], [date(2026, 11, 22)], [date(2026, 11, 22), date(2026, 11, 23)]])
def test_nothing_gives_no_rows_in_the_schema(aggregated, table, days):
    assert len(aggregated(table, days)) == 0


def shuffled(frames, random):
    return {path: frame.iloc[random.sample(range(len(frame)), len(frame))] for path, frame in frames.items()}


def assert_order_does_not_matter(aggregated, frames, days, random):
    results = everything(aggregated, all_days(aggregated, frames), days)
    for table, other in everything(aggregated, all_days(aggregated, shuffled(frames, random)), days).items():
        pd.testing.assert_frame_equal(results[table], other, check_exact=True)
        assert set(other["event_date"]) <= set(days)


def assert_a_range_is_its_days(aggregated, frames, days):
    known = all_days(aggregated, frames)
    apart = [everything(aggregated, known, [day]) for day in days]
    for table, together in everything(aggregated, known, days).items():
        for day, alone in zip(days, apart, strict=True):
            same_day = together[(together["event_date"] == day).to_numpy(dtype=bool)].reset_index(drop=True)
            pd.testing.assert_frame_equal(same_day, alone[table], check_exact=False, rtol=1e-9, atol=1e-9)


@FIXED
@given(INPUTS, st.integers(10, 17), st.integers(1, 3), st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_same_rows_of_the_days(aggregated, rows, inputs, first, length, random):
    frames = {path: rows(path, given) for path, given in inputs.items()}
    assert_order_does_not_matter(aggregated, frames, DAYS[first : first + length], random)


@FIXED
@given(INPUTS, st.integers(0, 17), st.integers(2, 3))
def test_any_range_gives_what_its_days_give_one_by_one(aggregated, rows, inputs, first, length):
    frames = {path: rows(path, given) for path, given in inputs.items()}
    assert_a_range_is_its_days(aggregated, frames, DAYS[first : first + length])


def test_busy_days_keep_the_laws_and_have_rows_in_every_table(aggregated, rows):
    frames = {path: rows(path, given) for path, given in busy(seed=1).items()}
    known = all_days(aggregated, frames)
    assert all(len(known[one.table]) for one in COMPUTED)
    assert {"volume_spike", "entity_burst", "price_move"} <= set(known["aggregated/trend_signals"]["kind"])
    assert_a_range_is_its_days(aggregated, frames, DAYS[12:])
    assert_order_does_not_matter(aggregated, frames, DAYS, Random(1))
