"""Reddit as a source: its streams, and what its refusals mean. How it is read is told in `reddit_listings`."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline_platform.sources.base import Budget, Credential, Sample, Source, Stream
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.reddit_listings import HOW, fetch_posts, fetch_search
from pipeline_platform.sources.reddit_praw import CREDENTIALS, TOKEN_PATH, WATCH_LIST
from pipeline_platform.sources.reddit_recheck import recheck
from pipeline_platform.sources.reddit_records import (
    COMMENT_FIELDS,
    POST_FIELDS,
    SAMPLE_COMMENT,
    SAMPLE_GALLERY,
    SAMPLE_GONE_COMMENT,
    SAMPLE_GONE_POST,
    SAMPLE_POST,
    SAMPLE_REMOVED_COMMENT,
    identify_comment,
    identify_post,
    parse_comment,
    parse_post,
)
from pipeline_platform.sources.reddit_settings import RedditSettings
from pipeline_platform.sources.reddit_trees import fetch_comments

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

_MAX_PAGES = 40
"""Four times what a full listing needs: pages are short where Reddit has taken items out."""

_MAX_PAGES_WITH_TREES = 400
"""Those, and an answer for each expansion of each tree within reason."""

_RECHECK_DAYS = 7

_ASKED_WAIT = re.compile(r"([0-9]{1,3}) (millisecond|second|minute)s?")
_UNIT_SECONDS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0}


def _targets(settings: RedditSettings) -> Sequence[str]:
    return list({name.lower(): name for name in settings.subreddits}.values())


def _searches(settings: RedditSettings) -> Sequence[str]:
    return list(dict.fromkeys(search.target for search in settings.searches))


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
    credentials=(Credential("client_id", HOW), Credential("client_secret", HOW)),
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
            fields=POST_FIELDS,
            recheck=recheck,
            recheck_days=_RECHECK_DAYS,
            sample=Sample("homebrewing", [SAMPLE_POST, SAMPLE_GALLERY, SAMPLE_GONE_POST]),
            max_pages=_MAX_PAGES,
        ),
        Stream(
            name="reddit_comments",
            kind="documents",
            description="Comments of the watched subreddits: the newest, and the trees of the most discussed posts.",
            history="now_only",
            lookback_days=2,
            targets=_targets,
            fetch=fetch_comments,
            identify=identify_comment,
            parse=parse_comment,
            fields=COMMENT_FIELDS,
            recheck=recheck,
            recheck_days=_RECHECK_DAYS,
            sample=Sample("homebrewing", [SAMPLE_COMMENT, SAMPLE_REMOVED_COMMENT, SAMPLE_GONE_COMMENT]),
            max_pages=_MAX_PAGES_WITH_TREES,
        ),
        Stream(
            name="reddit_search",
            kind="documents",
            description="Posts that searches find, in all of Reddit or in one subreddit.",
            history="now_only",
            lookback_days=2,
            targets=_searches,
            fetch=fetch_search,
            identify=identify_post,
            parse=parse_post,
            fields=POST_FIELDS,
            recheck=recheck,
            recheck_days=_RECHECK_DAYS,
            sample=Sample("lager yeast", [SAMPLE_POST, SAMPLE_GALLERY, SAMPLE_GONE_POST]),
            max_pages=_MAX_PAGES,
        ),
    ),
)
