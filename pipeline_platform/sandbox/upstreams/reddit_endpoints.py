"""The endpoints of Reddit that the sandbox answers, whatever it shows there: tokens, refusals, paging.

Refusals and headers as Reddit sends them; https://www.reddit.com/dev/api.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import dropwhile, islice
from typing import TypeVar
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.upstreams.reddit_things import Thing, listing

T = TypeVar("T")
Expand = Callable[[str, list[str]], list[Thing]]

TOKEN_PATH = "/api/v1/access_token"  # noqa: S105
LISTINGS = {"new": ("post", "t3"), "comments": ("comment", "t1")}
"""Last part of the path -> kind of post in the world, and kind of thing on the wire."""

NAMES_AT_MOST = 100
"""Things that one request may name."""

TOKEN = {"access_token": "sandbox", "token_type": "bearer", "expires_in": 86400, "scope": "*"}
CREDENTIALS = {"client_id": "stand-in-client-id", "client_secret": "stand-in-client-secret"}

_LISTING_END = 1000
_ENDLESS_ITEMS = 5
_PAGE_AT_MOST, _PAGE_BY_DEFAULT = 100, 25
_GRANTS = ("client_credentials", "password", "refresh_token", "https://oauth.reddit.com/grants/installed_client")


def _page_size(request: Request) -> int:
    asked = request.query_params.get("limit", "")
    return min(max(int(asked), 1), _PAGE_AT_MOST) if asked.isdecimal() else _PAGE_BY_DEFAULT


def page_of(request: Request, items: Iterable[T], name_of: Callable[[T], str], show: Callable[[T], Thing]) -> Response:
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
    return JSONResponse(listing([show(item) for item in page], name_of(page[-1]) if more else None))


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


def unknown(name: str) -> Response:
    """What Reddit says to the name of no subreddit: it leads to the search for one."""
    return RedirectResponse(f"https://www.reddit.com/subreddits/search?q={quote(name, safe='')}", status_code=302)


def _token_route(answer: bytes) -> Route:
    async def grant(request: Request) -> Response:
        if not request.headers.get("authorization", "").lower().startswith("basic "):
            return JSONResponse({"message": "Unauthorized", "error": 401}, status_code=401)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if form.get("grant_type", [""])[0] not in _GRANTS:
            return JSONResponse({"error": "unsupported_grant_type"})
        return Response(answer, media_type="application/json")

    return Route(TOKEN_PATH, grant, methods=["POST"])


def _listing_routes(answer: Callable[[Request, str], Response]) -> list[Route]:
    """Routes of `r/<name>/new` and `r/<name>/comments`; `answer` gets the request and the last part of its path."""

    def endpoint(listing: str) -> Callable[[Request], Response]:
        return lambda request: _refusal(request) or answer(request, listing)

    # Reddit takes addresses with and without a slash at the end.
    return [
        Route(f"/r/{{subreddit}}/{listing}{end}", endpoint(listing), methods=["GET"])
        for listing in LISTINGS
        for end in ("", "/")
    ]


def _signed_in(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    return lambda request: _refusal(request) or answer(request)


def not_found() -> Response:
    """404, the way Reddit words it."""
    return JSONResponse({"message": "Not Found", "error": 404}, status_code=404)


def _expansion_endpoint(expand: Expand) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if refusal := _refusal(request):
            return refusal
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        children = form.get("children", [""])[0].split(",")
        if len(children) > NAMES_AT_MOST:
            error = ["TOO_MANY_THING_IDS", "too many thing IDs", "children"]
            return JSONResponse({"json": {"errors": [error]}})
        things = expand(form.get("link_id", [""])[0], children)
        return JSONResponse({"json": {"errors": [], "data": {"things": things}}})

    return endpoint


def routes_of(
    *,
    token: bytes,
    listed: Callable[[Request, str], Response],
    search: Callable[[Request], Response],
    info: Callable[[Request], Response],
    tree: Callable[[Request], Response],
    expand: Expand,
) -> list[Route]:
    """Every endpoint, with what answers it; `expand` gives the things for a post and the ids of `more` comments."""
    reading: dict[str, Callable[[Request], Response]] = {
        "/search": search,
        "/r/{subreddit}/search": search,
        "/api/info": info,
        "/comments/{post}": tree,
        "/comments/{post}/_/{comment}": tree,
    }
    return [
        _token_route(token),
        *_listing_routes(listed),
        *(Route(f"{path}{end}", _signed_in(answer)) for path, answer in reading.items() for end in ("", "/")),
        *(Route(f"/api/morechildren{end}", _expansion_endpoint(expand), methods=["POST"]) for end in ("", "/")),
    ]
