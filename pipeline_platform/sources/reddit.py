"""Reddit: new posts and comments of watched subreddits, through PRAW.

Wire format of listings and things: https://www.reddit.com/dev/api. Limits and the duty to delete:
https://support.reddithelp.com/hc/en-us/articles/16160319875092.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from pipeline_platform import __version__
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
)
from pipeline_platform.sources.client import SANDBOX_HEADER
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.listing import ends_before, wanted
from pipeline_platform.sources.reddit_praw import CREDENTIALS, TOKEN_PATH, WATCH_LIST, Connection, connect
from pipeline_platform.sources.reddit_records import (
    SAMPLE_COMMENT,
    SAMPLE_POST,
    identify_comment,
    identify_post,
    parse_comment,
    parse_post,
)

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

Identify = Callable[[Any], tuple[str, datetime | None]]

log = logging.getLogger(__name__)

_PAGE_SIZE = 100
_LISTING_END = 1000
"""Items after which a listing of Reddit ends, whatever it is asked."""

_MAX_PAGES = 40
"""Four times what a full listing needs: pages are short where Reddit has taken items out."""

_SUBREDDIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{1,20}|u_[A-Za-z0-9_-]{3,20}")
_ASKED_WAIT = re.compile(r"([0-9]{1,3}) (millisecond|second|minute)s?")
_UNIT_SECONDS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0}
_HOW = "reddit.com/prefs/apps: create an app of type script; Reddit approves new apps by hand, so ask in good time"


def _subreddit_name(name: str) -> str:
    if not _SUBREDDIT.fullmatch(name):
        raise ValueError(f"{name!r} is no subreddit name; give what follows r/ in its address, like technology")
    return name


class RedditSettings(SourceSettings):
    """Settings of Reddit; both credentials are needed, it has no anonymous access."""

    client_id: SecretStr | None = Field(None, description="Id of the app, shown under its name.")
    client_secret: SecretStr | None = Field(None, description="Secret of the app.")
    user_agent: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e][\x20-\x7e]{6,}$")] | None = Field(
        None,
        description="`<platform>:<app id>:<version> (by /u/<you>)`, as Reddit asks; names this software if unset.",
    )
    subreddits: list[Annotated[str, AfterValidator(_subreddit_name)]] = Field(
        ["technology", "programming", "worldnews", "stocks", "CryptoCurrency"],
        description="Subreddits to watch, without r/.",
    )


def _connection(fetch: Fetch[RedditSettings]) -> Connection:
    settings = fetch.settings
    if settings.client_id is None or settings.client_secret is None:
        raise Permanent(f"Reddit needs credentials: set {CREDENTIALS} ({_HOW})")
    return connect(
        fetch.client,
        settings.base_url.rstrip("/") if settings.base_url else None,
        settings.client_id.get_secret_value(),
        settings.client_secret.get_secret_value(),
        settings.user_agent or f"{sys.platform}:pipeline-platform:{__version__} (self-hosted data platform)",
    )


def _listed(body: Any, path: str) -> tuple[list[Any], str | None]:
    """Children of a listing, and the fullname that its next page comes after."""
    data = body.get("data") if isinstance(body, Mapping) and body.get("kind") == "Listing" else None
    if not isinstance(data, Mapping) or not isinstance(data.get("children"), list):
        raise Malformed(f"{path} gave no listing", status=200)
    after = data.get("after")
    if after is not None and not isinstance(after, str):
        raise Malformed(f"{path} names no fullname as its next page but {after!r:.40}", status=200)
    return data["children"], after or None


def _record(child: Any, identify: Identify) -> Record:
    payload = child["data"] if isinstance(child, Mapping) and isinstance(child.get("data"), Mapping) else child
    try:
        return Record(*identify(payload), payload)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)


def _pages(fetch: Fetch[RedditSettings], path: str, identify: Identify) -> Iterator[Page]:
    """Pages of a listing that is sorted from new to old, until one ends before the window or the listing ends."""
    connection = _connection(fetch)
    params: dict[str, str | int] = {"limit": _PAGE_SIZE}
    seen = 0
    while True:
        children, after = _listed(connection.ask(path, params), path)
        answer = connection.answers[-1]
        address = fetch.client.redactor.text(answer.url.partition("?")[0])
        records = [_record(child, identify) for child in children]
        yield Page(
            records=list(wanted(records, fetch)),
            request={"method": "GET", "url": address, "params": dict(params)},
            from_sandbox=SANDBOX_HEADER in answer.headers,
        )
        seen += len(children)
        if ends_before(records, fetch):
            return
        if after is None or seen >= _LISTING_END:
            if seen >= _LISTING_END - _PAGE_SIZE:
                log.warning(
                    "%s reaches back %d items, which does not cover the window; fetch it more often", path, seen
                )
            return
        if after == params.get("after"):
            raise Malformed(f"{path} names {after} as the page after itself", status=200)
        params["after"] = after


def fetch_posts(fetch: Fetch[RedditSettings], target: str) -> Iterator[Page]:
    """Posts of a subreddit in the window, as far as the listing reaches back."""
    yield from _pages(fetch, f"r/{target}/new", identify_post)


def fetch_comments(fetch: Fetch[RedditSettings], target: str) -> Iterator[Page]:
    """Comments of a subreddit in the window, as far as the listing reaches back."""
    yield from _pages(fetch, f"r/{target}/comments", identify_comment)


def _targets(settings: RedditSettings) -> Sequence[str]:
    return list({name.lower(): name for name in settings.subreddits}.values())


_REASONS = {
    "private": f"it is private; take it off {WATCH_LIST}",
    "quarantined": f"it is quarantined and not shown to apps; take it off {WATCH_LIST}",
    "gold_only": f"it is for premium members; take it off {WATCH_LIST}",
    "banned": f"it is banned; take it off {WATCH_LIST} and erase what was kept of it",
}


def _said(response: "Response") -> Mapping[str, Any]:
    try:
        body = response.json()
    except Malformed:
        return {}
    return body if isinstance(body, Mapping) else {}


def _refused(response: "Response") -> SourceError:
    """A 403 or 404 in words: the subreddit is closed, or Reddit blocks us altogether."""
    status = response.status
    if response.content.lstrip()[:1] == b"<":
        return Permanent(
            f"Reddit answered {status} with a block page: the app is not approved, its user agent is not accepted, "
            f"or this network is blocked; check {CREDENTIALS} and PIPELINE_REDDIT__USER_AGENT",
            status=status,
        )
    said = _said(response)
    reason = _REASONS.get(str(said.get("reason")))
    if reason is None:
        words = said.get("reason") or said.get("message") or "no reason given"
        reason = f"{words}; the subreddit is closed to this app or does not exist"
    return Permanent(f"Reddit answered {status} to {response.url}: {reason}", status=status)


def _announced(errors: Any) -> SourceError | None:
    """What `json.errors` of a 200 says: a list of [code, words, field]."""
    if not errors:
        return None
    first = errors[0] if isinstance(errors, list) else errors
    code, words = (
        (str(first[0]), str(first[1])) if isinstance(first, list) and len(first) > 1 else ("error", str(first))
    )
    if code != "RATELIMIT":
        return Permanent(f"Reddit answered {code}: {words}", status=200)
    asked = _ASKED_WAIT.search(words)
    wait = int(asked[1]) * _UNIT_SECONDS[asked[2]] if asked else None
    return Transient(f"Reddit: {words}", status=200, wait_seconds=wait)


def _read_token(said: Mapping[str, Any]) -> SourceError | None:
    if said.get("error") is not None:
        words = said.get("error_description") or said["error"]
        return Permanent(f"Reddit gives no token ({words}): check {CREDENTIALS}", status=200)
    whole = isinstance(said.get("access_token"), str) and isinstance(said.get("scope"), str)
    if whole and isinstance(said.get("expires_in"), int):
        return None
    return Malformed("Reddit's answer to the request for a token holds no token", status=200)


def diagnose(response: "Response") -> SourceError | None:
    """Reads Reddit's way of saying things: closed subreddits, block pages, errors with status 200."""
    status = response.status
    if status in (403, 404):
        return _refused(response)
    asked_for_token = urlsplit(response.url).path.endswith(TOKEN_PATH)
    if status == 400 and asked_for_token:
        return Permanent(f"Reddit gives no token: check {CREDENTIALS}", status=status)
    if status != 200:
        return None
    said = _said(response)
    if asked_for_token:
        return _read_token(said)
    inner = said.get("json")
    return _announced(inner.get("errors")) if isinstance(inner, Mapping) else None


SOURCE = Source(
    name="reddit",
    title="Reddit",
    domain="social",
    homepage="https://www.reddit.com",
    api_docs="https://www.reddit.com/dev/api",
    licence="Reddit Data API Terms and Developer Terms; texts belong to their authors",
    terms=(
        "Free access is for non-commercial use; commercial use, training of models and redistribution need an "
        "agreement with Reddit. What is deleted on Reddit must be deleted here, within 48 hours to be safe: title, "
        "body and embedded addresses of deleted posts and comments, and every reference to deleted accounts."
    ),
    base_url="https://oauth.reddit.com",
    credentials=(Credential("client_id", _HOW), Credential("client_secret", _HOW)),
    budget=Budget(100, 60),
    cadence="*/15 * * * *",
    settings=RedditSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="reddit_posts",
            kind="documents",
            description="Posts of the watched subreddits.",
            history="now_only",
            lookback_days=2,
            targets=_targets,
            fetch=fetch_posts,
            identify=identify_post,
            parse=parse_post,
            sample=Sample("homebrewing", [SAMPLE_POST]),
            max_pages=_MAX_PAGES,
        ),
        Stream(
            name="reddit_comments",
            kind="documents",
            description="Comments of the watched subreddits.",
            history="now_only",
            lookback_days=2,
            targets=_targets,
            fetch=fetch_comments,
            identify=identify_comment,
            parse=parse_comment,
            sample=Sample("homebrewing", [SAMPLE_COMMENT]),
            max_pages=_MAX_PAGES,
        ),
    ),
)
