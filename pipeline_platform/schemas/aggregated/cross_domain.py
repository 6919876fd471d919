"""Aggregates across domains."""

from pipeline_platform.schemas.aggregated.measures import count, sentiment
from pipeline_platform.schemas.columns import at_least, day, integer, real
from pipeline_platform.schemas.table import Table, schema_of

CROSS_DOMAIN_DAILY = Table(
    layer="aggregated",
    name="cross_domain_daily",
    description="One row per day with the main measure of every domain; null where a domain has no rows that day.",
    schema=schema_of(
        "aggregated/cross_domain_daily",
        {
            "documents": count("Documents of all sources, copies included.", "documents", nullable=True),
            "canonical_documents": count("Documents without copies.", "documents", nullable=True),
            "mean_sentiment": sentiment("Mean sentiment of the scored canonical documents."),
            "crypto_assets": count("Cryptocurrencies with a return.", "assets", nullable=True),
            "crypto_mean_return": real("Unweighted mean of their daily returns.", unit="ratio"),
            "places": count(
                "Places with observations; one that several sources watch counts once.", "places", nullable=True
            ),
            "mean_temperature_c": real("Mean over places of the day's mean temperature.", unit="°C"),
            "temperature_anomaly_c": real(
                "Mean over places of the day's mean temperature less the mean of the place's preceding days (at most "
                "14, at least 2).",
                unit="K",
            ),
            "mean_rain_mm": real(
                "Mean over places of the day's rain; null where no place tells of any.",
                at_least(0, "rain_not_negative"),
                unit="mm",
            ),
            "repositories": count("Repositories with activity or a snapshot.", "repositories", nullable=True),
            "commits": count("Commits.", "commits", nullable=True),
            "stars_gained": integer("Stars gained by all repositories.", unit="accounts"),
            "event_date": day(),
        },
        key=("event_date",),
    ),
    key=("event_date",),
    published=True,
    tags={"domain": "cross"},
)
