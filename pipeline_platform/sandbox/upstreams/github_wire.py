"""How GitHub answers, whatever is asked: paging, ETags, rate limits and refusals.

As in https://docs.github.com/en/rest, version 2022-11-28.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from itertools import islice
from math import ceil
from threading import Lock
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline_platform.sandbox.upstreams.github_items import Thing
from pipeline_platform.sandbox.world import World

Handler = Callable[[Request], Response]

TOKEN = "sandbox"  # noqa: S105
PAGE_AT_MOST, PAGE_BY_DEFAULT = 100, 30

_LIMITS = {"core": (5000, 60, 3600), "search": (30, 10, 60)}
"""Resource -> requests with a token, requests without one, seconds of the window."""


class RefusedError(Exception):
    """A request that GitHub answers with an error, or by sending it elsewhere."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def paging(request: Request) -> tuple[int, int]:
    """Size and number of the page that is asked for."""
    size, page = (request.query_params.get(name, "") for name in ("per_page", "page"))
    asked = int(size) if size.isdecimal() else PAGE_BY_DEFAULT
    return min(max(asked, 1), PAGE_AT_MOST), max(int(page), 1) if page.isdecimal() else 1


def links(request: Request, page: int, *, more: bool, last: int | None = None) -> dict[str, str]:
    """The `Link` header of a page; `last` is the number of the last one, for lists that know it."""
    numbers = {
        "prev": page - 1 if page > 1 else None,
        "next": page + 1 if more else None,
        "last": last if more else None,
        "first": 1 if last and page > 1 else None,
    }
    shown = [
        f'<{request.url.include_query_params(page=number)}>; rel="{name}"' for name, number in numbers.items() if number
    ]
    return {"Link": ", ".join(shown)} if shown else {}


def answer(request: Request, body: Any, headers: Mapping[str, str]) -> Response:
    """`body` as JSON with its ETag, or 304 to who has it already."""
    content = orjson.dumps(body)
    etag = f'W/"{sha256(content).hexdigest()}"'
    told = {"ETag": etag, "X-GitHub-Media-Type": "github.v3; format=json", **headers}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=told)
    return Response(content, headers=told, media_type="application/json; charset=utf-8")


def plant(world: World, things: Iterable[Thing]) -> list[Any]:
    """The items of `things`, as they are served; those that are broken on purpose become known to the world."""
    served = list(things)
    for thing in served:
        if thing.rule is not None:
            world.plant("github", thing.record_id, thing.rule, thing.shown_at.date())
    return [thing.item for thing in served]


def listing(
    world: World, request: Request, things: Iterable[Thing], headers: Mapping[str, str] | None = None
) -> Response:
    """The page of `things` that is asked for; they are made as they are read."""
    size, page = paging(request)
    is_endless = getattr(request.state, "endless", False)
    skipped = 0 if is_endless else (page - 1) * size
    taken = list(islice(things, skipped, skipped + size + 1))
    told = links(request, page, more=len(taken) > size or is_endless)
    return answer(request, plant(world, taken[:size]), {**(headers or {}), **told})


def counted_listing(
    world: World, request: Request, total: int, make: Callable[[int], Thing], pages: int, headers: Mapping[str, str]
) -> Response:
    """The page that is asked for of `total` things that can be made by number, and of `pages` pages at most."""
    size, page = paging(request)
    last = min(max(ceil(total / size), 1), pages)
    if page > pages:
        raise RefusedError(422, "In order to keep the API fast for everyone, pagination is limited for this resource.")
    things = (make(number) for number in range((page - 1) * size, min(page * size, total)))
    return answer(request, plant(world, things), {**headers, **links(request, page, more=page < last, last=last)})


class Meter:
    """The primary rate limit: requests of an hour, searches of a minute, with a token and without.

    An answer 304 is free for those who show a token. What a token may ask grows with the scale of the world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._used: Counter[tuple[str, bool, int]] = Counter()
        self._lock = Lock()

    def limited(self, handler: Handler) -> Handler:
        """`handler`, refused when the limit is used up, with the headers that tell of it."""

        def limited(request: Request) -> Response:
            resource = "search" if "/search/" in request.url.path else "core"
            has_token = "authorization" in request.headers
            with_token, without, seconds = _LIMITS[resource]
            limit = with_token * self._world.scale if has_token else without
            now = self._world.now().timestamp()
            window = (resource, has_token, int(now // seconds))
            with self._lock:
                spent = self._used[window] >= limit
            message = "API rate limit exceeded. (But here's the good news: a token raises it.)"
            response = refusal(403, message) if spent else handler(request)
            with self._lock:
                self._used[window] += not spent and not (has_token and response.status_code == 304)
                used = self._used[window]
            response.headers.update(
                {
                    "X-RateLimit-Limit": str(limit),
                    "X-RateLimit-Remaining": str(max(limit - used, 0)),
                    "X-RateLimit-Used": str(used),
                    "X-RateLimit-Reset": str((window[2] + 1) * seconds),
                    "X-RateLimit-Resource": resource,
                }
            )
            return response

        return limited


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in GitHub's words."""
    body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    content = orjson.dumps(body)
    return Response(content, status_code=status, headers=headers, media_type="application/json; charset=utf-8")


def guarded(handler: Handler) -> Handler:
    """`handler` behind what GitHub checks first, with its refusals as GitHub words them."""

    def guarded(request: Request) -> Response:
        if not request.headers.get("user-agent"):
            return refusal(403, "Request forbidden by administrative rules. Send a User-Agent header")
        if request.headers.get("authorization", f"Bearer {TOKEN}") != f"Bearer {TOKEN}":
            return refusal(401, "Bad credentials")
        try:
            return handler(request)
        except RefusedError as refused:
            return refusal(refused.status, str(refused), refused.headers)

    return guarded


def repository_routes(prefix: str, shown: Mapping[str, Handler], limited: Callable[[Handler], Handler]) -> list[Route]:
    """Guarded routes of a repository: end of the path -> handler; `limited` puts the rate limit around each."""
    return [Route(f"{prefix}{end}", limited(guarded(handler))) for end, handler in shown.items()]


def search_route(search: Handler, limited: Callable[[Handler], Handler]) -> Route:
    """The guarded route of the repository search."""
    return Route("/search/repositories", limited(guarded(search)))
