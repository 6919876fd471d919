"""Reddit beyond listings: trees of comments through `more`, and searches."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from pipeline_platform.sandbox.world import World
from pipeline_platform.sources import reddit, reddit_listings
from pipeline_platform.sources.base import Fetch, Window
from pipeline_platform.sources.errors import Malformed, Permanent
from pipeline_platform.sources.reddit_records import (
    parse_comment,
)
from pipeline_platform.sources.reddit_settings import RedditSettings, Search
from pipeline_platform_tests.sources.conftest import START, FetchOf, Shown, Upstream
from pipeline_platform_tests.sources.reddit_wire import (
    comment,
    expansion,
    line_up,
    listing,
    more,
    names,
    post,
    scripted,
)

POSTS, COMMENTS, SEARCH = reddit.SOURCE.streams
TWO_DAYS = Window(START - timedelta(days=2), START)

Connect = Callable[..., Fetch[RedditSettings]]


@pytest.fixture
def connect(fetch_of: FetchOf) -> Connect:
    """From settings to what a stream's `fetch` works with."""
    return lambda given, window=TWO_DAYS: fetch_of(reddit.SOURCE, given, window)


@pytest.fixture
def sandbox(shown: Shown) -> Shown:
    """Starts the sandbox; gives the settings that make the source read it."""
    return partial(shown, reddit.SOURCE)


# --- trees ---


def test_the_tree_of_the_most_discussed_post_is_followed_largest_first(upstream: Upstream, connect: Connect) -> None:
    tree = listing(
        comment("t1_a", comment("t1_b", more("t1_b", 0))),
        comment("t1_c", more("t1_c", 2, "d", "e")),
        more("t3_9", 140, *(f"m{number}" for number in range(120))),
    )
    line_up(
        upstream,
        listing(comment("t1_a")),
        listing(post("t3_8", 3), post("t3_9", 150), post("t3_7", 900, START - timedelta(days=3)), post("t3_6", 0)),
        [listing(post("t3_9", 150)), tree],
        expansion(*(comment(f"t1_m{number}") for number in range(100)), more("t1_m5", 30, "n1")),
        expansion(comment("t1_m100")),
        expansion(comment("t1_n1")),
        expansion(comment("t1_d"), comment("t1_e")),
        [listing(post("t3_9", 150)), listing(comment("t1_b", comment("t1_z")))],
    )
    pages = list(COMMENTS.fetch(connect(scripted(upstream)), "tides"))
    assert [names(page.records) for page in pages] == [
        ["t1_a"],
        ["t1_b", "t1_c"],  # t1_a came with the listing
        [f"t1_m{number}" for number in range(100)],
        ["t1_m100"],
        ["t1_n1"],
        ["t1_d", "t1_e"],
        ["t1_z"],
    ]
    asked = [(seen.method, urlsplit(seen.path).path) for seen in upstream.seen[1:]]
    assert asked == [
        ("GET", "/r/tides/comments"),
        ("GET", "/r/tides/new"),
        ("GET", "/comments/9"),
        ("POST", "/api/morechildren"),
        ("POST", "/api/morechildren"),
        ("POST", "/api/morechildren"),
        ("POST", "/api/morechildren"),
        ("GET", "/comments/9/_/b"),
    ]
    forms = [parse_qs(seen.body.decode()) for seen in upstream.seen[4:8]]
    assert {form["link_id"][0] for form in forms} == {"t3_9"}
    asked_for = [form["children"][0].split(",") for form in forms]
    assert [len(ids) for ids in asked_for] == [100, 20, 1, 2]
    assert [ids[0] for ids in asked_for] == ["m0", "m100", "n1", "d"]
    assert pages[2].request["method"] == "POST"


def test_payloads_of_a_tree_are_those_of_the_comments_alone(upstream: Upstream, connect: Connect) -> None:
    nested = comment("t1_a", comment("t1_b"))
    line_up(upstream, listing(), listing(post("t3_9", 2)), [listing(post("t3_9", 2)), listing(nested)])
    _, page = COMMENTS.fetch(connect(scripted(upstream)), "tides")
    assert [record.payload for record in page.records] == [comment("t1_a")["data"], comment("t1_b")["data"]]


def test_expansions_end_at_the_limit(upstream: Upstream, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    line_up(
        upstream,
        listing(),
        listing(post("t3_9", 2)),
        [listing(post("t3_9", 2)), listing(more("t3_9", 9, "a"))],
        expansion(comment("t1_a"), more("t1_a", 9, "b")),
    )
    list(COMMENTS.fetch(connect(scripted(upstream, tree_expansions=3)), "tides"))
    assert [seen.method for seen in upstream.seen].count("POST") == 1 + 3
    assert "1 `more` links were not followed" in caplog.text


def test_no_tree_is_asked_for_where_none_is_wanted(upstream: Upstream, connect: Connect) -> None:
    line_up(upstream, listing(comment("t1_a")))
    (page,) = COMMENTS.fetch(connect(scripted(upstream, trees=0)), "tides")
    assert names(page.records) == ["t1_a"]


def test_a_post_that_went_away_costs_no_other_tree(upstream: Upstream, connect: Connect) -> None:
    line_up(upstream, listing(), listing(post("t3_9", 2), post("t3_8", 1)))
    upstream.reply('{"message": "Not Found", "error": 404}', status=404)
    upstream.reply(json.dumps([listing(post("t3_8", 1)), listing(comment("t1_a"))]))
    pages = list(COMMENTS.fetch(connect(scripted(upstream, trees=2)), "tides"))
    assert [names(page.records) for page in pages] == [[], ["t1_a"]]


def test_what_is_broken_in_a_tree_is_kept_and_what_is_outside_of_the_window_is_not(
    upstream: Upstream, connect: Connect
) -> None:
    odd = [
        comment("t1_old", created=START - timedelta(days=5)),
        comment("t1_undated", created_utc="soon"),
        "a text",
        {"kind": "t1", "data": {"body": "no name"}},
        comment("t1_gone", author="[deleted]", body="[deleted]", body_html="<p>[deleted]</p>"),
    ]
    line_up(upstream, listing(), listing(post("t3_9", 2)), [listing(post("t3_9", 2)), listing(*odd)])
    _, page = COMMENTS.fetch(connect(scripted(upstream)), "tides")
    assert names(page.records) == ["t1_undated", None, None, "t1_gone"]
    row = parse_comment(page.records[-1].payload)
    assert row["is_deleted"]
    assert "author" not in page.records[-1].payload


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        "[1, 2]",
        json.dumps([listing(), {"kind": "Listing"}]),
        json.dumps([listing(), listing(more("t3_9", 2, "a")), listing()]),
        json.dumps([listing(), listing({"kind": "more", "data": {"count": "2", "parent_id": "t3_9", "children": []}})]),
        json.dumps([listing(), listing({"kind": "more", "data": {"count": 2, "parent_id": "../x", "children": []}})]),
        json.dumps([listing(), listing({"kind": "more", "data": {"count": 2, "parent_id": "t3_9", "children": [1]}})]),
        json.dumps([listing(), listing({"kind": "t1", "data": {"name": "t1_a", "replies": {"kind": "odd"}}})]),
    ],
)
def test_no_tree_is_malformed(body: str, upstream: Upstream, connect: Connect) -> None:
    line_up(upstream, listing(comment("t1_x")), listing(post("t3_9", 2)), body)
    pages = COMMENTS.fetch(connect(scripted(upstream)), "tides")
    assert names(next(pages).records) == ["t1_x"]
    with pytest.raises(Malformed):
        list(pages)


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"json": {"data": {}}}', '{"json": {"errors": [], "data": {"things": 1}}}']
)
def test_no_expansion_is_malformed(body: str, upstream: Upstream, connect: Connect) -> None:
    tree = [listing(post("t3_9", 2)), listing(comment("t1_a"), more("t3_9", 2, "b"))]
    line_up(upstream, listing(), listing(post("t3_9", 2)), tree, body)
    pages = COMMENTS.fetch(connect(scripted(upstream)), "tides")
    assert [names(page.records) for page in (next(pages), next(pages))] == [[], ["t1_a"]]
    with pytest.raises(Malformed):
        list(pages)


def test_trees_of_the_sandbox_come_whole(connect: Connect, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the listing cut short, the trees bring what is missing, through `more` of both sorts."""
    world = World(seed=3, scale=4, now=lambda: START)
    monkeypatch.setattr(reddit_listings, "_LISTING_END", 1)
    fetch = connect({**sandbox(world), "trees": 100, "tree_expansions": 100})
    target = fetch.settings.subreddits[0]
    pages = list(COMMENTS.fetch(fetch, target))
    addresses = [page.request["url"] for page in pages]
    assert any(address.endswith("api/morechildren") for address in addresses)
    assert any("/_/" in address for address in addresses)
    found = [record.record_id for page in pages for record in page.records]
    assert len(found) == len(set(found))
    listed = {record.payload["name"] for record in next(POSTS.fetch(fetch, target)).records}
    days = [(START - timedelta(days=back)).date() for back in range(3)]
    shown = [one for day in days for one in world.channel_posts("reddit", target, day)]
    discussed = {one.key for one in shown if one.upstream_id in listed and one.replies and one.flaw != "malformed"}
    under = {one.document_id for one in shown if one.parent in discussed and one.shown_at in TWO_DAYS}
    assert len(under) > 50
    assert under <= set(found)


# --- search ---


def test_searches_are_asked_as_reddit_wants_them(upstream: Upstream, connect: Connect) -> None:
    line_up(upstream, listing(post("t3_1", 0)), listing(post("t3_2", 0)), listing())
    searches = [
        {"query": '"spring tide"', "subreddit": "harbour"},
        {"query": "ebb"},
        {"query": "ebb", "sort": "top"},
        {"query": "ebb"},
    ]
    fetch = connect(scripted(upstream, searches=searches))
    targets = list(SEARCH.targets(fetch.settings))
    assert targets == ['r/harbour: "spring tide"', "ebb", "ebb (by top)"]
    found = [names(page.records) for target in targets for page in SEARCH.fetch(fetch, target)]
    assert found == [["t3_1"], ["t3_2"], []]
    asked = [(urlsplit(seen.path).path, parse_qs(urlsplit(seen.path).query)) for seen in upstream.seen[1:]]
    assert [path for path, _ in asked] == ["/r/harbour/search", "/search", "/search"]
    assert asked[0][1] == {
        "q": ['"spring tide"'],
        "sort": ["new"],
        "type": ["link"],
        "restrict_sr": ["1"],
        "limit": ["100"],
        "raw_json": ["1"],
    }
    assert "restrict_sr" not in asked[1][1]
    assert asked[2][1]["sort"] == ["top"]


def test_a_search_by_another_order_than_time_is_read_to_its_end(upstream: Upstream, connect: Connect) -> None:
    old = json.loads(json.dumps(listing(post("t3_1", 0, START - timedelta(days=9)))))
    old["data"]["after"] = "t3_1"
    line_up(upstream, old, listing(post("t3_2", 0)))
    fetch = connect(scripted(upstream, searches=[{"query": "ebb", "sort": "top"}]))
    assert [names(page.records) for page in SEARCH.fetch(fetch, "ebb (by top)")] == [[], ["t3_2"]]


def test_a_search_that_is_not_in_the_settings(upstream: Upstream, connect: Connect) -> None:
    with pytest.raises(Permanent, match="PIPELINE_REDDIT__SEARCHES"):
        list(SEARCH.fetch(connect(scripted(upstream)), "flood"))


@pytest.mark.parametrize(
    "search",
    [{}, {"query": " "}, {"query": "x" * 513}, {"query": "x", "subreddit": "r/x"}, {"query": "x", "sort": "best"}],
)
def test_odd_searches_are_refused(search: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Search(**search)


def test_searches_of_the_sandbox(connect: Connect, sandbox: Any) -> None:
    world = World(seed=3, scale=4, now=lambda: START)
    fetch = connect(sandbox(world))
    everywhere, somewhere = SEARCH.targets(fetch.settings)
    channels = {
        target: {record.payload["subreddit"] for page in SEARCH.fetch(fetch, target) for record in page.records}
        for target in (everywhere, somewhere)
    }
    assert len(channels[everywhere] - {None}) > 1
    assert channels[somewhere] - {None} == {world.subreddits[-1]}
