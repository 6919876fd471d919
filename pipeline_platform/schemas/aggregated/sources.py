"""What sources deliver, and whether they agree."""

from pipeline_platform.schemas.aggregated.measures import count, ordered, share
from pipeline_platform.schemas.columns import at_least, day, flag, not_blank, real, stamp, text, texts
from pipeline_platform.schemas.table import Table, schema_of

SOURCE_DAILY = Table(
    layer="aggregated",
    name="source_daily",
    description=(
        "What each stream brought for a day, what became of it, how fresh it was, and how fetching went on that day. "
        "The row of the present day changes with every fetch."
    ),
    schema=schema_of(
        "aggregated/source_daily",
        {
            "source": text("Source.", not_blank()),
            "stream": text("Stream.", not_blank()),
            "raw_records": count("Records received.", "records"),
            "cleaned_rows": count("Rows that passed cleaning.", "rows"),
            "quarantined_rows": count("Rows in quarantine.", "rows"),
            "duplicates": count("Documents that are copies of others.", "documents"),
            "quarantined_share": share("Quarantined rows of cleaned and quarantined ones."),
            "newest_event": stamp("Newest event of the day.", nullable=True),
            "newest_fetch": stamp("Last time a record of the day was received.", nullable=True),
            "freshness_lag_s": real(
                "From the newest event to the last receipt, or to the end of the day if that came first.",
                at_least(0, "lag_not_negative"),
                unit="s",
            ),
            "fetches": count("Fetches that ended on the day.", "fetches"),
            "failed_fetches": count("Fetches of those in which a target failed.", "fetches"),
            "requests": count("Requests that were sent on the day.", "requests"),
            "last_success_at": stamp("End of the last fetch of the day without a failure.", nullable=True),
            "last_error": text("Error of the last fetch of the day that had one.", nullable=True),
            "quality_score": share("Score of the cleaned table of the stream, as in `quality/scores`."),
            "event_date": day(),
        },
        key=("event_date", "source", "stream"),
    ),
    key=("event_date", "source", "stream"),
    published=True,
    tags={"domain": "operations"},
)

SOURCE_AGREEMENT = Table(
    layer="aggregated",
    name="source_agreement",
    description=(
        "What several sources say of the same asset or place on a day, side by side: the lowest and the highest value, "
        "who says so, and whether they lie further apart than the tolerance. Nothing is averaged."
    ),
    schema=schema_of(
        "aggregated/source_agreement",
        {
            "subject": text("Key of the asset (`crypto:BTC`) or of the place (`berlin-de`).", not_blank()),
            "measure": text("What they tell: a column of `market_daily` or `weather_daily`.", not_blank()),
            "unit": text("Currency or unit of the values.", not_blank()),
            "sources": texts("The sources, sorted."),
            "lowest": real("Lowest value.", nullable=False),
            "lowest_source": text("Source that tells it; the alphabetically first of equals.", not_blank()),
            "highest": real("Highest value.", nullable=False),
            "highest_source": text("Source that tells it; the alphabetically first of equals.", not_blank()),
            "spread": real("highest - lowest.", at_least(0, "spread_not_negative"), nullable=False),
            "tolerance": real(
                "Spread up to which sources agree.", at_least(0, "tolerance_not_negative"), nullable=False
            ),
            "is_conflict": flag("The spread is above the tolerance."),
            "event_date": day(),
        },
        ordered("lowest", "highest", "lowest_is_lowest"),
        key=("event_date", "subject", "measure", "unit"),
    ),
    key=("event_date", "subject", "measure", "unit"),
    published=True,
    tags={"domain": "cross"},
)
