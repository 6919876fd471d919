"""Posts and trends of X: both vocabularies, long posts, reposts, deleted ones, odd payloads."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources.x_pages import gone, gone_posts, joined
from pipeline_platform.sources.x_records import (
    SAMPLE_POSTS,
    SAMPLE_TRENDS,
    identify_post,
    identify_trend,
    parse_post,
    parse_trend,
)

LONG, REPOST, OLD_REPOST, SHORT, GONE = SAMPLE_POSTS
NOT_FOUND = "https://api.x.com/2/problems/resource-not-found"


def changed(payload: dict[str, Any], **post: Any) -> dict[str, Any]:
    return {**payload, "post": {**payload["post"], **post}}


def error(number: str, parameter: str = "ids", kind: str = NOT_FOUND, resource: str = "tweet") -> dict[str, Any]:
    return {"resource_id": number, "value": number, "parameter": parameter, "resource_type": resource, "type": kind}


def test_long_post_becomes_a_document() -> None:
    row = parse_post(LONG)
    assert row["text"].endswith("the crumb sets while nobody is looking.")
    assert "dark & let" in row["text"]
    assert {name: value for name, value in row.items() if name != "text"} == {
        "document_id": "x:1997600112233445566",
        "kind": "tweet",
        "author": "4417702",
        "url": "https://x.com/i/status/1997600112233445566",
        "image_url": "https://pbs.twimg.com/media/loaf.jpg",
        "created_at": datetime(2025, 12, 7, 9, 20, 11, tzinfo=UTC),
        "language_declared": "en",
        "is_adult": False,
        "likes": 61,
        "shares": 7,
        "replies": 4,
        "quotes": 1,
        "bookmarks": 9,
        "views": 2210,
    }


@pytest.mark.parametrize("payload", [REPOST, OLD_REPOST])
def test_repost_tells_all_of_the_original_and_no_counters(payload: dict[str, Any]) -> None:
    row = parse_post(payload)
    assert row["text"] == parse_post(LONG)["text"]
    assert not {"likes", "shares", "views"} & row.keys()
    assert row["document_id"] != "x:1997600112233445566"


def test_repost_without_its_original_keeps_the_cut_text() -> None:
    row = parse_post({"post": OLD_REPOST["post"]})
    assert row["text"].startswith("RT @ada_bakes: ")
    assert row["url"] == "https://x.com/i/status/1997607778889990001"
    assert "channel" not in row


def test_words_of_posts_count_as_those_of_tweets() -> None:
    row = parse_post(changed(SHORT, text="cut…"))
    assert row["text"] == "Two days old and still better than the shop's."
    assert row["shares"] == 2


def test_video_shows_its_preview() -> None:
    row = parse_post(changed(LONG, attachments={"media_keys": ["7_1997600100000000002", "3_1997600100000000001"]}))
    assert row["image_url"] == "https://pbs.twimg.com/media/oven.jpg"


@pytest.mark.parametrize(
    ("code", "language"),
    [("de", "de"), ("zh-TW", "zh-TW"), ("in", "id"), ("und", None), ("qme", None), ("zxx", None), (None, None)],
)
def test_language(code: str | None, language: str | None) -> None:
    assert parse_post(changed(LONG, lang=code))["language_declared"] == language


def test_only_what_x_escapes_is_unescaped() -> None:
    text = "a &lt;b&gt; &amp;amp; c?x=1&copy=2"
    assert parse_post(changed({"post": SHORT["post"]}, note_post=None, text=text))["text"] == "a <b> &amp; c?x=1&copy=2"


def test_of_a_deleted_post_nothing_is_told() -> None:
    row = parse_post(GONE)
    assert row == {
        "document_id": "x:1997612223334445556",
        "kind": "tweet",
        "created_at": datetime(2025, 12, 7, 10, 8, 18, tzinfo=UTC),
        "url": "https://x.com/i/status/1997612223334445556",
        "is_deleted": True,
    }


@pytest.mark.parametrize("name", ["edit_history_tweet_ids", "edit_history_post_ids"])
def test_what_was_edited_since_is_told_no_more(name: str) -> None:
    assert parse_post(changed({"post": SHORT["post"]}, **{name: ["1997610001112223334"]}))["text"]
    history = {"edit_history_post_ids": None, name: ["1997610001112223334", "1997610001112229999"]}
    row = parse_post(changed(SHORT, **history))
    assert row["is_deleted"]
    assert not {"text", "channel", "author"} & row.keys()


def test_post_whose_field_is_refused_is_not_deleted() -> None:
    hidden = error("1997610001112223334", "non_public_metrics", "https://api.x.com/2/problems/not-authorized-for-field")
    posts, others = joined({"data": [SHORT["post"]], "errors": [hidden]})
    assert others == []
    assert posts[0]["errors"] == [hidden]
    assert parse_post(posts[0])["text"]


def test_id_tells_the_time_where_nothing_else_does() -> None:
    # https://docs.x.com/x-api/fundamentals/x-ids: milliseconds since 2010-11-04T01:42:54.657Z, shifted by 22 bits.
    assert identify_post({"post": {"id": "1577318900085186562", "text": "a"}})[1] == datetime(
        2022, 10, 4, 15, 25, 5, tzinfo=UTC
    )
    with pytest.raises(ValueError, match="too old to tell the time"):
        parse_post({"post": {"id": "20", "text": "a"}})


@pytest.mark.parametrize(
    "changes",
    [
        {"text": {"text": "a"}},
        {"text": 7},
        {"lang": 7},
        {"created_at": "a while ago"},
        {"created_at": "2026-01-01T00:00:00"},
        {"created_at": 7},
        {"public_metrics": {"like_count": "many"}},
        {"public_metrics": {"like_count": True}},
        {"public_metrics": {"like_count": 2**63}},
        {"public_metrics": [1]},
        {"possibly_sensitive": "no"},
        {"note_tweet": "a"},
        {"id": 7},
        {"id": "7a"},
    ],
)
def test_broken_posts_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_post(changed(LONG, **changes))


def test_post_without_text_is_broken() -> None:
    post = {name: value for name, value in LONG["post"].items() if name != "text"}
    with pytest.raises(KeyError, match="text"):
        parse_post({"post": post})


@pytest.mark.parametrize("words", ["tweets", "posts"])
def test_page_is_joined(words: str) -> None:
    original = REPOST["referenced"][0]
    suspended = error("someone", "entities.mentions.username", resource="user")
    page = {
        "data": [
            {**REPOST["post"], "entities": {"mentions": [{"username": "SomeOne"}]}},
            SHORT["post"],
            "broken",
        ],
        "includes": {
            "users": [LONG["author"], REPOST["author"]],
            words: [original],
            "media": LONG["media"],
        },
        "errors": [error("1", "ids"), suspended, {"title": "odd"}],
    }
    posts, others = joined(copy.deepcopy(page))
    assert posts == [
        {
            "post": page["data"][0],
            "author": REPOST["author"],
            "referenced": [original],
            "media": [LONG["media"][0]],
            "errors": [suspended],
        },
        {"post": SHORT["post"], "author": LONG["author"]},
        {"post": "broken"},
    ]
    assert others == [{"post": {"id": "1"}, "errors": [error("1", "ids")]}, {"errors": [{"title": "odd"}]}]


def test_lookup_tells_what_is_gone() -> None:
    protected = error("2", kind="https://api.twitter.com/2/problems/not-authorized-for-resource")
    busy = error("3", kind="https://api.twitter.com/2/problems/over-capacity")
    body = {"errors": [error("1"), protected, busy, error("4", "referenced_tweets.id")]}
    assert gone_posts(body) == {"1": error("1"), "2": protected}
    moment = datetime(2026, 3, 1, 8, 30, 5, 250, tzinfo=UTC)
    payload = gone("x:1", moment, error("1"))
    assert identify_post(payload) == ("x:1", moment)
    assert parse_post(payload)["is_deleted"]


def test_trend() -> None:
    row = parse_trend(SAMPLE_TRENDS[0])
    assert row == {
        "trend_id": "x:trend:1:2025-12-07:#SlowLoaf",
        "list_name": "worldwide",
        "rank": 1,
        "name": "#SlowLoaf",
        "volume": 18320,
        "url": "https://x.com/search?q=%23SlowLoaf",
        "observed_at": datetime(2025, 12, 7, 10, tzinfo=UTC),
    }
    second = parse_trend(SAMPLE_TRENDS[1])
    assert (second["trend_id"], second["volume"]) == ("x:trend:1:2025-12-07:Night%20baker", None)


@pytest.mark.parametrize(
    "trend", [None, {}, {"trend_name": 7}, {"trend_name": " "}, {"trend_name": "a", "tweet_count": "12K"}]
)
def test_broken_trends_are_refused(trend: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_trend({**SAMPLE_TRENDS[0], "trend": trend})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    *LONG["post"],
    *REPOST["post"],
    *("post", "author", "referenced", "media", "errors", "data", "includes", "meta", "users", "tweets", "posts"),
    *("type", "resource_id", "value", "resource_type", "username", "media_key", "media_keys", "entities", "mentions"),
    *("observed_at", "trend", "trend_name", "tweet_count", "woeid", "place", "rank", "like_count", "detail"),
]
NAMED = st.recursive(
    JSON | st.sampled_from(["1997600112233445566", "2025-12-07T09:20:11.000Z", "0001-01-01T00:00:00+23:00", NOT_FOUND]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(NAMED, st.sampled_from(SAMPLE_POSTS), st.sampled_from(NAMES))
def test_no_payload_breaks_more_than_itself(value: Any, sample: dict[str, Any], name: str) -> None:
    for payload in (value, {"post": value}, {**sample, name: value}, changed(sample, **{name: value})):
        for read in (identify_post, parse_post, identify_trend, parse_trend):
            try:
                read(payload)
            except UNREADABLE:
                continue


@given(st.dictionaries(st.sampled_from(["data", "includes", "errors", "meta"]), NAMED))
def test_every_page_is_joined(body: dict[str, Any]) -> None:
    posts, _ = joined(body)
    if isinstance(body.get("data"), list):
        assert [payload["post"] for payload in posts] == body["data"]
    gone_posts(body)
