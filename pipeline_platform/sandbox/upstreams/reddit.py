"""Reddit as the sandbox shows it: tokens, the newest posts and the newest comments of a subreddit.

Listings, things and fullnames as in https://www.reddit.com/dev/api; refusals and headers as Reddit sends them.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import dropwhile, islice
from pathlib import PurePosixPath
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote
from zlib import crc32

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import FIRST_DAY, Post, World, base36

T = TypeVar("T")
Thing = dict[str, Any]

_TOKEN_PATH = "/api/v1/access_token"  # noqa: S105
_TOKEN_GRANT = "grant client_credentials"  # noqa: S105
_LISTINGS = {"new": ("post", "t3"), "comments": ("comment", "t1")}
"""Last part of the path -> kind of post in the world, and kind of thing on the wire."""

_LISTING_END = 1000
_ENDLESS_ITEMS = 5
_PAGE_AT_MOST, _PAGE_BY_DEFAULT = 100, 25
_WINDOW_SECONDS, _WINDOW_REQUESTS = 600, 1000
_TOKEN = {"access_token": "sandbox", "token_type": "bearer", "expires_in": 86400, "scope": "*"}
_CREDENTIALS = {"client_id": "stand-in-client-id", "client_secret": "stand-in-client-secret"}
_GRANTS = ("client_credentials", "password", "refresh_token", "https://oauth.reddit.com/grants/installed_client")
_TELLING_HEADERS = ("content-type", "location", "retry-after", "www-authenticate")


def _page_size(request: Request) -> int:
    asked = request.query_params.get("limit", "")
    return min(max(int(asked), 1), _PAGE_AT_MOST) if asked.isdecimal() else _PAGE_BY_DEFAULT


def _page(request: Request, items: Iterable[T], name_of: Callable[[T], str], show: Callable[[T], Thing]) -> Response:
    """One page of `items`, which come newest first; the fault `endless` gives the newest ones again and again."""
    shown: Iterator[T] = islice(items, _LISTING_END)
    after, size = request.query_params.get("after"), _page_size(request)
    is_endless = getattr(request.state, "endless", False)
    if is_endless:
        shown = islice(shown, _ENDLESS_ITEMS)
    elif after:
        shown = islice(dropwhile(lambda item: name_of(item) != after, shown), 1, None)
    taken = list(islice(shown, size + 1))
    page = taken[:size]
    more = len(taken) > size or (is_endless and page)
    data = {
        "after": name_of(page[-1]) if more else None,
        "dist": len(page),
        "modhash": None,
        "geo_filter": "",
        "children": [show(item) for item in page],
        "before": None,
    }
    return JSONResponse({"kind": "Listing", "data": data})


def _refusal(request: Request) -> Response | None:
    """401 for a request without a token, the way Reddit words it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return None
    return JSONResponse(
        {"message": "Unauthorized", "error": 401},
        status_code=401,
        headers={"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'},
    )


def _unknown(name: str) -> Response:
    return RedirectResponse(f"https://www.reddit.com/subreddits/search?q={quote(name, safe='')}", status_code=302)


def _token_route(answer: bytes) -> Route:
    async def grant(request: Request) -> Response:
        if not request.headers.get("authorization", "").lower().startswith("basic "):
            return JSONResponse({"message": "Unauthorized", "error": 401}, status_code=401)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if form.get("grant_type", [""])[0] not in _GRANTS:
            return JSONResponse({"error": "unsupported_grant_type"})
        return Response(answer, media_type="application/json")

    return Route(_TOKEN_PATH, grant, methods=["POST"])


def _markdown_as_html(text: str) -> str | None:
    if not text:
        return None
    paragraphs = "\n\n".join(f"<p>{html.escape(part, quote=False)}</p>" for part in text.split("\n\n"))
    return f'<!-- SC_OFF --><div class="md">{paragraphs}\n</div><!-- SC_ON -->'


def _common(post: Post) -> dict[str, Any]:
    created = post.created_at.timestamp()
    return {
        "name": post.upstream_id,
        "id": post.upstream_id[3:],
        "subreddit": post.channel,
        "subreddit_name_prefixed": f"r/{post.channel}",
        "subreddit_type": "public",
        "author": post.author,
        "author_fullname": f"t2_{base36(crc32(post.author.encode()))}",
        "score": post.score,
        "ups": post.score,
        "downs": 0,
        "edited": False,
        "over_18": False,
        "stickied": False,
        "locked": False,
        "archived": False,
        "distinguished": None,
        "created": created,
        "created_utc": created,
    }


def _post(post: Post) -> dict[str, Any]:
    permalink = post.url.removeprefix("https://www.reddit.com")
    return _common(post) | {
        "title": post.title,
        "selftext": post.text,
        "selftext_html": _markdown_as_html(post.text),
        "permalink": permalink,
        "url": post.url,
        "domain": f"self.{post.channel}",
        "is_self": True,
        "is_video": False,
        "thumbnail": "self",
        "link_flair_text": post.topic.capitalize(),
        "hide_score": False,
        "upvote_ratio": 0.5 + post.number % 51 / 100,
        "num_comments": post.replies,
        "num_crossposts": 0,
        "removed_by_category": None,
        "spoiler": False,
        "media": None,
    }


def _comment(world: World, post: Post) -> dict[str, Any]:
    parent = world.post(post.parent) if post.parent else None
    if parent is None:
        raise LookupError(f"the comment {post.key} has no parent in the world")
    return _common(post) | {
        "body": post.text,
        "body_html": _markdown_as_html(post.text) or '<div class="md"></div>',
        "link_id": parent.upstream_id,
        "parent_id": parent.upstream_id,
        "link_title": parent.title,
        "link_author": parent.author,
        "link_permalink": parent.url,
        "permalink": post.url.removeprefix("https://www.reddit.com"),
        "num_comments": parent.replies,
        "replies": "",
        "score_hidden": False,
        "controversiality": 0,
        "is_submitter": post.author == parent.author,
    }


def _garbled(world: World, post: Post, data: dict[str, Any]) -> dict[str, Any]:
    """`data` with one field of a type that Reddit never sends."""
    text = "title" if post.kind == "post" else "body"
    wrong: tuple[dict[str, Any], ...] = (
        {"created_utc": "a while ago"},
        {"score": "many"},
        {text: {"text": data[text]}},
        {"subreddit": None},
    )
    return data | world.rng("reddit", "garble", post.key).choice(wrong)


def _thing(world: World, post: Post) -> Thing:
    data = _post(post) if post.kind == "post" else _comment(world, post)
    if post.flaw == "malformed":
        data = _garbled(world, post, data)
    return {"kind": post.upstream_id[:2], "data": data}


def _newest(world: World, subreddit: str, kind: str) -> Iterator[Post]:
    day: date = world.now().date()
    while day >= FIRST_DAY:
        for post in reversed(world.channel_posts("reddit", subreddit, day)):
            if post.kind == kind:
                yield post
        day -= timedelta(days=1)


def _limit_headers(world: World) -> dict[str, str]:
    # What is used does not grow: the sandbox has no limit of its own, refusals for haste are among its faults.
    left = _WINDOW_SECONDS - int(world.now().timestamp()) % _WINDOW_SECONDS
    remaining = float(_WINDOW_REQUESTS - 1)
    return {"x-ratelimit-remaining": str(remaining), "x-ratelimit-used": "1", "x-ratelimit-reset": str(left)}


def _listing_routes(answer: Callable[[Request, str], Response]) -> list[Route]:
    """Routes of `r/<name>/new` and `r/<name>/comments`; `answer` gets the request and the last part of its path."""

    def endpoint(listing: str) -> Callable[[Request], Response]:
        return lambda request: _refusal(request) or answer(request, listing)

    # Reddit takes addresses with and without a slash at the end.
    return [
        Route(f"/r/{{subreddit}}/{listing}{end}", endpoint(listing), methods=["GET"])
        for listing in _LISTINGS
        for end in ("", "/")
    ]


def routes(world: World) -> list[Route]:
    """Tokens and listings, filled from the world."""

    def answer(request: Request, listing: str) -> Response:
        name = request.path_params["subreddit"]
        known = {subreddit.lower(): subreddit for subreddit in world.subreddits}
        if name.lower() not in known:
            return _unknown(name)
        posts = _newest(world, known[name.lower()], _LISTINGS[listing][0])
        response = _page(request, posts, lambda post: post.upstream_id, lambda post: _thing(world, post))
        response.headers.update(_limit_headers(world))
        return response

    return [_token_route(orjson.dumps(_TOKEN)), *_listing_routes(answer)]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001
    """Settings that make the source watch every subreddit of the world."""
    return _CREDENTIALS | {"subreddits": world.subreddits}


def error_body() -> dict[str, Any]:
    """What Reddit says with status 200 to somebody who is too busy."""
    return {"json": {"errors": [["RATELIMIT", "You are doing that too much. Try again in 9 minutes.", "ratelimit"]]}}


def _things(value: Any) -> Iterator[Thing]:
    """Posts and comments of a recorded body, from whatever it nests them in: trees of comments, lists, expansions."""
    if isinstance(value, list):
        for item in value:
            yield from _things(item)
    elif isinstance(value, dict):
        data = value.get("data")
        if value.get("kind") not in ("t1", "t3") or not isinstance(data, dict):
            for item in value.values():
                yield from _things(item)
        elif isinstance(data.get("replies"), dict):
            # A listing shows comments without their replies; here these are comments of the same listing.
            yield {**value, "data": {**data, "replies": ""}}
            yield from _things(data["replies"])
        else:
            yield value


def _fullname(thing: Thing) -> str:
    return thing["data"]["name"]


def _newest_first(things: Iterable[Thing]) -> list[Thing]:
    # One item each, as in any listing of Reddit; a recorded one can hold an item twice.
    distinct = {_fullname(thing): thing for thing in things}
    return sorted(distinct.values(), key=lambda thing: thing["data"]["created_utc"], reverse=True)


def _read(recording: Recording) -> Any:
    try:
        return orjson.loads(recording.body)
    except orjson.JSONDecodeError:
        return None


def _subreddit_of(recording: Recording) -> str:
    """A name to ask for a recording by, `094_subreddit_listin`: what a subreddit may be called, and no more."""
    return re.sub(r"\W", "_", PurePosixPath(recording.file).stem)[:21]


def _told(recording: Recording) -> Response:
    headers = {name: recording.headers[name] for name in _TELLING_HEADERS if name in recording.headers}
    return Response(recording.body, status_code=recording.status, headers=headers)


def _why_unused(recording: Recording, body: Any) -> str | None:
    """Why a recording is not served; None if it is."""
    if recording.url.endswith(_TOKEN_PATH):
        if isinstance(body, dict) and body.get("access_token") and _TOKEN_GRANT in recording.special:
            return None
        return "a token of another grant than client_credentials, the one in use"
    if recording.method != "GET" and recording.status >= 400:
        return "the refusal of a request that writes"
    is_listing = isinstance(body, dict) and body.get("kind") == "Listing"
    children = body["data"]["children"] if is_listing else None
    if recording.status >= 300 or children == [] or any(_things(body)):
        return None
    return f"no posts or comments in it: {recording.endpoint}"


def replay(recordings: list[Recording]) -> Replay:
    """Every recording that holds posts or comments, or refuses a request to read, as a subreddit of its own.

    Its posts are the listing `new` and its comments the listing `comments`, both sorted as Reddit sorts them.
    """
    refusals: dict[str, Recording] = {}
    listings: dict[str, dict[str, list[Thing]]] = {}
    unused: dict[str, str] = {}
    token = orjson.dumps(_TOKEN)
    for recording in recordings:
        body, name = _read(recording), _subreddit_of(recording)
        if reason := _why_unused(recording, body):
            unused[recording.file] = reason
        elif recording.url.endswith(_TOKEN_PATH):
            token = recording.body
        elif recording.status >= 300:
            refusals[name] = recording
        else:
            things = list(_things(body))
            listings[name] = {
                listing: _newest_first(thing for thing in things if thing["kind"] == kind)
                for listing, (_, kind) in _LISTINGS.items()
            }

    def answer(request: Request, listing: str) -> Response:
        name = request.path_params["subreddit"]
        if name in refusals:
            return _told(refusals[name])
        if name not in listings:
            return _unknown(name)
        return _page(request, listings[name][listing], _fullname, lambda thing: thing)

    settings = _CREDENTIALS | {"subreddits": [*listings, *refusals]}
    return Replay([_token_route(token), *_listing_routes(answer)], settings, unused)
