"""Recorded answers of Reddit, served by the sandbox in place of the world."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.upstreams.reddit_endpoints import (
    CREDENTIALS,
    LISTINGS,
    TOKEN,
    TOKEN_PATH,
    not_found,
    page_of,
    routes_of,
    unknown,
)
from pipeline_platform.sandbox.upstreams.reddit_things import Thing, listing

_TOKEN_GRANT = "grant client_credentials"  # noqa: S105
_TELLING_HEADERS = ("content-type", "location", "retry-after", "www-authenticate")
_EVERYTHING = "everything recorded"
"""The one search, which finds every post."""


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
    if recording.url.endswith(TOKEN_PATH):
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


class _Recorded:
    """What was recorded, by subreddit, by fullname and by tree."""

    def __init__(self) -> None:
        self.refusals: dict[str, Recording] = {}
        self.listings: dict[str, dict[str, list[Thing]]] = {}
        self._trees: dict[str, Any] = {}
        self._things: dict[str, Thing] = {}

    def add(self, name: str, body: Any) -> None:
        """Take the posts and comments of a body, as those of the subreddit `name`."""
        things = list(_things(body))
        self._things |= {_fullname(thing): thing for thing in things}
        self.listings[name] = {
            listing: _newest_first(thing for thing in things if thing["kind"] == kind)
            for listing, (_, kind) in LISTINGS.items()
        }
        if isinstance(body, list) and things and things[0]["kind"] == "t3":
            self._trees[_fullname(things[0])] = body

    def listed(self, request: Request, kind: str) -> Response:
        """The posts or the comments of a recording."""
        name = request.path_params["subreddit"]
        if name in self.refusals:
            return _told(self.refusals[name])
        if name not in self.listings:
            return unknown(name)
        return self._page(request, self.listings[name][kind])

    def search(self, request: Request) -> Response:
        """Every post."""
        return self._page(request, _newest_first(thing for thing in self._things.values() if thing["kind"] == "t3"))

    def info(self, request: Request) -> Response:
        """Posts and comments by fullname."""
        names = request.query_params.get("id", "").split(",")
        return JSONResponse(listing([self._things[name] for name in names if name in self._things]))

    def tree(self, request: Request) -> Response:
        """A recorded tree as it was recorded, or a comment of one."""
        post = f"t3_{request.path_params['post']}"
        comment = request.path_params.get("comment")
        if post not in self._trees or (comment and f"t1_{comment}" not in self._things):
            return not_found()
        if comment:
            return JSONResponse([listing([self._things[post]]), listing([self._things[f"t1_{comment}"]])])
        return JSONResponse(self._trees[post])

    def expand(self, _post: str, children: list[str]) -> list[Thing]:
        """The comments among `children` that were recorded."""
        return [self._things[name] for child in children if (name := f"t1_{child}") in self._things]

    def _page(self, request: Request, things: list[Thing]) -> Response:
        return page_of(request, things, _fullname, lambda thing: thing)


def replay(recordings: list[Recording]) -> Replay:
    """Every recording that holds posts or comments, or refuses a request to read, as a subreddit of its own.

    Its posts are the listing `new` and its comments the listing `comments`, both sorted as Reddit sorts them. Trees
    of comments are served as they were recorded as well, one search finds every post, and all have their fullnames.
    """
    recorded = _Recorded()
    unused: dict[str, str] = {}
    token = orjson.dumps(TOKEN)
    for recording in recordings:
        body, name = _read(recording), _subreddit_of(recording)
        if reason := _why_unused(recording, body):
            unused[recording.file] = reason
        elif recording.url.endswith(TOKEN_PATH):
            token = recording.body
        elif recording.status >= 300:
            recorded.refusals[name] = recording
        else:
            recorded.add(name, body)
    routes = routes_of(
        token=token,
        listed=recorded.listed,
        search=recorded.search,
        info=recorded.info,
        tree=recorded.tree,
        expand=recorded.expand,
    )
    watched = [*recorded.listings, *recorded.refusals]
    return Replay(routes, CREDENTIALS | {"subreddits": watched, "searches": [{"query": _EVERYTHING}]}, unused)
