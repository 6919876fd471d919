"""Hacker News: what a hit becomes, how a window is sliced, how removed items are found out."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources import hackernews
from pipeline_platform.sources.base import Fetch, Known, Record, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.hackernews_records import (
    SAMPLE_COMMENTS,
    SAMPLE_STORIES,
    identify,
    parse_comment,
    parse_story,
)
from pipeline_platform_tests.sources.json_like import answer, anything, nearly

START = datetime(2026, 11, 21, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
SECOND = int(START.timestamp())
STREAMS = {stream.name: stream for stream in hackernews.SOURCE.streams}
STORIES, COMMENTS = STREAMS["hackernews_stories"], STREAMS["hackernews_comments"]

Opened = Callable[..., Any]


@pytest.fixture
def opened(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Opened:
    """A fetch of a server that gives `answers` one after the other."""

    @contextmanager
    def context(*answers: Any, status: int = 200, **settings: Any) -> Iterator[Fetch[Any]]:
        upstream.script.clear()
        for body in answers:
            upstream.reply(json.dumps(body), status)
        options = hackernews.HackerNewsSettings(
            **{"base_url": upstream.url, "items_url": f"{upstream.url}/v0", **settings}
        )
        with SourceClient(hackernews.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            yield Fetch(client, options, DAY, DAY.end)

    return context


def hit(number: int, second: int = 0, **changes: Any) -> dict[str, Any]:
    return {"objectID": str(number), "created_at_i": SECOND + second, "title": "T", "_tags": ["story"], **changes}


def found(*hits: Any, total: int | None = None) -> dict[str, Any]:
    return {"hits": list(hits), "nbHits": len(hits) if total is None else total, "page": 0}


def ids(records: Sequence[Record]) -> list[str | None]:
    return [record.record_id and record.record_id.removeprefix("hackernews:") for record in records]


def asked(upstream: Any) -> list[Mapping[str, str]]:
    return [dict(parse_qsl(urlsplit(request.path).query)) for request in upstream.seen]


def test_a_story_becomes_a_document() -> None:
    row = parse_story(SAMPLE_STORIES[0])
    assert row == {
        "document_id": "hackernews:51020417",
        "kind": "story",
        "channel": "hackernews",
        "author": "lamp_oil",
        "title": "Ask HN: How do you keep a lighthouse's logbook?",
        "text": "Ours is on paper since 1911.\nWhat would you use today, and who reads it in 100 years?",
        "url": "https://news.ycombinator.com/item?id=51020417",
        "created_at": datetime.fromtimestamp(1795339800, UTC),
        "category": "ask_hn",
        "score": 41,
        "replies": 2,
    }


def test_a_comment_becomes_a_document() -> None:
    row = parse_comment(SAMPLE_COMMENTS[0])
    assert (row["kind"], row["text"]) == ("comment", "Paper & ink.\nIt needs no update:\ncat logbook | lp")
    assert "title" not in row


@pytest.mark.parametrize("gone", [{"deleted": True}, {"dead": True}, {"title": "[flagged]"}, {"story_text": "[dead]"}])
def test_of_a_removed_story_only_that_is_kept(gone: dict[str, Any]) -> None:
    row = parse_story(hit(7, author="ann", story_text="said", points=3) | gone)
    assert row["is_deleted"]
    assert not {"title", "text", "author", "score"} & row.keys()
    assert parse_comment({"objectID": "8", "created_at_i": 1, "comment_text": "[deleted]"})["is_deleted"]


def test_what_is_unknown_is_null() -> None:
    row = parse_story({"objectID": "7", "created_at_i": SECOND, "title": "A link"})
    assert (row["text"], row["score"], row["replies"], row["category"]) == (None,) * 4


@pytest.mark.parametrize(
    "changes",
    [
        {"objectID": 7},
        {"objectID": "seven"},
        {"created_at_i": None},
        {"created_at_i": -5},
        {"created_at_i": 1e9},
        {"title": 3},
        {"points": "many"},
        {"points": 2**70},
        {"_tags": "story"},
    ],
)
def test_a_broken_hit_is_no_row(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_story(hit(7) | changes)


def test_a_window_is_one_request_where_everything_fits(opened: Opened, upstream: Any) -> None:
    broken = {"objectID": None}
    with opened(found(hit(2, 20, _highlightResult={"title": {"value": "<em>T</em>"}}), hit(1, 10), broken)) as fetch:
        (page,) = STORIES.fetch(fetch, "story")
    assert ids(page.records) == ["2", "1", None]
    assert "_highlightResult" not in page.records[0].payload
    expected = f"created_at_i>={SECOND},created_at_i<{SECOND + 86400}"
    assert asked(upstream) == [{"tags": "story", "numericFilters": expected, "hitsPerPage": "1000"}]


def test_queries_narrow_what_is_watched(opened: Opened, upstream: Any) -> None:
    with opened(found(), queries=["heat pump", " rust "]) as fetch:
        targets = COMMENTS.targets(fetch.settings)
        assert targets == ["comment heat pump", "comment rust"]
        list(COMMENTS.fetch(fetch, targets[0]))
    assert (asked(upstream)[0]["tags"], asked(upstream)[0]["query"]) == ("comment", "heat pump")
    assert STORIES.targets(hackernews.HackerNewsSettings()) == ["story", "poll", "job"]


def test_beyond_the_last_hit_a_new_range_begins_with_its_second(opened: Opened, upstream: Any) -> None:
    future = hit(9, 20 * 365 * 86400)
    first = found(hit(5, 50), future, hit(4, 40), hit(3, 40), total=5)
    with opened(first, found(hit(3, 40), hit(2, 40), hit(1, 10), total=3)) as fetch:
        pages = list(STORIES.fetch(fetch, "story"))
    assert [ids(page.records) for page in pages] == [["5", "9", "4", "3"], ["2", "1"]]
    assert [query["numericFilters"].rpartition("<")[2] for query in asked(upstream)] == [
        str(SECOND + 86400),
        str(SECOND + 41),
    ]


def test_a_search_that_does_not_get_on_is_told(opened: Opened) -> None:
    same = found(hit(2, 86399), hit(1, 86399), total=5000)
    with opened(same) as fetch, pytest.raises(Malformed, match="2 of 5000 items"):
        list(STORIES.fetch(fetch, "story"))


@pytest.mark.parametrize("body", [[], {"hits": []}, {"hits": {}, "nbHits": 0}, {"hits": [], "nbHits": "0"}, None])
def test_another_shape_than_promised_is_malformed(opened: Opened, body: Any) -> None:
    with opened(body) as fetch, pytest.raises(Malformed):
        list(STORIES.fetch(fetch, "story"))


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, {**found(), "message": "you can only fetch the 1000 hits for this query"}, Permanent, "1000 hits"),
        (200, {"message": "Internal error", "status": 500}, Transient, "Internal error"),
        (200, {"message": "Slow down", "status": 429}, Transient, "Slow down"),
        (400, {"message": "invalid numericFilters", "status": 400}, Permanent, "invalid numericFilters"),
        (429, {"message": "Too many requests"}, Transient, "429"),
    ],
)
def test_errors_say_what_is_wrong(opened: Opened, status: int, body: Any, kind: type[SourceError], words: str) -> None:
    with opened(body, status=status) as fetch, pytest.raises(kind, match=words) as caught:
        list(STORIES.fetch(fetch, "story"))
    assert type(caught.value) is kind


def known(number: int, second: int) -> Known:
    return Known(f"hackernews:{number}", START + timedelta(seconds=second), hit(number, second, story_text="said"))


def test_what_the_search_does_not_find_any_more_is_asked_for_by_id(opened: Opened, upstream: Any) -> None:
    assert STORIES.recheck is not None
    held = [known(1, 10), known(2, 20), known(3, 30), known(4, 40), known(5, 50)]
    items = [None, {"id": 2, "deleted": True}, {"id": 3, "dead": True, "text": "[dead]"}, {"id": 5, "title": "here"}]
    with opened(found(hit(4, 40, points=9), hit(77, 45)), *items) as fetch:
        records = [record for page in STORIES.recheck(fetch, held) for record in page.records]
    assert asked(upstream)[0]["numericFilters"] == f"created_at_i>={SECOND + 10},created_at_i<{SECOND + 51}"
    assert asked(upstream)[0]["tags"] == "(story,poll,job)"
    assert [urlsplit(request.path).path for request in upstream.seen[1:]] == [
        f"/v0/item/{number}.json" for number in (1, 2, 3, 5)
    ]
    assert ids(records) == ["4", "1", "2", "3"]
    assert [record.payload for record in records[1:]] == [
        {"objectID": "1", "created_at_i": SECOND + 10, "deleted": True},
        {"objectID": "2", "created_at_i": SECOND + 20, "deleted": True},
        {"objectID": "3", "created_at_i": SECOND + 30, "dead": True},
    ]
    for record in records:
        assert identify(record.payload) == (record.record_id, record.event_time)
        assert bool(parse_story(record.payload).get("is_deleted")) == (record.record_id != "hackernews:4")


def test_days_that_hold_nothing_known_are_not_asked_for(opened: Opened, upstream: Any) -> None:
    assert COMMENTS.recheck is not None
    nameless = Known("hackernews:sha256:ab", START, {"objectID": None})
    held = [known(1, 10), known(2, 3 * 86400), nameless]
    with opened(found(hit(1, 10)), found(hit(2, 3 * 86400))) as fetch:
        records = [record for page in COMMENTS.recheck(fetch, held) for record in page.records]
    assert ids(records) == ["1", "2"]
    assert len(upstream.seen) == 2


def test_an_item_of_another_shape_is_malformed(opened: Opened) -> None:
    assert STORIES.recheck is not None
    with opened(found(), ["x"]) as fetch, pytest.raises(Malformed, match="no item"):
        list(STORIES.recheck(fetch, [known(1, 10)]))


def test_settings_say_how_to_mend_them() -> None:
    with pytest.raises(ValidationError, match="PIPELINE_HACKERNEWS__ITEMS_URL"):
        hackernews.HackerNewsSettings(items_url="firebaseio.com")
    with pytest.raises(ValidationError, match="PIPELINE_HACKERNEWS__QUERIES"):
        hackernews.HackerNewsSettings(queries=["  "])


@given(nearly([*SAMPLE_STORIES, *SAMPLE_COMMENTS]) | anything)
def test_no_payload_is_a_surprise(payload: Any) -> None:
    with suppress(KeyError, TypeError, ValueError):
        identify(payload)
    for parse in (parse_story, parse_comment):
        with suppress(*UNREADABLE):
            assert parse(payload)["document_id"] == identify(payload)[0]


@given(nearly([{"message": "no", "status": 500}, found(hit(1))]) | anything)
def test_no_answer_is_a_surprise(body: Any) -> None:
    assert hackernews.diagnose(answer(json.dumps(body).encode())) is None or isinstance(body, dict)
