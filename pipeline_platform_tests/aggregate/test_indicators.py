from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

START = date(2026, 3, 2)


def bars(rows, closes, *, days=None, **more):
    dates = [START + timedelta(days=n) for n in (days if days is not None else range(len(closes)))]
    return rows(
        "deduplicated/market_bars",
        [
            {
                "event_date": day,
                "opened_at": pd.Timestamp(day, tz="UTC"),
                "interval": "1d",
                "close": float(close),
                **{name: values[n] for name, values in more.items()},
            }
            for n, (day, close) in enumerate(zip(dates, closes, strict=True))
        ],
    ), dates


def walk(count, seed=1):
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.03, count)))


def test_rsi_of_the_published_example(aggregated, rows):
    # Closes and RSI of the example that chart schools print for Wilder's method (QQQQ, 14 periods).
    closes = [44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931]
    closes += [46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439]
    frame, days = bars(rows, closes)
    result = aggregated("aggregated/market_daily", days, bars=frame)
    assert result["rsi_14"].isna().tolist() == [True] * 14 + [False] * 6
    assert result["rsi_14"].tolist()[14:] == pytest.approx([70.53, 66.32, 66.55, 69.41, 66.36, 57.97], abs=0.06)


def test_averages_and_volatility_beside_pandas(aggregated, rows):
    closes = pd.Series(walk(90))
    frame, days = bars(rows, closes)
    found = aggregated("aggregated/market_daily", days, bars=frame).astype({"close": "float64"})
    steps = np.log(closes).diff()
    expected = {
        "log_return": steps,
        "return_7d": closes / closes.shift(7) - 1,
        "sma_7": closes.rolling(7).mean(),
        "sma_20": closes.rolling(20).mean(),
        "sma_50": closes.rolling(50).mean(),
        "ema_20": closes.ewm(span=20, min_periods=20).mean(),
        "volatility_20d": steps.rolling(20, min_periods=10).std() * 365**0.5,
    }
    for name, values in expected.items():
        pd.testing.assert_series_equal(
            found[name].astype("float64"), values, check_names=False, check_index=False, rtol=1e-9
        )


def test_a_constant_price_has_no_volatility_and_no_strength(aggregated, rows):
    frame, days = bars(rows, [5.0] * 30)
    last = aggregated("aggregated/market_daily", [days[-1]], bars=frame).iloc[0]
    assert (last["volatility_20d"], last["range_volatility_20d"], last["return_7d"]) == (0, 0, 0)
    assert pd.isna(last["rsi_14"])
    assert last["sma_20"] == last["ema_20"] == pytest.approx(5)


def test_parkinson_from_highs_and_lows(aggregated, rows):
    frame, days = bars(rows, [100.0] * 12, open=[100.0] * 12, high=[110.0] * 12, low=[95.0] * 12)
    last = aggregated("aggregated/market_daily", [days[-1]], bars=frame).iloc[0]
    assert last["range_volatility_20d"] == pytest.approx(np.log(110 / 95) / (4 * np.log(2)) ** 0.5 * 365**0.5)
    assert aggregated("aggregated/market_daily", [days[8]], bars=frame)["range_volatility_20d"].isna().all()


def test_volume_and_market_value_against_the_days_before(aggregated, rows):
    frame, days = bars(
        rows, [10.0] * 8, volume=[None, 10.0, 10.0, 10.0, 10.0, 10.0, 20.0, 0.0], market_cap=[None, *range(1, 8)]
    )
    found = aggregated("aggregated/market_daily", days, bars=frame)
    assert found["volume_trend"].tolist()[-2:] == pytest.approx([1.0, -1.0])
    assert found["volume_trend"].isna().tolist()[:6] == [True] * 6
    assert found["market_cap_change"].tolist()[-1] == pytest.approx(7 / 6 - 1)
    assert found["market_cap_change"].isna().tolist()[:2] == [True, True]


def test_a_volume_is_held_against_those_of_its_unit_alone(aggregated, rows):
    units = ["currency"] * 6 + ["coins"] * 7
    frame, days = bars(rows, [10.0] * 13, volume=[9000.0] * 6 + [10.0] * 6 + [15.0], volume_unit=units)
    found = aggregated("aggregated/market_daily", days, bars=frame)
    assert found["volume_trend"].isna().tolist() == [True] * 5 + [False] + [True] * 5 + [False] * 2
    assert found["volume_trend"].tolist()[-1] == pytest.approx(0.5)


def test_a_gap_of_more_than_a_week_breaks_the_returns(aggregated, rows):
    frame, days = bars(rows, [10.0, 11.0, 12.0], days=[0, 7, 15])
    found = aggregated("aggregated/market_daily", days, bars=frame)
    assert found["log_return"].isna().tolist() == [True, False, True]
    assert found["return_7d"].tolist()[1:] == pytest.approx([0.1, 12 / 11 - 1])


@pytest.mark.parametrize("step", [1, 2])
def test_a_long_history_changes_nothing_and_a_range_is_its_days(aggregated, rows, step):
    closes = walk(400 // step, seed=step)
    frame, days = bars(
        rows, closes, days=range(0, 400, step), volume=closes, volume_unit=["coins"] * len(closes), market_cap=closes
    )
    asked = days[-4:]
    together = aggregated("aggregated/market_daily", asked, bars=frame)
    for n, day in enumerate(asked):
        seen = frame["event_date"].map(lambda when, day=day: day - timedelta(days=150) <= when <= day)
        alone = aggregated("aggregated/market_daily", [day], bars=frame[seen.to_numpy(dtype=bool)])
        pd.testing.assert_frame_equal(alone, together.iloc[[n]].reset_index(drop=True), rtol=1e-12)
    assert together.notna().all().drop(["previous_close", "daily_return"]).all()
