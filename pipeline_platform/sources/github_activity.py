"""What goes on around a repository on GitHub: stars, releases, the event feed, and the work of contributors by week.

Items that do not name their repository are kept in a payload that does. Wire format: version 2022-11-28 of
https://docs.github.com/en/rest (activity/starring, activity/events, releases/releases, metrics/statistics).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from pipeline_platform.sources.base import Fetch, Page
from pipeline_platform.sources.github_api import (
    PER_PAGE,
    GithubSettings,
    answers,
    ask,
    items_of,
    link,
    record_of,
    repository_answer,
)
from pipeline_platform.sources.github_values import (
    believable_moment,
    counted,
    happened,
    integer,
    login_of,
    moment_of,
    part_of,
    plain_text,
    repository_of,
    text_of,
    written,
)

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

_STARRED = "github.star+json"
"""Media type of stars with their times; without it GitHub lists the accounts alone."""

STAR_PAGES = 400
"""Pages after which GitHub cuts the list of stargazers off; it is sorted oldest first, so the newest are not in it."""

FEED_PAGES = 3
"""Pages of the event feed: 300 events are shown."""

WEEK = timedelta(days=7)
RELEASE_DELAY = timedelta(days=30)
"""How long after the commit it is made of, by whose date the list goes, a release may still be published."""

_EVENT_TYPES = {
    "PushEvent": "push",
    "ForkEvent": "fork",
    "IssueCommentEvent": "comment",
    "CommitCommentEvent": "comment",
    "PullRequestReviewCommentEvent": "comment",
    "PullRequestReviewEvent": "review",
    # These have rows of their own, from streams of their own; here they are told of, and must not be counted again.
    "IssuesEvent": "notice",
    "PullRequestEvent": "notice",
    "ReleaseEvent": "notice",
    "WatchEvent": "notice",
}


def _believable(item: Any, field: str, fetch: Fetch[GithubSettings]) -> datetime | None:
    moment = believable_moment(item.get(field)) if isinstance(item, Mapping) else None
    return moment if moment and moment <= fetch.now else None


def _last_known(times: Sequence[datetime | None]) -> list[datetime | None]:
    known: datetime | None = None
    return [known := time or known for time in times]


def _near(times: Sequence[datetime | None]) -> list[list[datetime]]:
    """For each place of an ordered list its time; where there is none, the times of its neighbours that have one."""
    before, after = _last_known(times), _last_known(times[::-1])[::-1]
    return [[moment for moment in {*pair} if moment] for pair in zip(before, after, strict=True)]


def _of_window(items: list[Any], field: str, fetch: Fetch[GithubSettings]) -> list[Any]:
    """The items of an ordered page that happened in the window.

    What has no time or an impossible one is taken by its place in the list: that is for the quarantine to tell.
    """
    near = _near([_believable(item, field, fetch) for item in items])
    window = fetch.window
    return [
        item
        for item, moments in zip(items, near, strict=True)
        if not moments or any(moment in window for moment in moments)
    ]


def _moments(items: list[Any], field: str, fetch: Fetch[GithubSettings]) -> list[datetime]:
    """The believable times of the items of a page, in its order."""
    return [moment for item in items if (moment := _believable(item, field, fetch))]


# Stars


def _star_lists(fetch: Fetch[GithubSettings], repository: str) -> Iterator["Response"]:
    """The pages of the list of stargazers, from the last one back to where the window begins."""
    first = ask(fetch, f"repos/{repository}/stargazers", {"per_page": PER_PAGE}, media=_STARRED)
    address = link(first, "last")
    if address is None:
        # One page, or a server that does not say where its list ends.
        yield first
        address = link(first, "next")
        while address is not None:
            response = ask(fetch, address, media=_STARRED)
            yield response
            address = link(response, "next")
        return
    while address is not None and httpx.URL(address).params.get("page") != "1":
        response = ask(fetch, address, media=_STARRED)
        yield response
        moments = _moments(items_of(response), "starred_at", fetch)
        if moments and moments[0] < fetch.window.start:
            return
        address = link(response, "prev")
    yield first


def fetch_stars(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Stars given in the window, newest page first; above 40,000 also those that the event feed tells of."""
    _, repository = repository_answer(fetch, target)
    name, count = str(repository["full_name"]), repository.get("stargazers_count")
    for response in _star_lists(fetch, target):
        stars = _of_window(items_of(response), "starred_at", fetch)
        yield Page.of(response, [record_of({"repository": name, "star": star}, identify_star) for star in stars])
    if isinstance(count, int) and count > STAR_PAGES * PER_PAGE:
        for response, events in _feed(fetch, target):
            watches = [event for event in events if isinstance(event, Mapping) and event.get("type") == "WatchEvent"]
            stars = [{"starred_at": event.get("created_at"), "user": event.get("actor")} for event in watches]
            yield Page.of(response, [record_of({"repository": name, "star": star}, identify_star) for star in stars])


def identify_star(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:star:NUMBER` with the number of the account, and when it gave the star."""
    star = payload["star"]
    account = counted(star["user"]["id"], "user.id")
    return f"github:{_named(payload)}:star:{account}", believable_moment(star.get("starred_at"))


def parse_star(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from `{"repository": NAME, "star": item of GET /repos/{owner}/{repo}/stargazers}`."""
    event_id, _ = identify_star(payload)
    star = payload["star"]
    return {
        "event_id": event_id,
        "repository": _named(payload),
        "event_type": "star",
        "author": login_of(star["user"]),
        "occurred_at": happened(star["starred_at"], "starred_at"),
    }


def _named(payload: Any) -> str:
    return written(payload["repository"], "repository")


# Releases


def fetch_releases(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Releases published in the window, without drafts."""
    for response in answers(fetch, f"repos/{target}/releases", {"per_page": PER_PAGE}):
        releases = items_of(response)
        wanted = [
            release
            for release in _of_window(releases, "published_at", fetch)
            if not (isinstance(release, Mapping) and release.get("draft") is True)
        ]
        yield Page.of(response, [record_of(release, identify_release) for release in wanted])
        moments = _moments(releases, "created_at", fetch)
        if moments and max(moments) < fetch.window.start - RELEASE_DELAY:
            return


def identify_release(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:release:NUMBER` and the time of publication."""
    number = counted(payload["id"], "id")
    return f"github:{repository_of(payload)}:release:{number}", believable_moment(payload.get("published_at"))


def parse_release(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/releases."""
    event_id, _ = identify_release(payload)
    return {
        "event_id": event_id,
        "repository": repository_of(payload),
        "event_type": "release",
        "author": login_of(part_of(payload, "author")),
        "title": text_of(payload.get("name"), "name") or text_of(payload.get("tag_name"), "tag_name"),
        "text": plain_text(text_of(payload.get("body"), "body")),
        "url": written(payload["html_url"], "html_url"),
        "state": "prerelease" if payload.get("prerelease") is True else "published",
        "occurred_at": happened(payload["published_at"], "published_at"),
        "updated_at": moment_of(payload.get("updated_at"), "updated_at"),
    }


# Events


def _feed(fetch: Fetch[GithubSettings], repository: str) -> Iterator[tuple["Response", list[Any]]]:
    """Answers of the event feed, which holds 300 events of 30 days at most, with their events of the window."""
    for response in answers(fetch, f"repos/{repository}/events", {"per_page": PER_PAGE}):
        events = items_of(response)
        yield response, _of_window(events, "created_at", fetch)
        moments = _moments(events, "created_at", fetch)
        if moments and max(moments) < fetch.window.start:
            return


def fetch_events(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Events of the window, as far as the feed still shows them."""
    for response, events in _feed(fetch, target):
        yield Page.of(response, [record_of(event, identify_event) for event in events])


def identify_event(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:event:NUMBER` and when it happened."""
    repository, number = written(payload["repo"]["name"], "repo.name"), written(payload["id"], "id")
    return f"github:{repository}:event:{number}", believable_moment(payload.get("created_at"))


def parse_event(payload: Any) -> dict[str, Any]:
    """A `repo_events` row from an item of GET /repos/{owner}/{repo}/events.

    Its title, text and address are those of what the event is about: a comment has the title of its issue.
    """
    event_id, _ = identify_event(payload)
    told = part_of(payload, "payload")
    parts = [part_of(told, name) for name in ("comment", "review", "issue", "pull_request", "release", "forkee")]
    comment, review, issue, pull_request, release, forkee = parts
    ticket = issue or pull_request
    title = ticket.get("title") or release.get("name") or release.get("tag_name")
    return {
        "event_id": event_id,
        "repository": written(payload["repo"]["name"], "repo.name"),
        "event_type": _EVENT_TYPES.get(written(payload["type"], "type"), "other"),
        "author": login_of(part_of(payload, "actor")),
        "title": text_of(title or forkee.get("full_name") or told.get("ref"), "title"),
        "text": plain_text(text_of(comment.get("body") or review.get("body"), "body")),
        "url": text_of(next((part["html_url"] for part in parts if part.get("html_url")), None), "html_url"),
        "number": integer(ticket.get("number") or told.get("number"), "number"),
        "state": text_of(told.get("action"), "action"),
        "occurred_at": happened(payload["created_at"], "created_at"),
    }


# Contributions


def fetch_contributions(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """The weeks that overlap the window, of the hundred busiest contributors; weeks without work are left out.

    GitHub shows 0 lines everywhere for repositories with 10,000 commits or more; `counts_lines` tells those apart.
    """
    _, repository = repository_answer(fetch, target)
    name = str(repository["full_name"])
    response = ask(fetch, f"repos/{target}/stats/contributors")
    payloads = [
        {"repository": name, "author": author, "week": week}
        for contributor in items_of(response)
        for author, week in _weeks_of(contributor, fetch)
    ]
    counts_lines = any(isinstance(item, Mapping) and _has_lines(item) for item in items_of(response))
    records = [record_of(payload | {"counts_lines": counts_lines}, identify_contribution) for payload in payloads]
    yield Page.of(response, records)


def _weeks_of(contributor: Any, fetch: Fetch[GithubSettings]) -> Iterator[tuple[Any, Any]]:
    """Account and week, for the weeks of a contributor that overlap the window and have work.

    What is of no known shape stands in place of a week.
    """
    weeks = contributor.get("weeks") if isinstance(contributor, Mapping) else None
    if not isinstance(contributor, Mapping) or not isinstance(weeks, list):
        yield None, contributor
        return
    window = fetch.window
    for week, starts in zip(weeks, _near([_begun(week, fetch) for week in weeks]), strict=True):
        overlaps = any(start < window.end and start + WEEK > window.start for start in starts)
        if (overlaps or not starts) and _worked(week):
            yield contributor.get("author"), week


def _worked(week: Any) -> bool:
    return not isinstance(week, Mapping) or any(week.get(name) != 0 for name in "cad")


def _has_lines(contributor: Mapping[str, Any]) -> bool:
    weeks = contributor.get("weeks")
    return isinstance(weeks, list) and any(
        isinstance(week, Mapping) and (week.get("a") or week.get("d")) for week in weeks
    )


def _begun(week: Any, fetch: Fetch[GithubSettings]) -> datetime | None:
    try:
        start = _week_start(week)
    except (KeyError, TypeError, ValueError):
        return None
    return start if start <= fetch.now else None


def _week_start(week: Any) -> datetime:
    seconds = counted(week["w"], "week.w")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"week.w is no time: {seconds}") from error


def identify_contribution(payload: Any) -> tuple[str, datetime | None]:
    """`github:owner/name:contribution:NUMBER:DAY`: number of the account, and the Sunday on which the week begins."""
    week_at = _week_start(payload["week"])
    account = counted(payload["author"]["id"], "author.id")
    return f"github:{_named(payload)}:contribution:{account}:{week_at.date()}", week_at


def parse_contribution(payload: Any) -> dict[str, Any]:
    """A `contributions` row from `{"repository", "author", "week", "counts_lines"}`, a week of a contributor."""
    contribution_id, week_at = identify_contribution(payload)
    week, counts_lines = payload["week"], payload.get("counts_lines") is True
    additions, deletions = integer(week.get("a"), "week.a"), integer(week.get("d"), "week.d")
    return {
        "contribution_id": contribution_id,
        "repository": _named(payload),
        "author": login_of(payload["author"]),
        "week_at": week_at,
        "commits": counted(week["c"], "week.c"),
        "additions": additions if counts_lines else None,
        "deletions": deletions if counts_lines else None,
    }


SAMPLE_STAR: dict[str, Any] = {
    "repository": "harbour/tide",
    "star": {"starred_at": "2026-01-05T19:02:11Z", "user": {"login": "bo-lund", "id": 772, "type": "User"}},
}
SAMPLE_RELEASE: dict[str, Any] = {
    "id": 31007,
    "html_url": "https://github.com/harbour/tide/releases/tag/v2.5.0",
    "tag_name": "v2.5.0",
    "target_commitish": "main",
    "name": "Spring tide",
    "draft": False,
    "prerelease": False,
    "author": {"login": "idastrand", "id": 771},
    "created_at": "2026-01-05T20:58:12Z",
    "published_at": "2026-01-05T21:10:40Z",
    "updated_at": "2026-01-05T21:12:03Z",
    "assets": [],
    "body": "## Changed\r\n\r\n- low water comes in time again, #51",
}
SAMPLE_EVENT: dict[str, Any] = {
    "id": "45000000123",
    "type": "IssueCommentEvent",
    "actor": {"id": 772, "login": "bo-lund", "display_login": "bo-lund"},
    "repo": {"id": 4101, "name": "harbour/tide"},
    "payload": {
        "action": "created",
        "issue": {"number": 51, "title": "Low water is reported an hour late", "state": "open"},
        "comment": {
            "id": 88001,
            "html_url": "https://github.com/harbour/tide/issues/51#issuecomment-88001",
            "user": {"login": "bo-lund", "id": 772},
            "body": "Seen in **Ribe** too.",
        },
    },
    "public": True,
    "created_at": "2026-01-05T18:02:10Z",
}
SAMPLE_FORK: dict[str, Any] = {
    "id": "45000000124",
    "type": "ForkEvent",
    "actor": {"id": 773, "login": "kaj"},
    "repo": {"id": 4101, "name": "harbour/tide"},
    "payload": {"forkee": {"full_name": "kaj/tide", "html_url": "https://github.com/kaj/tide"}},
    "public": True,
    "created_at": "2026-01-05T18:30:00Z",
}
SAMPLE_CONTRIBUTION: dict[str, Any] = {
    "repository": "harbour/tide",
    "author": {"login": "idastrand", "id": 771, "type": "User"},
    "week": {"w": 1767484800, "a": 214, "d": 96, "c": 7},
    "counts_lines": True,
}
