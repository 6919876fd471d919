"""Aggregates of repositories: what happened in each per UTC day."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.schemas.aggregated.developer import DEVELOPER_ACTIVITY_DAILY

CLOSING_DAYS = 30
"""Issues and pull requests that were opened longer ago are not looked at for having been closed."""

PREVIOUS_SNAPSHOT_DAYS = 7
"""How far back the snapshot may lie that stars are compared with."""

REPOSITORY_DAY = ["event_date", "source", "repository"]
OPENED = {
    "commit": "commits",
    "pull_request": "pull_requests_opened",
    "issue": "issues_opened",
    "release": "releases",
}
CLOSED = {"pull_request": "pull_requests_closed", "issue": "issues_closed"}
CONTRIBUTIONS = tuple(OPENED)
"""What makes its author a contributor. Feeds tell of the same things once more, as notices, which count for nothing."""

GIVEN = {"star": "stars_given"}


def _counts(events: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Events per repository and day, one column per event type of `names`."""
    return pd.DataFrame(
        {
            column: events[(events["event_type"] == event_type).to_numpy(dtype=bool)].groupby(REPOSITORY_DAY).size()
            for event_type, column in names.items()
        }
    )


def _closings(events: pd.DataFrame) -> pd.DataFrame:
    """Events that were closed at most `CLOSING_DAYS` after their day, on the day they were closed."""
    closed = events[events["closed_at"].notna().to_numpy(dtype=bool)]
    opened_on = pd.to_datetime(closed["event_date"])
    closed_on = closed["closed_at"].astype("datetime64[us, UTC]").dt.tz_localize(None).dt.normalize()
    soon = (closed_on - opened_on) <= pd.Timedelta(days=CLOSING_DAYS)
    return closed.assign(event_date=closed_on.dt.date)[soon]


def _stars(snapshots: pd.DataFrame) -> pd.DataFrame:
    """Stars at the last snapshot of every day, and how many more than at the one before."""
    ordered = snapshots.sort_values(["observed_at", "snapshot_id"], kind="stable")
    daily = ordered.groupby(REPOSITORY_DAY)["stars"].last().astype("Int64").reset_index()
    daily = daily.sort_values(["source", "repository", "event_date"])
    before = daily.groupby(["source", "repository"])[["event_date", "stars"]].shift(1)
    gap = pd.to_datetime(daily["event_date"]) - pd.to_datetime(before["event_date"])
    recent = gap <= pd.Timedelta(days=PREVIOUS_SNAPSHOT_DAYS)
    return daily.assign(stars_gained=(daily["stars"] - before["stars"]).where(recent)).set_index(REPOSITORY_DAY)


def developer_activity_daily(days: Sequence[date], snapshots: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Commits, pull requests, issues, releases, contributors and stars per repository and day.

    Args:
        days: days to give rows for.
        snapshots: rows of `deduplicated/repositories` from `PREVIOUS_SNAPSHOT_DAYS` before the first day.
        events: rows of `deduplicated/repo_events` from `CLOSING_DAYS` before the first day.

    Returns:
        Rows of `aggregated/developer_activity_daily`, for repositories with an event or a snapshot that day.
    """
    contributions = events[events["event_type"].isin(CONTRIBUTIONS).to_numpy(dtype=bool)]
    counted = pd.concat(
        [
            _counts(events, OPENED),
            _counts(_closings(events), CLOSED),
            _counts(events, GIVEN),
            contributions.groupby(REPOSITORY_DAY)["author_id"].nunique().rename("contributors"),
        ],
        axis=1,
    )
    counts = counted.join(_stars(snapshots), how="outer")
    counted_names = [*OPENED.values(), *CLOSED.values(), *GIVEN.values(), "contributors"]
    counts[counted_names] = counts[counted_names].fillna(0).astype("int64")
    return shaped(DEVELOPER_ACTIVITY_DAILY, on_days(counts.reset_index(), days))
