"""Forecasts as a reader of the table meets them: horizons, intervals, errors, gaps, and series that tell too little."""

import logging
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline_platform.aggregate import prophet
from pipeline_platform.aggregate.forecasting import Plan, forecast_series
from pipeline_platform.aggregate.forecasts import DAILY_CLOSE, DAILY_VOLUME, HOURLY_VOLUME
from pipeline_platform.aggregate.registry import AGGREGATES

D = date(2026, 11, 22)
TABLE = "aggregated/forecasts"


def days_before(count):
    return [D - timedelta(days=back) for back in range(count - 1, -1, -1)]


def at_midnight(day, hour=0):
    return pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=hour)


@pytest.fixture
def hourly(rows):
    """Rows of `sentiment_hourly` for all channels of one source, from documents per day and hour of the day."""

    def make(counts, source="reddit", sentiment=0.1):
        return rows(
            "aggregated/sentiment_hourly",
            [
                {
                    "hour": at_midnight(day, hour),
                    "source": source,
                    "channel": "*",
                    "canonical_documents": said,
                    "scored_documents": said,
                    "mean_sentiment": sentiment,
                    "event_date": day,
                }
                for day, of_day in counts
                for hour, said in enumerate(of_day)
                if said
            ],
        )

    return make


@pytest.fixture
def market(rows):
    def make(closes, symbol="AAPL"):
        asset = {"source": "yahoo", "symbol": symbol, "currency": "USD"}
        return rows("aggregated/market_daily", [{**asset, "event_date": day, "close": value} for day, value in closes])

    return make


def series(result, measure, step="1d"):
    return result[((result["measure"] == measure) & (result["step"] == step)).to_numpy(dtype=bool)]


def test_hourly_volume_is_forecast_for_the_next_day_with_its_season(aggregated, hourly):
    rng = np.random.default_rng(1)
    usual = 30 + 20 * np.sin(np.arange(24) * 2 * np.pi / 24)
    result = aggregated(TABLE, [D], hours=hourly([(day, rng.poisson(usual)) for day in days_before(28)]))
    told = series(result, "canonical_documents", "1h")
    assert told["horizon"].tolist() == list(range(1, 25))
    assert told["valid_at"].tolist() == [at_midnight(D, 24 + hour) for hour in range(24)]
    assert set(told["issued_at"]) == {at_midnight(D, 24)}
    first = told.iloc[0]
    assert first["forecast_id"] == "canonical_documents:reddit:1h:2026-11-22:01"
    assert (first["unit"], first["history"], first["event_date"]) == ("documents", 28 * 24, D)
    assert np.abs(told["forecast"].to_numpy() - usual).mean() < 5
    # A day of Poisson counts is noise: a model that averages over days beats the same hour of the day before.
    assert not first["is_naive"]
    assert first["mase"] < first["naive_mase"]
    assert first["coverage_95"] >= 0.85
    assert first["tested_forecasts"] == 8 * 24


def test_the_naive_forecast_is_used_and_told_where_nothing_beats_it(aggregated, market):
    steps = np.random.default_rng(4).choice([-0.02, 0.02], 56)
    closes = list(zip(days_before(56), 100 * np.exp(np.cumsum(steps)), strict=True))
    told = series(aggregated(TABLE, [D], market=market(closes)), "close")
    first = told.iloc[0]
    assert (first["model"], first["naive_model"], first["is_naive"]) == ("naive", "naive", True)
    assert first["mase"] == first["naive_mase"]
    assert told["forecast"].tolist() == pytest.approx([closes[-1][1]] * 5)
    # The spread of the returns so far, and the root of the days ahead.
    spread = np.sqrt(np.mean(np.diff(np.log([close for _, close in closes])) ** 2))
    upper = closes[-1][1] * np.exp(1.96 * spread * np.sqrt(np.arange(1, 6)))
    assert told["upper_95"].to_numpy(dtype=float) == pytest.approx(upper, rel=1e-4)


def test_weekends_of_exchanges_are_no_periods(aggregated, market):
    trading = [day for day in days_before(40) if day.weekday() < 5]
    told = series(aggregated(TABLE, [D], market=market([(day, 100.0 + day.day) for day in trading])), "close")
    # D is a Sunday.
    assert [moment.date() for moment in told["valid_at"]] == [D + timedelta(days=ahead) for ahead in range(1, 6)]
    assert set(told["issued_at"]) == {at_midnight(D, -24)}
    always = series(aggregated(TABLE, [D], market=market([(day, 100.0) for day in days_before(40)])), "close")
    assert always["valid_at"].iloc[0] == at_midnight(D, 24)


@pytest.mark.parametrize(("missing", "history"), [(3, 37), (4, 20)])
def test_short_gaps_are_bridged_and_long_ones_cut(aggregated, rows, missing, history):
    place = {"source": "openweather", "place": "berlin-de"}
    known = [day for number, day in enumerate(days_before(40)) if not 20 - missing <= number < 20]
    weather = [{**place, "event_date": day, "temperature_mean_c": float(day.day)} for day in known]
    told = series(aggregated(TABLE, [D], weather=rows("aggregated/weather_daily", weather)), "temperature_mean_c")
    assert set(told["history"]) == {history}
    assert set(told["unit"]) == {"°C"}


def test_a_series_that_ended_a_week_ago_is_not_forecast(aggregated, market):
    assert len(aggregated(TABLE, [D], market=market([(day, 1.0) for day in days_before(30)[:-7]]))) == 0
    assert len(aggregated(TABLE, [D], market=market([(day, 1.0) for day in days_before(30)[:-6]]))) == 5


def test_hours_without_documents_count_as_none_and_the_present_hour_not_at_all(aggregated, hourly):
    counts = [(day, [5] * 12 + [0] * 12) for day in days_before(4)[:-1]]
    now = (D, [5] * 10 + [1] + [0] * 13)
    result = aggregated(TABLE, [D], hours=hourly([*counts, now]))
    told = series(result, "canonical_documents", "1h")
    # It is some time after ten: the hour is not over.
    assert set(told["issued_at"]) == {at_midnight(D, 10)}
    assert set(told["history"]) == {3 * 24 + 10}
    assert told["forecast"].iloc[:2].tolist() == [5.0, 5.0]
    assert told["forecast"].iloc[6] == pytest.approx(0.0, abs=0.5)
    daily = series(result, "canonical_documents", "1d")
    assert set(daily["issued_at"]) == {at_midnight(D)}
    assert set(daily["history"]) == {3}


@pytest.mark.parametrize("closes", [[7.0], [7.0, 8.0], [7.0, 8.0, 9.0]])
def test_series_of_up_to_three_points_are_forecast_naively(aggregated, market, closes):
    known = list(zip(days_before(len(closes)), closes, strict=True))
    told = series(aggregated(TABLE, [D], market=market(known)), "close")
    assert told["forecast"].tolist() == pytest.approx([closes[-1]] * 5)
    assert told["is_naive"].all()
    assert told["lower_80"].isna().all() == (len(closes) == 1)
    assert told["tested_forecasts"].tolist() == [1 if len(closes) == 3 else 0] * 5


def test_a_constant_series_goes_on_as_it_is(aggregated, market):
    told = series(aggregated(TABLE, [D], market=market([(day, 5.0) for day in days_before(56)])), "close")
    assert told["lower_95"].tolist() == pytest.approx([5.0] * 5)
    assert told["upper_95"].tolist() == pytest.approx([5.0] * 5)
    assert told["mase"].isna().all()
    assert told["smape"].tolist() == pytest.approx([0.0] * 5, abs=1e-9)


def test_nothing_later_than_the_day_is_known(aggregated, market):
    closes = [(day, 100.0 + number % 7) for number, day in enumerate(days_before(50))]
    earlier = closes[-10][0]
    whole = aggregated(TABLE, [earlier], market=market(closes))
    pd.testing.assert_frame_equal(whole, aggregated(TABLE, [earlier], market=market(closes[:-9])))


def test_more_series_than_allowed_leave_the_shortest_out_and_say_so(market):
    (aggregate,) = [one for one in AGGREGATES if one.table == TABLE]
    names = ["LONG", "MID", "SHORT"]
    frames = [market([(day, 5.0) for day in days_before(9 - 3 * n)], name) for n, name in enumerate(names)]
    from pipeline_platform.schemas.aggregated.text import SENTIMENT_HOURLY
    from pipeline_platform.schemas.aggregated.weather import WEATHER_DAILY

    given = {"hours": SENTIMENT_HOURLY.empty(), "market": pd.concat(frames), "weather": WEATHER_DAILY.empty()}
    result = aggregate.compute([D], **given, forecast_series_at_most=2)
    assert set(result["subject"]) == {"yahoo:LONG:USD", "yahoo:MID:USD"}
    assert result.attrs["notes"] == {"series by model": {"naive": 2}, "series left out beyond 2": 1}


def test_without_prophet_series_are_forecast_by_the_others(monkeypatch, caplog):
    monkeypatch.setattr(prophet, "find_spec", lambda name: None)
    with caplog.at_level(logging.ERROR):
        assert not prophet.is_usable()
    assert "pip install 'pipeline-platform[prophet]'" in caplog.text


values = st.integers(1, 60).flatmap(lambda size: arrays("float64", size, elements=st.floats(1e-3, 1e6)))


@hypothesis_settings(max_examples=25, deadline=None)
@given(values, st.sampled_from([HOURLY_VOLUME, DAILY_VOLUME, DAILY_CLOSE]))
def test_any_series_has_a_forecast_with_nested_intervals(told: np.ndarray, plan: Plan):
    result = forecast_series(told, plan)
    mean, lower_80, upper_80, lower_95, upper_95 = result.bands.T
    assert len(mean) == plan.horizon
    assert np.isfinite(mean).all()
    assert (mean >= plan.low).all()
    if len(told) > 1:
        assert (lower_95 <= lower_80).all()
        assert (lower_80 <= mean).all()
        assert (mean <= upper_80).all()
        assert (upper_80 <= upper_95).all()
    if result.score is not None and result.naive_score is not None:
        assert result.score.mae <= result.naive_score.mae
