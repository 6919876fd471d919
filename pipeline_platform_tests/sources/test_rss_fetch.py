"""Which feeds are asked for, from settings and OPML, and how a feed is fetched and fails."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import ValidationError

from pipeline_platform.sources import rss
from pipeline_platform.sources.base import Fetch, Page, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.clock import Clock
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform_tests.sources.conftest import Upstream
from pipeline_platform_tests.sources.test_rss import rss_2

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPML = """<opml version="2.0"><body><outline text="Folder"><outline text="Deeper">
  <outline type="rss" text="A" xmlUrl="{0}/a.xml"/></outline><outline text="B" xmlUrl="{0}/b.xml"/>
  <outline text="A again" xmlUrl="{0}/a.xml"/></outline></body></opml>"""


def test_a_local_opml_gives_a_target_per_feed(tmp_path: Path) -> None:
    opml = tmp_path / "feeds.opml"
    opml.write_text(OPML.format("https://news.example"))
    settings = rss.RssSettings(feeds=["https://news.example/b.xml"], opml=str(opml))

    assert rss.targets(settings) == ["https://news.example/b.xml", "https://news.example/a.xml"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"feeds": ["feeds/a.xml"]}, "set the base URL"),
        ({"feeds": ["ftp://news.example/a.xml"], "base_url": "https://news.example"}, "no address"),
        ({"feeds": ["https://ann:secret@news.example/a.xml"]}, "give none with a password"),
        ({"opml": "/no/such/file.opml"}, "No such file"),
    ],
)
def test_wrong_settings_say_what_to_do(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        rss.RssSettings(**values)
    (problem,) = caught.value.errors()
    assert reason in problem["msg"]
    assert "secret" not in problem["msg"]


def test_an_opml_without_feeds_is_refused(tmp_path: Path) -> None:
    for content in ("", "<opml><body><outline text='x'/></body></opml>", "</outline></outline>", "<html><p>Hello"):
        (tmp_path / "feeds.opml").write_text(content)
        with pytest.raises(ValidationError, match="OPML"):
            rss.RssSettings(opml=str(tmp_path / "feeds.opml"))


Ask = Callable[..., list[Page]]


@pytest.fixture
def ask(upstream: Upstream, redis_client: redis.Redis, clock: Clock, tmp_path: Path) -> Ask:
    """Fetches a target through a real client from `upstream`."""

    def fetch(target: str) -> list[Page]:
        settings = rss.RssSettings(base_url=upstream.url, feeds=["a.xml"])
        with SourceClient(rss.SOURCE, settings, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            return list(rss.fetch(Fetch(client, settings, Window(NOW, NOW), NOW), target))

    return fetch


ITEM = "<item><guid>1</guid><title>A</title><pubDate>Sun, 22 Nov 2026 10:00:00 GMT</pubDate></item>"


def test_a_feed_that_did_not_change_is_not_sent_again_and_gives_the_same(upstream: Upstream, ask: Ask) -> None:
    upstream.reply(rss_2(ITEM), kind="application/rss+xml", ETag='"1"')
    upstream.reply(b"", 304, ETag='"1"')

    (first,), (second,) = ask("a.xml"), ask("a.xml")
    assert upstream.seen[1].headers["if-none-match"] == '"1"'
    assert first.records == second.records
    assert first.records[0].record_id == "rss:a.xml:1"
    assert first.records[0].event_time == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_an_absolute_address_under_the_base_url_is_called_like_the_relative_one(upstream: Upstream, ask: Ask) -> None:
    upstream.reply(rss_2(ITEM), kind="text/xml")

    assert ask(f"{upstream.url}/a.xml")[0].records[0].record_id == "rss:a.xml:1"


def test_a_moved_feed_is_followed(upstream: Upstream, ask: Ask) -> None:
    upstream.reply(b"", 301, Location="/new/b.xml")
    upstream.reply(rss_2("<item><title>A</title><link>x</link></item>"), kind="text/xml")

    (page,) = ask("a.xml")
    assert upstream.seen[1].path == "/new/b.xml"
    assert page.records[0].record_id == f"rss:a.xml:{upstream.url}/new/x"


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (410, b"", Permanent, "gone for good (410); take it off the watch list"),
        (404, b"", Permanent, "404"),
        (403, b"<html>no</html>", Permanent, "403"),
        (200, b"<html><title>Welcome</title></html>", Malformed, "a.xml: an HTML page ('Welcome')"),
        (200, b"", Malformed, "a.xml: the body is empty"),
        (503, b"", Transient, "503"),
    ],
)
def test_failures(
    upstream: Upstream, ask: Ask, status: int, body: bytes, error: type[SourceError], reason: str
) -> None:
    upstream.reply(body, status, kind="text/html")

    with pytest.raises(error) as caught:
        ask("a.xml")
    assert reason in str(caught.value)
    assert caught.value.status == status


def test_a_failing_feed_of_a_fetched_opml_keeps_no_other_from_being_read(
    upstream: Upstream, redis_client: redis.Redis, clock: Clock, tmp_path: Path
) -> None:
    upstream.reply(OPML.format(".."), kind="text/x-opml")
    upstream.reply(b"", 404)
    upstream.reply(rss_2(ITEM), kind="text/xml")
    address = f"{upstream.url}/lists/feeds.opml"
    settings = rss.RssSettings(base_url=upstream.url, feeds=[], opml=address)
    assert rss.targets(settings) == [f"opml:{address}"]

    with SourceClient(rss.SOURCE, settings, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
        pages = rss.fetch(Fetch(client, settings, Window(NOW, NOW), NOW), f"opml:{address}")
        assert next(pages).records[0].record_id == "rss:b.xml:1"
        with pytest.raises(Permanent, match=r"1 of 2 feeds of .*a\.xml: Permanent: .* 404"):
            next(pages)
    assert [seen.path for seen in upstream.seen] == ["/lists/feeds.opml", "/a.xml", "/b.xml"]


def test_an_opml_address_that_gives_no_list_says_so(upstream: Upstream, ask: Ask) -> None:
    upstream.reply("<html>no</html>", kind="text/html")

    with pytest.raises(Malformed, match="an HTML page instead of a feed"):
        ask(f"opml:{upstream.url}/feeds.opml")
