from datetime import date, timedelta

import pytest

D = date(2026, 11, 22)


def about(rows, kind, subject, counts):
    """A row per day up to `D`, the last count that of `D`; no row where it is None."""
    days = [D - timedelta(days=len(counts) - 1 - n) for n in range(len(counts))]
    told = {"kind": kind, "subject": subject, "scored_documents": 1, "mean_sentiment": 0.25, "sources": 1}
    return rows(
        "aggregated/subject_daily",
        [
            {**told, "documents": count, "canonical_documents": count, "reach": count, "event_date": day}
            for day, count in zip(days, counts, strict=True)
            if count is not None
        ],
    )


def listing(source, currency, day, **more):
    names = {"source": source, "asset": "crypto:BTC", "symbol": "bitcoin", "asset_class": "crypto"}
    return {**names, "currency": currency, "event_date": D - timedelta(days=day), "close": 10.0, **more}


def test_one_listing_is_taken_whole_with_its_own_return_of_the_day_before(aggregated, rows):
    market = rows(
        "aggregated/market_daily",
        [
            listing("binance", "USD", 0),
            listing("coingecko", "EUR", 0, daily_return=0.5),
            listing("yahoo", "USD", 0, daily_return=0.1, close=11.0),
            listing("yahoo", "USD", 1, daily_return=-0.2),
            listing("coingecko", "EUR", 1, daily_return=0.7),
        ],
    )
    result = aggregated(
        "aggregated/market_sentiment_daily", [D], subjects=about(rows, "asset", "crypto:BTC", [3]), market=market
    )
    (row,) = result.to_dict("records")
    assert (row["source"], row["currency"], row["close"]) == ("yahoo", "USD", 11.0)
    assert (row["daily_return"], row["previous_daily_return"]) == (0.1, -0.2)
    assert (row["documents"], row["mean_sentiment"]) == (3, 0.25)


def test_a_priced_asset_nobody_writes_about_has_none_only_if_something_was_read(aggregated, rows):
    market = rows("aggregated/market_daily", [listing("yahoo", "USD", 0), listing("yahoo", "USD", 1)])
    subjects = about(rows, "asset", "equity:AAPL", [2])
    result = aggregated(
        "aggregated/market_sentiment_daily", [D - timedelta(days=1), D], subjects=subjects, market=market
    )
    assert result["asset"].tolist() == ["crypto:BTC", "crypto:BTC", "equity:AAPL"]
    assert result["documents"].isna().tolist() == [True, False, False]
    assert result["documents"].tolist()[1:] == [0, 2]


def test_mentions_against_the_days_before(aggregated, rows):
    usual = [2, 4, 2, 4, 2, 4, 2, 4]
    told = aggregated("aggregated/market_sentiment_daily", [D], subjects=about(rows, "asset", "a", [*usual, 9]))
    # Eight days of mean 3; their variance of 8 / 7 is less than that of a Poisson count, which is 3.
    assert told["mentions_z"].tolist() == pytest.approx([6 / 3**0.5])
    few = aggregated("aggregated/market_sentiment_daily", [D], subjects=about(rows, "asset", "a", [*usual[:6], 9]))
    assert few["mentions_z"].isna().all()


def test_weather_of_the_source_with_most_hours_against_its_own_days(aggregated, rows):
    def weather(source, day, mean, rain, hours):
        extremes = {"temperature_min_c": mean, "temperature_mean_c": mean, "temperature_max_c": mean}
        named = {"source": source, "place": "berlin-de", "location": "Berlin", "observations": hours}
        return {**named, **extremes, "rain_mm": rain, "hours_observed": hours, "event_date": D - timedelta(days=day)}

    days = rows(
        "aggregated/weather_daily",
        [
            *(weather("b", *told, 20) for told in ((2, 4.0, 1.0), (1, 6.0, 3.0), (0, 9.0, 0.0))),
            *(weather("a", *told, 3) for told in ((1, 30.0, 9.0), (0, 31.0, 9.0))),
        ],
    )
    subjects = about(rows, "place", "berlin-de", [5])
    (row,) = aggregated("aggregated/weather_sentiment_daily", [D], subjects=subjects, weather=days).to_dict("records")
    assert (row["source"], row["documents"], row["temperature_mean_c"]) == ("b", 5, 9.0)
    assert (row["temperature_anomaly_c"], row["rain_anomaly_mm"]) == (pytest.approx(4.0), pytest.approx(-2.0))
