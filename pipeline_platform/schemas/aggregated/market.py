"""Aggregates of prices."""

from pipeline_platform.schemas.aggregated.measures import count, ordered, price
from pipeline_platform.schemas.columns import above, at_least, day, not_blank, one_of, real, text
from pipeline_platform.schemas.kinds import ASSET_CLASSES, VOLUME_UNITS
from pipeline_platform.schemas.table import Table, schema_of

MARKET_DAILY = Table(
    layer="aggregated",
    name="market_daily",
    description="Open, high, low, close, volume, market value and return of every asset per UTC day.",
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
