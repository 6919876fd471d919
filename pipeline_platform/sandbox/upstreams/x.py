"""X as the sandbox shows it: accounts, their timelines, searches, lookups by id, and trends of places.

API v2 as in https://docs.x.com/x-api; problems, limits and headers as X sends them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.upstreams.x_posts import Posts, matcher, place, user, user_id
from pipeline_platform.sandbox.world import FIRST_DAY, Post, World

TOKEN = "stand-in-bearer-token"  # noqa: S105
_PROBLEMS = "https://api.twitter.com/2/problems"
_RECENT = timedelta(days=7)
_ENDLESS_ITEMS = 5
_WINDOW_SECONDS = 900
_PLACES = {1: "worldwide", 23424977: "united states", 44418: "london"}
_TRENDS = ("Bitcoin", "#markets", "Ethereum", "rate decision", "#buildinpublic", "Solana", "storm warning", "東京")


def _refusal(request: Request) -> Response | None:
    """401 for a request without the token."""
    if request.headers.get("authorization") == f"Bearer {TOKEN}":
        return None
    body = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
    return JSONResponse(body, status_code=401)


def _invalid(name: str, value: str, message: str) -> Response:
    body = {
        "errors": [{"parameters": {name: [value]}, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{_PROBLEMS}/invalid-request",
    }
    return JSONResponse(body, status_code=400)


def _not_found(value: str, kind: str, parameter: str) -> dict[str, Any]:
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{_PROBLEMS}/resource-not-found",
    }


def _moment(request: Request, name: str) -> datetime | None:
    value = request.query_params.get(name)
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def _limit_headers(world: World, limit: int) -> dict[str, str]:
    # What is used does not grow: the sandbox has no limit of its own, refusals for haste are among its faults.
    now = int(world.now().timestamp())
    reset = now - now % _WINDOW_SECONDS + _WINDOW_SECONDS
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(limit - 1),
        "x-rate-limit-reset": str(reset),
        "x-access-level": "read",
    }


class _Answers:
    """What each endpoint says."""

    def __init__(self, world: World) -> None:
        self.world, self.posts = world, Posts(world)
        self.accounts = {name.lower(): name for name in world.channels["x"]}

    def user(self, request: Request) -> Response:
        name = request.path_params["username"]
        known = self.accounts.get(name.lower())
        return JSONResponse({"data": user(known)} if known else {"errors": [_not_found(name, "user", "username")]})

    def timeline(self, request: Request) -> Response:
        number = request.path_params["id"]
        name = next((one for one in self.accounts.values() if user_id(one) == number), None)
        if name is None:
            return JSONResponse({"errors": [_not_found(number, "user", "id")]})
        return self._listing(request, [name], lambda _: True, "pagination_token", (5, 100))

    def recent(self, request: Request) -> Response:
        start, earliest = _moment(request, "start_time"), self.world.now() - _RECENT
        if start is not None and start < earliest:
            value = request.query_params["start_time"]
            return _invalid(
                "start_time",
                value,
                f"Invalid 'start_time':'{value}'. 'start_time' must be on or after {earliest:%Y-%m-%dT%H:%MZ}",
            )
        return self._search(request, start or earliest, (10, 100))

    def archive(self, request: Request) -> Response:
        start = _moment(request, "start_time")
        return self._search(request, start or self.world.now() - timedelta(days=30), (10, 500))

    def _search(self, request: Request, start: datetime, sizes: tuple[int, int]) -> Response:
        query = request.query_params.get("query", "")
        if not query:
            return _invalid("query", query, "The `query` query parameter can not be empty")
        matches = matcher(query)
        accounts = list(self.accounts.values())
        return self._listing(request, accounts, matches, "next_token", sizes, start)

    def _listing(
        self,
        request: Request,
        accounts: list[str],
        matches: Callable[[Post], bool],
        token_name: str,
        sizes: tuple[int, int],
        start: datetime | None = None,
    ) -> Response:
        asked = request.query_params.get("max_results", "10")
        if not asked.isdecimal() or not sizes[0] <= int(asked) <= sizes[1]:
            message = f"The `max_results` query parameter value [{asked}] is not between {sizes[0]} and {sizes[1]}"
            return _invalid("max_results", asked, message)
        start = start or _moment(request, "start_time") or datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
        end = _moment(request, "end_time")
        if end is not None and not start < end <= self.world.now() - timedelta(seconds=10):
            value = request.query_params["end_time"]
            message = f"Invalid 'end_time':'{value}'. 'end_time' must be a minimum of 10 seconds prior to the request"
            return _invalid("end_time", value, message)
        token = None if getattr(request.state, "endless", False) else request.query_params.get(token_name)
        page, more = self._page(accounts, matches, start, end, token, int(asked))
        if getattr(request.state, "endless", False):
            page, more = page[:_ENDLESS_ITEMS], bool(page)
        body = self.posts.page(request, page)
        body["meta"] = {"result_count": len(page)}
        if page:
            body["meta"] |= {"newest_id": page[0].upstream_id, "oldest_id": page[-1].upstream_id}
        if more:
            body["meta"]["next_token"] = f"t{int(page[-1].shown_at.timestamp())}n{page[-1].number}"
        return JSONResponse(body)

    def _page(
        self,
        accounts: list[str],
        matches: Callable[[Post], bool],
        start: datetime,
        end: datetime | None,
        token: str | None,
        size: int,
    ) -> tuple[list[Post], bool]:
        until = end or self.world.now() + timedelta(seconds=1)
        after: tuple[datetime, int] | None = None
        if token and (found := re.fullmatch(r"t([0-9]+)n([0-9]+)", token)):
            after = datetime.fromtimestamp(int(found[1]), UTC), int(found[2])
            until = min(until, after[0] + timedelta(seconds=1))

        def within() -> Iterator[Post]:
            for post in self.posts.newest(accounts, until):
                if post.shown_at < start:
                    return
                if (after is None or place(post) < after) and matches(post):
                    yield post

        taken = list(islice(within(), size + 1))
        return taken[:size], len(taken) > size

    def lookup(self, request: Request) -> Response:
        numbers = [number for number in request.query_params.get("ids", "").split(",") if number]
        if not 1 <= len(numbers) <= 100 or not all(re.fullmatch(r"[0-9]{1,19}", number) for number in numbers):
            return _invalid("ids", ",".join(numbers)[:200], "The `ids` query parameter must hold 1 to 100 ids")
        found = {number: self.posts.numbered(number) for number in numbers}
        body = self.posts.page(request, [post for post in found.values() if post])
        if errors := [_not_found(number, "tweet", "ids") for number, post in found.items() if post is None]:
            body["errors"] = errors
        return JSONResponse(body)

    def trends(self, request: Request) -> Response:
        woeid = int(request.path_params["woeid"])
        if woeid not in _PLACES:
            return JSONResponse({"errors": [_not_found(str(woeid), "trend", "woeid")]})
        day = self.world.now().date()
        rng = self.world.rng("x", "trends", woeid, day)
        names = rng.sample(_TRENDS, len(_TRENDS))
        wanted = int(request.query_params.get("max_trends", "20"))
        listed = [self._trend(woeid, day, name, 90_000 // rank) for rank, name in enumerate(names[:wanted], start=1)]
        return JSONResponse({"data": listed})

    def _trend(self, woeid: int, day: date, name: str, count: int) -> dict[str, Any]:
        record_id = f"x:trend:{woeid}:{day}:{name.replace(' ', '%20')}"
        # Its place in the list is its rank: there is nothing to break about it.
        if self.world.flaw("trending", record_id) == "volume_not_negative":
            self.world.plant("x", record_id, "volume_not_negative", day)
            count = -count
        return {"trend_name": name, "tweet_count": count}


def routes(world: World) -> list[Route]:
    """Accounts, timelines, searches, lookups and trends, filled from the world."""
    answers = _Answers(world)

    def route(path: str, answer: Callable[[Request], Response], limit: int) -> Route:
        def endpoint(request: Request) -> Response:
            if refused := _refusal(request):
                return refused
            response = answer(request)
            response.headers.update(_limit_headers(world, limit))
            return response

        return Route(path, endpoint, methods=["GET"])

    return [
        route("/2/users/by/username/{username}", answers.user, 300),
        route("/2/users/{id}/tweets", answers.timeline, 10_000),
        route("/2/tweets/search/recent", answers.recent, 450),
        route("/2/tweets/search/all", answers.archive, 300),
        route("/2/tweets", answers.lookup, 3500),
        route("/2/trends/by/woeid/{woeid:int}", answers.trends, 75),
    ]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch every account of the world, two searches and three places."""
    entries: list[dict[str, Any]] = [
        {"type": "user_timeline", "username": name, "limit": 1_000_000} for name in world.channels["x"]
    ]
    entries.append({"type": "hashtag", "tag": "coins"})
    entries.append({"type": "keyword", "query": "bitcoin lang:en -is:retweet"})
    entries.extend({"type": "trending", "location": woeid} for woeid in _PLACES)
    return {"bearer_token": TOKEN, "watch": entries}


def error_body() -> dict[str, Any]:
    """What X says with status 200 about an account that is protected or suspended."""
    return {
        "errors": [
            {
                "value": "0",
                "detail": "Sorry, you are not authorized to see the user with id: [0].",
                "title": "Authorization Error",
                "resource_type": "user",
                "parameter": "id",
                "resource_id": "0",
                "type": f"{_PROBLEMS}/not-authorized-for-resource",
            }
        ]
    }


# --- recordings ---

_NUMBER = slice(0, 3)


def _body(recording: Recording) -> Any:
    try:
        return orjson.loads(recording.body)
    except orjson.JSONDecodeError:
        return None


def _data(body: Any) -> list[Any]:
    data = body.get("data") if isinstance(body, dict) else None
    return data if isinstance(data, list) else [data] if isinstance(data, dict) else []


def _holds(body: Any, *names: str) -> bool:
    return any(isinstance(item, dict) and all(name in item for name in names) for item in _data(body))


def _as_page(body: dict[str, Any]) -> dict[str, Any]:
    """A recorded answer as the only page of a listing."""
    page = {name: value for name, value in body.items() if name in ("includes", "errors")}
    if "data" in body:
        page["data"] = _data(body)
    if isinstance(body.get("meta"), dict):
        page["meta"] = {name: value for name, value in body["meta"].items() if name != "next_token"}
    return page


def _sort_of(recording: Recording, body: Any) -> str:
    """How a recording is served: as a `timeline`, a `search`, a list of `trends` or a `user`; else why it is not."""
    if recording.method != "GET":
        return f"a request that writes: {recording.endpoint}"
    if recording.status >= 400:
        return "search"
    if "1.1/" in recording.endpoint:
        return f"version 1.1 of the API is not in use: {recording.endpoint}"
    if _holds(body, "trend_name"):
        return "trends"
    if recording.endpoint.endswith("users/:id/tweets"):
        return "timeline"
    if "/users/by/username/" in recording.endpoint:
        return "user"
    in_use = recording.endpoint.endswith(("/2/tweets", "search/recent")) or "/search/all" in recording.endpoint
    # A page of posts has one form, whatever it lists.
    if _holds(body, "id", "text") or (in_use and isinstance(body, dict)):
        return "search"
    return f"no posts in it: {recording.endpoint}"


def replay(recordings: list[Recording]) -> Replay:
    """Every recording of posts, and every refusal, as a timeline or a search of its own; and a list of trends.

    Lookups by id find the posts, and the errors, of all recorded lookups.
    """
    served: dict[str, dict[str, Recording]] = {"timeline": {}, "search": {}, "trends": {}, "user": {}}
    unused: dict[str, str] = {}
    for recording in recordings:
        stem = PurePosixPath(recording.file).stem
        sort = _sort_of(recording, _body(recording))
        if sort not in served:
            unused[recording.file] = sort
        elif sort == "search":
            served[sort][stem] = recording
        else:
            served[sort][f"r{stem[_NUMBER]}" if sort != "trends" else "1"] = recording
    lookups = [
        _body(one) for one in served["search"].values() if one.endpoint.endswith("/2/tweets") and one.kind == "cassette"
    ]

    def account(request: Request) -> Response:
        name = request.path_params["username"]
        if name in served["user"]:
            return _as_recorded(served["user"][name])
        return JSONResponse({"data": {"id": name.removeprefix("r"), "name": name, "username": name}})

    def timeline(request: Request) -> Response:
        recording = served["timeline"].get(f"r{request.path_params['id']}")
        return _as_recorded(recording, listed=True) if recording else JSONResponse({"meta": {"result_count": 0}})

    def search(request: Request) -> Response:
        return _as_recorded(served["search"][request.query_params["query"]], listed=True)

    def trends(_request: Request) -> Response:
        return _as_recorded(served["trends"]["1"])

    def lookup(request: Request) -> Response:
        return JSONResponse(_looked_up(lookups, set(request.query_params["ids"].split(","))))

    entries: list[dict[str, Any]] = [
        *({"type": "user_timeline", "username": name} for name in (*served["timeline"], *served["user"])),
        *({"type": "keyword", "query": stem, "limit": 1_000_000} for stem in served["search"]),
        *({"type": "trending", "location": int(woeid)} for woeid in served["trends"]),
    ]
    return Replay(
        routes=[
            Route("/2/users/by/username/{username}", account),
            Route("/2/users/{id}/tweets", timeline),
            Route("/2/tweets/search/all", search),
            Route("/2/tweets", lookup),
            Route("/2/trends/by/woeid/{woeid}", trends),
        ],
        # All of history, as recordings are years old.
        watch={"bearer_token": TOKEN, "watch": entries, "full_archive": True},
        unused=unused,
    )


def _looked_up(lookups: Iterable[Any], numbers: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"data": [], "includes": {}, "errors": []}
    for body in lookups:
        posts = [post for post in _data(body) if post.get("id") in numbers]
        found["data"] += posts
        found["errors"] += [error for error in body.get("errors", []) if error.get("resource_id") in numbers]
        for name, items in body.get("includes", {}).items() if posts else ():
            found["includes"].setdefault(name, []).extend(items)
    return {name: value for name, value in found.items() if value}


def _as_recorded(recording: Recording, *, listed: bool = False) -> Response:
    body = _body(recording)
    if listed and recording.status < 400:
        return JSONResponse(_as_page(body))
    headers = {"content-type": "application/json", **recording.headers}
    return Response(recording.body, status_code=recording.status, headers=headers)
