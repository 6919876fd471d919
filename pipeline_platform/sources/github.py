"""GitHub: counters and activity of watched repositories, and young repositories with most stars."""

from collections.abc import Sequence
from functools import partial

from pipeline_platform.sources.base import Budget, Credential, Sample, Source, Stream
from pipeline_platform.sources.github_activity import (
    FEED_PAGES,
    SAMPLE_CONTRIBUTION,
    SAMPLE_EVENT,
    SAMPLE_FORK,
    SAMPLE_RELEASE,
    SAMPLE_STAR,
    STAR_PAGES,
    fetch_contributions,
    fetch_events,
    fetch_releases,
    fetch_stars,
    identify_contribution,
    identify_event,
    identify_release,
    identify_star,
    parse_contribution,
    parse_event,
    parse_release,
    parse_star,
)
from pipeline_platform.sources.github_api import GithubSettings, diagnose
from pipeline_platform.sources.github_lists import (
    fetch_commits,
    fetch_issues,
    fetch_pull_requests,
    fetch_repositories,
    fetch_trending,
)
from pipeline_platform.sources.github_records import (
    SAMPLE_COMMIT,
    SAMPLE_COUNTERS,
    SAMPLE_ISSUE,
    SAMPLE_PULL_REQUEST,
    SAMPLE_TREND,
    identify_commit,
    identify_issue,
    identify_pull_request,
    identify_repository,
    identify_trend,
    parse_commit,
    parse_issue,
    parse_issue_document,
    parse_pull_request,
    parse_repository,
    parse_trend,
)


def _repositories(settings: GithubSettings) -> Sequence[str]:
    return settings.repositories


def _languages(settings: GithubSettings) -> Sequence[str]:
    return settings.languages


_TODAY = partial(Stream, history="now_only", lookback_days=1)
_PAST = partial(Stream, history="replayable", lookback_days=3, targets=_repositories)

_TICKET_FIELDS = {
    "event_id": "html_url | number",
    "repository": "html_url",
    "author": "user.login",
    "title": "title",
    "text": "body (as plain text)",
    "url": "html_url",
    "number": "number",
    "state": "state",
    "labels": "labels[].name",
    "comments": "comments",
    "occurred_at": "created_at",
    "updated_at": "updated_at",
    "closed_at": "closed_at",
}

SOURCE = Source(
    name="github",
    title="GitHub",
    domain="developer",
    homepage="https://github.com",
    api_docs="https://docs.github.com/en/rest",
    licence="GitHub Terms of Service; contents under the licence of each repository",
    terms=(
        "What the API shows may be kept. E-mail addresses in commits are personal data: they stay in raw and are not "
        "for mailing. What GitHub removes (404, 410, 451) is to be removed here."
    ),
    base_url="https://api.github.com",
    credentials=(
        Credential(
            "token",
            "github.com/settings/personal-access-tokens: a fine-grained token with read access to public repositories",
            required=False,
        ),
    ),
    budget=Budget(5000, 3600),
    cadence="17 * * * *",
    settings=GithubSettings,
    diagnose=diagnose,
    streams=(
        _TODAY(
            name="github_repositories",
            kind="repositories",
            description="Stars, forks, watchers and open issues of the watched repositories, once a day.",
            targets=_repositories,
            fetch=fetch_repositories,
            identify=identify_repository,
            parse=parse_repository,
            fields={
                "snapshot_id": "repository.full_name | observed_on",
                "repository": "repository.full_name",
                "description": "repository.description",
                "language": "repository.language",
                "licence": "repository.license.spdx_id",
                "topics": "repository.topics[]",
                "stars": "repository.stargazers_count",
                "forks": "repository.forks_count",
                "watchers": "repository.subscribers_count",
                "open_issues": "repository.open_issues_count",
                "size_kb": "repository.size",
                "is_fork": "repository.fork",
                "is_archived": "repository.archived",
                "repository_created_at": "repository.created_at",
                "pushed_at": "repository.pushed_at",
                "observed_at": "observed_on (start of the day)",
            },
            sample=Sample("harbour/tide", [SAMPLE_COUNTERS]),
        ),
        _PAST(
            name="github_commits",
            kind="repo_events",
            description="Commits of the default branch of the watched repositories.",
            fetch=fetch_commits,
            identify=identify_commit,
            parse=parse_commit,
            fields={
                "event_id": "html_url | sha",
                "repository": "html_url",
                "event_type": "(always commit)",
                "author": "author.login | commit.author.name",
                "title": "commit.message (first line)",
                "text": "commit.message (the rest, without addresses of people)",
                "url": "html_url",
                "comments": "commit.comment_count",
                "occurred_at": "commit.committer.date",
            },
            sample=Sample("harbour/tide", [SAMPLE_COMMIT]),
        ),
        _PAST(
            name="github_pull_requests",
            kind="repo_events",
            description="Pull requests of the watched repositories.",
            fetch=fetch_pull_requests,
            identify=identify_pull_request,
            parse=parse_pull_request,
            fields=_TICKET_FIELDS
            | {
                "event_type": "(always pull_request)",
                "state": "state | merged_at (merged)",
                "closed_at": "closed_at | merged_at",
            },
            sample=Sample("harbour/tide", [SAMPLE_PULL_REQUEST]),
        ),
        _PAST(
            name="github_issues",
            kind="repo_events",
            description="Issues of the watched repositories, as events.",
            fetch=fetch_issues,
            identify=identify_issue,
            parse=parse_issue,
            fields=_TICKET_FIELDS | {"event_type": "(always issue)"},
            sample=Sample("harbour/tide", [SAMPLE_ISSUE]),
        ),
        _PAST(
            name="github_issue_documents",
            kind="documents",
            description="Issues of the watched repositories, as texts.",
            fetch=fetch_issues,
            identify=identify_issue,
            parse=parse_issue_document,
            fields={
                "document_id": "html_url | number",
                "kind": "(always issue)",
                "channel": "html_url",
                "author": "user.login",
                "title": "title",
                "text": "body (as plain text)",
                "url": "html_url",
                "category": "labels[].name (the first)",
                "created_at": "created_at",
                "score": "reactions.+1",
                "replies": "comments",
            },
            sample=Sample("harbour/tide", [SAMPLE_ISSUE]),
        ),
        _PAST(
            name="github_stars",
            kind="repo_events",
            description=(
                "Stars given to the watched repositories and not taken back since. GitHub lists the first 40,000; "
                "later ones come from its event feed, as far back as that goes."
            ),
            max_pages=STAR_PAGES + FEED_PAGES,
            fetch=fetch_stars,
            identify=identify_star,
            parse=parse_star,
            fields={
                "event_id": "repository | star.user.id",
                "repository": "repository",
                "event_type": "(always star)",
                "author": "star.user.login",
                "occurred_at": "star.starred_at",
            },
            sample=Sample("harbour/tide", [SAMPLE_STAR]),
        ),
        _PAST(
            name="github_releases",
            kind="repo_events",
            description="Releases of the watched repositories, without drafts.",
            fetch=fetch_releases,
            identify=identify_release,
            parse=parse_release,
            fields={
                "event_id": "html_url | id",
                "repository": "html_url",
                "event_type": "(always release)",
                "author": "author.login",
                "title": "name | tag_name",
                "text": "body (as plain text)",
                "url": "html_url",
                "state": "prerelease (prerelease or published)",
                "occurred_at": "published_at",
                "updated_at": "updated_at",
            },
            sample=Sample("harbour/tide", [SAMPLE_RELEASE]),
        ),
        Stream(
            name="github_events",
            kind="repo_events",
            description=(
                "The event feed of the watched repositories: pushes, forks, comments, reviews; the newest 300 of 30 "
                "days. Issues, pull requests, releases and stars in it are notices: their own streams have them whole."
            ),
            history="now_only",
            lookback_days=3,
            targets=_repositories,
            fetch=fetch_events,
            identify=identify_event,
            parse=parse_event,
            fields={
                "event_id": "repo.name | id",
                "repository": "repo.name",
                "event_type": "type",
                "author": "actor.login",
                "title": (
                    "payload.issue.title | payload.pull_request.title | payload.release.name | "
                    "payload.release.tag_name | payload.forkee.full_name | payload.ref"
                ),
                "text": "payload.comment.body | payload.review.body (as plain text)",
                "url": (
                    "payload.comment.html_url | payload.review.html_url | payload.issue.html_url | "
                    "payload.pull_request.html_url | payload.release.html_url | payload.forkee.html_url"
                ),
                "number": "payload.issue.number | payload.pull_request.number | payload.number",
                "state": "payload.action",
                "occurred_at": "created_at",
            },
            sample=Sample("harbour/tide", [SAMPLE_EVENT, SAMPLE_FORK]),
        ),
        Stream(
            name="github_contributions",
            kind="contributions",
            description=(
                "Commits and lines per week, of the hundred busiest contributors of the watched repositories. A week "
                "lies on its first day, a Sunday, and grows until it ends."
            ),
            # Every answer holds all weeks as they were last computed; those that overlap the window are taken, and so
            # the running one by every fetch, wherever in the week its days lie.
            history="now_only",
            lookback_days=7,
            targets=_repositories,
            fetch=fetch_contributions,
            identify=identify_contribution,
            parse=parse_contribution,
            fields={
                "contribution_id": "repository | author.id | week.w",
                "repository": "repository",
                "author": "author.login",
                "week_at": "week.w",
                "commits": "week.c",
                "additions": "week.a | counts_lines (whether GitHub counts lines there)",
                "deletions": "week.d | counts_lines",
            },
            sample=Sample("harbour/tide", [SAMPLE_CONTRIBUTION]),
        ),
        _TODAY(
            name="github_trending",
            kind="trending",
            description="Young repositories with most stars, by language.",
            targets=_languages,
            fetch=fetch_trending,
            identify=identify_trend,
            parse=parse_trend,
            fields={
                "trend_id": "language | observed_on | repository.full_name",
                "list_name": "language",
                "rank": "rank (place in the answer)",
                "name": "repository.full_name",
                "volume": "repository.stargazers_count",
                "url": "repository.html_url",
                "observed_at": "observed_on (start of the day)",
            },
            sample=Sample("python", [SAMPLE_TREND]),
        ),
    ),
)
