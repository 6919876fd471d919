"""Bluesky: posts of watched accounts, feeds and searches, and its trends, from the public AppView, without an account.

Endpoints: https://docs.bsky.app/docs/api and the lexicons of https://github.com/bluesky-social/atproto. Accounts
(`app.bsky.feed.getAuthorFeed`), most feeds (`app.bsky.feed.getFeed`) and trends (`app.bsky.unspecced.getTrends`) are
open to everybody. Searching (`app.bsky.feed.searchPosts`) has been refused to those who are not logged in since
January 2025 (https://github.com/bluesky-social/atproto/issues/3423), with 403.

Cursors walk back from now, and no endpoint that is open takes a range of time. Accounts are read back to the start of
the window; feeds, whose order is their own affair, `FEED_PAGES` pages deep.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from pipeline_platform.sources.base import Budget, Fetch, Known, Page, Record, Sample, Source, SourceSettings, Stream
from pipeline_platform.sources.bluesky_records import (
    SAMPLE_DELETED,
    SAMPLE_POST,
    SAMPLE_QUOTE,
    SAMPLE_TREND,
    SAMPLE_VIDEO,
    gone,
    hidden_from_us,
    identify_post,
    identify_trend,
    parse_post,
    parse_trend,
)
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.listing import ends_before, named, wanted

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

log = logging.getLogger(__name__)

WATCH_LIST = "PIPELINE_BLUESKY__WATCH"
PAGE_SIZE = 100
FEED_PAGES = 10
POSTS_AT_ONCE = 25
"""Of `app.bsky.feed.getPosts`."""
TRENDS_AT_MOST = 25
REPOST = "app.bsky.feed.defs#reasonRepost"

ENDPOINTS = {
    "account": ("app.bsky.feed.getAuthorFeed", "actor", "feed"),
    "feed": ("app.bsky.feed.getFeed", "feed", "feed"),
    "search": ("app.bsky.feed.searchPosts", "q", "posts"),
}
"""Type of what is watched -> endpoint, its parameter, and the list in its answer."""
NAMED_BY = {"account": "handle", "feed": "uri", "search": "query"}

_HANDLE = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*", re.IGNORECASE)
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]+")
_FEED = re.compile(r"at://[^/\s]+/app\.bsky\.feed\.generator/[^/\s]+")
_PASSING = frozenset({"InternalServerError", "NotEnoughResources", "RateLimitExceeded", "UpstreamFailure"})


class BlueskySettings(SourceSettings):
    """Settings of Bluesky; there is no credential."""

    watch: list[dict[str, str]] = Field(
        [
            {"type": "account", "handle": "reuters.com"},
            {"type": "account", "handle": "nytimes.com"},
            {"type": "account", "handle": "bloomberg.com"},
            {"type": "feed", "uri": "at://did:plc:z72i7hdynmk6r22z27h6tvur/app.bsky.feed.generator/whats-hot"},
        ],
        description='What to watch: `{"type": "account", "handle": …}`, `{"type": "feed", "uri": "at://…"}` or '
        '`{"type": "search", "query": …}`. Bluesky answers searches of people without an account with 403.',
    )

    @field_validator("watch")
    @classmethod
    def _can_be_asked(cls, watch: list[dict[str, str]]) -> list[dict[str, str]]:
        for one in watch:
            name = NAMED_BY.get(one.get("type", ""))
            if name is None or set(one) != {"type", name} or not one[name].strip():
                forms = ", ".join(f'{{"type": "{kind}", "{field}": …}}' for kind, field in NAMED_BY.items())
                raise ValueError(f"{one} is nothing to watch; write one of {forms}")
            _check(one["type"], one[name])
        return watch


def _check(kind: str, name: str) -> None:
    if kind == "account" and (name.endswith(".invalid") or not (_HANDLE.fullmatch(name) or _DID.fullmatch(name))):
        raise ValueError(f"{name!r} is no account; write its handle without @, like bsky.app, or its did:plc:…")
    if kind == "feed" and not _FEED.fullmatch(name):
        raise ValueError(f"{name!r} is no feed; write at://<did or handle>/app.bsky.feed.generator/<name>")


def targets(settings: BlueskySettings) -> Sequence[str]:
    """`account <handle>`, `feed <uri>` or `search <query>`.

    Accounts come last: a post that several targets show is kept as the last one gives it.
    """
    order = ("search", "feed", "account")
    watched = sorted(settings.watch, key=lambda one: order.index(one["type"]))
    return list(dict.fromkeys(f"{one['type']} {one[NAMED_BY[one['type']]].strip()}" for one in watched))


def _said(response: "Response") -> Mapping[str, Any]:
    try:
        body = response.json()
    except Malformed:
        return {}
    return body if isinstance(body, Mapping) else {}


def diagnose(response: "Response") -> SourceError | None:
    """Reads the errors of XRPC, `{"error": name, "message": words}` (https://atproto.com/specs/xrpc#error-responses)."""
    status, said = response.status, _said(response)
    error = said.get("error")
    named = f"{error}: {said.get('message')}" if error else f"status {status}"
    if 200 <= status < 300:
        if not isinstance(error, str):
            return None
        kind = Transient if error in _PASSING else Permanent
        return kind(f"Bluesky answered with an error ({named})", status=status)
    if status in (401, 403) and response.url.partition("?")[0].endswith("searchPosts"):
        return Permanent(
            f"Bluesky refuses searches of people without an account ({named}); take the search off {WATCH_LIST}",
            status=status,
        )
    if status in (401, 403):
        return Permanent(
            f"Bluesky shows this to nobody without an account, or has shut this network out ({named}); "
            f"check {WATCH_LIST}",
            status=status,
        )
    if status in (400, 404):
        return Permanent(f"Bluesky knows no such account or feed ({named}); check {WATCH_LIST}", status=status)
    if status == 501:
        return Permanent(f"this server does not offer the endpoint ({named})", status=status)
    return None


def _get(fetch: Fetch[BlueskySettings], endpoint: str, params: Mapping[str, Any]) -> "Response":
    return fetch.client.get(f"xrpc/{endpoint}", params=params)


def _items(response: "Response", name: str) -> tuple[list[Any], str | None]:
    """The list called `name`, and the cursor of the next page."""
    body = response.json()
    items = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(items, list):
        raise Malformed(f"{response.url} gave no list of {name}", status=response.status)
    cursor = body.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise Malformed(f"{response.url} names no text as its cursor but {cursor!r:.40}", status=response.status)
    return items, cursor or None


def _record(watched: Mapping[str, str], post: Any) -> Record:
    payload = {"watched": dict(watched), "post": post}
    try:
        return Record(*identify_post(payload), payload)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Record(None, None, payload)


def _is_repost(item: Any) -> bool:
    reason = item.get("reason") if isinstance(item, Mapping) else None
    return isinstance(reason, Mapping) and reason.get("$type") == REPOST


def _posts(items: Sequence[Any], kind: str) -> list[Any]:
    """The views of posts. What an account reposts is not its own, and its author is not watched."""
    if kind == "search":
        return list(items)
    return [
        # What says of it which request brought it (`feedContext`, `reqId`) is of this moment, and not kept.
        item["post"] if isinstance(item, Mapping) and "post" in item else item
        for item in items
        if not (kind == "account" and _is_repost(item))
    ]


def fetch_posts(fetch: Fetch[BlueskySettings], target: str) -> Iterator[Page]:
    """Posts of an account, a feed or a search in the window, as far as the upstream shows them.

    Posts of people who ask not to be shown to those who are not logged in are left out.

    Raises:
        Permanent: the watched account asks so.
    """
    kind, _, name = target.partition(" ")
    endpoint, parameter, listed = ENDPOINTS[kind]
    watched = {"type": kind, NAMED_BY[kind]: name}
    params: dict[str, Any] = {parameter: name, "limit": PAGE_SIZE}
    if kind == "search":
        # Half-open as our windows are.
        params |= {"sort": "latest", "since": _iso(fetch.window.start), "until": _iso(fetch.window.end)}
    pages = 0
    while True:
        response = _get(fetch, endpoint, params)
        items, cursor = _items(response, listed)
        posts = _posts(items, kind)
        open_posts = [post for post in posts if not hidden_from_us(post)]
        if kind == "account" and posts and not open_posts:
            raise Permanent(f"{name} asks not to be shown to people who are not logged in; take it off {WATCH_LIST}")
        records = [_record(watched, post) for post in open_posts]
        yield Page.of(response, list(_in_window(records, fetch, kind)))
        pages += 1
        if cursor is None or not items or (kind != "feed" and ends_before(records, fetch)):
            return
        if kind == "feed" and pages >= FEED_PAGES:
            return
        if cursor == params.get("cursor"):
            raise Malformed(f"{response.url} names {cursor} as the page after itself", status=response.status)
        params["cursor"] = cursor


def _in_window(records: Sequence[Record], fetch: Fetch[BlueskySettings], kind: str) -> Iterator[Record]:
    if kind != "feed":
        yield from wanted(records, fetch)
        return
    # A feed has no order: every record stands by itself.
    for record in records:
        moment = record.event_time
        if moment is None or moment in fetch.window or moment > fetch.now:
            yield record


def _iso(moment: Any) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def recheck_posts(fetch: Fetch[BlueskySettings], known: Sequence[Known]) -> Iterator[Page]:
    """The posts as Bluesky shows them now; those it does not show, or that are to be hidden from us, are gone."""
    posts = [one for one in known if _names_a_post(one)]
    for start in range(0, len(posts), POSTS_AT_ONCE):
        some = posts[start : start + POSTS_AT_ONCE]
        response = _get(fetch, "app.bsky.feed.getPosts", {"uris": [one.payload["post"]["uri"] for one in some]})
        views, _ = _items(response, "posts")
        shown = {uri: view for uri, view in named(views, "uri").items() if not hidden_from_us(view)}
        records = []
        for one in some:
            view = shown.get(one.payload["post"]["uri"])
            if view is not None:
                records.append(_record(one.payload["watched"], view))
            else:
                records.append(Record(one.record_id, one.event_time, gone(one.payload, one.event_time)))
        yield Page.of(response, records)


def _names_a_post(known: Known) -> bool:
    """False for what is too broken to be asked for again."""
    try:
        return identify_post(known.payload)[0] == known.record_id
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def fetch_trends(fetch: Fetch[BlueskySettings], target: str) -> Iterator[Page]:
    """One page: the trends of the network, in their order."""
    response = _get(fetch, "app.bsky.unspecced.getTrends", {"limit": TRENDS_AT_MOST})
    trends, _ = _items(response, target)
    # To the hour, so that asking twice in an hour gives one observation.
    observed = f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
    records = []
    for rank, trend in enumerate(trends, start=1):
        # `actors` are some people who took part: nobody's business here, and others each time.
        kept = {name: value for name, value in trend.items() if name != "actors"} if isinstance(trend, dict) else trend
        payload = {"list": target, "observed_at": observed, "rank": rank, "trend": kept}
        try:
            records.append(Record(*identify_trend(payload), payload))
        except (KeyError, TypeError, ValueError):
            records.append(Record(None, None, payload))
    yield Page.of(response, records)


def _lists(_settings: BlueskySettings) -> Sequence[str]:
    return ("trends",)


SOURCE = Source(
    name="bluesky",
    title="Bluesky",
    domain="social",
    homepage="https://bsky.app",
    api_docs="https://docs.bsky.app/docs/advanced-guides/api-directory",
    licence="Bluesky Terms of Service and Developer Guidelines; posts belong to their authors",
    terms=(
        "No account is needed, and none is used: searching is closed for that reason, and what asks for a login is not "
        "asked for. Services must be able to delete what people want deleted (Developer Guidelines): posts that "
        "Bluesky no longer shows lose their text here when they are checked again. Posts of accounts that ask not to "
        "be shown to people who are not logged in (`!no-unauthenticated`) are not kept. Labels must be respected when "
        "posts are shown."
    ),
    base_url="https://public.api.bsky.app",
    credentials=(),
    # 3,000 per 5 minutes and address; half of it, as others may share the address.
    budget=Budget(1500, 300),
    cadence="*/15 * * * *",
    settings=BlueskySettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="bluesky_posts",
            kind="documents",
            description="Posts and replies of the watched accounts, feeds and searches, without reposts.",
            history="now_only",
            lookback_days=2,
            targets=targets,
            fetch=fetch_posts,
            identify=identify_post,
            parse=parse_post,
            recheck=recheck_posts,
            recheck_days=30,
            fields={
                "document_id": "post.uri",
                "kind": "(always post)",
                "channel": "watched.uri | watched.query (none for accounts)",
                "author": "post.author.did",
                "title": "post.embed.external.title (of posts without text)",
                "text": "post.record.text | post.embed.images[].alt | post.embed.media.images[].alt "
                "| post.embed.alt (of posts without text)",
                "url": "post.uri (as an address of bsky.app)",
                "image_url": "post.embed.images[].fullsize | post.embed.media.images[].fullsize | post.embed.thumbnail "
                "| post.embed.external.thumb",
                "category": "post.record.tags | post.record.facets[].features[].tag",
                "created_at": "post.record.createdAt | post.indexedAt (where that cannot be)",
                "language_declared": "post.record.langs",
                "likes": "post.likeCount",
                "replies": "post.replyCount",
                "shares": "post.repostCount",
                "quotes": "post.quoteCount",
                "bookmarks": "post.bookmarkCount",
                "is_adult": "post.labels[].val (less those taken back) | post.record.labels.values[].val",
                "is_deleted": "post.notFound",
            },
            sample=Sample("account harbour.example", [SAMPLE_POST, SAMPLE_QUOTE, SAMPLE_VIDEO, SAMPLE_DELETED]),
        ),
        Stream(
            name="bluesky_trends",
            kind="trending",
            description="Trends of the whole network, with the number of posts.",
            history="now_only",
            lookback_days=1,
            targets=_lists,
            fetch=fetch_trends,
            identify=identify_trend,
            parse=parse_trend,
            fields={
                "trend_id": "list | observed_at | trend.topic",
                "list_name": "list",
                "rank": "rank (place in the list)",
                "name": "trend.displayName | trend.topic",
                "volume": "trend.postCount",
                "url": "trend.link",
                "observed_at": "observed_at (to the hour)",
            },
            sample=Sample("trends", [SAMPLE_TREND]),
        ),
    ),
)
