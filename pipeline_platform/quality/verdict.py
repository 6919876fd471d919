"""Verdict: whether the stored rows of a table keep its contract, day by day."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from pipeline_platform.clean.rules import Breach, broken_rules
from pipeline_platform.schemas.table import Table

SAMPLE_ROWS = 5
UNIQUE_KEY = "unique_key"
WHOLLY_REJECTED = "wholly_rejected"
FEW_RECORDS = 5


@dataclass
class Verdict:
    """The verdict on one day of a table.

    Attributes:
        day: the partition.
        rows: rows looked at.
        broken: violations per rule.
        samples: some of them: key columns, rule and reason.
    """

    day: date
    rows: int
    broken: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, str]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """No rule is broken."""
        return not self.broken

    def add(self, breach: Breach, key: dict[str, str]) -> None:
        """Count a violation and keep it as a sample while there is room."""
        self.broken[breach.rule] += 1
        if len(self.samples) < SAMPLE_ROWS:
            self.samples.append({**key, "rule": breach.rule, "reason": breach.reason})


def verdicts(table: Table, frame: pd.DataFrame, days: Sequence[date]) -> list[Verdict]:
    """One verdict per day of `days` on the rows of `frame`, which hold those days and no others.

    Keys must be unique across all of the rows, so that a record is not counted on two days.

    Raises:
        SchemaCheckError: a rule could not be applied at all.
    """
    frame = frame.reset_index(drop=True)
    per_day = frame["event_date"].value_counts()
    judged = {day: Verdict(day, int(per_day.get(day, 0))) for day in days}
    keys = list(table.key)

    def add(position: int, breach: Breach) -> None:
        row = frame.loc[position].to_dict()
        judged[row["event_date"]].add(breach, {name: str(row[name]) for name in keys})

    for position, breaches in broken_rules(frame, table.schema).items():
        for breach in breaches:
            add(position, breach)
    twice = frame.index[frame.duplicated(keys, keep="first")]
    for position in twice:
        add(int(position), Breach(UNIQUE_KEY, f"{', '.join(keys)} stands more than once"))
    return list(judged.values())


def without_survivors(judged: Sequence[Verdict], received: dict[date, int]) -> list[date]:
    """Add to the verdicts on a cleaned table what is wholly bad, and return those days.

    A day without a row although `received` has records would pass every rule; passed on, it would look like a day on
    which nothing happened. A day of fewer than `FEW_RECORDS` says little (minutes after midnight the first record may
    be a bad one), unless all days of a longer span are like that.
    """
    nothing_left = len(judged) > 1 and not any(verdict.rows for verdict in judged)
    bad = []
    for verdict in judged:
        records = received.get(verdict.day, 0)
        if records and not verdict.rows and (nothing_left or records >= FEW_RECORDS):
            reason = f"none of the {records} raw records of {verdict.day} passed; see the quarantine"
            verdict.add(Breach(WHOLLY_REJECTED, reason), {})
            bad.append(verdict.day)
    return bad
