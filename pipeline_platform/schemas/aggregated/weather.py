"""Aggregates of weather."""

from pipeline_platform.schemas.aggregated.measures import count, ordered
from pipeline_platform.schemas.columns import at_least, between, day, integer, not_blank, real, text
from pipeline_platform.schemas.table import Table, schema_of

WEATHER_DAILY = Table(
    layer="aggregated",
    name="weather_daily",
    description="Temperature, rain and main condition of every place per UTC day, from the observations there are.",
    schema=schema_of(
        "aggregated/weather_daily",
        {
            "source": text("Source.", not_blank()),
            "place": text("Key of the place, as in `deduplicated/weather_observations`.", not_blank()),
            "location": text("Place name as watched; the alphabetically first of several.", not_blank()),
            "country": text("ISO 3166-1 alpha-2 code.", nullable=True),
            "temperature_min_c": real("Lowest temperature observed.", unit="°C", nullable=False),
            "temperature_mean_c": real("Mean of the temperatures observed.", unit="°C", nullable=False),
            "temperature_max_c": real("Highest temperature observed.", unit="°C", nullable=False),
            "humidity_mean_pct": real("Mean relative humidity.", between(0, 100, "percent"), unit="%"),
            "wind_speed_max_mps": real("Highest wind speed.", at_least(0, "wind_not_negative"), unit="m/s"),
            "rain_mm": real(
                "Rain, estimated: the hourly amount of every observed hour, summed; hours without an observation add "
                "nothing.",
                at_least(0, "rain_not_negative"),
                unit="mm",
            ),
            "snow_mm": real("Snow, estimated like rain.", at_least(0, "snow_not_negative"), unit="mm"),
            "condition": text("Most frequent condition; the alphabetically first of equals.", nullable=True),
            "observations": count("Observations.", "observations"),
            "hours_observed": integer("Hours with an observation.", between(1, 24, "hours_of_a_day"), unit="h"),
            "event_date": day(),
        },
        ordered("temperature_min_c", "temperature_mean_c", "mean_within_extremes"),
        ordered("temperature_mean_c", "temperature_max_c", "mean_within_extremes"),
        key=("event_date", "source", "place"),
    ),
    key=("event_date", "source", "place"),
    published=True,
    tags={"domain": "weather"},
)
