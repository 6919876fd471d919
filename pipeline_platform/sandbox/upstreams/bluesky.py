"""Bluesky as the sandbox shows it: the public AppView, with feeds of accounts, one feed generator, posts and trends.

Wire format: https://github.com/bluesky-social/atproto/tree/main/lexicons/app/bsky. Beside the posts of the world there
are reposts and posts of somebody who asks not to be shown to people who are not logged in: neither is to be kept.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import dropwhile, islice
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.post import did
from pipeline_platform.sandbox.world import FIRST_DAY, Post, World

FEED = "at://did:plc:feedsofthesandboxaaaaaaa/app.bsky.feed.generator/everything"
"""The one feed generator, of all channels."""
FEED_DAYS = 3
SHY = "shy.example"
"""An account that is only to be shown to people who are logged in."""

LIE_SHARE, IMAGE_SHARE, CARD_SHARE, ADULT_SHARE = 0.02, 0.2, 0.15, 0.02
LIE = timedelta(days=400)
_LIMIT, _WINDOW_SECONDS = 3000, 300
_PAGE_AT_MOST, _PAGE_BY_DEFAULT, _POSTS_AT_MOST, _TRENDS_AT_MOST = 100, 50, 25, 25
_ENDLESS_ITEMS = 5

Item = dict[str, Any]
Handler = Callable[[Request], Any]


class XrpcError(Exception):
    """An error answer of XRPC: its status, name and words."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name = status, name


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def _cid(text: str) -> str:
    return f"bafyrei{blake2b(text.encode(), digest_size=16).hexdigest()}"


def _uri(post: Post) -> str:
    return f"at://{did(post.author)}/app.bsky.feed.post/{post.upstream_id}"


def _label(uri: str, value: str, moment: datetime) -> dict[str, Any]:
    return {"src": uri.split("/")[2], "uri": uri, "val": value, "cts": _iso(moment)}


def _author(handle: str) -> dict[str, Any]:
    name = did(handle)
    profile = f"at://{name}/app.bsky.actor.profile/self"
    shy = [_label(profile, "!no-unauthenticated", datetime(1970, 1, 1, tzinfo=UTC))] if handle == SHY else []
    return {
        "did": name,
        "handle": handle,
        "displayName": handle.partition(".")[0].title(),
        "avatar": f"https://cdn.example/avatar/{name}.jpg",
        "labels": shy,
        "createdAt": "2024-02-06T12:00:00.000Z",
    }


def _embed(world: World, post: Post) -> dict[str, Any] | None:
    chance = world.rng("bluesky-embed", post.key).random()
    if post.flaw == "title_or_text" or chance >= IMAGE_SHARE + CARD_SHARE:
        return None
    picture = f"https://cdn.example/{{}}/{post.upstream_id}.jpg"
    if chance < IMAGE_SHARE:
        image = {"thumb": picture.format("thumb"), "fullsize": picture.format("full"), "alt": f"About {post.topic}"}
        return {"$type": "app.bsky.embed.images#view", "images": [image]}
    card = {"uri": f"https://{post.channel}/read", "title": f"More on {post.topic}", "description": ""}
    return {"$type": "app.bsky.embed.external#view", "external": {**card, "thumb": picture.format("card")}}


def _view(world: World, post: Post) -> dict[str, Any]:
    """`app.bsky.feed.defs#postView`."""
    rng = world.rng("bluesky-view", post.key)
    uri = _uri(post)
    # Some clients lie; Bluesky knows when it saw the post. A flawed post has a wrong time from Bluesky itself.
    lies = rng.random() < LIE_SHARE and not post.flaw
    record: dict[str, Any] = {
        "$type": "app.bsky.feed.post",
        "createdAt": _iso(post.created_at + LIE if lies else post.created_at),
        "langs": [post.language],
        "text": post.text,
        "tags": [post.topic],
    }
    adult = rng.random() < ADULT_SHARE
    if adult:
        record["labels"] = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}]}
    view: dict[str, Any] = {
        "uri": uri,
        "cid": _cid(post.key),
        "author": _author(post.author),
        "record": record,
        "bookmarkCount": post.score // 10,
        "replyCount": post.replies,
        "repostCount": post.score // 4,
        "likeCount": post.score,
        "quoteCount": post.score // 20,
        "indexedAt": _iso(post.created_at),
        "labels": [_label(uri, "nudity", post.created_at)] if adult else [],
    }
    embed = _embed(world, post)
    if embed:
        view["embed"] = embed
    if post.flaw == "malformed":
        wrong: tuple[dict[str, Any], ...] = (
            {"record": None},
            {"author": None},
            {"record": {**record, "text": {"text": post.text}}},
        )
        view |= world.rng("bluesky-garble", post.key).choice(wrong)
    return view


def _shy_view(day: datetime) -> dict[str, Any]:
    uri, text = f"at://{did(SHY)}/app.bsky.feed.post/3shy{day:%Y%m%d}", "Not for everybody."
    return {
        "uri": uri,
        "cid": _cid(uri),
        "author": _author(SHY),
        "record": {"$type": "app.bsky.feed.post", "createdAt": _iso(day), "langs": ["en"], "text": text},
        "replyCount": 0,
        "repostCount": 0,
        "likeCount": 1,
        "quoteCount": 0,
        "indexedAt": _iso(day),
        "labels": [],
    }


def _days(world: World, most: int | None = None) -> Iterator[datetime]:
    """Midnights from today back."""
    day = world.now().replace(hour=0, minute=0, second=0, microsecond=0)
    count = (day.date() - FIRST_DAY).days + 1
    for back in range(min(count, most or count)):
        yield day - timedelta(days=back)


def _author_feed(world: World, handle: str) -> Iterator[tuple[str, Item]]:
    """Posts of an account and one repost a day, newest first, each with its cursor."""
    accounts = world.channels["bluesky"]
    neighbour = accounts[(accounts.index(handle) + 1) % len(accounts)]
    for day in _days(world):
        dated = [(post.shown_at, post, False) for post in world.channel_posts("bluesky", handle, day.date())]
        others = world.channel_posts("bluesky", neighbour, day.date())[:1]
        dated += [(post.shown_at + timedelta(hours=1), post, True) for post in others]
        for moment, post, is_repost in sorted(dated, key=lambda item: (item[0], item[1].key), reverse=True):
            item: Item = {"post": _view(world, post)}
            if is_repost:
                by = _author(handle)
                item["reason"] = {"$type": "app.bsky.feed.defs#reasonRepost", "by": by, "indexedAt": _iso(moment)}
            if moment <= world.now():
                yield f"{_iso(moment)}::{item['post']['cid']}", item


def _everything(world: World) -> Iterator[tuple[str, Item]]:
    """The posts of the last days and one of the shy account each day, as a feed generator gives them."""
    for day in _days(world, FEED_DAYS):
        posts = reversed(world.posts("bluesky", day.date()))
        views = [*(_view(world, post) for post in posts), _shy_view(day)]
        for view in views:
            yield view["cid"], {"post": view, "feedContext": "everything", "reqId": f"req-{view['cid'][-8:]}"}


def _size(request: Request, most: int, default: int) -> int:
    asked = request.query_params.get("limit", str(default))
    if not asked.isdecimal() or not 1 <= int(asked) <= most:
        raise XrpcError(400, "InvalidRequest", f"Error: limit must be an integer from 1 to {most}")
    return int(asked)


def _page(request: Request, items: Iterable[tuple[str, Item]]) -> Item:
    """A page of items; the fault `endless` gives the newest ones again and again."""
    size, after = _size(request, _PAGE_AT_MOST, _PAGE_BY_DEFAULT), request.query_params.get("cursor")
    shown = iter(items)
    is_endless = getattr(request.state, "endless", False)
    if is_endless:
        turn = int(after or 0) if (after or "0").isdecimal() else 0
        return {"feed": [item for _, item in islice(shown, _ENDLESS_ITEMS)], "cursor": str(turn + 1)}
    if after:
        shown = islice(dropwhile(lambda item: item[0] != after, shown), 1, None)
    taken = list(islice(shown, size + 1))
    page = taken[:size]
    answer: Item = {"feed": [item for _, item in page]}
    if len(taken) > size:
        answer["cursor"] = page[-1][0]
    return answer


def _trends(world: World) -> list[Item]:
    now = world.now()
    recent = [post for day in _days(world, 2) for post in world.posts("bluesky", day.date())]
    counts = Counter(post.topic for post in recent)
    trends = []
    for topic, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        record_id = f"bluesky:trends:{now:%Y-%m-%d}:{topic}"
        if world.flaw("trending", record_id):
            # The rank is the place in the list, which cannot be wrong.
            world.plant("bluesky", record_id, "volume_not_negative", now.date())
            count = -count
        trends.append(
            {
                "topic": topic,
                "displayName": topic.title(),
                "link": f"/profile/trending.example/feed/{topic}",
                "startedAt": _iso(min(post.shown_at for post in recent if post.topic == topic)),
                "postCount": count,
                "status": "hot",
                "category": "news",
                "actors": [_author(handle) for handle in world.channels["bluesky"][:3]],
            }
        )
    return trends


def _limit_headers(world: World) -> dict[str, str]:
    # What is used does not grow: the sandbox has no limit of its own, refusals for haste are among its faults.
    now = int(world.now().timestamp())
    return {
        "RateLimit-Limit": str(_LIMIT),
        "RateLimit-Remaining": str(_LIMIT - 1),
        "RateLimit-Reset": str(now + _WINDOW_SECONDS - now % _WINDOW_SECONDS),
        "RateLimit-Policy": f"{_LIMIT};w={_WINDOW_SECONDS}",
    }


class _AppView:
    """The endpoints that the platform asks for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accounts = {name: handle for handle in world.channels["bluesky"] for name in (handle, did(handle))}
        self.handlers: dict[str, Handler] = {
            "app.bsky.feed.getAuthorFeed": self.author_feed,
            "app.bsky.feed.getFeed": self.feed,
            "app.bsky.feed.getPosts": self.posts,
            "app.bsky.unspecced.getTrends": self.trends,
        }

    def author_feed(self, request: Request) -> Any:
        handle = self.accounts.get(request.query_params.get("actor", ""))
        if handle is None:
            raise XrpcError(400, "InvalidRequest", "Profile not found")
        return _page(request, _author_feed(self.world, handle))

    def feed(self, request: Request) -> Any:
        if request.query_params.get("feed") != FEED:
            raise XrpcError(400, "UnknownFeed", "could not find feed")
        return _page(request, _everything(self.world))

    def posts(self, request: Request) -> Any:
        uris = request.query_params.getlist("uris")
        if not 1 <= len(uris) <= _POSTS_AT_MOST:
            raise XrpcError(400, "InvalidRequest", f"Error: uris must not have more than {_POSTS_AT_MOST} elements")
        found = (_post_at(self.world, self.accounts, uri) for uri in uris)
        return {"posts": [_view(self.world, post) for post in found if post]}

    def trends(self, request: Request) -> Any:
        return {"trends": _trends(self.world)[: _size(request, _TRENDS_AT_MOST, 10)]}

    def answer(self, request: Request) -> Response:
        endpoint = request.path_params["endpoint"]
        if endpoint == "app.bsky.feed.searchPosts":
            return HTMLResponse("<html><head><title>403 Forbidden</title></head><body></body></html>", 403)
        headers = _limit_headers(self.world)
        try:
            if endpoint not in self.handlers:
                raise XrpcError(501, "MethodNotImplemented", "Method Not Implemented")
            return JSONResponse(self.handlers[endpoint](request), headers=headers)
        except XrpcError as error:
            return JSONResponse({"error": error.name, "message": str(error)}, error.status, headers)


def routes(world: World) -> list[Route]:
    """The public AppView."""
    return [Route("/xrpc/{endpoint}", _AppView(world).answer)]


def _post_at(world: World, accounts: dict[str, str], uri: str) -> Post | None:
    parts = uri.split("/")
    handle = accounts.get(parts[2]) if len(parts) == 5 else None
    if handle is None:
        return None
    for day in _days(world, 60):
        for post in world.channel_posts("bluesky", handle, day.date()):
            if post.upstream_id == parts[4]:
                return post
    return None


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch every account of the world, and the feed."""
    accounts = [{"type": "account", "handle": handle} for handle in world.channels["bluesky"]]
    return {"watch": [*accounts, {"type": "feed", "uri": FEED}]}


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return {"error": "UpstreamFailure", "message": "Upstream Failure"}
