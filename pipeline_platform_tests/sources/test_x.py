"""X: what is asked for, windows and limits, what refusals mean, and what is checked again."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import redis
from pydantic import ValidationError

from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.settings import SettingsError, source_settings
from pipeline_platform.sources import x
from pipeline_platform.sources.base import Fetch, Known, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, Transient
from pipeline_platform.sources.x import SOURCE, XSettings, fetch_posts, fetch_trends, recheck_posts
from pipeline_platform.sources.x_records import SAMPLE_POSTS, parse_post
from pipeline_platform_tests.sources.conftest import START, FakeClock, Upstream

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
TODAY = Window(START - timedelta(hours=12), START + timedelta(hours=12))
TOKEN = "AAAA%2Fa-token-that-must-not-show"
USER = json.dumps({"data": {"id": "77", "name": "Ada", "username": "ada"}})
TIMELINE = {"type": "user_timeline", "username": "@Ada", "limit": 250}
TAG = {"type": "hashtag", "tag": "#tides", "limit": 250}

Connect = Callable[..., Fetch[XSettings]]


@pytest.fixture
def connect(redis_client: redis.Redis, clock: FakeClock, tmp_path: Path) -> Iterator[Connect]:
    """From settings to what a stream's `fetch` works with."""
    with ExitStack() as stack:

        def connect_to(given: dict[str, Any], window: Window = TODAY) -> Fetch[XSettings]:
            settings = XSettings(**given)
            client = SourceClient(SOURCE, settings, redis=redis_client, cache_path=tmp_path / "cache", clock=clock)
            return Fetch(stack.enter_context(client), settings, window, START)

        yield connect_to


def scripted(upstream: Upstream, *watch: dict[str, Any], **changes: Any) -> dict[str, Any]:
    # Under a path, as behind a proxy.
    return {"base_url": f"{upstream.url}/mirror", "bearer_token": TOKEN, "watch": list(watch), **changes}


def post(number: int, **changes: Any) -> dict[str, Any]:
    own = {"id": str(number), "edit_history_tweet_ids": [str(number)], "created_at": "2026-11-22T09:00:00.000Z"}
    return {**SAMPLE_POSTS[0]["post"], **own, **changes}


def page(*posts: Any, token: str | None = None, **more: Any) -> str:
    meta = {"result_count": len(posts), **({"next_token": token} if token else {})}
    return json.dumps({**({"data": posts} if posts else {}), "meta": meta, **more})


def asked(upstream: Upstream) -> list[tuple[str, dict[str, str]]]:
    """Path and parameters of every request, without the fields that are always asked for."""
    seen = []
    for request in upstream.seen:
        address = urlsplit(request.path)
        params = dict(parse_qsl(address.query))
        always = ("tweet.fields", "expansions", "media.fields")
        seen.append((address.path, {name: value for name, value in params.items() if name not in always}))
    return seen


def numbers(pages: list[Any]) -> list[str]:
    return [str(record.record_id) for one in pages for record in one.records]


def test_timeline_is_read_page_by_page(upstream: Upstream, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    upstream.reply(USER)
    upstream.reply(page(post(3), post(2), token="more"))
    upstream.reply(page(post(1)))
    pages = list(fetch_posts(connect(scripted(upstream, TIMELINE)), "user_timeline:ada"))
    assert numbers(pages) == ["x:3", "x:2", "x:1"]
    start = {"start_time": "2026-11-22T00:00:00Z"}
    assert asked(upstream) == [
        ("/mirror/2/users/by/username/Ada", {}),
        ("/mirror/2/users/77/tweets", {**start, "max_results": "100"}),
        ("/mirror/2/users/77/tweets", {**start, "max_results": "100", "pagination_token": "more"}),
    ]
    assert {request.headers["authorization"] for request in upstream.seen} == {f"Bearer {TOKEN}"}
    assert "Mozilla" not in upstream.seen[0].headers["user-agent"]
    assert "note_tweet" in upstream.seen[1].path
    assert pages[0].request["url"] == f"{upstream.url}/mirror/2/users/77/tweets"
    assert TOKEN not in caplog.text + json.dumps(dict(pages[0].request))


def test_search_names_the_window(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(page())
    past = Window(START - timedelta(days=3), START - timedelta(days=2))
    entries = (TAG, {"type": "keyword", "query": '"low  water"   lang:en', "limit": 7})
    fetch = connect(scripted(upstream, *entries), past)
    for target in SOURCE.streams[0].targets(fetch.settings):
        assert numbers(list(fetch_posts(fetch, target))) == []
    span = {"start_time": "2026-11-19T12:00:00Z", "end_time": "2026-11-20T12:00:00Z"}
    assert asked(upstream) == [
        ("/mirror/2/tweets/search/recent", {**span, "query": "#tides", "max_results": "100"}),
        ("/mirror/2/tweets/search/recent", {**span, "query": '"low water" lang:en', "max_results": "10"}),
    ]


def test_window_that_has_not_begun_costs_nothing(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(page())
    later = Window(START - timedelta(seconds=5), START + timedelta(days=1))
    assert list(fetch_posts(connect(scripted(upstream, TAG), later), "hashtag:tides")) == []
    assert upstream.seen == []


def test_limit_is_kept_and_told(upstream: Upstream, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    upstream.reply(page(*(post(number) for number in range(100, 0, -1)), token="more"))
    upstream.reply(page(*(post(number + 200) for number in range(10)), token="yet more"))
    fetch = connect(scripted(upstream, {**TAG, "limit": 103}))
    assert len(numbers(list(fetch_posts(fetch, "hashtag:tides")))) == 103
    assert [params["max_results"] for _, params in asked(upstream)] == ["100", "10"]
    assert "the limit of 103 posts is reached" in caplog.text


def test_search_brings_its_seven_days_and_says_what_is_missing(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(page(post(1)))
    long = Window(START - timedelta(days=30), START)
    pages = fetch_posts(connect(scripted(upstream, TAG), long), "hashtag:tides")
    assert numbers([next(pages)]) == ["x:1"]
    with pytest.raises(Permanent, match=r"nothing before 2026-11-15 12:10 UTC.*PIPELINE_X__FULL_ARCHIVE"):
        next(pages)
    assert asked(upstream)[0][1]["start_time"] == "2026-11-15T12:10:00Z"
    old = Window(START - timedelta(days=30), START - timedelta(days=29))
    with pytest.raises(Permanent, match="the last 7 days"):
        list(fetch_posts(connect(scripted(upstream, TAG), old), "hashtag:tides"))
    assert len(upstream.seen) == 1
    archive = connect(scripted(upstream, TAG, full_archive=True), old)
    assert numbers(list(fetch_posts(archive, "hashtag:tides"))) == ["x:1"]
    assert asked(upstream)[1][0] == "/mirror/2/tweets/search/all"


NOBODY = {"errors": [{"detail": "Could not find user with username: [ada].", "type": "a/resource-not-found"}]}


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (NOBODY, Permanent, "does not show the account Ada: Could not find user"),
        ({"data": {"name": "Ada"}}, Malformed, "no id"),
        ({}, Malformed, "no data"),
        ([], Malformed, "list where an object belongs"),
    ],
)
def test_odd_accounts(upstream: Upstream, connect: Connect, body: Any, error: type[Exception], words: str) -> None:
    upstream.reply(json.dumps(body))
    with pytest.raises(error, match=words):
        list(fetch_posts(connect(scripted(upstream, TIMELINE)), "user_timeline:ada"))


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ({"errors": [{"detail": "Sorry, you are not authorized"}]}, Permanent, "Sorry, you are not authorized"),
        ({"meta": {"result_count": 3}}, Malformed, "no data"),
        ({"title": "odd"}, Malformed, "no data"),
        ({"data": {"id": "1"}}, Malformed, "no data"),
        ({"data": [], "meta": {"next_token": 7}}, Malformed, "names no text as its next page"),
    ],
)
def test_odd_pages(upstream: Upstream, connect: Connect, body: Any, error: type[Exception], words: str) -> None:
    upstream.reply(json.dumps(body))
    with pytest.raises(error, match=words):
        list(fetch_posts(connect(scripted(upstream, TAG)), "hashtag:tides"))


def test_page_that_follows_itself(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(page(post(1), token="again"))
    with pytest.raises(Malformed, match="the page after itself"):
        list(fetch_posts(connect(scripted(upstream, TAG)), "hashtag:tides"))


def test_partial_errors_become_records(upstream: Upstream, connect: Connect) -> None:
    lost = {"resource_id": "5", "resource_type": "tweet", "parameter": "ids", "type": "a/resource-not-found"}
    upstream.reply(page(post(1), errors=[lost, {"title": "odd"}]))
    (only,) = fetch_posts(connect(scripted(upstream, TAG)), "hashtag:tides")
    assert [record.record_id for record in only.records] == ["x:1", "x:5", None]
    assert only.records[1].payload == {"post": {"id": "5"}, "errors": [lost]}


CAPPED = {
    "title": "UsageCapExceeded",
    "period": "Monthly",
    "scope": "Product",
    "detail": "Usage cap exceeded: Monthly product cap",
    "type": "https://api.twitter.com/2/problems/usage-capped",
}


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "words", "requests"),
    [
        (429, CAPPED, {}, QuotaExhausted, "usage cap is reached .*Monthly product cap", 1),
        (429, {**CAPPED, "title": "x"}, {"x-rate-limit-reset": "9"}, QuotaExhausted, "usage cap", 1),
        (402, {"type": "https://api.x.com/2/problems/credits-depleted"}, {}, QuotaExhausted, "credits", 1),
        (429, {"title": "Too Many Requests", "type": "about:blank"}, {"wait": "600"}, QuotaExhausted, "429", 1),
        (429, {"title": "Too Many Requests", "type": "about:blank"}, {"wait": "60"}, Transient, "429", 3),
        (503, {"title": "Service Unavailable"}, {}, Transient, "503", 3),
        (400, {"errors": [{"message": "Invalid 'query'"}]}, {}, Permanent, "Invalid 'query'", 1),
        (401, {"title": "Unauthorized"}, {}, Permanent, "does not accept the bearer token", 1),
        (
            403,
            {"reason": "client-not-enrolled", "detail": "a Project"},
            {},
            Permanent,
            "a Project .client-not",
            1,
        ),
        (404, None, {}, Permanent, "PIPELINE_X__BASE_URL", 1),
        (302, {}, {}, Permanent, "has moved", 1),
    ],
)
def test_refusals(
    upstream: Upstream,
    connect: Connect,
    clock: FakeClock,
    status: int,
    body: Any,
    headers: dict[str, str],
    error: type[Exception],
    words: str,
    requests: int,
) -> None:
    sent = dict(headers)
    if wait := sent.pop("wait", None):
        reset = int(START.timestamp()) + int(wait)
        sent |= {"x_rate_limit_remaining": "0", "x_rate_limit_reset": str(reset)}
    html = "<!DOCTYPE html><html><body>nothing here</body></html>"
    upstream.reply(html if body is None else json.dumps(body), status=status, **sent)
    fetch = connect(scripted(upstream, TAG))
    with pytest.raises(error, match=words) as caught:
        list(fetch_posts(fetch, "hashtag:tides"))
    assert TOKEN not in str(caught.value)
    assert len(upstream.seen) == requests
    assert len(clock.sleeps) == requests - 1
    if error is QuotaExhausted:
        assert caught.value.resets_at > START  # type: ignore[attr-defined]
        with pytest.raises(QuotaExhausted):
            list(fetch_posts(fetch, "hashtag:tides"))
        assert len(upstream.seen) == requests, "nobody asks before the pause is over"


def known(number: str, moment: datetime = START - timedelta(days=2)) -> Known:
    return Known(f"x:{number}", moment, {"post": post(int(number))})


def gone_error(number: str, kind: str = "resource-not-found") -> dict[str, str]:
    return {
        "resource_id": number,
        "resource_type": "tweet",
        "parameter": "ids",
        "detail": "gone",
        "type": f"https://api.twitter.com/2/problems/{kind}",
    }


def test_known_posts_come_as_they_are_now(upstream: Upstream, connect: Connect) -> None:
    moment = START - timedelta(days=2, milliseconds=1)
    body = {
        "data": [post(1, public_metrics={"like_count": 9000}), post(99)],
        "errors": [gone_error("2"), gone_error("3", "not-authorized-for-resource"), gone_error("4", "over-capacity")],
    }
    upstream.reply(json.dumps(body))
    held = [*(known(number, moment) for number in "1234"), Known("x:sha256:abc", START, "broken")]
    (only,) = recheck_posts(connect(scripted(upstream, TAG)), held)
    assert asked(upstream) == [("/mirror/2/tweets", {"ids": "1,2,3,4"})]
    rows = {record.record_id: parse_post(record.payload) for record in only.records}
    assert {record.event_time for record in only.records} == {moment}
    assert rows["x:1"]["likes"] == 9000
    assert rows.keys() == {"x:1", "x:2", "x:3"}, "what was not asked for, or not refused for good, is left as it is"
    for number in "23":
        assert rows[f"x:{number}"] == {
            "document_id": f"x:{number}",
            "kind": "tweet",
            "created_at": moment,
            "url": f"https://x.com/i/status/{number}",
            "is_deleted": True,
        }


def test_known_posts_are_asked_for_by_the_hundred(upstream: Upstream, connect: Connect) -> None:
    held = [known(str(number)) for number in range(1, 206)]
    for first in (1, 101, 201):
        upstream.reply(
            json.dumps({"errors": [gone_error(str(number)) for number in range(first, min(first + 100, 206))]})
        )
    pages = list(recheck_posts(connect(scripted(upstream, TAG)), held))
    assert [len(one.records) for one in pages] == [100, 100, 5]
    assert [len(params["ids"].split(",")) for _, params in asked(upstream)] == [100, 100, 5]


def test_lookup_that_says_nothing_deletes_nothing(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(json.dumps({"errors": [gone_error("1", "over-capacity")]}))
    with pytest.raises(Malformed, match="says nothing about the 1 posts"):
        list(recheck_posts(connect(scripted(upstream, TAG)), [known("1")]))


def test_trends_of_a_place(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(json.dumps({"data": [{"trend_name": "#tides", "tweet_count": 5}, {"trend_name": "slack water"}, 7]}))
    fetch = connect(scripted(upstream, {"type": "trending", "location": "New York"}))
    (only,) = fetch_trends(fetch, "trending:2459115")
    assert upstream.seen[0].path == (
        "/mirror/2/trends/by/woeid/2459115?max_trends=50&trend.fields=trend_name%2Ctweet_count"
    )
    assert [record.record_id for record in only.records] == [
        "x:trend:2459115:2026-11-22:#tides",
        "x:trend:2459115:2026-11-22:slack%20water",
        None,
    ]
    assert only.records[1].payload["rank"] == 2
    assert only.records[1].payload["place"] == "new york"


def test_missing_token_names_the_setting(connect: Connect) -> None:
    with pytest.raises(Permanent, match=r"PIPELINE_X__BEARER_TOKEN.*console\.x\.com"):
        list(fetch_posts(connect({"watch": [TAG]}), "hashtag:tides"))


@pytest.mark.parametrize(
    ("watch", "words"),
    [
        ([{"type": "hashtag"}], "entry 1, .*: tag is missing"),
        ([TAG, {"type": "hashtag", "tag": "two words"}], "entry 2, .* is no hashtag"),
        ([{"type": "hashtag", "tag": "2026"}], "is no hashtag"),
        ([{"type": "user_timeline", "username": "ada/quay"}], "is no account"),
        ([{"type": "keyword", "query": " "}], "1 to 4096 characters"),
        ([{"type": "keyword", "query": "a", "limit": 0}], "limit: "),
        ([{"type": "keyword", "query": "a", "lang": "en"}], "lang is no field"),
        ([{"type": "trending", "location": "Atlantis"}], "give its WOEID"),
        ([{"type": "trending", "location": True}], "give its WOEID"),
        ([{"tag": "a"}], "give a type: user_timeline"),
        ([{"type": "list"}], "give a type: user_timeline"),
        (["tides"], "entry 1: 'tides' is no object"),
        ("tides", "give a list of entries"),
        ([TAG, {"type": "hashtag", "tag": "TIDES"}], "entries 1 and 2 are the same"),
    ],
)
def test_odd_watch_lists_are_explained(watch: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match=words):
        XSettings(watch=watch)
    monkeypatch.setenv("PIPELINE_X__WATCH", json.dumps(watch))
    with pytest.raises(SettingsError, match=f"PIPELINE_X__WATCH: .*{words}"):
        source_settings(SOURCE)


def test_watch_list_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = [TIMELINE, {"type": "trending", "location": "Tokyo"}, {"type": "trending", "location": "44418"}]
    monkeypatch.setenv("PIPELINE_X__WATCH", json.dumps(watch))
    settings = source_settings(SOURCE)
    posts, trends = SOURCE.streams
    assert list(posts.targets(settings)) == ["user_timeline:ada"]
    assert list(trends.targets(settings)) == ["trending:1118370", "trending:44418"]
    assert settings.watch[0].limit == 250


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded responses are not on this machine")
def test_recorded_lookups_tell_what_is_gone(connect: Connect) -> None:
    app = build_app(World(now=lambda: START), recordings=RECORDINGS, sources=(SOURCE,))
    bodies = [json.loads(file.read_bytes()) for file in sorted((RECORDINGS / "x").glob("0*-200-tweets.json"))]
    errors = [error for body in bodies for error in body["body"].get("errors", [])]
    posts = [post for body in bodies for post in body["body"].get("data", [])]
    wanted = {error["resource_id"] for error in errors} | {post["id"] for post in posts}
    with running(app) as url:
        settings = httpx.get(f"{url}/watch", trust_env=False).json()["x"]
        pages = list(recheck_posts(connect(settings), [known(number) for number in sorted(wanted)]))
    rows = [parse_post(record.payload) for one in pages for record in one.records]
    assert {row["document_id"] for row in rows} == {f"x:{number}" for number in wanted}
    deleted = {row["document_id"] for row in rows if row.get("is_deleted")}
    assert deleted == {f"x:{error['resource_id']}" for error in errors} - {f"x:{post['id']}" for post in posts}
    assert x.SOURCE.streams[0].recheck is recheck_posts


def test_old_window_of_a_timeline_is_asked_for(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(USER)
    upstream.reply(page())
    old = Window(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
    assert numbers(list(fetch_posts(connect(scripted(upstream, TIMELINE), old), "user_timeline:ada"))) == []
    assert asked(upstream)[1][1]["end_time"] == "2024-05-02T00:00:00Z"
