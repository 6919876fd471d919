"""GitHub: counters, commits, pull requests and issues of watched repositories, and young repositories with most stars.

Limits, paging and meaning of statuses: https://docs.github.com/en/rest/using-the-rest-api.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import httpx
from pydantic import Field, SecretStr, StringConstraints

from pipeline_platform.sources.base import (
    Budget,
    Credential,
    Fetch,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
    Window,
)
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.github_records import (
    SAMPLE_COMMIT,
    SAMPLE_COUNTERS,
    SAMPLE_ISSUE,
    SAMPLE_PULL_REQUEST,
    SAMPLE_TREND,
    believable_moment,
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

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

_Params = Mapping[str, str | int]

_PER_PAGE = 100
_SEARCH_CAP = 1000
_SECONDARY_LIMIT_WAIT = 60.0
"""Seconds to wait where GitHub names none: "wait for at least one minute", says its documentation."""

RepositoryName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$")]
Language = Annotated[str, StringConstraints(pattern=r'^[^"\s][^"]{0,60}$')]


class GithubSettings(SourceSettings):
    """Settings of GitHub; without a token 60 requests an hour are free."""

    token: SecretStr | None = Field(None, description="Access token; 5,000 requests an hour instead of 60.")
    repositories: list[RepositoryName] = Field(
        ["dagster-io/dagster", "pandas-dev/pandas", "pola-rs/polars"],
        description="Repositories to watch, `owner/name`.",
    )
    languages: list[Language] = Field(
        ["python", "rust", "typescript"], description="Languages whose new repositories with most stars are listed."
    )
    trending_days: int = Field(30, ge=1, le=365, description="Repositories of at most this age can be trending.")
    trending_size: int = Field(50, ge=1, le=_SEARCH_CAP, description="Length of a trending list.")


def _message(response: "Response") -> str:
    try:
        body = response.json()
    except Malformed:
        return ""
    return str(body.get("message") or "") if isinstance(body, Mapping) else ""


def _number(response: "Response", header: str) -> float | None:
    try:
        number = float(response.headers[header])
    except (KeyError, ValueError):
        return None
    return number if 0 <= number < 1e11 else None


def _seconds_until_reset(response: "Response", reset: float) -> float:
    # Both times are GitHub's, so that a clock of ours that runs wrong does no harm.
    try:
        now = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return _SECONDARY_LIMIT_WAIT
    return min(max(reset - now, 1.0), _SECONDARY_LIMIT_WAIT)


def _spent(response: "Response", message: str) -> SourceError:
    reset = _number(response, "x-ratelimit-reset")
    if response.headers.get("x-ratelimit-resource") == "search" and reset is not None:
        # The search has a budget of its own that is filled again every minute.
        wait = _seconds_until_reset(response, reset)
        return Transient("GitHub: too many searches this minute", status=response.status, wait_seconds=wait)
    limit = response.headers.get("x-ratelimit-limit", "?")
    advice = " Set PIPELINE_GITHUB__TOKEN for 5,000 requests an hour." if limit == "60" else ""
    return QuotaExhausted(
        f"GitHub: the {limit} requests of this hour are spent ({message or 'rate limit exceeded'}).{advice}",
        status=response.status,
        resets_at=None if reset is None else datetime.fromtimestamp(reset, UTC),
    )


def _refused(response: "Response", message: str) -> SourceError:
    """Tells the three meanings of 403 and 429 apart: a secondary limit, a spent budget, a real refusal."""
    said = message.lower()
    if "secondary rate limit" in said or "abuse detection" in said:
        wait = _number(response, "retry-after") or _SECONDARY_LIMIT_WAIT
        return Transient(f"GitHub: {message}", status=response.status, wait_seconds=wait)
    if response.headers.get("x-ratelimit-remaining") == "0" or "rate limit exceeded" in said:
        return _spent(response, message)
    if response.status == 429:
        wait = _number(response, "retry-after") or _SECONDARY_LIMIT_WAIT
        return Transient(f"GitHub: too many requests {message}".rstrip(), status=429, wait_seconds=wait)
    reason = message or "no reason given"
    return Permanent(f"GitHub refuses {response.url}: {reason}. Check what the token may read.", status=403)


_ADVICE = {
    401: "the token is wrong, expired or revoked; make a new one and set PIPELINE_GITHUB__TOKEN",
    404: "the repository is absent or private; check its name and that the token may read it",
    409: "the repository has no commits yet",
    410: "it was removed, or issues are disabled for the repository",
    422: "the request has a value that GitHub does not accept; check names of repositories and languages",
    451: "it is blocked for legal reasons; take it off the watch list and erase what was kept of it",
}


def diagnose(response: "Response") -> SourceError | None:
    """Reads GitHub's way of saying things: limits behind 403, answers still being computed, searches cut short."""
    status = response.status
    if status == 202:
        return Transient("GitHub is still computing the answer", status=status)
    if status in (403, 429):
        return _refused(response, _message(response))
    if status == 409 and "empty" not in _message(response).lower():
        return Transient(f"GitHub: {_message(response) or 'the repository is being changed'}", status=status)
    if status in _ADVICE:
        message = _message(response) or "no reason given"
        return Permanent(f"GitHub answered {status} to {response.url}: {message}: {_ADVICE[status]}", status=status)
    if status == 200 and httpx.URL(response.url).path.endswith("/search/repositories"):
        found = response.json()
        if isinstance(found, Mapping) and found.get("incomplete_results") is True:
            # What ran into GitHub's time limit has gaps, and ranks of a list with gaps are wrong.
            return Transient("GitHub's search ran out of time and gave an incomplete list", status=status)
    return None


def _next_page(response: "Response") -> str | None:
    links = httpx.Response(200, headers={"link": response.headers.get("link", "")}).links
    address = links.get("next", {}).get("url")
    if address is None:
        return None
    here, there = httpx.URL(response.url), httpx.URL(response.url).join(address)
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
        # Neither a proxy nor the sandbox may be left without a word.
        raise Malformed(f"the next page lies on {there.host}, not on {here.host}: let the proxy rewrite Link headers")
    return str(there)


def _answers(fetch: Fetch[GithubSettings], path: str, params: _Params | None = None) -> Iterator["Response"]:
    """The answer to `path` and to every `next` link after it."""
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if fetch.settings.token is not None:
        headers["Authorization"] = f"Bearer {fetch.settings.token.get_secret_value()}"
    address: str | None = path
    while address is not None:
        response = fetch.client.get(address, params=params, headers=headers)
        yield response
        address, params = _next_page(response), None


def _listed(response: "Response") -> list[Any]:
    if response.status == 204:
        return []
    items = response.json()
    if not isinstance(items, list):
        raise Malformed(f"{response.url} gave {type(items).__name__} instead of a list", status=response.status)
    return items


def _record(payload: Any, identify: Callable[[Any], tuple[str, datetime | None]]) -> Record:
    try:
        return Record(*identify(payload), payload)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Record(None, None, payload)


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
    for response in _answers(fetch, f"repos/{target}"):
        repository = response.json()
        if not isinstance(repository, Mapping) or "full_name" not in repository:
            raise Malformed(f"{response.url} gave no repository", status=response.status)
        payload = {"observed_on": day, "repository": _without_clone_tokens(repository)}
        yield Page.of(response, [_record(payload, identify_repository)])


def fetch_commits(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Commits of the default branch whose committer's date lies in the window."""
    params: _Params = {"since": _stamp(fetch.window.start), "until": _stamp(fetch.window.end), "per_page": _PER_PAGE}
    try:
        for response in _answers(fetch, f"repos/{target}/commits", params):
            yield Page.of(response, [_record(item, identify_commit) for item in _listed(response)])
    except Permanent as error:
        if error.status != 409:  # a repository without commits is no failure
            raise


def fetch_pull_requests(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Pull requests made or last changed in the window; what was changed last comes first."""
    params: _Params = {"state": "all", "sort": "updated", "direction": "desc", "per_page": _PER_PAGE}
    for response in _answers(fetch, f"repos/{target}/pulls", params):
        items = _listed(response)
        yield Page.of(
            response, [_record(item, identify_pull_request) for item in items if _touched(item, fetch.window)]
        )
        if _older(items, fetch.window):
            return


def fetch_issues(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """Issues made or last changed in the window, without the pull requests that GitHub lists among them."""
    params: _Params = {
        "state": "all",
        "since": _stamp(fetch.window.start),
        # Newest first: what changes while we page is then seen twice; the other way round it would be missed.
        "sort": "updated",
        "direction": "desc",
        "per_page": _PER_PAGE,
    }
    try:
        for response in _answers(fetch, f"repos/{target}/issues", params):
            issues = [item for item in _listed(response) if not (isinstance(item, Mapping) and "pull_request" in item)]
            yield Page.of(
                response, [_record(issue, identify_issue) for issue in issues if _touched(issue, fetch.window)]
            )
    except Permanent as error:
        if error.status != 410:  # a repository with issues disabled has none
            raise


def fetch_trending(fetch: Fetch[GithubSettings], target: str) -> Iterator[Page]:
    """The young repositories of a language with most stars, in order."""
    today = fetch.now.astimezone(UTC).date()
    oldest = today - timedelta(days=fetch.settings.trending_days)
    size = fetch.settings.trending_size
    params: _Params = {
        "q": f'created:>{oldest} language:"{target}"',
        "sort": "stars",
        "order": "desc",
        "per_page": min(size, _PER_PAGE),
    }
    rank = 0
    for response in _answers(fetch, "search/repositories", params):
        found = response.json()
        if not isinstance(found, Mapping) or not isinstance(found.get("items"), list):
            raise Malformed(f"{response.url} gave no list of items", status=response.status)
        payloads = [
            {"observed_on": today.isoformat(), "language": target, "rank": place, "repository": item}
            for place, item in enumerate(found["items"][: size - rank], start=rank + 1)
        ]
        rank += len(payloads)
        yield Page.of(response, [_record(payload, identify_trend) for payload in payloads])
        if rank >= size:
            return


def _repositories(settings: GithubSettings) -> Sequence[str]:
    return settings.repositories


def _languages(settings: GithubSettings) -> Sequence[str]:
    return settings.languages


_TODAY = partial(Stream, history="now_only", lookback_days=1)
_PAST = partial(Stream, history="replayable", lookback_days=3, targets=_repositories)

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
            sample=Sample("harbour/tide", [SAMPLE_COUNTERS]),
        ),
        _PAST(
            name="github_commits",
            kind="repo_events",
            description="Commits of the default branch of the watched repositories.",
            fetch=fetch_commits,
            identify=identify_commit,
            parse=parse_commit,
            sample=Sample("harbour/tide", [SAMPLE_COMMIT]),
        ),
        _PAST(
            name="github_pull_requests",
            kind="repo_events",
            description="Pull requests of the watched repositories.",
            fetch=fetch_pull_requests,
            identify=identify_pull_request,
            parse=parse_pull_request,
            sample=Sample("harbour/tide", [SAMPLE_PULL_REQUEST]),
        ),
        _PAST(
            name="github_issues",
            kind="repo_events",
            description="Issues of the watched repositories, as events.",
            fetch=fetch_issues,
            identify=identify_issue,
            parse=parse_issue,
            sample=Sample("harbour/tide", [SAMPLE_ISSUE]),
        ),
        _PAST(
            name="github_issue_documents",
            kind="documents",
            description="Issues of the watched repositories, as texts.",
            fetch=fetch_issues,
            identify=identify_issue,
            parse=parse_issue_document,
            sample=Sample("harbour/tide", [SAMPLE_ISSUE]),
        ),
        _TODAY(
            name="github_trending",
            kind="trending",
            description="Young repositories with most stars, by language.",
            targets=_languages,
            fetch=fetch_trending,
            identify=identify_trend,
            parse=parse_trend,
            sample=Sample("python", [SAMPLE_TREND]),
        ),
    ),
)
