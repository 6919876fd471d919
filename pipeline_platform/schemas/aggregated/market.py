"""Aggregates of prices."""

from pipeline_platform.schemas.aggregated.measures import count, ordered, price
from pipeline_platform.schemas.columns import above, at_least, between, day, not_blank, one_of, real, text
from pipeline_platform.schemas.kinds import ASSET_CLASSES, VOLUME_UNITS
from pipeline_platform.schemas.table import Table, schema_of

MARKET_DAILY = Table(
    layer="aggregated",
    name="market_daily",
    description=(
        "Open, high, low, close, volume, market value, return and indicators of every asset per UTC day. Days "
        "are those with a price: an exchange that rests has none."
    ),
    schema=schema_of(
        "aggregated/market_daily",
        {
            "source": text("Source.", not_blank()),
            "asset": text("Key of the asset, as in `deduplicated/market_bars`.", not_blank()),
            "symbol": text("Symbol as the source names the asset.", not_blank()),
            "asset_class": text("What is traded.", one_of(ASSET_CLASSES, "known_asset_class")),
            "currency": text("Currency of the prices.", not_blank()),
            "open": price("First price of the day."),
            "high": price("Highest price."),
            "low": price("Lowest price."),
            "close": price("Last price."),
            "volume": real(
                "Traded volume of the day: that of the longest bars with one, summed; where each tells that of 24 h, "
                "the last. Comparable within an asset of a source, not across sources.",
                at_least(0, "volume_not_negative"),
                unit="as in volume_unit",
            ),
            "volume_unit": text(
                "What the volume counts; `currency` is that of the prices.",
                one_of(VOLUME_UNITS, "known_volume_unit"),
                nullable=True,
            ),
            "market_cap": real(
                "Last market capitalisation shown.", at_least(0, "market_cap_not_negative"), unit="currency"
            ),
            "bars": count("Bars that the day is made of.", "bars"),
            "previous_close": real(
                "Close of the latest earlier day, at most 7 days back.", above(0, "price_positive"), unit="currency"
            ),
            "daily_return": real("close / previous_close - 1.", at_least(-1, "return_in_range"), unit="ratio"),
            "log_return": real("ln(close / previous_close); they add up over days.", unit="log ratio"),
            "return_7d": real(
                "close over the latest close that is at least 7 and at most 14 days old, less 1.",
                at_least(-1, "return_in_range"),
                unit="ratio",
            ),
            "volatility_20d": real(
                "Sample standard deviation of the last 20 log returns, per year: times the root of 365 for crypto, of "
                "252 for the rest; null with fewer than 10.",
                at_least(0, "volatility_not_negative"),
                unit="per year",
            ),
            "range_volatility_20d": real(
                "Parkinson's volatility from the highs and lows of the last 20 days, per year as above; too low where "
                "the source tells samples of the price instead of its extremes. Null with fewer than 10 days.",
                at_least(0, "volatility_not_negative"),
                unit="per year",
            ),
            **{
                f"sma_{days}": real(
                    f"Mean of the last {days} closes; null with fewer.", above(0, "price_positive"), unit="currency"
                )
                for days in (7, 20, 50)
            },
            "ema_20": real(
                "Exponential average of the closes, weight 2 / 21, over at most 100; null with fewer than 20.",
                above(0, "price_positive"),
                unit="currency",
            ),
            "rsi_14": real(
                "Wilder's relative strength index of 14 periods over at most 100 closes; null with fewer than 15, and "
                "where no price moved.",
                between(0, 100, "percent"),
                unit="%",
            ),
            "volume_trend": real(
                "volume over the mean of the 20 days before with the same volume_unit, less 1; null with fewer than "
                "5 of them.",
                at_least(-1, "trend_in_range"),
                unit="ratio",
            ),
            "market_cap_change": real(
                "market_cap over that of the latest earlier day, at most 7 days back, less 1.",
                at_least(-1, "change_in_range"),
                unit="ratio",
            ),
            "event_date": day(),
        },
        ordered("low", "open", "ohlc_low"),
        ordered("low", "close", "ohlc_low_close"),
        ordered("open", "high", "ohlc_high"),
        ordered("close", "high", "ohlc_high_close"),
        key=("event_date", "source", "symbol", "currency"),
    ),
    key=("event_date", "source", "symbol", "currency"),
    published=True,
    tags={"domain": "market"},
)
