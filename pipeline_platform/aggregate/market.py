"""Aggregates of prices: one row per asset and UTC day."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pipeline_platform.aggregate.frames import previous, shaped
from pipeline_platform.aggregate.indicators import PREVIOUS_CLOSE_DAYS, with_indicators
from pipeline_platform.schemas.aggregated.market import MARKET_DAILY

SECONDS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "1d": 86400}
"""Lengths of the bars that belong to one day; longer ones tell nothing about a day."""

ASSET = ["source", "symbol", "currency"]


def _volume(bars: pd.DataFrame) -> pd.DataFrame:
    """Volume and its unit per day: of the longest candles that have one, summed unit by unit.

    Without candles that of the last sample, as each tells the volume of 24 hours.
    """
    day = ["event_date", *ASSET]
    traded = bars.dropna(subset="volume")
    last = traded[traded["is_sample"]].groupby(day)[["volume", "volume_unit"]].last()
    candles = traded[traded["is_candle"]]
    longest = candles[candles["seconds"] == candles.groupby(day)["seconds"].transform("max")]
    summed = longest.groupby([*day, "volume_unit"])["volume"].sum().reset_index("volume_unit").groupby(day).last()
    return summed[["volume", "volume_unit"]].combine_first(last)


def market_daily(days: Sequence[date], bars: pd.DataFrame) -> pd.DataFrame:
    """Open, high, low, close, volume, market value, return and indicators per asset and day.

    Bars of several lengths may tell of the same day: the earliest opens it, and the one that ends last closes it.
    Bars that tell only a close are samples of the price; where a candle begins or ends with one, the candle counts.

    Args:
        days: days to give rows for.
        bars: rows of `deduplicated/market_bars` from `WINDOW_DAYS` before the first day.

    Returns:
        Rows of `aggregated/market_daily`.
    """
    seconds = bars["interval"].map(SECONDS).astype("float64")
    own = bars.assign(seconds=seconds)[seconds.notna()]
    own = own.astype(dict.fromkeys(("open", "high", "low", "close", "volume", "market_cap"), "float64"))
    own = own.assign(
        is_candle=own["open"].notna(),
        is_sample=own["open"].isna(),
        open=own["open"].fillna(own["close"]),
        high=own[["open", "high", "low", "close"]].max(axis=1),
        low=own[["open", "high", "low", "close"]].min(axis=1),
        ends=own["opened_at"].astype("datetime64[us, UTC]") + pd.to_timedelta(own["seconds"], unit="s"),
    )
    opening = own.sort_values(["opened_at", "is_sample", "bar_id"], kind="stable").groupby(["event_date", *ASSET])
    closing_order = own.sort_values(["ends", "is_candle", "seconds", "bar_id"], kind="stable")
    closing = closing_order.groupby(["event_date", *ASSET])
    daily = pd.DataFrame(
        {
            "asset": closing["asset"].last(),
            "asset_class": closing["asset_class"].last(),
            "open": opening["open"].first(),
            "high": closing["high"].max(),
            "low": closing["low"].min(),
            "close": closing["close"].last(),
            "market_cap": closing["market_cap"].last(),
            "bars": closing.size(),
        }
    )
    daily = daily.join(_volume(closing_order)).reset_index().sort_values([*ASSET, "event_date"])
    before = previous(daily, ASSET, ["close"], PREVIOUS_CLOSE_DAYS)["close"]
    daily = daily.assign(previous_close=before, daily_return=daily["close"] / before - 1)
    wanted = daily["event_date"].isin(list(days)).to_numpy(dtype=bool)
    return shaped(MARKET_DAILY, with_indicators(daily, wanted, ASSET))
