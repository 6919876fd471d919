"""Asking the GitHub REST API: settings, paging, and what its answers mean.

Limits, paging and meaning of statuses: https://docs.github.com/en/rest/using-the-rest-api. An answer 304 costs nothing
of the upstream's budget when a token is given. Ours counts it all the same: it also keeps us below the secondary
limits, which no header tells of.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any

import httpx
from pydantic import Field, SecretStr, StringConstraints

from pipeline_platform.sources.base import Fetch, Record, SourceSettings
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

Params = Mapping[str, str | int]

PER_PAGE = 100
SEARCH_CAP = 1000
"""Results after which a search ends, whatever it found."""

_SECONDARY_LIMIT_WAIT = 60.0
"""Seconds to wait where GitHub names none: "wait for at least one minute", says its documentation."""

_COMPUTING_WAIT = 10.0
"""Seconds after which statistics that are being computed are asked for again."""

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
    trending_size: int = Field(
        50,
        ge=1,
        le=SEARCH_CAP,
        description="Length of a trending list; GitHub shows no more than 1,000 results of a search.",
    )


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
        # Statistics are computed when somebody asks for them, mostly within seconds.
        wait = _number(response, "retry-after") or _COMPUTING_WAIT
        return Transient("GitHub is still computing the answer", status=status, wait_seconds=wait)
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


def link(response: "Response", relation: str) -> str | None:
    """The address of the `next`, `prev` or `last` page that an answer names, None where it names none.

    Raises:
        Malformed: it lies on another server, where neither a proxy nor the sandbox may be left for without a word.
    """
    links = httpx.Response(200, headers={"link": response.headers.get("link", "")}).links
    address = links.get(relation, {}).get("url")
    if address is None:
        return None
    here, there = httpx.URL(response.url), httpx.URL(response.url).join(address)
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
        raise Malformed(
            f"the {relation} page lies on {there.host}, not on {here.host}: let the proxy rewrite Link headers"
        )
    return str(there)


def ask(
    fetch: Fetch[GithubSettings], address: str, params: Params | None = None, media: str = "github+json"
) -> "Response":
    """The answer to one request; `media` is the subtype that is accepted, without `application/vnd.`."""
    headers = {"Accept": f"application/vnd.{media}", "X-GitHub-Api-Version": "2022-11-28"}
    if fetch.settings.token is not None:
        headers["Authorization"] = f"Bearer {fetch.settings.token.get_secret_value()}"
    return fetch.client.get(address, params=params, headers=headers)


def answers(fetch: Fetch[GithubSettings], path: str, params: Params | None = None) -> Iterator["Response"]:
    """The answer to `path` and to every `next` link after it."""
    address: str | None = path
    while address is not None:
        response = ask(fetch, address, params)
        yield response
        address, params = link(response, "next"), None


def repository_answer(fetch: Fetch[GithubSettings], name: str) -> tuple["Response", Mapping[str, Any]]:
    """The repository object of `name`, with the answer it came in; it knows the name as it is written now.

    Raises:
        Malformed: what came is no repository.
    """
    response = ask(fetch, f"repos/{name}")
    repository = response.json()
    if not isinstance(repository, Mapping) or not isinstance(repository.get("full_name"), str):
        raise Malformed(f"{response.url} gave no repository", status=response.status)
    return response, repository


def items_of(response: "Response") -> list[Any]:
    """The items of an answer that is a list, none of one without a body.

    Raises:
        Malformed: it is no list.
    """
    if response.status == 204:
        return []
    items = response.json()
    if not isinstance(items, list):
        raise Malformed(f"{response.url} gave {type(items).__name__} instead of a list", status=response.status)
    return items


def record_of(payload: Any, identify: Callable[[Any], tuple[str, datetime | None]]) -> Record:
    """`payload` as a record, without id and time where it is too broken to tell."""
    try:
        return Record(*identify(payload), payload)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Record(None, None, payload)
