"""Tables of the layer `quality`: what the other tables hold day by day, how good it is, what about it is unusual."""

from pipeline_platform.schemas.aggregated.measures import EVERY, count, ordered, share
from pipeline_platform.schemas.columns import (
    above,
    at_least,
    day,
    flag,
    integer,
    not_blank,
    one_of,
    real,
    reals,
    stamp,
    text,
    texts,
)
from pipeline_platform.schemas.table import Table, schema_of

PARTS = {"completeness": 0.25, "uniqueness": 0.20, "consistency": 0.15, "validity": 0.30, "timeliness": 0.10}
"""Parts of a quality score and their weights. What cannot be measured is left out, and the others weigh more."""

ANOMALY_KINDS = ("volume", "shift", "nulls", "duplicates", "drift", "stuck", "gap", "new_fields")
SEVERITIES = ("warn", "error")

PROFILES = Table(
    layer="quality",
    name="profiles",
    description=(
        f"What every table holds on a day: a row for the table as a whole (column `{EVERY}`) and one for each column. "
        "Tables without a row on the day are there too, with 0 rows."
    ),
    schema=schema_of(
        "quality/profiles",
        {
            "table": text("Path of the table, `cleaned/rss_articles`.", not_blank()),
            "column": text(f"Column, or `{EVERY}` for the table as a whole.", not_blank()),
            "type": text("Arrow type of the column; null for the whole table.", nullable=True),
            "rows": count("Rows of the day.", "rows"),
            "nulls": count("Rows without a value.", "rows", nullable=True),
            "completeness": share("Rows with a value; for the table the mean over its columns."),
            "distinct": count(
                "Distinct values, null not counted; distinct keys for the table.", "values", nullable=True
            ),
            "uniqueness": share("Distinct values of the rows with a value; distinct keys of the rows for the table."),
            "violations": count(
                "Rows that break a rule of the column; for the table those that break a rule of any column.",
                "rows",
                nullable=True,
            ),
            "validity": share("Rows that break no rule of the column, or of any column."),
            "consistency": share("Rows that keep the rules over several columns."),
            "duplicates": count("Rows whose content an earlier one has already.", "rows", nullable=True),
            "on_time": share("Rows received within the look-back of their stream and a day after they happened."),
            "lag_median_s": real("Median time from event to receipt.", at_least(0, "lag_not_negative"), unit="s"),
            "lag_p95_s": real("95th percentile of it.", at_least(0, "lag_not_negative"), unit="s"),
            "minimum": real("Smallest number."),
            "p05": real("5th percentile."),
            "p25": real("First quartile."),
            "median": real("Median."),
            "p75": real("Third quartile."),
            "p95": real("95th percentile."),
            "maximum": real("Greatest number."),
            "mean": real("Mean."),
            "deviation": real("Standard deviation, of the population.", at_least(0, "deviation_not_negative")),
            "earliest": stamp("Earliest moment.", nullable=True),
            "latest": stamp("Latest moment.", nullable=True),
            "mean_length": real("Mean length.", at_least(0, "length_not_negative"), unit="characters"),
            "max_length": count("Greatest length.", "characters", nullable=True),
            "categories": texts(
                "Most frequent values of a column with few, at most 10; never of text that people wrote.", nullable=True
            ),
            "category_shares": reals(
                "Their shares of the rows with a value, in the same order.", unit="share", nullable=True
            ),
            "hours": reals("Events in each of the 24 hours of the day.", unit="rows", nullable=True),
            "fingerprint": text("Hash of the columns and their types, for the table.", nullable=True),
            "new_fields": texts("Fields the upstream sent on this day for the first time, for raw.", nullable=True),
            "event_date": day("The profiled UTC day; the partition."),
        },
        ordered("nulls", "rows", "nulls_within_rows"),
        ordered("minimum", "maximum", "range_ordered"),
        key=("event_date", "table", "column"),
    ),
    key=("event_date", "table", "column"),
    tags={"domain": "operations"},
)

SCORES = Table(
    layer="quality",
    name="scores",
    description=(
        "Quality of a table on a day, from 0 to 1: the weighted mean of its parts, "
        + ", ".join(f"{part} {weight:g}" for part, weight in PARTS.items())
        + ". Parts that cannot be measured are left out, and the others weigh more."
    ),
    schema=schema_of(
        "quality/scores",
        {
            "table": text("Path of the table.", not_blank()),
            "source": text("Source, of tables that have one only.", nullable=True),
            "rows": count("Rows of the day.", "rows"),
            "score": share("The score; null when there is no row."),
            "completeness": share(
                "Mean over the columns of the share of rows with a value, as part of what is usual for the column."
            ),
            "uniqueness": share("Distinct keys of the rows."),
            "consistency": share("Rows that keep the rules over several columns."),
            "validity": share(
                "Rows that break no rule of a column; in a cleaned table of all records received, quarantined included."
            ),
            "timeliness": share(
                "Rows received within the look-back of their stream and a day after they happened; null for a day that "
                "was fetched later than that."
            ),
            "weakest": text("The part that costs the score most; null when none costs anything.", nullable=True),
            "explanation": text("How the score comes about, in words."),
            "threshold": share("Score below which the check warns."),
            "is_enough": flag("The score is not below the threshold; true where there is no score."),
            "event_date": day("The judged UTC day; the partition."),
        },
        key=("event_date", "table"),
    ),
    key=("event_date", "table"),
    published=True,
    tags={"domain": "operations"},
)

ANOMALIES = Table(
    layer="quality",
    name="anomalies",
    description=(
        "What was unusual about a table on a day, held against the 28 days before it: volume, null rates, duplicates, "
        "categories, numbers that do not move, hours without events. Nothing is judged before there is enough history."
    ),
    schema=schema_of(
        "quality/anomalies",
        {
            "table": text("Path of the table.", not_blank()),
            "column": text(f"Column, or `{EVERY}` for the table as a whole.", not_blank()),
            "source": text("Source, of tables that have one only.", nullable=True),
            "kind": text("What is unusual.", one_of(ANOMALY_KINDS, "known_anomaly_kind")),
            "severity": text("`error` from twice the strength at which it is told.", one_of(SEVERITIES, "severity")),
            "observed": real("What was seen: rows, a share, a distance, hours.", nullable=False),
            "expected": real("What was to be expected.", nullable=False),
            "score": real(
                "Strength, as a multiple of that at which an anomaly is told.",
                at_least(1, "score_at_least_1"),
                nullable=False,
            ),
            "explanation": text("What happened, in words."),
            "labels": texts("What the evidence is over: days, hours or categories."),
            "values": reals("The evidence: what was seen there."),
            "usual": reals("What is usual there; empty when it is the same everywhere (`expected`)."),
            "history_days": integer(
                "Days it was held against.", above(0, "history_not_empty"), unit="days", nullable=False
            ),
            "event_date": day("The judged UTC day; the partition."),
        },
        key=("event_date", "table", "column", "kind"),
    ),
    key=("event_date", "table", "column", "kind"),
    published=True,
    tags={"domain": "operations"},
)

QUALITY: tuple[Table, ...] = (PROFILES, SCORES, ANOMALIES)
