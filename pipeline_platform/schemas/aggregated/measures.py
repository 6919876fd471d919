"""Columns and rules that several aggregated tables share."""

import pandas as pd
import pandera.pandas as pa

from pipeline_platform.schemas.columns import above, at_least, between, integer, real

EVERY = "*"
"""In the place of a source or channel: all of them together."""


def count(description: str, unit: str, *, nullable: bool = False) -> pa.Column:
    """Number of things, 0 or more."""
    return integer(description, at_least(0, "count_not_negative"), unit=unit, nullable=nullable)


def share(description: str) -> pa.Column:
    """Share from 0 to 1."""
    return real(description, between(0, 1, "share_in_range"), unit="share")


def sentiment(description: str) -> pa.Column:
    """Sentiment from -1 to 1."""
    return real(description, between(-1, 1, "sentiment_in_range"))


def price(description: str) -> pa.Column:
    """Price above 0 in the currency of the row."""
    return real(description, above(0, "price_positive"), unit="currency", nullable=False)


def ordered(lower: str, upper: str, rule: str) -> pa.Check:
    """`lower` is not above `upper` in any row; nulls pass."""

    def holds(frame: pd.DataFrame) -> pd.Series:
        return (frame[lower] <= frame[upper]).fillna(True)

    return pa.Check(holds, name=rule, error=f"{lower} must not be above {upper}")


def text_measures() -> dict[str, pa.Column]:
    """Volume and sentiment of the documents of a row."""
    return {
        "documents": count("Documents, copies included; without those the upstream says are removed.", "documents"),
        "canonical_documents": count("Documents without copies; the measures beside are over these.", "documents"),
        "scored_documents": count("Canonical documents that have a sentiment.", "documents"),
        "mean_sentiment": sentiment("Mean sentiment; null when no document is scored."),
        "positive_share": share("Share of the scored documents that are positive."),
        "negative_share": share("Share of the scored documents that are negative."),
        "reach": count(
            "Reach of the canonical documents together: 1 + score + replies of each, negative scores as 0, and at most "
            "2^20.",
            "votes and replies",
        ),
        "reach_weighted_sentiment": sentiment("Mean sentiment weighted by reach; null when no document is scored."),
    }


TEXT_RULES = (
    ordered("canonical_documents", "documents", "canonical_within_documents"),
    ordered("scored_documents", "canonical_documents", "scored_within_canonical"),
    ordered("canonical_documents", "reach", "reach_at_least_one_each"),
)
