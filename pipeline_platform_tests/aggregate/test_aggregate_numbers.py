import math
from datetime import date

import pandas as pd
import pytest

from pipeline_platform.aggregate.sources import fetch_log

D = date(2026, 11, 22)


def record(frame: pd.DataFrame, **where: object) -> dict[str, object]:
    """The only row with these values, null as None."""
    for name, value in where.items():
        frame = frame[(frame[name] == value).fillna(False).to_numpy(dtype=bool)]
    (row,) = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return row


def test_market_day_of_candles_and_samples(aggregated, rows):
    value = {"volume_unit": "currency"}
    bars = rows(
        "deduplicated/market_bars",
        [
            {"at": "20T22:00", "close": 80.0},
            {"at": "20T23:00", "close": 100.0},
            {"at": "22T00:00", "interval": "4h", "open": 101.0, "high": 110.0, "low": 95.0, "close": 104.0},
            {"at": "22T00:00", "close": 102.0, **value, "volume": 5.0, "market_cap": 1000.0},
            {"at": "22T09:00", "close": 120.0, **value, "volume": 7.0, "market_cap": 1100.0},
            {"at": "22T20:00", "interval": "4h", "open": 104.0, "high": 112.0, "low": 103.0, "close": 110.0},
            {"at": "22T23:00", "close": 111.0, **value, "volume": 6.0},
            {"at": "22T00:00", "interval": "4d", "open": 1.0, "high": 9999.0, "low": 1.0, "close": 9999.0},
            {"at": "22T05:00", "currency": "EUR", "close": 90.0},
        ],
    )
    result = aggregated("aggregated/market_daily", [D], bars=bars)
    expected = {
        "source": "coingecko",
        "symbol": "bitcoin",
        "asset": "crypto:BTC",
        "asset_class": "crypto",
        "currency": "USD",
        "open": 101.0,
        "high": 120.0,
        "low": 95.0,
        "close": 110.0,
        "volume": 6.0,
        "volume_unit": "currency",
        "market_cap": 1100.0,
        "bars": 5,
        "previous_close": 100.0,
        "daily_return": pytest.approx(0.1),
        "event_date": D,
    }
    told = record(result, currency="USD")
    assert {name: told[name] for name in expected} == expected
    assert record(result, currency="EUR")["daily_return"] is None


@pytest.mark.parametrize(("before", "previous"), [("15T12:00", 50.0), ("14T12:00", None)])
def test_a_previous_close_is_at_most_a_week_old(aggregated, rows, before, previous):
    bars = rows("deduplicated/market_bars", [{"at": before, "close": 50.0}, {"at": "22T12:00", "close": 60.0}])
    assert record(aggregated("aggregated/market_daily", [D], bars=bars))["previous_close"] == previous


def test_equity_volume_is_that_of_the_longest_bars(aggregated, rows):
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    share = {"symbol": "AAPL", "asset_class": "equity", "volume_unit": "shares", **prices}
    bars = rows(
        "deduplicated/market_bars",
        [
            {**share, "at": "22T14:00", "interval": "1h", "volume": 30.0},
            {**share, "at": "22T15:00", "interval": "1h", "volume": 40.0},
            {**share, "at": "22T14:00", "interval": "5m", "volume": 3.0},
        ],
    )
    day = record(aggregated("aggregated/market_daily", [D], bars=bars))
    assert (day["volume"], day["volume_unit"]) == (70.0, "shares")


def test_the_volume_of_a_coin_told_by_candles_is_summed_and_unlike_units_are_not(aggregated, rows):
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    coins, money = {"volume_unit": "coins", **prices}, {"volume_unit": "currency", **prices}
    hours = [{**coins, "at": "22T14:00", "volume": 1.5}, {**coins, "at": "22T15:00", "volume": 2.0}]
    rolling = {"at": "22T16:00", "close": 10.0, "volume": 9e9, "volume_unit": "currency"}
    day = record(aggregated("aggregated/market_daily", [D], bars=rows("deduplicated/market_bars", [*hours, rolling])))
    assert (day["volume"], day["volume_unit"]) == (3.5, "coins")
    mixed = rows("deduplicated/market_bars", [*hours, {**money, "at": "22T17:00", "volume": 40.0}])
    day = record(aggregated("aggregated/market_daily", [D], bars=mixed))
    assert (day["volume"], day["volume_unit"]) == (40.0, "currency")


def test_weather_day(aggregated, rows):
    observations = rows(
        "deduplicated/weather_observations",
        [
            {"at": "22T00:10", "temperature_c": 2.0, "condition": "Rain", "rain_1h_mm": 1.0, "wind_speed_mps": 3.0},
            {"at": "22T00:40", "temperature_c": 4.0, "condition": "Clouds", "rain_1h_mm": 2.0, "humidity_pct": 50.0},
            {"at": "22T13:00", "temperature_c": 9.0, "condition": "Rain", "rain_1h_mm": 0.5, "humidity_pct": 60.0},
            {"at": "22T14:00", "temperature_c": 9.0, "condition": "Clouds"},
            {"at": "22T14:00", "temperature_c": 1.0, "location": "Nowhere", "country": None, "place": "nowhere"},
            {"at": "23T14:00", "temperature_c": 40.0},
        ],
    )
    result = aggregated("aggregated/weather_daily", [D], observations=observations)
    assert record(result, location="Berlin") == {
        "source": "openweather",
        "place": "berlin-de",
        "location": "Berlin",
        "country": "DE",
        "temperature_min_c": 2.0,
        "temperature_mean_c": 6.0,
        "temperature_max_c": 9.0,
        "humidity_mean_pct": 55.0,
        "wind_speed_max_mps": 3.0,
        "rain_mm": 2.0,
        "snow_mm": None,
        "condition": "Clouds",
        "observations": 4,
        "hours_observed": 3,
        "event_date": D,
    }
    assert record(result, location="Nowhere")["rain_mm"] is None


def test_developer_day(aggregated, rows, at):
    events = rows(
        "deduplicated/repo_events",
        [
            {"at": "22T01:00", "event_type": "commit"},
            {"at": "22T02:00", "event_type": "commit", "author_id": "p2"},
            {"at": "22T03:00", "event_type": "commit", "author_id": None},
            {"at": "22T04:00", "event_type": "pull_request", "closed_at": at("22T05:00")},
            {"at": "22T04:00", "event_type": "issue", "closed_at": at("23T00:00")},
            {"at": "22T04:00", "event_type": "star", "author_id": "p9"},
            *({"at": "22T04:00", "event_type": told, "author_id": "p8"} for told in ("notice", "push", "comment")),
            {"at": "20T04:00", "event_type": "issue", "closed_at": at("22T23:59")},
            {"at": "01T04:00", "event_type": "pull_request", "closed_at": at("22T23:59")},
            {"at": "22T04:00", "event_type": "release", "repository": "c/d"},
        ],
    )
    snapshots = rows(
        "deduplicated/repositories",
        [
            {"at": "20T08:00", "stars": 90, "forks": 0},
            {"at": "22T08:00", "stars": 100, "forks": 0},
            {"at": "22T20:00", "stars": 88, "forks": 0},
            {"at": "22T20:00", "stars": 5, "forks": 0, "repository": "e/f"},
        ],
    )
    result = aggregated("aggregated/developer_activity_daily", [D], snapshots=snapshots, events=events)
    assert result["repository"].tolist() == ["a/b", "c/d", "e/f"]
    assert record(result, repository="a/b") == {
        "source": "github",
        "repository": "a/b",
        "commits": 3,
        "pull_requests_opened": 1,
        "pull_requests_closed": 2,
        "issues_opened": 1,
        "issues_closed": 1,
        "releases": 0,
        "contributors": 2,
        "stars": 88,
        "stars_gained": -2,
        "stars_given": 1,
        "activity": 5,
        # 6 in the last week, 1 in the 15 days seen before it.
        "activity_momentum": pytest.approx(math.log2((6 / 7 + 1 / 7) / (1 / 15 + 1 / 7))),
        "star_velocity": None,
        "trending_rank": None,
        "trending_rank_change": None,
        "event_date": D,
    }
    other = record(result, repository="c/d")
    assert (other["releases"], other["contributors"], other["stars"], other["stars_gained"]) == (1, 1, None, None)
    assert (record(result, repository="e/f")["commits"], record(result, repository="e/f")["stars_gained"]) == (0, None)


def test_momentum_velocity_and_rank(aggregated, rows):
    def commits(day, count):
        return [{"at": f"{day:02}T12:00", "event_type": "commit"} for _ in range(count)]

    # 8 in the fortnight that is seen before the last week, 20 in the last week.
    events = rows("deduplicated/repo_events", [*commits(2, 4), *commits(10, 4), *commits(16, 13), *commits(22, 7)])
    snapshots = rows(
        "deduplicated/repositories",
        [{"at": "14T08:00", "stars": 60, "forks": 0}, {"at": "22T08:00", "stars": 100, "forks": 0}],
    )
    listed = [("20T00:00", "python", 9), ("21T00:00", "python", 7), ("22T00:00", "python", 3), ("22T00:00", "any", 5)]
    trending = rows(
        "deduplicated/trending",
        [{"at": at, "list_name": name, "rank": rank, "name": "A/b"} for at, name, rank in listed],
    )
    result = aggregated(
        "aggregated/developer_activity_daily", [D], snapshots=snapshots, events=events, trending=trending
    )
    told = record(result)
    assert told["activity"] == 7
    assert told["activity_momentum"] == pytest.approx(math.log2((20 / 7 + 1 / 7) / (8 / 14 + 1 / 7)))
    assert told["star_velocity"] == 5
    assert (told["trending_rank"], told["trending_rank_change"]) == (3, 4)


def test_a_repository_that_was_just_met_has_no_momentum(aggregated, rows):
    events = rows("deduplicated/repo_events", [{"at": f"{n}T12:00", "event_type": "commit"} for n in (11, 20, 22)])
    result = aggregated("aggregated/developer_activity_daily", [D], events=events)
    assert record(result)["activity_momentum"] is None


def test_issues_closed_after_more_than_thirty_days_are_not_looked_at(aggregated, rows, at):
    opened = {"event_type": "issue", "closed_at": at("22T12:00")}
    events = rows(
        "deduplicated/repo_events",
        [
            {**opened, "occurred_at": at("01T00:00"), "event_date": date(2026, 10, 23)},
            {**opened, "occurred_at": at("01T00:00"), "event_date": date(2026, 10, 22)},
        ],
    )
    result = aggregated("aggregated/developer_activity_daily", [D], events=events)
    assert record(result, event_date=D)["issues_closed"] == 1


def test_source_day(aggregated, rows, layer_counts, at):
    result = aggregated(
        "aggregated/source_daily",
        [D],
        raw=layer_counts(
            ("reddit_posts", D, 10, at("22T22:00"), at("23T06:00")),
            ("github_commits", D, 2, at("22T10:00"), at("22T10:30")),
            ("rss_articles", D, 1, at("22T10:00"), at("22T09:00")),
            ("rss_articles", date(2026, 11, 21), 1, at("21T10:00"), at("22T09:00")),
        ),
        cleaned=layer_counts(("reddit_posts", D, 6, None, None), ("github_commits", D, 2, None, None)),
        quarantine=layer_counts(("reddit_posts", D, 2, None, None)),
        copies=rows(
            "deduplicated/documents",
            [{"event_date": D}, {"event_date": D, "is_canonical": False}, {"event_date": D, "is_canonical": False}],
        ),
        fetches=fetch_log(
            [
                {
                    "source": "reddit",
                    "stream": "reddit_posts",
                    "event_date": D,
                    "fetches": 5,
                    "failed_fetches": 1,
                    "requests": 17,
                    "last_success_at": at("22T23:45"),
                    "last_error": "answered 503",
                }
            ]
        ),
        scores=rows(
            "quality/scores",
            [
                {"table": "cleaned/reddit_posts", "score": 0.75, "event_date": D},
                {"table": "raw/reddit_posts", "score": 1.0, "event_date": D},
                {"table": "cleaned/github_commits", "score": 0.5, "event_date": date(2026, 11, 21)},
            ],
        ),
    )
    assert record(result, stream="reddit_posts") == {
        "source": "reddit",
        "stream": "reddit_posts",
        "raw_records": 10,
        "cleaned_rows": 6,
        "quarantined_rows": 2,
        "duplicates": 2,
        "quarantined_share": 0.25,
        "newest_event": pd.Timestamp(at("22T22:00")),
        "newest_fetch": pd.Timestamp(at("23T06:00")),
        "freshness_lag_s": 2 * 3600.0,
        "fetches": 5,
        "failed_fetches": 1,
        "requests": 17,
        "last_success_at": pd.Timestamp(at("22T23:45")),
        "last_error": "answered 503",
        "quality_score": 0.75,
        "event_date": D,
    }
    assert record(result, stream="github_commits")["fetches"] == 0
    assert record(result, stream="github_commits")["freshness_lag_s"] == 1800.0
    late = record(result, stream="rss_articles")
    assert (late["freshness_lag_s"], late["cleaned_rows"], late["quarantined_share"]) == (0.0, 0, None)


def test_a_day_across_domains(aggregated, rows):
    hours = {"source": "*", "channel": "*", "event_date": D}
    weather = {"source": "openweather", "country": "DE", "temperature_min_c": 0.0, "temperature_max_c": 30.0}
    berlin = {**weather, "place": "berlin-de", "location": "Berlin"}
    crypto = {"source": "coingecko", "asset_class": "crypto", "event_date": D}
    repository = {"source": "github", "event_date": D}
    result = aggregated(
        "aggregated/cross_domain_daily",
        [D, date(2026, 11, 23)],
        sentiment=rows(
            "aggregated/sentiment_hourly",
            [
                {**hours, "documents": 5, "canonical_documents": 4, "scored_documents": 3, "mean_sentiment": 0.5},
                {**hours, "documents": 2, "canonical_documents": 1, "scored_documents": 1, "mean_sentiment": -0.5},
                {**hours, "documents": 1, "canonical_documents": 1, "scored_documents": 0, "mean_sentiment": None},
                {**hours, "source": "rss", "documents": 9, "canonical_documents": 9, "scored_documents": 9},
            ],
        ),
        market=rows(
            "aggregated/market_daily",
            [
                {**crypto, "symbol": "bitcoin", "currency": "USD", "daily_return": 0.1},
                {**crypto, "symbol": "bitcoin", "currency": "EUR", "daily_return": 0.3},
                {**crypto, "symbol": "ethereum", "currency": "USD", "daily_return": -0.1},
                {**crypto, "symbol": "solana", "currency": "USD", "daily_return": None},
                {**crypto, "symbol": "AAPL", "currency": "USD", "daily_return": 0.9, "asset_class": "equity"},
            ],
        ),
        weather=rows(
            "aggregated/weather_daily",
            [
                {**berlin, "temperature_mean_c": 50.0, "event_date": date(2026, 11, 7)},
                {**berlin, "temperature_mean_c": 4.0, "event_date": date(2026, 11, 8)},
                {**berlin, "temperature_mean_c": 6.0, "event_date": date(2026, 11, 21)},
                {**berlin, "temperature_mean_c": 8.0, "rain_mm": 4.0, "event_date": D},
                {**berlin, "source": "open_meteo", "temperature_mean_c": 6.0, "rain_mm": 2.0, "event_date": D},
                {**weather, "place": "aachen-de", "location": "Aachen", "temperature_mean_c": 11.0, "event_date": D},
                {**weather, "place": "bonn-de", "location": "Bonn", "temperature_mean_c": 10.0, "rain_mm": 0.0}
                | {"event_date": D},
            ],
        ),
        developer=rows(
            "aggregated/developer_activity_daily",
            [
                {**repository, "repository": "a/b", "commits": 3, "stars_gained": None},
                {**repository, "repository": "c/d", "commits": 4, "stars_gained": -2},
                {**repository, "repository": "c/d", "commits": 1, "event_date": date(2026, 11, 23)},
            ],
        ),
    )
    assert record(result, event_date=D) == {
        "documents": 8,
        "canonical_documents": 6,
        "mean_sentiment": 0.25,
        "crypto_assets": 2,
        "crypto_mean_return": pytest.approx(0.05),
        "places": 3,
        "mean_temperature_c": pytest.approx(28 / 3),
        "temperature_anomaly_c": 3.0,
        "mean_rain_mm": 1.5,
        "repositories": 2,
        "commits": 7,
        "stars_gained": -2,
        "event_date": D,
    }
    later = record(result, event_date=date(2026, 11, 23))
    assert (later["documents"], later["places"], later["commits"], later["stars_gained"]) == (None, None, 1, None)


def test_sources_side_by_side(aggregated, rows):
    share = {"asset": "equity:AAPL", "symbol": "AAPL", "asset_class": "equity", "currency": "USD", "event_date": D}
    prices = [
        {**share, "source": "yahoo", "close": 190.0},
        {**share, "source": "alpha_vantage", "close": 180.0},
        {**share, "source": "yahoo", "close": 175.0, "currency": "EUR"},
        {**share, "source": "yahoo", "close": 400.0, "asset": "equity:MSFT", "symbol": "MSFT"},
        {**share, "source": "alpha_vantage", "close": 401.0, "asset": "equity:MSFT", "symbol": "MSFT"},
    ]
    bounds = {"open": 1.0, "high": 500.0, "low": 1.0, "bars": 1}
    station = {"place": "berlin-de", "location": "Berlin", "event_date": D, "temperature_min_c": -9.0}
    weather = [
        {**station, "source": "openweather", "temperature_mean_c": 4.0, "temperature_max_c": 9.0},
        {**station, "source": "open_meteo", "temperature_mean_c": 5.5, "temperature_max_c": 9.0, "rain_mm": 2.0},
    ]
    result = aggregated(
        "aggregated/source_agreement",
        [D],
        market=rows("aggregated/market_daily", [{**row, **bounds} for row in prices]),
        weather=rows("aggregated/weather_daily", weather),
    )
    assert result[["subject", "measure", "is_conflict"]].to_numpy().tolist() == [
        ["berlin-de", "temperature_mean_c", False],
        ["equity:AAPL", "close", True],
        ["equity:MSFT", "close", False],
    ]
    told = record(result, subject="equity:AAPL")
    assert {**told, "sources": list(told["sources"])} == {
        "subject": "equity:AAPL",
        "measure": "close",
        "unit": "USD",
        "sources": ["alpha_vantage", "yahoo"],
        "lowest": 180.0,
        "lowest_source": "alpha_vantage",
        "highest": 190.0,
        "highest_source": "yahoo",
        "spread": 10.0,
        "tolerance": pytest.approx(3.8),
        "is_conflict": True,
        "event_date": D,
    }
