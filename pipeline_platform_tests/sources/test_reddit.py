"""Reddit: what is asked for, who waits and retries, what refusals mean."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from pipeline_platform.sandbox.world import World
from pipeline_platform.sources import reddit
from pipeline_platform.sources.base import Fetch, Page, Stream, Window
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, Transient
from pipeline_platform.sources.reddit_listings import connection_of
from pipeline_platform.sources.reddit_records import SAMPLE_POST, parse_post
from pipeline_platform.sources.reddit_settings import RedditSettings
from pipeline_platform_tests.sources.conftest import START, FakeClock, FetchOf, Shown, Upstream
from pipeline_platform_tests.sources.reddit_wire import TOKEN

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
POSTS, COMMENTS, SEARCH = reddit.SOURCE.streams
TWO_DAYS = Window(START - timedelta(days=2), START)
EVER = Window(datetime(2000, 1, 1, tzinfo=UTC), START)
SECRET = "a-secret-that-must-not-show"

Connect = Callable[..., Fetch[RedditSettings]]


@pytest.fixture
def connect(fetch_of: FetchOf) -> Connect:
    """From settings to what a stream's `fetch` works with."""
    return lambda given, window=TWO_DAYS: fetch_of(reddit.SOURCE, given, window)


@pytest.fixture
def sandbox(shown: Shown) -> Shown:
    """Starts the sandbox; gives the settings that make the source read it."""
    return partial(shown, reddit.SOURCE)


def small_world() -> World:
    return World(seed=3, scale=4, now=lambda: START)


def scripted(upstream: Upstream, **changes: Any) -> dict[str, Any]:
    credentials = {"client_id": "an-id-that-must-not-show", "client_secret": SECRET}
    # Under a path, as behind a proxy.
    return {"base_url": f"{upstream.url}/mirror", "subreddits": ["tides"], "trees": 0, **credentials, **changes}


def listing(*things: Any, after: str | None = None) -> str:
    return json.dumps({"kind": "Listing", "data": {"after": after, "children": list(things)}})


def post(number: int, created: datetime, **changes: Any) -> dict[str, Any]:
    data = {**SAMPLE_POST, "name": f"t3_{number}", "created_utc": created.timestamp(), **changes}
    return {"kind": "t3", "data": data}


def all_pages(stream: Stream, fetch: Fetch[RedditSettings]) -> list[Page]:
    return [page for target in stream.targets(fetch.settings) for page in stream.fetch(fetch, target)]


@pytest.mark.parametrize(("stream", "kind"), [(POSTS, "post"), (COMMENTS, "comment")])
def test_everything_of_the_window_comes_once(stream: Stream, kind: str, connect: Connect, sandbox: Any) -> None:
    world = small_world()
    pages = all_pages(stream, connect(sandbox(world)))
    records = [record for page in pages for record in page.records]
    shown = [item for back in range(3) for item in world.posts("reddit", day_before(back)) if item.kind == kind]
    expected = {item.document_id for item in shown if item.shown_at in TWO_DAYS and not world.is_removed(item)}
    found = [record.record_id for record in records]
    assert len(found) == len(set(found))
    # What has no date to be believed is kept from wherever the page reaches.
    assert expected <= set(found)
    # What was taken away keeps its place in a tree.
    assert set(found) - expected <= {item.document_id for item in shown if item.flaw or world.is_removed(item)}
    assert all(page.from_sandbox for page in pages)
    assert len(pages) >= len(world.subreddits)


def test_payload_is_what_was_sent(connect: Connect, sandbox: Any) -> None:
    settings = sandbox(small_world())
    target = settings["subreddits"][0]
    sent = httpx.get(
        f"{settings['base_url']}/r/{target}/new?limit=100", headers={"Authorization": "bearer anything"}
    ).json()
    first = next(iter(POSTS.fetch(connect(settings), target)))
    assert [record.payload for record in first.records] == [
        child["data"] for child in sent["data"]["children"][: len(first.records)]
    ]


@pytest.mark.parametrize("stream", [POSTS, COMMENTS])
def test_planted_flaws_break_and_nothing_else_does(stream: Stream, connect: Connect, sandbox: Any) -> None:
    world = small_world()
    flaws = {item.document_id: item.flaw for back in range(4) for item in world.posts("reddit", day_before(back))}
    broken = set()
    for page in all_pages(stream, connect(sandbox(world))):
        for record in page.records:
            try:
                stream.parse(record.payload)
            except (KeyError, TypeError, ValueError):
                broken.add(record.record_id)
                assert flaws[str(record.record_id)] == "malformed"
    assert broken


def day_before(back: int) -> Any:
    return (START - timedelta(days=back)).date()


def test_addresses_headers_and_the_one_token(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply(listing(post(2, START - timedelta(hours=1)), after="t3_2"))
    upstream.reply(listing(post(1, START - timedelta(days=3)), after="t3_1"))
    upstream.reply(listing())
    fetch = connect(scripted(upstream))
    pages = list(POSTS.fetch(fetch, "tides"))
    list(COMMENTS.fetch(fetch, "tides"))
    asked = [(seen.method, seen.path) for seen in upstream.seen]
    assert asked == [
        ("POST", "/mirror/api/v1/access_token"),
        ("GET", "/mirror/r/tides/new?limit=100&raw_json=1"),
        ("GET", "/mirror/r/tides/new?limit=100&after=t3_2&raw_json=1"),
        ("GET", "/mirror/r/tides/comments?limit=100&raw_json=1"),
    ]
    assert upstream.seen[0].headers["authorization"].startswith("Basic ")
    assert upstream.seen[1].headers["authorization"] == "bearer t0k3n-of-the-test"
    assert "pipeline-platform:" in upstream.seen[1].headers["user-agent"]
    assert "Mozilla" not in upstream.seen[1].headers["user-agent"]
    # The second page ends before the window: its post is left out and no third page is asked for.
    assert [len(page.records) for page in pages] == [1, 0]
    assert pages[1].request == {
        "method": "GET",
        "url": f"{upstream.url}/mirror/r/tides/new",
        "params": {"limit": 100, "after": "t3_2"},
    }


def test_live_addresses_are_those_of_reddit(connect: Connect) -> None:
    settings = {"client_id": "an-id", "client_secret": SECRET, "user_agent": "linux:our-app:2 (by /u/us)"}
    connection = connection_of(connect(settings))
    config = connection.reddit.config
    assert (config.oauth_url, config.reddit_url) == ("https://oauth.reddit.com", "https://www.reddit.com")
    assert config.user_agent == "linux:our-app:2 (by /u/us)"


def test_nobody_but_the_policy_waits_and_retries(
    upstream: Upstream, connect: Connect, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.reply(TOKEN)
    # PRAW would sleep ten seconds after these headers.
    upstream.reply(listing(), x_ratelimit_remaining="1", x_ratelimit_used="999", x_ratelimit_reset="590")
    upstream.reply("{}", status=503)
    fetch = connect(scripted(upstream))
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    list(POSTS.fetch(fetch, "tides"))
    with pytest.raises(Transient):
        list(POSTS.fetch(fetch, "tides"))
    assert slept == []
    assert len([seen for seen in upstream.seen if seen.method == "GET"]) == 1 + 3
    assert len(clock.sleeps) == 2


def test_spent_window_stops_before_the_next_request(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply(
        listing(post(2, START), after="t3_2"),
        x_ratelimit_remaining="0.0",
        x_ratelimit_used="1000",
        x_ratelimit_reset="9",
    )
    fetch = connect(scripted(upstream))
    pages = POSTS.fetch(fetch, "tides")
    assert next(pages) is not None
    with pytest.raises(QuotaExhausted) as caught:
        next(pages)
    assert caught.value.resets_at is not None
    assert timedelta(0) < caught.value.resets_at - datetime.now(UTC) <= timedelta(seconds=9)
    with pytest.raises(QuotaExhausted):
        next(COMMENTS.fetch(fetch, "tides"))
    assert len(upstream.seen) == 2


def test_expired_token_is_renewed_once(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply("{}", status=401)
    upstream.reply(TOKEN)
    upstream.reply(listing(post(1, START - timedelta(hours=1))))
    pages = list(POSTS.fetch(connect(scripted(upstream)), "tides"))
    assert len(pages[0].records) == 1
    assert [seen.method for seen in upstream.seen] == ["POST", "GET", "POST", "GET"]


def test_second_refusal_in_a_row_is_final(upstream: Upstream, connect: Connect) -> None:
    for _ in range(2):
        upstream.reply(TOKEN)
        upstream.reply('{"message": "Unauthorized", "error": 401}', status=401)
    with pytest.raises(Permanent, match="CLIENT_SECRET"):
        list(POSTS.fetch(connect(scripted(upstream)), "tides"))
    assert [seen.method for seen in upstream.seen] == ["POST", "GET", "POST", "GET"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, '{"message": "Unauthorized", "error": 401}', Permanent),
        (400, '{"error": 400}', Permanent),
        (200, '{"error": "invalid_grant"}', Permanent),
        (200, '{"error": "unauthorized_client", "error_description": "Only script apps may use this"}', Permanent),
        (200, '{"token_type": "bearer"}', Malformed),
        (200, "[]", Malformed),
        (200, "<html>hello</html>", Malformed),
        (429, '{"message": "Too Many Requests", "error": 429}', Transient),
    ],
)
def test_no_token(status: int, body: str, error: type, upstream: Upstream, connect: Connect) -> None:
    upstream.reply(body, status=status)
    with pytest.raises(error) as caught:
        list(POSTS.fetch(connect(scripted(upstream)), "tides"))
    assert SECRET not in str(caught.value)
    assert {seen.path for seen in upstream.seen} == {"/mirror/api/v1/access_token"}
    if error is Permanent:
        assert "PIPELINE_REDDIT__CLIENT_ID" in str(caught.value)
        assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, '{"reason": "private", "message": "Forbidden", "error": 403}', "private"),
        (403, '{"reason": "quarantined", "message": "Forbidden", "error": 403}', "quarantined"),
        (404, '{"reason": "banned", "message": "Not Found", "error": 404}', "erase"),
        (403, '{"message": "Forbidden", "error": 403}', "closed to this app"),
        (403, "<!DOCTYPE html><html><body>blocked by network policy</body></html>", "block page"),
        (451, "", "451"),
    ],
)
def test_refusals_in_words(status: int, body: str, words: str, upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply(body, status=status)
    with pytest.raises(Permanent, match=words) as caught:
        list(POSTS.fetch(connect(scripted(upstream)), "tides"))
    assert caught.value.status == status
    assert len(upstream.seen) == 2


def test_redirects(upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply("", 302, Location="https://www.reddit.com/subreddits/search?q=tides")
    upstream.reply("", 301, Location="https://www.reddit.com/r/other/new")
    upstream.reply("", 307, Location="https://www.reddit.com/r/other/new")
    upstream.reply("", 302)
    fetch = connect(scripted(upstream))
    for error, words in (
        (Permanent, "no such subreddit; check PIPELINE_REDDIT__SUBREDDITS"),
        (Permanent, "moved to /r/other/new"),
        (Permanent, "307"),
        (Malformed, "nowhere"),
    ):
        with pytest.raises(error, match=words):
            list(POSTS.fetch(fetch, "tides"))


@pytest.mark.parametrize(
    ("words", "error", "seconds"),
    [
        ("Try again in 9 minutes.", QuotaExhausted, 540.0),
        ("Try again in 3 seconds.", Transient, 3.0),
        ("Try again later.", Transient, None),
    ],
)
def test_rate_limit_inside_of_a_200(
    words: str, error: type, seconds: float | None, upstream: Upstream, connect: Connect
) -> None:
    upstream.reply(TOKEN)
    upstream.reply(json.dumps({"json": {"errors": [["RATELIMIT", words, "ratelimit"]]}}))
    with pytest.raises(error) as caught:
        list(POSTS.fetch(connect(scripted(upstream)), "tides"))
    assert caught.value.wait_seconds == seconds


@pytest.mark.parametrize(
    "errors", [[["SUBREDDIT_NOEXIST", "that subreddit doesn't exist", "sr"]], ["odd"], {"odd": 1}, [[]]]
)
def test_other_errors_inside_of_a_200(errors: Any, upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply(json.dumps({"json": {"errors": errors}}))
    with pytest.raises(Permanent):
        list(POSTS.fetch(connect(scripted(upstream)), "tides"))


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        '{"kind": "Listing", "data": {}}',
        '{"kind": "t5", "data": {"children": []}}',
        '{"kind": "Listing", "data": {"children": [], "after": 7}}',
        '{"json": {"errors": []}}',
        '{"kind": "Listing", "data": {"children": [',
        "",
        "<html></html>",
    ],
)
def test_no_listing_is_malformed(body: str, upstream: Upstream, connect: Connect) -> None:
    upstream.reply(TOKEN)
    upstream.reply(body)
    with pytest.raises(Malformed):
        list(POSTS.fetch(connect(scripted(upstream)), "tides"))


@pytest.mark.parametrize(
    ("faults", "error", "waits"),
    [
        ("500x1", None, 1),
        ("429=1x1", None, 1),
        ("truncate@1x1", None, 1),
        ("503", Transient, 2),
        ("429=600", QuotaExhausted, 0),
        ("403", Permanent, 0),
        ("404", Permanent, 0),
        ("malformed", Malformed, 1),
        ("empty", Malformed, 1),
        ("truncate", Malformed, 1),
        ("wrongtypes", Malformed, 0),
        ("error200", QuotaExhausted, 0),
        ("endless", Malformed, 0),
    ],
)
def test_faults_of_the_sandbox(
    faults: str, error: type | None, waits: int, connect: Connect, sandbox: Any, clock: FakeClock
) -> None:
    fetch = connect(sandbox(small_world(), f"reddit:{faults}"))
    pages = POSTS.fetch(fetch, fetch.settings.subreddits[0])
    if error is None:
        assert next(pages).records
    else:
        with pytest.raises(error) as caught:
            list(pages)
        assert "stand-in-client-secret" not in str(caught.value)
    assert len(clock.sleeps) == waits


def test_broken_children_are_kept_and_future_ones_too(upstream: Upstream, connect: Connect) -> None:
    children = [
        "a text",
        None,
        {"kind": "more"},
        {"kind": "t3", "data": {"name": 7}},
        {"kind": "t5", "data": {"name": "t5_2fwo", "created_utc": 1.0}},
        post(1, START + timedelta(days=400)),
        post(2, START - timedelta(hours=1)),
        post(3, START - timedelta(hours=2), created_utc="soon"),
        post(4, START - timedelta(hours=3), created_utc=1e300),
    ]
    upstream.reply(TOKEN)
    upstream.reply(listing(*children))
    (page,) = POSTS.fetch(connect(scripted(upstream)), "tides")
    assert [record.record_id for record in page.records] == [None] * 5 + [f"reddit:t3_{n}" for n in (1, 2, 3, 4)]
    assert [record.event_time is None for record in page.records] == [True] * 5 + [False, False, True, True]
    for record in (*page.records[:5], *page.records[7:]):
        with pytest.raises((KeyError, TypeError, ValueError)):
            parse_post(record.payload)


def test_full_listing_that_is_too_short_for_the_window_is_told(
    upstream: Upstream, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.reply(TOKEN)
    for page in range(10):
        moment = START - timedelta(minutes=page)
        upstream.reply(listing(*(post(page * 100 + n, moment) for n in range(100)), after=f"t3_{page}"))
    pages = list(POSTS.fetch(connect(scripted(upstream)), "tides"))
    assert sum(len(page.records) for page in pages) == 900  # the newest hundred lie at the end of the window
    assert len(upstream.seen) == 11
    assert "does not cover the window" in caplog.text


def test_missing_credentials_name_the_settings(connect: Connect) -> None:
    with pytest.raises(Permanent, match=r"PIPELINE_REDDIT__CLIENT_ID.*prefs/apps"):
        list(POSTS.fetch(connect({"client_id": "an-id"}), "tides"))


@pytest.mark.parametrize("name", ["r/tides", "a", "two words", "../api", "tides?limit=1", "x" * 22, ""])
def test_odd_subreddits_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is no subreddit name"):
        RedditSettings(subreddits=[name])


def test_user_agents_that_cannot_be_a_header_are_refused() -> None:
    for agent in ("short", "two\r\nlines: yes", "náme of an app"):
        with pytest.raises(ValidationError):
            RedditSettings(user_agent=agent)


def test_a_subreddit_is_asked_for_once() -> None:
    assert POSTS.targets(RedditSettings(subreddits=["Tides", "harbour", "tides", "u_some-body"])) == [
        "tides",
        "harbour",
        "u_some-body",
    ]


def things_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("kind") in ("t1", "t3") and isinstance(value.get("data"), dict):
            yield value["data"]["name"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from things_in(item)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded responses are not on this machine")
def test_every_recorded_post_and_comment_is_read(connect: Any, sandbox: Any) -> None:
    recorded = {
        f"reddit:{name}"
        for file in (RECORDINGS / "reddit").iterdir()
        for name in things_in(json.loads(file.read_bytes()))
    }
    fetch = connect(sandbox(World(now=lambda: START), recordings=RECORDINGS), window=EVER)
    seen: set[str | None] = set()
    refused: list[str] = []
    for stream in reddit.SOURCE.streams:
        for target in stream.targets(fetch.settings):
            try:
                for page in stream.fetch(fetch, target):
                    for record in page.records:
                        seen.add(record.record_id)
                        row = stream.parse(record.payload)
                        assert row["document_id"] == record.record_id
                        assert row["created_at"] == record.event_time
                        assert row.get("is_deleted") or row.get("title") or row.get("text")
            except Permanent:
                refused.append(target)
    assert seen == recorded
    assert len(seen) > 1000
    # Recorded refusals, and nothing that holds content, are refused.
    assert refused
    assert all(target[4:7] in ("301", "400", "403", "404", "414") for target in refused)
