"""Aggregates of repositories: what happened in each per UTC day."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, previous, shaped
from pipeline_platform.schemas.aggregated.developer import DEVELOPER_ACTIVITY_DAILY

CLOSING_DAYS = 30
"""Issues and pull requests that were opened longer ago are not looked at for having been closed."""

PREVIOUS_SNAPSHOT_DAYS = 7
"""How far back the snapshot may lie that stars are compared with."""

RANK_DAYS = 7
"""How far back the day may lie whose rank is compared with."""

RECENT_DAYS, USUAL_DAYS = 7, 28
"""The last days, and those before them that they are compared with."""

EVENT_DAYS = max(CLOSING_DAYS, RECENT_DAYS + USUAL_DAYS - 1)
"""How far back events are read."""

VELOCITY_DAYS = (7, 14)
"""How old the snapshot is, at least and at most, since which stars per day are told."""

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
    before = previous(daily, ["source", "repository"], ["stars"], PREVIOUS_SNAPSHOT_DAYS)
    return daily.assign(stars_gained=daily["stars"] - before["stars"]).set_index(REPOSITORY_DAY)


def _velocity(daily: pd.DataFrame) -> pd.Series:
    """Stars gained per day since a snapshot of a week ago or a little more; `daily` as `_stars` gives it."""
    now = daily.reset_index()
    now["moment"] = pd.to_datetime(now["event_date"])
    least, most = (pd.Timedelta(days=days) for days in VELOCITY_DAYS)
    before = now[["source", "repository", "moment", "stars"]].rename(columns={"stars": "old", "moment": "then"})
    found = pd.merge_asof(
        now.assign(until=now["moment"] - least).sort_values("until", kind="stable"),
        before.sort_values("then", kind="stable"),
        left_on="until",
        right_on="then",
        by=["source", "repository"],
        tolerance=most - least,
    ).set_index(REPOSITORY_DAY)
    gained = (found["stars"] - found["old"]).astype("Float64")
    return gained / (found["moment"] - found["then"]).dt.days


def _momentum(events: pd.DataFrame, asked: pd.Index) -> pd.Series:
    """Momentum of the activity of `asked`, an index of `REPOSITORY_DAY`."""
    counts = events.groupby(REPOSITORY_DAY).size().reset_index(name="events")
    pairs = asked.to_frame(index=False).merge(counts, on=["source", "repository"], suffixes=("", "_then"))
    age = (pd.to_datetime(pairs["event_date"]) - pd.to_datetime(pairs["event_date_then"])).dt.days
    seen = pairs.assign(age=age)[(age >= 0) & (age < RECENT_DAYS + USUAL_DAYS)]
    recent = (seen["age"] < RECENT_DAYS).to_numpy()
    totals = seen.assign(recent=seen["events"] * recent, usual=seen["events"] * ~recent).groupby(REPOSITORY_DAY)
    sums, oldest = totals[["recent", "usual"]].sum(), totals["age"].max()
    span = oldest - RECENT_DAYS + 1
    rates = (sums["recent"] + 1) / RECENT_DAYS, sums["usual"] / span.clip(lower=1) + 1 / RECENT_DAYS
    return pd.Series(np.log2(rates[0] / rates[1]), index=sums.index).where(span >= RECENT_DAYS)


def _ranks(trending: pd.DataFrame, asked: pd.Index) -> pd.DataFrame:
    """Best rank of the day of `asked`, an index of `REPOSITORY_DAY`, and the places gained; names in any case."""
    listed = trending.assign(lower=trending["name"].str.lower())
    best = listed.groupby(["source", "lower", "event_date"])["rank"].min().reset_index()
    best = best.sort_values(["source", "lower", "event_date"], kind="stable")
    change = previous(best, ["source", "lower"], ["rank"], RANK_DAYS)["rank"] - best["rank"]
    known = best.assign(trending_rank=best["rank"], trending_rank_change=change).drop(columns="rank")
    rows = asked.to_frame(index=False)
    rows = rows.assign(lower=rows["repository"].str.lower())
    return rows.merge(known, how="left", on=["source", "lower", "event_date"]).set_index(REPOSITORY_DAY)


def developer_activity_daily(
    days: Sequence[date], snapshots: pd.DataFrame, events: pd.DataFrame, trending: pd.DataFrame
) -> pd.DataFrame:
    """Commits, pull requests, issues, releases, contributors, stars and momentum per repository and day.

    Args:
        days: days to give rows for.
        snapshots: rows of `deduplicated/repositories` from `VELOCITY_DAYS` before the first day.
        events: rows of `deduplicated/repo_events` from `EVENT_DAYS` before the first day.
        trending: rows of `deduplicated/trending` from `RANK_DAYS` before the first day.

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
    stars = _stars(snapshots)
    counts = counted.join(stars, how="outer")
    counted_names = [*OPENED.values(), *CLOSED.values(), *GIVEN.values(), "contributors"]
    counts[counted_names] = counts[counted_names].fillna(0).astype("int64")
    counts = on_days(counts.reset_index(), days).set_index(REPOSITORY_DAY)
    asked = counts.index
    ranks = _ranks(trending, asked)
    found = counts.assign(
        activity=counts[list(OPENED.values())].sum(axis=1),
        # A frame without rows would take the rows of what is assigned to it.
        activity_momentum=_momentum(contributions, asked).reindex(asked),
        star_velocity=_velocity(stars).reindex(asked),
        trending_rank=ranks["trending_rank"],
        trending_rank_change=ranks["trending_rank_change"],
    )
    return shaped(DEVELOPER_ACTIVITY_DAILY, found.reset_index())
