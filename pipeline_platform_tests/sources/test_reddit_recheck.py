"""The re-check of what is held of Reddit; any payload at all; and recorded trees and things."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources import reddit
from pipeline_platform.sources.base import Fetch, Known, Window
from pipeline_platform.sources.errors import Permanent, Transient
from pipeline_platform.sources.reddit_listings import record_of
from pipeline_platform.sources.reddit_recheck import recheck
from pipeline_platform.sources.reddit_records import (
    SAMPLE_COMMENT,
    SAMPLE_POST,
    identify_comment,
    identify_post,
    parse_comment,
    parse_post,
)
from pipeline_platform.sources.reddit_settings import RedditSettings
from pipeline_platform_tests.sources.conftest import START, FetchOf, Shown, Upstream
from pipeline_platform_tests.sources.reddit_wire import (
    LATELY,
    comment,
    line_up,
    listing,
    names,
    post,
    scripted,
)

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
POSTS, COMMENTS, _ = reddit.SOURCE.streams
TWO_DAYS = Window(START - timedelta(days=2), START)
EVER = Window(datetime(2000, 1, 1, tzinfo=UTC), START)

Connect = Callable[..., Fetch[RedditSettings]]


@pytest.fixture
def connect(fetch_of: FetchOf) -> Connect:
    """From settings to what a stream's `fetch` works with."""
    return lambda given, window=TWO_DAYS: fetch_of(reddit.SOURCE, given, window)


@pytest.fixture
def sandbox(shown: Shown) -> Shown:
    """Starts the sandbox; gives the settings that make the source read it."""
    return partial(shown, reddit.SOURCE)


def known(*things: dict[str, Any]) -> list[Known]:
    return [
        Known(
            f"reddit:{thing['data']['name']}", datetime.fromtimestamp(thing["data"]["created_utc"], UTC), thing["data"]
        )
        for thing in things
    ]


def test_held_records_are_asked_for_by_the_hundred(upstream: Upstream, connect: Connect) -> None:
    held = [post(f"t3_{number}", 1) for number in range(130)] + [comment(f"t1_{number}") for number in range(20)]
    line_up(upstream, listing(*held[:100]), listing(*held[100:]))
    odd = Known("reddit:sha256:abc", LATELY, "too broken")
    pages = list(recheck(connect(scripted(upstream)), [odd, *known(*held)]))
    assert [len(page.records) for page in pages] == [100, 50]
    asked = [parse_qs(urlsplit(seen.path).query)["id"][0].split(",") for seen in upstream.seen[1:]]
    assert asked == [[thing["data"]["name"] for thing in part] for part in (held[:100], held[100:])]
    assert [record.payload for record in pages[0].records] == [thing["data"] for thing in held[:100]]


def test_what_is_left_out_is_gone_and_what_is_removed_loses_its_content(upstream: Upstream, connect: Connect) -> None:
    held = [post("t3_1", 1), post("t3_2", 1), post("t3_3", 1), comment("t1_4"), comment("t1_5")]
    taken = post("t3_2", 1, selftext="[removed]", removed_by_category="moderator", url="https://i.example/secret.jpg")
    unmarked = comment("t1_5", author="[deleted]", body="[deleted]", body_html="<p>[deleted]</p>")
    line_up(upstream, listing(post("t3_1", 77), taken, unmarked))
    (page,) = recheck(connect(scripted(upstream)), known(*held))
    found = {record.record_id: record for record in page.records}
    assert names(page.records) == ["t3_1", "t3_2", "t1_5", "t3_3", "t1_4"]
    assert parse_post(found["reddit:t3_1"].payload)["replies"] == 77
    for one in known(*held)[1:]:
        record = found[one.record_id]
        assert record.event_time == one.event_time
        parse, identify = (
            (parse_post, identify_post) if one.record_id[7:9] == "t3" else (parse_comment, identify_comment)
        )
        assert identify(record.payload) == (one.record_id, one.event_time)
        row = parse(record.payload)
        assert row["is_deleted"]
        assert row["author"] is None
        assert not {"title", "text", "image_url"} & {name for name, value in row.items() if value}
        told = json.dumps(record.payload)
        for content in ("lager", "secret", "green apple", "copper_kettle", "slow_mash", "Give it three days"):
            assert content not in told
    assert found["reddit:t3_3"].payload["gone"] is True


def test_nothing_is_gone_where_an_answer_holds_what_cannot_be_read(upstream: Upstream, connect: Connect) -> None:
    line_up(upstream, listing({"kind": "t3", "data": {"name": 7}}, post("t3_1", 1)))
    (page,) = recheck(connect(scripted(upstream)), known(post("t3_1", 1), post("t3_2", 1)))
    assert names(page.records) == ["t3_1"]


def test_a_failure_is_no_sign_of_deletion(upstream: Upstream, connect: Connect) -> None:
    line_up(upstream)
    upstream.reply("{}", status=503)
    with pytest.raises(Transient):
        list(recheck(connect(scripted(upstream)), known(post("t3_1", 1))))


def test_nobody_is_asked_where_nothing_is_held(upstream: Upstream, connect: Connect) -> None:
    assert list(recheck(connect(scripted(upstream)), [])) == []
    assert upstream.seen == []


def test_what_is_gone_stays_so_when_it_is_checked_again(upstream: Upstream, connect: Connect) -> None:
    line_up(upstream, listing())
    fetch = connect(scripted(upstream))
    (first,) = recheck(fetch, known(post("t3_1", 1)))
    (record,) = first.records
    assert record.event_time is not None
    (second,) = recheck(fetch, [Known("reddit:t3_1", record.event_time, record.payload)])
    assert second.records == [record]


# --- any input ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({*SAMPLE_POST, *SAMPLE_COMMENT, "removed", "banned_by", "gone", "preview", "gallery_data"})


@given(st.sampled_from([SAMPLE_POST, SAMPLE_COMMENT]), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5))
def test_no_payload_makes_a_parser_fail_in_an_unknown_way(sample: dict[str, Any], changes: dict[str, Any]) -> None:
    payload = {**sample, **changes}
    for identify, parse in ((identify_post, parse_post), (identify_comment, parse_comment)):
        record = record_of({"data": payload}, identify)
        for read in (identify, parse):
            for given_payload in (payload, record.payload, changes.get("name")):
                try:
                    read(given_payload)
                except UNREADABLE:
                    continue


# --- recordings ---


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded responses are not on this machine")
def test_recorded_trees_and_things_are_read_whole(connect: Connect, sandbox: Any) -> None:
    """Recorded trees through the path of trees, and every recorded thing through that of the re-check."""
    fetch = connect(sandbox(World(now=lambda: START), recordings=RECORDINGS), window=EVER)
    trees, held = 0, {}
    for target in COMMENTS.targets(fetch.settings):
        try:
            pages = [*POSTS.fetch(fetch, target), *COMMENTS.fetch(fetch, target)]
        except Permanent:
            continue
        trees += sum("/comments/" in page.request["url"] for page in pages)
        held |= {record.record_id: record for page in pages for record in page.records if record.record_id}
    assert trees > 10
    checked = recheck(fetch, [Known(name, one.event_time, one.payload) for name, one in held.items()])
    records = [record for page in checked for record in page.records]
    assert {record.record_id for record in records} == set(held)
    assert not [record for record in records if "gone" in record.payload]
