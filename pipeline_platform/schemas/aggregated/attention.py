"""What is written about assets and places beside their prices and their weather."""

import pandera.pandas as pa

from pipeline_platform.schemas.aggregated.measures import count, sentiment
from pipeline_platform.schemas.columns import above, at_least, day, not_blank, one_of, real, text
from pipeline_platform.schemas.kinds import VOLUME_UNITS
from pipeline_platform.schemas.table import Table, schema_of


def _documents(subject: str) -> dict[str, pa.Column]:
    """Volume and sentiment of the documents about a subject; null on days on which no document was read."""
    told = f"about the {subject}; 0 where there is none, null where none about anything was read."
    return {
        "documents": count(f"Documents {told}", "documents", nullable=True),
        "canonical_documents": count(f"Documents without copies {told}", "documents", nullable=True),
        "mean_sentiment": sentiment("Mean sentiment; null when no document is scored."),
        "reach": count(f"Reach of the canonical documents {told}", "votes and replies", nullable=True),
        "reach_weighted_sentiment": sentiment("Mean sentiment weighted by reach; null when no document is scored."),
        "mentions_z": real(
            "canonical_documents less their mean over the 28 days before, in standard deviations of those days, at "
            "least that of a Poisson count. Days on which nothing was read are left out; null with "
            "fewer than 7 others.",
            unit="standard deviations",
        ),
    }


MARKET_SENTIMENT_DAILY = Table(
    layer="aggregated",
    name="market_sentiment_daily",
    description=(
        "Documents about an asset beside its price, per UTC day, as known when the day is over. Of several listings "
        "one is taken whole: with a return, in US dollars, of the alphabetically first source."
    ),
    schema=schema_of(
        "aggregated/market_sentiment_daily",
        {
            "asset": text("Key of the asset, as in `aggregated/market_daily` and `subject_daily`.", not_blank()),
            **_documents("asset"),
            "source": text("Source of the listing; null on a day without a price.", nullable=True),
            "symbol": text("Symbol as the source names the asset.", nullable=True),
            "currency": text("Currency of the listing.", nullable=True),
            "close": real("Last price.", above(0, "price_positive"), unit="currency"),
            "volume": real("Traded volume.", at_least(0, "volume_not_negative"), unit="as in volume_unit"),
            "volume_unit": text("What the volume counts.", one_of(VOLUME_UNITS, "known_volume_unit"), nullable=True),
            "daily_return": real("Return of the day.", at_least(-1, "return_in_range"), unit="ratio"),
            "previous_daily_return": real(
                "Return of the latest earlier day of the listing, at most 7 days back.",
                at_least(-1, "return_in_range"),
                unit="ratio",
            ),
            "event_date": day(),
        },
        key=("event_date", "asset"),
    ),
    key=("event_date", "asset"),
    published=True,
    tags={"domain": "cross"},
)

WEATHER_SENTIMENT_DAILY = Table(
    layer="aggregated",
    name="weather_sentiment_daily",
    description=(
        "Documents about a place beside its weather, per UTC day, as known when the day is over. Of several sources "
        "the one with the most observed hours is taken whole, the alphabetically first of equals."
    ),
    schema=schema_of(
        "aggregated/weather_sentiment_daily",
        {
            "place": text("Key of the place, as in `aggregated/weather_daily` and `subject_daily`.", not_blank()),
            **_documents("place"),
            "source": text("Source of the weather; null on a day without an observation.", nullable=True),
            "temperature_mean_c": real("Mean of the temperatures observed.", unit="°C"),
            "rain_mm": real("Rain, as in `weather_daily`.", at_least(0, "rain_not_negative"), unit="mm"),
            "condition": text("Most frequent condition.", nullable=True),
            "temperature_anomaly_c": real(
                "temperature_mean_c less its mean over the 14 days before, of this source; null with fewer than 2.",
                unit="K",
            ),
            "rain_anomaly_mm": real(
                "rain_mm less its mean over the 14 days before, of this source; null with fewer than 2.", unit="mm"
            ),
            "event_date": day(),
        },
        key=("event_date", "place"),
    ),
    key=("event_date", "place"),
    published=True,
    tags={"domain": "cross"},
)
