"""Reddit as the sandbox shows it: tokens, newest posts and comments, trees of comments, search, things by name.

Listings, things and fullnames as in https://www.reddit.com/dev/api; refusals and headers as Reddit sends them.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.upstreams.reddit_endpoints import (
    CREDENTIALS,
    LISTINGS,
    NAMES_AT_MOST,
    TOKEN,
    not_found,
    page_of,
    routes_of,
    unknown,
)
from pipeline_platform.sandbox.upstreams.reddit_recorded import replay
from pipeline_platform.sandbox.upstreams.reddit_things import Thing, Threads, listing, removal_of
from pipeline_platform.sandbox.world import FIRST_DAY, Post, World

__all__ = ["error_body", "replay", "routes", "watch"]

_SEARCHED_DAYS = 30
_BASE36 = re.compile(r"[0-9a-z]{1,12}")
_WINDOW_SECONDS, _WINDOW_REQUESTS = 600, 1000


def _newest(world: World, subreddit: str, kind: str) -> Iterator[Post]:
    day: date = world.now().date()
    while day >= FIRST_DAY:
        for post in reversed(world.channel_posts("reddit", subreddit, day)):
            if post.kind == kind and not world.is_removed(post):
                yield post
        day -= timedelta(days=1)


def _found(world: World, query: str, subreddit: str | None) -> Iterator[Post]:
    """Posts of the last days, newest first, whose title, text or flair has every word of `query`."""
    words = query.lower().replace('"', " ").split()
    for back in range(_SEARCHED_DAYS):
        day = world.now().date() - timedelta(days=back)
        posts = world.channel_posts("reddit", subreddit, day) if subreddit else world.posts("reddit", day)
        for post in reversed(posts):
            told = f"{post.title} {post.text} {post.topic}".lower()
            fits = post.kind == "post" and all(word in told for word in words)
            if fits and not world.is_removed(post):
                yield post


def _named(world: World, fullname: str) -> Post | None:
    """The post or comment with this fullname."""
    kind, _, number = fullname.partition("_")
    series = {"t3": "p", "t1": "c"}.get(kind)
    if series is None or not _BASE36.fullmatch(number):
        return None
    post = world.numbered(series, int(number, 36))
    return post if post and post.upstream_id == fullname else None


def _limit_headers(world: World) -> dict[str, str]:
    # What is used does not grow: the sandbox has no limit of its own, refusals for haste are among its faults.
    left = _WINDOW_SECONDS - int(world.now().timestamp()) % _WINDOW_SECONDS
    remaining = float(_WINDOW_REQUESTS - 1)
    return {"x-ratelimit-remaining": str(remaining), "x-ratelimit-used": "1", "x-ratelimit-reset": str(left)}


class _Shown:
    """What Reddit shows of the world.

    Args:
        world: which.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._known = {subreddit.lower(): subreddit for subreddit in world.subreddits}

    def listing(self, request: Request, kind: str) -> Response:
        """`r/<name>/new` and `r/<name>/comments`."""
        name = request.path_params["subreddit"]
        if name.lower() not in self._known:
            return unknown(name)
        subreddit = self._known[name.lower()]
        return self._page(request, _newest(self.world, subreddit, LISTINGS[kind][0]))

    def search(self, request: Request) -> Response:
        """`search` and `r/<name>/search`."""
        name = request.path_params.get("subreddit")
        if name is not None and name.lower() not in self._known:
            return unknown(name)
        restricted = name is not None and request.query_params.get("restrict_sr") in ("1", "true", "on")
        subreddit = self._known[name.lower()] if name is not None and restricted else None
        return self._page(request, _found(self.world, request.query_params.get("q", ""), subreddit))

    def info(self, request: Request) -> Response:
        """`api/info`: things by fullname, in the order asked for; what is unknown or gone is left out."""
        names = request.query_params.get("id", "").split(",")[:NAMES_AT_MOST]
        found = [post for name in names if (post := _named(self.world, name)) is not None]
        shown = [post for post in found if not self._is_gone(post)]
        threads = {post.channel: Threads(self.world, post.channel) for post in shown}
        return self._told(listing([threads[post.channel].thing(post) for post in shown]))

    def tree(self, request: Request) -> Response:
        """`comments/<post>` and `comments/<post>/_/<comment>`."""
        post = _named(self.world, f"t3_{request.path_params['post']}")
        if post is None or self._is_gone(post):
            return not_found()
        threads = Threads(self.world, post.channel)
        below = request.path_params.get("comment")
        top = _named(self.world, f"t1_{below}") if below else None
        if below and (top is None or top.parent != post.key):
            return not_found()
        return self._told([listing([threads.thing(post)]), listing(threads.tree(post, top))])

    def expand(self, fullname: str, children: list[str]) -> list[Thing]:
        """`api/morechildren`."""
        post = _named(self.world, fullname)
        return [] if post is None else Threads(self.world, post.channel).expansion(post, children)

    def _is_gone(self, post: Post) -> bool:
        return self.world.is_removed(post) and removal_of(self.world, post) == "gone"

    def _page(self, request: Request, posts: Iterable[Post]) -> Response:
        threads: dict[str, Threads] = {}

        def show(post: Post) -> Thing:
            return threads.setdefault(post.channel, Threads(self.world, post.channel)).thing(post)

        response = page_of(request, posts, lambda post: post.upstream_id, show)
        response.headers.update(_limit_headers(self.world))
        return response

    def _told(self, body: Any) -> Response:
        return JSONResponse(body, headers=_limit_headers(self.world))


def routes(world: World) -> list[Route]:
    """Every endpoint, filled from the world."""
    shown = _Shown(world)
    return routes_of(
        token=orjson.dumps(TOKEN),
        listed=shown.listing,
        search=shown.search,
        info=shown.info,
        tree=shown.tree,
        expand=shown.expand,
    )


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001
    """Settings that make the source watch every subreddit of the world, and find posts by words."""
    searches = [{"query": "coins"}, {"query": "weather", "subreddit": world.subreddits[-1]}]
    return CREDENTIALS | {"subreddits": world.subreddits, "searches": searches}


def error_body() -> dict[str, Any]:
    """What Reddit says with status 200 to somebody who is too busy."""
    return {"json": {"errors": [["RATELIMIT", "You are doing that too much. Try again in 9 minutes.", "ratelimit"]]}}
