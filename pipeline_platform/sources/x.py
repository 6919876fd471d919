"""X: posts of watched accounts, hashtags and searches, and trends of places, through Tweepy (API v2).

Wire format, limits and prices: https://docs.x.com/x-api. Storage and deletion: https://developer.x.com/en/developer-terms.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr

from pipeline_platform.sources.base import (
    Budget,
    Credential,
    Fetch,
    Known,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
)
from pipeline_platform.sources.errors import Malformed, Permanent
from pipeline_platform.sources.x_answers import CREDENTIAL, diagnose, listed, next_token, refusal
from pipeline_platform.sources.x_pages import gone, gone_posts, joined
from pipeline_platform.sources.x_records import (
    SAMPLE_POSTS,
    SAMPLE_TRENDS,
    identify_post,
    identify_trend,
    parse_post,
    parse_trend,
)
from pipeline_platform.sources.x_tweepy import Answer, Connection
from pipeline_platform.sources.x_watch import (
    Entry,
    Hashtag,
    Keyword,
    PostsEntry,
    Trending,
    UserTimeline,
    place_name,
    watch_list,
)

log = logging.getLogger(__name__)

SEARCH_REACH = timedelta(days=7)
_REACH_MARGIN = timedelta(minutes=10)
"""A run may take a while, and X counts its seven days from the moment of each request."""
_NEWEST = timedelta(seconds=30)
"""X wants `end_time` to be ten seconds past; a clock may be wrong by some more."""

_PAGE_SIZE = 100
_TIMELINE_END = 3200
"""Posts after which the timeline of an account ends, whatever is asked."""
_MOST_TRENDS = 50
_MOST_IDS = 100

_FIELDS: dict[str, list[str]] = {
    "tweet_fields": [
        "attachments",
        "author_id",
        "conversation_id",
        "created_at",
        "entities",
        "in_reply_to_user_id",
        "lang",
        "note_tweet",
        "possibly_sensitive",
        "public_metrics",
        "referenced_tweets",
        "withheld",
    ],
    # No more than this: every account and every referenced post that comes along is paid for.
    "expansions": [
        "attachments.media_keys",
        "author_id",
        "referenced_tweets.id",
        "referenced_tweets.id.attachments.media_keys",
    ],
    "media_fields": ["alt_text", "media_key", "preview_image_url", "type", "url"],
}

_HOW = "https://console.x.com/ : make an app, copy its bearer token; reading is paid for by the post"
_UNREADABLE = (KeyError, TypeError, ValueError)


class XSettings(SourceSettings):
    """Settings of X."""

    bearer_token: SecretStr | None = Field(None, description="App-only bearer token.")
    watch: Annotated[list[Entry], BeforeValidator(watch_list)] = Field(
        [
            UserTimeline(username="XDevelopers"),
            Hashtag(tag="opendata"),
            Keyword(query='"interest rates" lang:en'),
            Trending(location=1),
        ],
        description=(
            'What to read: {"type": "user_timeline", "username": …}, {"type": "hashtag", "tag": …}, {"type": '
            '"keyword", "query": …}, each with a `limit` of posts per fetch, and {"type": "trending", "location": …} '
            "with a WOEID or the name of a place."
        ),
    )
    recheck_posts: int = Field(
        20,
        ge=0,
        description="Held posts that each fetch shows to X again, to honour deletions; each is paid for once a UTC day "
        "(0.005 USD), so by default at most 2.40 USD a day. 0 checks none.",
    )
    full_archive: bool = Field(
        False, description="Search all of history and not the last 7 days; needs an access that includes it."
    )


def _connection(fetch: Fetch[XSettings]) -> Connection:
    token = fetch.settings.bearer_token
    if token is None:
        raise Permanent(f"X needs a bearer token: set {CREDENTIAL} ({_HOW})")
    return Connection(fetch.client, token.get_secret_value())


def _entry(settings: XSettings, target: str) -> Entry:
    for entry in settings.watch:
        if entry.target == target:
            return entry
    raise Permanent(f"{target} is not in PIPELINE_X__WATCH")


def _post_targets(settings: XSettings) -> Sequence[str]:
    return [entry.target for entry in settings.watch if not isinstance(entry, Trending)]


def _trend_targets(settings: XSettings) -> Sequence[str]:
    return [entry.target for entry in settings.watch if isinstance(entry, Trending)]


def _record(payload: Any, identify: Callable[[Any], tuple[str, datetime | None]]) -> Record:
    try:
        return Record(*identify(payload), payload)
    except _UNREADABLE:
        return Record(None, None, payload)  # too broken to tell: kept, and quarantine says why


def _user_id(connection: Connection, username: str) -> str:
    body = connection.ask(connection.tweepy.get_user, username=username).body
    user = body.get("data")
    if not isinstance(user, Mapping):
        raise refusal(body, f"the account {username}")
    if not isinstance(user.get("id"), str):
        raise Malformed(f"X names no id for the account {username}", status=200)
    return user["id"]


@dataclass(frozen=True)
class _Listing:
    """A paged call of Tweepy: what it is called with for the next page, and the smallest page it gives."""

    call: Callable[..., Any]
    token_name: str
    smallest: int


def _listing(connection: Connection, entry: PostsEntry, settings: XSettings) -> _Listing:
    tweepy = connection.tweepy
    if isinstance(entry, UserTimeline):
        user_id = _user_id(connection, entry.username)
        return _Listing(partial(tweepy.get_users_tweets, user_id), "pagination_token", 5)
    search = tweepy.search_all_tweets if settings.full_archive else tweepy.search_recent_tweets
    return _Listing(partial(search, entry.search), "next_token", 10)


def _earliest(fetch: Fetch[XSettings], entry: PostsEntry) -> datetime:
    """The first moment that can be asked for: searches reach back seven days."""
    if isinstance(entry, UserTimeline) or fetch.settings.full_archive:
        return fetch.window.start
    return max(fetch.window.start, fetch.now - SEARCH_REACH + _REACH_MARGIN)


def _out_of_reach(earliest: datetime, target: str) -> Permanent:
    return Permanent(
        f"{target}: X searches the last 7 days, nothing before {earliest:%Y-%m-%d %H:%M} UTC can be read; choose later "
        "days, or set PIPELINE_X__FULL_ARCHIVE=true if your access includes the search of the full archive"
    )


def fetch_posts(fetch: Fetch[XSettings], target: str) -> Iterator[Page]:
    """Posts of an account or a search in the window, from new to old, up to the `limit` of the entry.

    Of a window that begins before the reach of the search, what is in reach comes first, then the error that says so.
    """
    entry = _entry(fetch.settings, target)
    if isinstance(entry, Trending):
        raise Permanent(f"{target} is no list of posts")
    start, end = _earliest(fetch, entry), fetch.window.end
    connection = _connection(fetch)
    if start < min(end, fetch.now - _NEWEST):
        span = {"start_time": start, "end_time": end if end < fetch.now - _NEWEST else None}
        yield from _pages(connection, _listing(connection, entry, fetch.settings), entry, span)
    if start > fetch.window.start:
        raise _out_of_reach(start, target)


def _pages(
    connection: Connection, listing: _Listing, entry: PostsEntry, span: Mapping[str, datetime | None]
) -> Iterator[Page]:
    token: str | None = None
    seen = 0
    while True:
        size = min(_PAGE_SIZE, max(listing.smallest, entry.limit - seen))
        asked = {**span, **_FIELDS, "max_results": size, listing.token_name: token}
        answer = connection.ask(listing.call, **asked)
        listed(answer.body, entry.target)
        token = next_token(answer.body, token, entry.target)
        posts, others = joined(answer.body)
        kept = posts[: entry.limit - seen]
        yield answer.page([_record(payload, identify_post) for payload in (*kept, *others)])
        seen += len(posts)
        if token is None or seen >= entry.limit:
            break
    if token is not None or seen > entry.limit:
        log.warning("%s: the limit of %d posts is reached before the start of the window", entry.target, entry.limit)
    elif isinstance(entry, UserTimeline) and seen >= _TIMELINE_END - _PAGE_SIZE:
        log.warning("%s: a timeline ends after %d posts, earlier ones cannot be read", entry.target, _TIMELINE_END)


def recheck_posts(fetch: Fetch[XSettings], known: Sequence[Known]) -> Iterator[Page]:
    """The posts as X shows them now; of those it does not show any more, nothing but id, time and reason.

    A post about which X says nothing at all is left as it is.
    """
    held = {one.record_id.removeprefix("x:"): one for one in known}
    numbers = [number for number in held if number.isdecimal() and number.isascii() and len(number) <= 19]
    connection = _connection(fetch)
    for first in range(0, len(numbers), _MOST_IDS):
        chunk = numbers[first : first + _MOST_IDS]
        answer = connection.ask(connection.tweepy.get_tweets, chunk, **_FIELDS)
        records = list(_rechecked(answer, {number: held[number] for number in chunk}))
        if not records:
            raise Malformed(f"X says nothing about the {len(chunk)} posts that were asked for", status=200)
        if len(records) < len(chunk):
            log.warning("X says nothing about %d of %d posts", len(chunk) - len(records), len(chunk))
        yield answer.page(records)


def _rechecked(answer: Answer, held: Mapping[str, Known]) -> Iterator[Record]:
    posts, _ = joined(answer.body)
    shown: set[str] = set()
    for payload in posts:
        number = str(_record(payload, identify_post).record_id).removeprefix("x:")
        if number in held and number not in shown:
            shown.add(number)
            # Its time does not change; where it told none, it keeps the day on which it was received.
            yield Record(held[number].record_id, held[number].event_time, payload)
    for number, error in gone_posts(answer.body).items():
        if number in held and number not in shown:
            one = held[number]
            yield Record(one.record_id, one.event_time, gone(one.record_id, one.event_time, error))


def fetch_trends(fetch: Fetch[XSettings], target: str) -> Iterator[Page]:
    """One page: what is talked about in a place now, strongest first."""
    entry = _entry(fetch.settings, target)
    if not isinstance(entry, Trending):
        raise Permanent(f"{target} is no list of trends")
    woeid = entry.location
    params = {"max_trends": _MOST_TRENDS, "trend.fields": "trend_name,tweet_count"}
    connection = _connection(fetch)
    answer = connection.ask(connection.get, f"/2/trends/by/woeid/{woeid}", params)
    # To the hour: asking twice in an hour changes no more than X does.
    observed = f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
    common = {"woeid": woeid, "place": place_name(woeid), "observed_at": observed}
    payloads = [
        {**common, "rank": rank, "trend": trend} for rank, trend in enumerate(listed(answer.body, target), start=1)
    ]
    yield answer.page([_record(payload, identify_trend) for payload in payloads])


SOURCE = Source(
    name="x",
    title="X",
    domain="social",
    homepage="https://x.com",
    api_docs="https://docs.x.com/x-api",
    licence="X Developer Agreement and Policy; posts belong to their authors",
    terms=(
        "Kept posts must stay as they are on X: what is deleted, protected, suspended, withheld or edited there must "
        "be deleted or changed here as soon as possible, within 24 hours of being asked. Others may be given ids "
        "only. No inference of sensitive traits, no surveillance; locations only together with their post. Reading is "
        "paid for: 0.005 USD a post, 0.010 a user, 0.010 a list of trends, once per UTC day each (August 2026)."
    ),
    base_url="https://api.x.com",
    credentials=(Credential("bearer_token", _HOW),),
    budget=Budget(requests=300, per_seconds=900),
    cadence="25 * * * *",
    settings=XSettings,
    concurrency=4,
    diagnose=diagnose,
    streams=(
        Stream(
            name="x_tweets",
            kind="documents",
            description="Posts of the watched accounts (the newest 3,200 each), hashtags and searches (7 days back).",
            history="replayable",
            lookback_days=2,
            targets=_post_targets,
            fetch=fetch_posts,
            identify=identify_post,
            parse=parse_post,
            recheck=recheck_posts,
            recheck_days=7,
            recheck_most=lambda settings: settings.recheck_posts,
            sample=Sample("user_timeline:ada_bakes", SAMPLE_POSTS),
            fields={
                "document_id": "post.id",
                "kind": "(always tweet)",
                "author": "post.author_id",
                "text": (
                    "post.text | post.note_tweet.text | post.note_post.text | post.referenced_tweets[] | "
                    "post.referenced_posts[] | referenced[].id | referenced[].text | referenced[].note_tweet.text | "
                    "referenced[].note_post.text (of a repost, the whole original)"
                ),
                "url": "(computed from id and user name)",
                "image_url": (
                    "media[].url | media[].preview_image_url | media[].media_key | post.attachments.media_keys | "
                    "referenced[].attachments.media_keys"
                ),
                "created_at": "post.created_at",
                "language_declared": "post.lang",
                "likes": "post.public_metrics.like_count",
                "shares": "post.public_metrics.retweet_count | post.public_metrics.repost_count",
                "replies": "post.public_metrics.reply_count",
                "quotes": "post.public_metrics.quote_count",
                "bookmarks": "post.public_metrics.bookmark_count",
                "views": "post.public_metrics.impression_count",
                "is_deleted": (
                    "errors[].type | errors[].resource_id | errors[].value | post.edit_history_tweet_ids | "
                    "post.edit_history_post_ids"
                ),
                "is_adult": "post.possibly_sensitive",
            },
        ),
        Stream(
            name="x_trends",
            kind="trending",
            description="What is talked about in the watched places, hour by hour; the newest list of a day is kept.",
            history="now_only",
            lookback_days=1,
            targets=_trend_targets,
            fetch=fetch_trends,
            identify=identify_trend,
            parse=parse_trend,
            sample=Sample("trending:1", SAMPLE_TRENDS),
            fields={
                "trend_id": "woeid",
                "list_name": "place",
                "rank": "rank",
                "name": "trend.trend_name",
                "volume": "trend.tweet_count",
                "url": "(a search for the name)",
                "observed_at": "observed_at",
            },
        ),
    ),
)
