"""What is asked of GitHub for counters, commits, pull requests, issues and trending lists."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_platform.sources.base import Fetch, Page, Window
from pipeline_platform.sources.errors import Malformed, Permanent
from pipeline_platform.sources.github_api import (
    PER_PAGE,
    GithubSettings,
    Params,
    answers,
    items_of,
    record_of,
    repository_answer,
)
from pipeline_platform.sources.github_records import (
    identify_commit,
    identify_issue,
    identify_pull_request,
    identify_repository,
    identify_trend,
)
from pipeline_platform.sources.github_values import believable_moment


def _touched(item: Any, window: Window) -> bool:
    """Whether an item was made or last changed in the window; true for one that does not tell."""
    if not isinstance(item, Mapping):
        return True
    moments = [believable_moment(item.get("created_at")), believable_moment(item.get("updated_at"))]
    return None in moments or any(moment in window for moment in moments if moment)


def _older(items: Sequence[Any], window: Window) -> bool:
    """Whether a page sorted by change, newest first, ends before the window."""
    changes = [believable_moment(item.get("updated_at")) for item in items if isinstance(item, Mapping)]
    known = [change for change in changes if change]
    return bool(known) and known[-1] < window.start


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_clone_tokens(repository: Any) -> Any:
    """A repository object without `temp_clone_token`: a credential, and another one in every answer."""
    if not isinstance(repository, dict):
        return repository
    return {key: _without_clone_tokens(value) for key, value in repository.items() if key != "temp_clone_token"}


def fetch_repositories(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Today's counters of a repository."""
    day = fetch.now.astimezone(UTC).date().isoformat()
    response, repository = repository_answer(fetch, target)
    payload = {"observed_on": day, "repository": _without_clone_tokens(repository)}
    yield Page.of(response, [record_of(payload, identify_repository)])


def fetch_commits(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Commits of the default branch whose committer's date lies in the window."""
    params: Params = {"since": _stamp(fetch.window.start), "until": _stamp(fetch.window.end), "per_page": PER_PAGE}
    try:
        for response in answers(fetch, f"repos/{target}/commits", params):
            yield Page.of(response, [record_of(item, identify_commit) for item in items_of(response)])
    except Permanent as error:
        if error.status != 409:  # a repository without commits is no failure
            raise


def fetch_pull_requests(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Pull requests made or last changed in the window; what was changed last comes first."""
    params: Params = {"state": "all", "sort": "updated", "direction": "desc", "per_page": PER_PAGE}
    for response in answers(fetch, f"repos/{target}/pulls", params):
        items = items_of(response)
        yield Page.of(
            response, [record_of(item, identify_pull_request) for item in items if _touched(item, fetch.window)]
        )
        if _older(items, fetch.window):
            return


def fetch_issues(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Issues made or last changed in the window, without the pull requests that GitHub lists among them."""
    params: Params = {
        "state": "all",
        "since": _stamp(fetch.window.start),
        # Newest first: what changes while we page is then seen twice; the other way round it would be missed.
        "sort": "updated",
        "direction": "desc",
        "per_page": PER_PAGE,
    }
    try:
        for response in answers(fetch, f"repos/{target}/issues", params):
            issues = [item for item in items_of(response) if not (isinstance(item, Mapping) and "pull_request" in item)]
            yield Page.of(
                response, [record_of(issue, identify_issue) for issue in issues if _touched(issue, fetch.window)]
            )
    except Permanent as error:
        if error.status != 410:  # a repository with issues disabled has none
            raise


def fetch_trending(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """The young repositories of a language with most stars, in order."""
    today = fetch.now.astimezone(UTC).date()
    oldest = today - timedelta(days=fetch.settings.trending_days)
    size = fetch.settings.trending_size
    params: Params = {
        "q": f'created:>{oldest} language:"{target}"',
        "sort": "stars",
        "order": "desc",
        "per_page": min(size, PER_PAGE),
    }
    rank = 0
    for response in answers(fetch, "search/repositories", params):
        found = response.json()
        if not isinstance(found, Mapping) or not isinstance(found.get("items"), list):
            raise Malformed(f"{response.url} gave no list of items", status=response.status)
        payloads = [
            {"observed_on": today.isoformat(), "language": target, "rank": place, "repository": item}
            for place, item in enumerate(found["items"][: size - rank], start=rank + 1)
        ]
        rank += len(payloads)
        yield Page.of(response, [record_of(payload, identify_trend) for payload in payloads])
        if rank >= size:
            return
