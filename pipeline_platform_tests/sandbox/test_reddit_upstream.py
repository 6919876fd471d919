"""The sandbox as Reddit: tokens, refusals, paging, what is on the wire, and recordings in place of the world."""

import base64
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline_platform.sandbox.recordings import Recording, load
from pipeline_platform.sandbox.truth import truth
from pipeline_platform.sandbox.upstreams import reddit
from pipeline_platform.sandbox.upstreams.reddit_recorded import _subreddit_of
from pipeline_platform.sandbox.upstreams.reddit_things import removal_of
from pipeline_platform.sandbox.world import World

RECORDINGS = Path(__file__).parents[2] / "../shared/recordings"
NOW = datetime(2026, 3, 10, 20, 15, tzinfo=UTC)
SIGNED_IN = {"Authorization": "bearer sandbox"}


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=5, scale=6, now=lambda: NOW)


@pytest.fixture(scope="module")
def client(world: World) -> TestClient:
    return client_of(reddit.routes(world))


def client_of(routes: list[Any]) -> TestClient:
    return TestClient(Starlette(routes=routes), headers=SIGNED_IN, follow_redirects=False)


def read_on(client: TestClient, path: str, pages: int, limit: int = 100) -> list[dict[str, Any]]:
    """Things of the first pages."""
    things: list[dict[str, Any]] = []
    after = None
    for _ in range(pages):
        data = client.get(path, params={"limit": limit, **({"after": after} if after else {})}).json()["data"]
        things += data["children"]
        assert data["dist"] == len(data["children"])
        after = data["after"]
        if after is None:
            break
        assert after == data["children"][-1]["data"]["name"]
    return things


def test_token_for_an_app(client: TestClient) -> None:
    basic = {"Authorization": "Basic " + base64.b64encode(b"id:secret").decode()}
    path = "/api/v1/access_token"
    granted = client.post(path, data={"grant_type": "client_credentials"}, headers=basic)
    assert granted.json() == {"access_token": "sandbox", "token_type": "bearer", "expires_in": 86400, "scope": "*"}
    assert client.post(path, data={"grant_type": "guess"}, headers=basic).json() == {"error": "unsupported_grant_type"}
    assert client.post(path, data={"grant_type": "client_credentials"}).status_code == 401
    assert client.get(path).status_code == 405


@pytest.mark.parametrize("sent", ["", "bearer ", "Basic aWQ6c2VjcmV0"])
def test_listing_needs_a_token(client: TestClient, world: World, sent: str) -> None:
    answer = client.get(f"/r/{world.subreddits[0]}/new", headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="reddit", error="invalid_token"'


def test_unknown_subreddit_leads_to_the_search(client: TestClient) -> None:
    answer = client.get("/r/nobody&here/new")
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://www.reddit.com/subreddits/search?q=nobody%26here"


@pytest.mark.parametrize(("listing", "kind"), [("new", "post"), ("comments", "comment")])
def test_pages_hold_every_post_once_newest_first(client: TestClient, world: World, listing: str, kind: str) -> None:
    subreddit = world.subreddits[1]
    things = read_on(client, f"/r/{subreddit}/{listing}", pages=3)
    days = [NOW.date() - timedelta(days=back) for back in range(12)]
    shown = [post for day in days for post in reversed(world.channel_posts("reddit", subreddit, day))]
    expected = [post.upstream_id for post in shown if post.kind == kind and not world.is_removed(post)]
    assert len(things) == 300
    assert [thing["data"]["name"] for thing in things] == expected[:300]
    assert read_on(client, f"/r/{subreddit.upper()}/{listing}/", pages=12, limit=25) == things


def test_listing_ends_after_a_thousand(client: TestClient, world: World) -> None:
    things = read_on(client, f"/r/{world.subreddits[0]}/comments", pages=20)
    assert len(things) == 1000
    assert client.get(f"/r/{world.subreddits[0]}/new", params={"after": "t3_gone"}).json()["data"]["children"] == []


@pytest.mark.parametrize(("limit", "size"), [(None, 25), ("0", 1), ("7", 7), ("1024", 100), ("-3", 25), ("many", 25)])
def test_limit_is_kept_within_what_reddit_allows(
    client: TestClient, world: World, limit: str | None, size: int
) -> None:
    answer = client.get(f"/r/{world.subreddits[0]}/new", params={"limit": limit} if limit else {})
    assert len(answer.json()["data"]["children"]) == size
    assert float(answer.headers["x-ratelimit-remaining"]) + int(answer.headers["x-ratelimit-used"]) == 1000
    assert 0 < int(answer.headers["x-ratelimit-reset"]) <= 600


def test_things_say_what_the_world_says(client: TestClient, world: World) -> None:
    posts = {
        post.upstream_id: post
        for subreddit in world.subreddits
        for back in range(20)
        for post in world.channel_posts("reddit", subreddit, NOW.date() - timedelta(days=back))
    }
    garbled = 0
    for subreddit in world.subreddits:
        for listing, text in (("new", "selftext"), ("comments", "body")):
            for thing in read_on(client, f"/r/{subreddit}/{listing}", pages=3):
                data, post = thing["data"], posts[thing["data"]["name"]]
                assert thing["kind"] == data["name"][:2]
                if post.flaw == "malformed":
                    garbled += 1
                    continue
                assert (data["score"], data["author"], data[text]) == (post.score, post.author, post.text)
                assert data["created_utc"] == post.created_at.timestamp()
                assert f"https://www.reddit.com{data['permalink']}" == post.url
                if post.parent:
                    assert data["link_id"] == posts[world.post(post.parent).upstream_id].upstream_id  # type: ignore[union-attr]
                else:
                    assert data["title"] == post.title
    assert garbled


def test_same_world_same_bytes(world: World) -> None:
    path = f"/r/{world.subreddits[2]}/comments?limit=100"
    again = World(seed=5, scale=6, now=lambda: NOW)
    assert client_of(reddit.routes(world)).get(path).content == client_of(reddit.routes(again)).get(path).content


def test_watch_names_what_is_served(world: World) -> None:
    settings = reddit.watch(world, "http://127.0.0.1:1/reddit")
    assert settings["subreddits"] == world.subreddits
    assert settings["client_id"]
    assert settings["client_secret"]


def recording(name: str, body: Any, **changes: Any) -> Recording:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    fields = {"endpoint": "an endpoint", "special": "", "kind": "cassette", "status": 200, "url": "", "headers": {}}
    return Recording(file=f"reddit/{name}.json", body=content, **{**fields, **changes})


def comment(name: str, created: float, replies: Any = "") -> dict[str, Any]:
    return {"kind": "t1", "data": {"name": name, "created_utc": created, "replies": replies}}


def test_trees_become_listings_and_refusals_targets() -> None:
    submission = {"kind": "t3", "data": {"name": "t3_a", "created_utc": 5.0}}
    nested = {
        "kind": "Listing",
        "data": {"children": [comment("t1_b", 7.0), {"kind": "more", "data": {"name": "t1_m"}}]},
    }
    tree = [
        {"kind": "Listing", "data": {"children": [submission]}},
        {"kind": "Listing", "data": {"children": [comment("t1_a", 6.0, nested)]}},
    ]
    account = {"kind": "t2", "data": {"name": "someone"}}
    token_url = "https://www.reddit.com/api/v1/access_token"
    replay = reddit.replay(
        [
            recording("001-tree", tree),
            recording("002-expansion", {"json": {"data": {"things": [comment("t1_c", 1.0), comment("t1_c", 1.0)]}}}),
            recording("003-empty", {"kind": "Listing", "data": {"children": []}}),
            recording("004-account", account),
            recording("005-slow-down", b"whoa", status=429, headers={"retry-after": "4", "server": "snooserv"}),
            recording("006-write", {"error": 409}, status=409, method="POST"),
            recording("007-token", {"access_token": "x"}, url=token_url, special="grant client_credentials"),
            recording("008-token", {"error": "invalid_grant"}, url=token_url, special="grant password"),
        ]
    )
    assert replay.watch["subreddits"] == ["001_tree", "002_expansion", "003_empty", "005_slow_down"]
    assert [file[7:10] for file in replay.unused] == ["004", "006", "008"]
    assert all(replay.unused.values())
    client = client_of(replay.routes)
    assert read_on(client, "/r/001_tree/new", pages=1) == [submission]
    # Newest first, without the answers that the listing holds as items of its own.
    assert read_on(client, "/r/001_tree/comments", pages=1) == [comment("t1_b", 7.0), comment("t1_a", 6.0)]
    assert read_on(client, "/r/002_expansion/comments", pages=1) == [comment("t1_c", 1.0)]
    assert read_on(client, "/r/003_empty/new", pages=1) == []
    refused = client.get("/r/005_slow_down/new")
    assert (refused.status_code, refused.text, refused.headers["retry-after"]) == (429, "whoa", "4")
    assert "server" not in refused.headers
    assert client.get("/r/004_account/new").status_code == 302
    basic = {"Authorization": "Basic aWQ6c2VjcmV0"}
    token = client.post("/api/v1/access_token", data={"grant_type": "client_credentials"}, headers=basic)
    assert token.json() == {"access_token": "x"}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded responses are not on this machine")
def test_every_recording_is_served_or_has_a_reason() -> None:
    recordings = load(RECORDINGS, "reddit")
    replay = reddit.replay(recordings)
    served = set(replay.watch["subreddits"])
    by_name = {_subreddit_of(item): item for item in recordings}
    assert len(by_name) == len(recordings)
    tokens = [item for item in recordings if item.url.endswith("access_token") and item.file not in replay.unused]
    assert len(tokens) == 1
    assert len(served) + len(replay.unused) + len(tokens) == len(recordings)
    assert not {by_name[name].file for name in served} & replay.unused.keys()
    client = client_of(replay.routes)
    assert {client.get(f"/r/{name}/new").status_code for name in served} == {200, 301, 400, 403, 404, 414}


def test_day_without_posts_does_not_end_the_listing() -> None:
    quiet = World(seed=5, scale=1, now=lambda: datetime(2026, 3, 10, 0, 0, 1, tzinfo=UTC))
    assert not quiet.channel_posts("reddit", quiet.subreddits[0], date(2026, 3, 10))
    things = read_on(client_of(reddit.routes(quiet)), f"/r/{quiet.subreddits[0]}/new", pages=1)
    assert len(things) == 100


def removed_posts(world: World, kind: str) -> dict[str, Any]:
    """Way of removal -> a sound post or comment of the last days that was taken away in this way."""
    days = [NOW.date() - timedelta(days=back) for back in range(8)]
    found = [one for day in days for one in world.posts("reddit", day) if one.kind == kind and world.is_removed(one)]
    return {removal_of(world, one): one for one in found}


@pytest.mark.parametrize(("kind", "text"), [("post", "selftext"), ("comment", "body")])
def test_what_was_taken_away_is_seen_no_more_in_listings_and_emptied_elsewhere(
    client: TestClient, world: World, kind: str, text: str
) -> None:
    taken = removed_posts(world, kind)
    assert set(taken) == {"deleted", "moderator", "gone"}
    ids = [one.upstream_id for one in taken.values()]
    stays = next(one for one in world.posts("reddit", NOW.date()) if one.kind == kind and one.removed_at is None)
    answer = client.get("/api/info", params={"id": ",".join([*ids, stays.upstream_id, "t3_zz", "t5_1", "odd"])})
    shown = {thing["data"]["name"]: thing["data"] for thing in answer.json()["data"]["children"]}
    assert shown.keys() == {stays.upstream_id, taken["deleted"].upstream_id, taken["moderator"].upstream_id}
    assert shown[taken["deleted"].upstream_id][text] == "[deleted]"
    assert shown[taken["deleted"].upstream_id]["author"] == "[deleted]"
    assert shown[taken["moderator"].upstream_id][text] == "[removed]"
    assert shown[stays.upstream_id][text] == stays.text or stays.flaw == "malformed"
    for one in taken.values():
        things = read_on(client, f"/r/{one.channel}/{'new' if kind == 'post' else 'comments'}", pages=10)
        assert one.upstream_id not in {thing["data"]["name"] for thing in things}


def test_nothing_that_is_copied_or_broken_is_taken_away(world: World) -> None:
    shown = [one for back in range(8) for one in world.posts("reddit", NOW.date() - timedelta(days=back))]
    origins = {one.duplicate_of for one in shown}
    taken = [one for one in shown if one.removed_at is not None]
    assert 0.01 < len(taken) / len(shown) < 0.03
    assert not [one for one in taken if one.flaw or one.duplicate_of or one.key in origins]
    assert all(timedelta(hours=20) <= one.removed_at - one.shown_at <= timedelta(hours=44) for one in taken)


def test_the_truth_tells_what_was_taken_away_by_now(world: World) -> None:
    first = NOW.date() - timedelta(days=2)
    told = truth(world, first, NOW.date())["removed"]
    shown = [one for back in range(3) for one in world.posts("reddit", NOW.date() - timedelta(days=back))]
    of_reddit = {row["record_id"] for row in told if row["record_id"].startswith("reddit:")}
    assert of_reddit == {one.document_id for one in shown if world.is_removed(one)}
    assert told
    assert all(datetime.fromisoformat(row["removed_at"]) <= NOW for row in told)


def test_trees_are_cut_and_followed_in_both_ways(client: TestClient, world: World) -> None:
    comments = [one for back in range(2) for one in world.posts("reddit", NOW.date() - timedelta(days=back))]
    parents = Counter(one.parent for one in comments if one.parent)
    key, count = parents.most_common(1)[0]
    post = world.post(str(key))
    assert post is not None
    assert count > 4
    tree = client.get(f"/comments/{post.upstream_id[3:]}", params={"limit": 500}).json()
    assert [part["kind"] for part in tree] == ["Listing", "Listing"]
    assert tree[0]["data"]["children"][0]["data"]["name"] == post.upstream_id
    more = next(thing["data"] for thing in tree[1]["data"]["children"] if thing["kind"] == "more")
    assert more["count"] >= len(more["children"]) > 0
    form = {"link_id": post.upstream_id, "children": ",".join(more["children"]), "api_type": "json"}
    things = client.post("/api/morechildren/", data=form).json()["json"]["data"]["things"]
    assert {thing["data"]["id"] for thing in things if thing["kind"] == "t1"} <= set(more["children"])
    below = client.get(f"/comments/{post.upstream_id[3:]}/_/{more['children'][0]}").json()
    assert [thing["data"]["id"] for thing in below[1]["data"]["children"]] == [more["children"][0]]


def test_what_is_not_there_is_not_found(client: TestClient, world: World) -> None:
    assert client.get("/comments/zzz").status_code == 404
    post = next(one for one in world.posts("reddit", NOW.date()) if one.kind == "post")
    assert client.get(f"/comments/{post.upstream_id[3:]}/_/zzz").status_code == 404
    too_many = {"link_id": post.upstream_id, "children": ",".join(["a"] * 101)}
    assert client.post("/api/morechildren", data=too_many).json()["json"]["errors"]
    for path in ("/search", "/api/info", "/comments/zzz"):
        assert client.get(path, headers={"Authorization": ""}).status_code == 401
    assert client.post("/api/morechildren", headers={"Authorization": ""}).status_code == 401


def test_search_finds_words_anywhere_or_in_one_subreddit(client: TestClient) -> None:
    def found(path: str, **params: str) -> list[dict[str, Any]]:
        things = client.get(path, params={"limit": "100", **params}).json()["data"]["children"]
        return [thing["data"] for thing in things]

    everywhere = found("/search", q="coins")
    subreddit = everywhere[0]["subreddit"]
    assert len({post["subreddit"] for post in everywhere} - {None}) > 1
    assert {post["subreddit"] for post in found(f"/r/{subreddit}/search", q="coins", restrict_sr="1")} <= {
        subreddit,
        None,
    }
    assert found(f"/r/{subreddit}/search", q="coins") == everywhere
    assert found("/search", q="coins nobodysaysthis") == []
    assert client.get("/r/nowhere/search", params={"q": "coins"}).status_code == 302
