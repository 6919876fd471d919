"""Bluesky: what a post says, what is kept of whom, where reading stops, errors of XRPC in words."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources import bluesky
from pipeline_platform.sources.base import Fetch, Known, Page, Window
from pipeline_platform.sources.bluesky_records import (
    SAMPLE_DELETED,
    SAMPLE_POST,
    SAMPLE_QUOTE,
    SAMPLE_TREND,
    SAMPLE_VIDEO,
    identify_post,
    identify_trend,
    parse_post,
    parse_trend,
)
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = Window(NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1))
AUTHOR = "did:plc:quayharbour2lanternquay3"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
POSTS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.just(SAMPLE_POST["post"].get(name))  # type: ignore[attr-defined]
        for name in ("uri", "author", "record", "embed", "labels", "indexedAt", "likeCount", "notFound", "blocked")
    },
)


def post(key: str, **changes: Any) -> dict[str, Any]:
    """The view of the sample post with another key; `record` is changed field by field."""
    view = deepcopy(SAMPLE_POST["post"])
    record = {**view["record"], **changes.pop("record", {})}
    return {**view, "uri": f"at://{AUTHOR}/app.bsky.feed.post/{key}", "record": record, **changes}


def row(view: dict[str, Any]) -> dict[str, Any]:
    return parse_post({"watched": {"type": "account", "handle": "harbour.example"}, "post": view})


def at(hour: int, **changes: Any) -> dict[str, Any]:
    moment = f"2026-11-22T{hour:02d}:00:00.000Z" if hour >= 0 else f"2026-11-21T{24 + hour:02d}:00:00.000Z"
    return post(f"3at{hour + 50}", record={"createdAt": moment}, indexedAt=moment, **changes)


Ask = Callable[..., tuple[list[Page], list[dict[str, str]]]]


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Ask:
    """Fetch a target from a server that gives these answers in turn: the pages, and the queries it saw."""

    def fetch(
        *answers: Any,
        target: str = "account harbour.example",
        stream: int = 0,
        status: int = 200,
        window: Window = TODAY,
    ) -> tuple[list[Page], list[dict[str, str]]]:
        for answer in answers:
            upstream.reply(json.dumps(answer), status)
        settings = bluesky.BlueskySettings(base_url=upstream.url)
        with SourceClient(bluesky.SOURCE, settings, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            asked = Fetch(client, settings, window, NOW)
            pages = list(bluesky.SOURCE.streams[stream].fetch(asked, target))
        return pages, [
            {name: values[0] for name, values in parse_qs(urlsplit(seen.path).query).items()} for seen in upstream.seen
        ]

    return fetch


def feed(*views: Any, cursor: str | None = None, **extra: Any) -> dict[str, Any]:
    return {"feed": [{"post": view, **extra} for view in views], **({"cursor": cursor} if cursor else {})}


def ids(pages: list[Page]) -> list[str]:
    return [record.record_id.rpartition("/")[2] for page in pages for record in page.records if record.record_id]


# --- rows ---


def test_a_post_becomes_a_document() -> None:
    assert parse_post(SAMPLE_POST) == {
        "document_id": f"bluesky:{AUTHOR}/3lzzquayharb2r",
        "kind": "post",
        "channel": None,
        "created_at": datetime(2026, 11, 22, 9, 41, 5, 120_000, tzinfo=UTC),
        "url": f"https://bsky.app/profile/{AUTHOR}/post/3lzzquayharb2r",
        "author": AUTHOR,
        "title": None,
        "text": "The tide gauge at pier 4 is back. #harbour",
        "image_url": "https://cdn.example.org/full/gauge.jpg",
        "category": "tides",
        "language_declared": "en",
        "likes": 12,
        "replies": 2,
        "shares": 3,
        "quotes": 0,
        "bookmarks": 1,
        "is_adult": True,
    }


def test_a_post_without_text_is_what_it_shows() -> None:
    quote, video = parse_post(SAMPLE_QUOTE), parse_post(SAMPLE_VIDEO)
    assert (quote["text"], quote["image_url"]) == ("Pier 4", "https://cdn.example.org/f/2.jpg")
    assert (video["text"], video["image_url"]) == (
        "The gauge rises with the tide",
        "https://video.example.org/5/thumbnail.jpg",
    )
    card = {"uri": "https://tides.example/4", "title": "Tides today", "description": "", "thumb": "https://c.example/4"}
    shown = row(post("3card", record={"text": " "}, embed={"$type": "app.bsky.embed.external#view", "external": card}))
    assert (shown["title"], shown["text"], shown["image_url"]) == ("Tides today", None, "https://c.example/4")
    assert row(post("3bare", record={"text": ""}, embed=None))["text"] is None


@pytest.mark.parametrize(
    ("said", "seen", "believed"),
    [
        ("2026-11-22T09:00:00Z", "2026-11-22T09:00:01Z", "2026-11-22T09:00:00Z"),
        ("2026-11-22T10:00:00+02:00", "2026-11-22T09:00:01Z", "2026-11-22T08:00:00Z"),
        ("2012-05-01T00:00:00Z", "2026-11-22T09:00:01Z", "2012-05-01T00:00:00Z"),
        ("2036-11-22T09:00:00Z", "2026-11-22T09:00:01Z", "2026-11-22T09:00:01Z"),
        ("1970-01-01T00:00:00Z", "2026-11-22T09:00:01Z", "2026-11-22T09:00:01Z"),
        ("0001-01-01T00:00:00Z", "2026-11-22T09:00:01Z", "2026-11-22T09:00:01Z"),
        ("yesterday", "2026-11-22T09:00:01Z", "2026-11-22T09:00:01Z"),
        (None, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_clients_say_of_the_time_is_believed_where_it_can_be(said: Any, seen: str, believed: str) -> None:
    view = post("3time", record={"createdAt": said}, indexedAt=seen)
    assert row(view)["created_at"] == datetime.fromisoformat(believed)
    assert identify_post({"post": view})[1] == datetime.fromisoformat(believed)


@pytest.mark.parametrize(
    ("views", "own", "adult"),
    [
        ([], [], False),
        ([{"val": "porn"}], [], True),
        ([{"val": "sexual", "neg": True}], [], False),
        ([{"val": "!hide"}, {"val": "spam"}], [], False),
        ([], [{"val": "nudity"}], True),
    ],
)
def test_labels_say_what_is_adult(views: list[Any], own: list[Any], adult: bool) -> None:
    assert row(post("3label", labels=views, record={"labels": {"values": own}}))["is_adult"] is adult


def test_a_hashtag_of_the_text_counts_where_no_other_is_given() -> None:
    assert row(post("3tag", record={"tags": []}))["category"] == "harbour"
    assert row(post("3tag", record={"tags": None, "facets": None}))["category"] is None


def test_a_handle_that_is_lost_changes_nobody() -> None:
    lost = post("3lost", author={"did": AUTHOR, "handle": "handle.invalid"})
    assert row(lost)["author"] == row(post("3kept"))["author"] == AUTHOR


def test_no_name_stands_beside_the_pseudonym() -> None:
    assert "harbour.example" not in json.dumps({**parse_post(SAMPLE_POST), "created_at": None})
    assert parse_post(SAMPLE_QUOTE)["channel"] == f"at://{AUTHOR}/app.bsky.feed.generator/tides"
    assert parse_post(SAMPLE_DELETED)["channel"] == "tide gauge"


def test_a_deleted_post_says_nothing() -> None:
    deleted = parse_post(SAMPLE_DELETED)
    assert deleted["is_deleted"] is True
    assert deleted["created_at"] == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert not {"text", "author", "title"} & deleted.keys()


@pytest.mark.parametrize(
    "view",
    [
        {"uri": f"at://{AUTHOR}/app.bsky.feed.post/3a", "blocked": True},
        {"uri": f"at://{AUTHOR}/app.bsky.feed.post/3a"},
        post("3a", author=None),
        post("3a", record={"text": 5}),
        post("3a b"),
        {**post("3a"), "uri": f"at://{AUTHOR}/app.bsky.feed.generator/3a"},
        {**post("3a"), "uri": 5},
        None,
    ],
)
def test_what_is_no_post_is_refused(view: Any) -> None:
    with pytest.raises(UNREADABLE):
        row(view)


def test_a_trend_keeps_its_place_and_its_posts() -> None:
    assert parse_trend(SAMPLE_TREND) == {
        "trend_id": "bluesky:trends:2026-11-22:tide-gauges",
        "list_name": "trends",
        "rank": 1,
        "name": "Tide gauges",
        "volume": 412,
        "url": "https://bsky.app/profile/trending.example/feed/118",
        "observed_at": datetime(2026, 11, 22, 10, tzinfo=UTC),
    }


@given(st.one_of(JSON, st.fixed_dictionaries({"watched": JSON | st.just({"handle": "a.example"}), "post": POSTS})))
def test_no_payload_breaks_the_parsers(payload: Any) -> None:
    for function in (identify_post, parse_post, identify_trend, parse_trend):
        try:
            function(payload)
        except UNREADABLE:
            continue


@given(JSON, st.sampled_from([200, 400, 401, 403, 404, 429, 500, 501]))
def test_no_answer_breaks_the_diagnosis(body: Any, status: int) -> None:
    content = json.dumps(body).encode()
    answer = Response(status, httpx.Headers(), content, "https://public.example/xrpc/a", {}, from_sandbox=False)
    assert isinstance(bluesky.diagnose(answer), SourceError | None)


# --- fetching ---


def test_an_account_is_read_back_to_the_start_of_the_window(ask: Ask) -> None:
    pages, queries = ask(feed(at(11), at(9), cursor="a"), feed(at(1), at(-2), cursor="b"), feed(at(-3), cursor="c"))
    assert ids(pages) == ["3at61", "3at59", "3at51"]
    assert queries == [
        {"actor": "harbour.example", "limit": "100"},
        {"actor": "harbour.example", "limit": "100", "cursor": "a"},
    ]


def test_what_an_account_reposts_is_not_its_own(ask: Ask) -> None:
    reason = {"$type": "app.bsky.feed.defs#reasonRepost", "indexedAt": "2026-11-22T09:00:00Z"}
    answer = feed(at(11))
    answer["feed"].append({"post": at(10), "reason": reason})
    assert ids(ask(answer)[0]) == ["3at61"]
    feeds = ask(answer, target="feed at://did:plc:a/app.bsky.feed.generator/b")[0]
    assert ids(feeds) == ["3at61", "3at60"], "a feed shows what it likes"


def test_people_who_want_to_be_seen_by_members_alone_are_left_out(ask: Ask) -> None:
    shy = {"did": AUTHOR, "handle": "shy.example", "labels": [{"val": "!no-unauthenticated"}]}
    uri = "feed at://did:plc:a/app.bsky.feed.generator/b"
    assert ids(ask(feed(at(11), at(10, author=shy)), target=uri)[0]) == ["3at61"]


def test_an_account_that_wants_so_is_told_of(ask: Ask) -> None:
    shy = {"did": AUTHOR, "handle": "shy.example", "labels": [{"val": "!no-unauthenticated"}]}
    with pytest.raises(Permanent, match="take it off PIPELINE_BLUESKY__WATCH"):
        ask(feed(at(11, author=shy)))


def test_a_feed_has_no_order_but_an_end(ask: Ask) -> None:
    many = [feed(at(-5), at(10 - number), cursor=str(number)) for number in range(15)]
    pages, _ = ask(*many, target="feed at://did:plc:a/app.bsky.feed.generator/b")
    assert len(pages) == bluesky.FEED_PAGES
    assert len(ids(pages)) == 10


def test_a_search_names_the_window(ask: Ask) -> None:
    pages, queries = ask({"posts": [at(11)], "hitsTotal": 1}, target="search tide gauge")
    assert ids(pages) == ["3at61"]
    assert queries[0]["q"] == "tide gauge"
    assert (queries[0]["since"], queries[0]["until"]) == ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z")


def test_the_broken_is_kept_among_the_sound(ask: Ask) -> None:
    (page,) = ask(feed(at(11), {"uri": 5}, None, at(10)))[0]
    assert [record.record_id is None for record in page.records] == [False, True, True, False]


@pytest.mark.parametrize(
    "answers",
    [
        [{"posts": []}],
        [[1]],
        [{"feed": [], "cursor": 5}],
        [feed(at(11), cursor="a"), feed(at(11), cursor="a")],
    ],
)
def test_another_shape_than_promised_is_malformed(ask: Ask, answers: list[Any]) -> None:
    with pytest.raises(Malformed):
        ask(*answers)


@pytest.mark.parametrize(
    ("status", "error", "target", "kind", "words"),
    [
        (400, "InvalidRequest", "account a.example", Permanent, "Profile not.*check PIPELINE_BLUESKY__WATCH"),
        (403, "Forbidden", "search tides", Permanent, "refuses searches of people without an account"),
        (401, "AuthMissing", "feed at://a/app.bsky.feed.generator/b", Permanent, "without an account"),
        (501, "MethodNotImplemented", "account a.example", Permanent, "does not offer"),
        (502, "UpstreamFailure", "feed at://a/app.bsky.feed.generator/b", Transient, "502"),
        (429, "RateLimitExceeded", "account a.example", Transient, "429"),
        (200, "UpstreamFailure", "account a.example", Transient, "Profile not"),
        (200, "InvalidRequest", "account a.example", Permanent, "Profile not"),
    ],
)
def test_errors_say_what_to_do(
    ask: Ask, status: int, error: str, target: str, kind: type[SourceError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        ask({"error": error, "message": "Profile not found"}, target=target, status=status)


def test_trends_are_of_the_hour_and_of_nobody(ask: Ask) -> None:
    trend = {**SAMPLE_TREND["trend"], "actors": [{"did": AUTHOR}]}  # type: ignore[dict-item]
    (page,) = ask({"trends": [trend, {"topic": 5}]}, target="trends", stream=1)[0]
    first, second = page.records
    assert (first.record_id, first.event_time) == ("bluesky:trends:2026-11-22:tide-gauges", NOW)
    assert "actors" not in first.payload["trend"]
    assert second.record_id is None


def test_deletions_are_found(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> None:
    watched = {"type": "account", "handle": "harbour.example"}
    shy = {"did": AUTHOR, "handle": "shy.example", "labels": [{"val": "!no-unauthenticated"}]}
    payloads = [{"watched": watched, "post": at(hour)} for hour in range(1, 12)] * 3
    known = [Known(*identify_post(payload), payload) for payload in payloads]  # type: ignore[arg-type]
    known.append(Known("bluesky:sha256:1", NOW, None))
    upstream.reply(json.dumps({"posts": [at(1, likeCount=99), at(2, author=shy)]}))
    settings = bluesky.BlueskySettings(base_url=upstream.url)
    with SourceClient(bluesky.SOURCE, settings, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
        pages = list(bluesky.recheck_posts(Fetch(client, settings, TODAY, NOW), known))
    assert [len(page.records) for page in pages] == [25, 8]
    kept, hidden, deleted = pages[0].records[:3]
    assert parse_post(kept.payload)["likes"] == 99
    for record, hour in ((hidden, 2), (deleted, 3)):
        assert (record.record_id, record.event_time) == identify_post(record.payload)
        assert record.event_time == datetime(2026, 11, 22, hour, tzinfo=UTC)
        assert parse_post(record.payload)["is_deleted"] is True
        assert "tide gauge" not in json.dumps(record.payload)


# --- settings ---


def test_accounts_have_the_last_word() -> None:
    settings = bluesky.BlueskySettings(
        watch=[
            {"type": "account", "handle": "bsky.app"},
            {"type": "feed", "uri": "at://did:plc:a/app.bsky.feed.generator/b"},
            {"type": "search", "query": "tide gauge"},
            {"type": "account", "handle": "bsky.app"},
        ]
    )
    assert bluesky.targets(settings) == [
        "search tide gauge",
        "feed at://did:plc:a/app.bsky.feed.generator/b",
        "account bsky.app",
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"type": "list", "uri": "at://a"}, "write one of"),
        ({"type": "account"}, "write one of"),
        ({"type": "account", "handle": "a.example", "uri": "b"}, "write one of"),
        ({"type": "search", "query": " "}, "write one of"),
        ({"type": "account", "handle": "@bsky.app"}, "without @"),
        ({"type": "account", "handle": "handle.invalid"}, "no account"),
        ({"type": "feed", "uri": "https://bsky.app/profile/a/feed/b"}, "at://"),
    ],
)
def test_settings_refuse_what_cannot_be_watched(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        bluesky.BlueskySettings(watch=[wrong])
