"""Aggregates of repositories."""

from pipeline_platform.schemas.aggregated.measures import count
from pipeline_platform.schemas.columns import day, integer, not_blank, text
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
            "event_date": day(),
        },
        key=("event_date", "source", "repository"),
    ),
    key=("event_date", "source", "repository"),
    published=True,
    tags={"domain": "developer"},
)
