"""Correlations across domains."""

from pipeline_platform.schemas.aggregated.measures import count
from pipeline_platform.schemas.columns import at_least, between, day, flag, integer, not_blank, one_of, real, text
from pipeline_platform.schemas.table import Table, schema_of

KEY = ("event_date", "kind", "subject", "source", "first", "second", "window_days", "lag_days")

CORRELATIONS = Table(
    layer="aggregated",
    name="correlations",
    description=(
        "How daily volume and sentiment of documents go with prices and weather, over a window that ends on the day "
        "and lags of up to three days. A day on which documents were read and none about the subject has a volume of "
        "0 and no sentiment. Coefficients are null below 20 common days, below 10 on which the subject was named where "
        "the volume is concerned, and for constant series."
    ),
    schema=schema_of(
        "aggregated/correlations",
        {
            "kind": text("What the pair is about.", one_of(("asset", "place", "overall"), "known_pair_kind")),
            "subject": text("Key as in `aggregated/subject_daily`; `*` for everything.", not_blank()),
            "source": text("Source of the second series; `*` for all.", not_blank()),
            "first": text("Column of the first series, in `subject_daily` or `cross_domain_daily`.", not_blank()),
            "second": text(
                "Column of the second, in `market_daily`, `weather_daily` or `cross_domain_daily`.", not_blank()
            ),
            "window_days": integer("Length of the window.", at_least(1, "window_positive"), unit="d", nullable=False),
            "lag_days": integer(
                "Days by which the first series leads; negative where it follows.", unit="d", nullable=False
            ),
            "spearman": real("Rank correlation.", between(-1, 1, "coefficient_in_range")),
            "pearson": real("Linear correlation.", between(-1, 1, "coefficient_in_range")),
            "n": count("Days on which both are known.", "days"),
            "effective_n": real("Independent days that they are worth, for their autocorrelation.", unit="days"),
            "p_value": real("Two-sided, of the rank correlation at `effective_n`.", between(0, 1, "p_in_range")),
            "p_corrected": real(
                "Corrected in two steps by Benjamini and Hochberg: over the pairs of the day, then over the windows "
                "and lags of the pair.",
                between(0, 1, "p_in_range"),
            ),
            "is_significant": flag("The corrected p is at most 0.05."),
            "event_date": day(),
        },
        key=KEY,
    ),
    key=KEY,
    published=True,
    tags={"domain": "cross"},
)
