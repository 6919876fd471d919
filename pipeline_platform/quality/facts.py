"""What a quality report tells: the facts of a day as plain data, and the verdict that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from pipeline_platform.quality.outages import Effect

SHOWN_HISTORY = 14
VERDICTS = {
    "good": "in order",
    "look": "something to look at",
    "broken": "broken",
    "empty": "nothing to judge",
}


@dataclass(frozen=True)
class Evaluation:
    """A check as it was evaluated once.

    Attributes:
        at: when.
        first, last: the days it was about, ISO; None where it does not say.
        status: passed, failed, skipped, or not evaluated (it could not be).
        severity: warn or error, of one that failed.
        words: what it said.
    """

    at: datetime
    first: str | None
    last: str | None
    status: str
    severity: str
    words: str


@dataclass(frozen=True)
class Checked:
    """A check of a table with its evaluations, newest first."""

    table: str
    name: str
    promise: str
    blocking: bool
    history: Sequence[Evaluation]

    def about(self, day: date) -> "Checked":
        """The check with what it said about `day`.

        A span that passed, passed on each of its days. One that failed did so on some of them, and tells those apart.
        What does not say which days it was about, counts only where nothing else is known.
        """
        text = day.isoformat()
        own = [
            one
            for one in self.history
            if one.first is not None
            and one.last is not None
            and one.first <= text <= one.last
            and (one.first == one.last or one.status == "passed")
        ]
        unknown = [one for one in self.history if one.first is None]
        return replace(self, history=own or unknown)

    @property
    def status(self) -> str:
        """The newest status."""
        return self.history[0].status if self.history else "never evaluated"

    @property
    def is_bad(self) -> bool:
        """It failed, or could not be evaluated."""
        return self.status in ("failed", "not evaluated")


@dataclass(frozen=True)
class Failure:
    """A check that failed on the day, with rows that show it, and what was not made because of it."""

    check: Checked
    samples: Sequence[dict[str, str]]
    blocked: Sequence[str]


@dataclass(frozen=True)
class Rejected:
    """Quarantined rows of a kind of data that broke a rule first."""

    kind: str
    rule: str
    rows: int
    streams: Sequence[str]
    samples: Sequence[dict[str, str]]


@dataclass(frozen=True)
class DayFacts:
    """Everything that is known of the quality of a day.

    Attributes:
        day: the UTC day.
        made_at: when the facts were gathered.
        mode: demo or live.
        checks: every check, as it was evaluated about the day.
        failures: those that failed.
        anomalies, scores: rows of the tables of these names; scores also with `trend`, the scores of the days before.
        quarantine: what was rejected.
        sources: rows of the overview of sources, as they are now.
        streams: rows of `aggregated/source_daily`.
        outages: streams of which a fetch failed on the day, with the error and what is made from them.
        effects: what the tables of the day lack of every source that was down, the widest first.
    """

    day: date
    made_at: datetime
    mode: str
    checks: Sequence[Checked]
    failures: Sequence[Failure]
    anomalies: Sequence[dict[str, Any]]
    scores: Sequence[dict[str, Any]]
    quarantine: Sequence[Rejected]
    sources: Sequence[dict[str, Any]]
    streams: Sequence[dict[str, Any]]
    outages: Sequence[dict[str, Any]] = field(default_factory=list)
    effects: Sequence[Effect] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`broken`: a blocking check failed or something is very unusual; `look`: something to look at; `good`."""
        if any(one.check.blocking for one in self.failures) or any(
            row["severity"] == "error" for row in self.anomalies
        ):
            return "broken"
        doubtful = self.failures or self.anomalies or self.outages or self.effects or self.below_threshold
        return "look" if doubtful else "good" if self.scores else "empty"

    @property
    def in_words(self) -> str:
        """The verdict, as a person says it."""
        return VERDICTS[self.verdict]

    @property
    def alarms(self) -> list[str]:
        """What needs attention, worst first, in a line each."""
        failed = sorted(self.failures, key=lambda one: not one.check.blocking)
        return [
            *(f"{one.check.table} {one.check.name}: {one.check.history[0].words}" for one in failed),
            *(f"{row['table']} {row['column']} {row['kind']}: {row['explanation']}" for row in self.anomalies),
            *(f"{row['stream']}: a fetch failed: {row['error']}" for row in self.outages),
            *(one.in_words for one in self.effects),
            *(f"{row['table']} scores {row['explanation']}" for row in self.below_threshold),
        ]

    @property
    def below_threshold(self) -> list[dict[str, Any]]:
        """Scores that are too low."""
        return [row for row in self.scores if not row["is_enough"]]

    @property
    def numbers(self) -> dict[str, Any]:
        """What one wants to know first."""
        known = [row["score"] for row in self.scores if row["score"] is not None]
        return {
            "rows received": sum(row["raw_records"] for row in self.streams),
            "rows quarantined": sum(one.rows for one in self.quarantine),
            "checks passed": sum(one.status == "passed" for one in self.checks),
            "checks failed": len(self.failures),
            "anomalies": len(self.anomalies),
            "mean score": round(sum(known) / len(known), 3) if known else None,
            "lowest score": round(min(known), 3) if known else None,
        }

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return {
            "day": self.day,
            "made_at": self.made_at,
            "mode": self.mode,
            "verdict": self.verdict,
            "numbers": self.numbers,
            "failures": [
                {"table": one.check.table, "check": one.check.name, "blocking": one.check.blocking,
                 "words": one.check.history[0].words, "samples": one.samples, "blocked": one.blocked}
                for one in self.failures
            ],
            "outages": self.outages,
            "effects": [{**vars(one), "tables": [vars(table) for table in one.tables]} for one in self.effects],
            "anomalies": self.anomalies,
            "scores": self.scores,
            "quarantine": [vars(one) for one in self.quarantine],
            "sources": self.sources,
            "streams": self.streams,
            "checks": [
                {"table": one.table, "check": one.name, "blocking": one.blocking, "status": one.status,
                 "history": [vars(past) for past in one.history[:SHOWN_HISTORY]]}
                for one in self.checks
            ],
        }  # fmt: skip
