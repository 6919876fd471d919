"""Aggregates of repositories."""

from pipeline_platform.schemas.aggregated.measures import count
from pipeline_platform.schemas.columns import above, day, integer, not_blank, real, text
from pipeline_platform.schemas.table import Table, schema_of

DEVELOPER_ACTIVITY_DAILY = Table(
    layer="aggregated",
    name="developer_activity_daily",
    description="What happened in every repository per day: commits, pull requests, issues, people, stars.",
    schema=schema_of(
        "aggregated/developer_activity_daily",
        {
            "source": text("Source.", not_blank()),
            "repository": text("`owner/name`.", not_blank()),
            "commits": count("Commits.", "commits"),
            "pull_requests_opened": count("Pull requests opened.", "pull requests"),
            "pull_requests_closed": count(
                "Pull requests closed or merged, of those opened at most 30 days before.", "pull requests"
            ),
            "issues_opened": count("Issues opened.", "issues"),
            "issues_closed": count("Issues closed, of those opened at most 30 days before.", "issues"),
            "releases": count("Releases.", "releases"),
            "contributors": count(
                "Distinct authors of the day's commits, pull requests, issues and releases.", "accounts"
            ),
            "stars": count("Stars at the last snapshot of the day; null without one.", "accounts", nullable=True),
            "stars_gained": integer(
                "Stars since the latest snapshot of an earlier day, at most 7 days back; null without one.",
                unit="accounts",
            ),
            "stars_given": count(
                "Stars given that day, as far as the upstream lists them; without those that were taken back before.",
                "accounts",
            ),
            "activity": count("Commits, pull requests and issues opened, releases: all of them together.", "events"),
            "activity_momentum": real(
                "How much busier the last 7 days were than the 28 before: log2((a + 1/7) / (b + 1/7)) of the daily "
                "means; 1 is twice as busy. The days before count from the first event; null with fewer than 7 of "
                "them.",
                unit="doublings",
            ),
            "star_velocity": real(
                "Stars gained per day since the latest snapshot that is at least 7 and at most 14 days old; null "
                "without one.",
                unit="accounts per day",
            ),
            "trending_rank": integer(
                "Best place in a list of trending repositories that day; null where it is in none.",
                above(0, "rank_positive"),
                unit="rank",
            ),
            "trending_rank_change": integer(
                "Places gained since the latest earlier day on which it was listed, at most 7 days back.", unit="rank"
            ),
            "event_date": day(),
        },
        key=("event_date", "source", "repository"),
    ),
    key=("event_date", "source", "repository"),
    published=True,
    tags={"domain": "developer"},
)
