"""GitHub as the sandbox shows it: repositories, their commits, pull requests and issues, and the repository search.

Answers, paging, limits and refusals as in https://docs.github.com/en/rest, version 2022-11-28.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.upstreams.github_items import (
    BEGINNING,
    LANGUAGES,
    LIFE,
    Thing,
    commits_of_day,
    days_back,
    repository_now,
    tickets_of_day,
    young_repositories,
)
from pipeline_platform.sandbox.world import World

Handler = Callable[[Request], Response]

_TOKEN = "sandbox"  # noqa: S105
_PAGE_AT_MOST, _PAGE_BY_DEFAULT = 100, 30
_SEARCH_CAP = 1000


class RefusedError(Exception):
    """A request that GitHub answers with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError(422, f"Validation Failed: {name} is no ISO 8601 time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tickets(world: World, request: Request, repository: str, kind: str) -> Iterator[Thing]:
    """Issues or pull requests in the order that was asked for, made as they are read."""
    query = request.query_params
    if query.get("direction", "desc") != "desc":
        raise RefusedError(422, "Validation Failed: the sandbox lists the newest first only")
    by_change, state = query.get("sort") == "updated", query.get("state", "open")
    since = (_moment(request, "since") if kind == "issues" else None) or BEGINNING
    first = max(since if by_change else since - LIFE, BEGINNING).date()
    born: dict[date, list[Thing]] = {}
    for day in days_back(first, world.now().date()):
        near = list(days_back(day - LIFE, day)) if by_change else [day]
        born = {made: born[made] if made in born else tickets_of_day(world, repository, kind, made) for made in near}
        order = [
            (ticket.updated_at if by_change else ticket.shown_at, ticket) for made in near for ticket in born[made]
        ]
        for moment, ticket in sorted(order, key=lambda pair: pair[0], reverse=True):
            if moment.date() == day and ticket.updated_at >= since and state in ("all", ticket.item["state"]):
                yield ticket


def _commits(world: World, request: Request, repository: str) -> Iterator[Thing]:
    since = _moment(request, "since") or BEGINNING
    until = min(_moment(request, "until") or world.now(), world.now())
    for day in days_back(since.date(), until.date()):
        shown = [commit for commit in commits_of_day(world, repository, day) if since <= commit.shown_at <= until]
        yield from sorted(shown, key=lambda commit: commit.shown_at, reverse=True)


def _search(world: World, request: Request) -> Response:
    query = re.fullmatch(r'created:>(\d{4}-\d\d-\d\d) language:"([^"]+)"', request.query_params.get("q", ""))
    if query is None:
        raise RefusedError(422, 'Validation Failed: the sandbox searches by created:>DAY and language:"NAME" only')
    found = young_repositories(world, query[2], date.fromisoformat(query[1]))
    size, page = _paging(request)
    if page * size > _SEARCH_CAP:
        raise RefusedError(422, "Only the first 1000 search results are available")
    today = world.now().date()
    shown = found[(page - 1) * size : page * size]
    for item in shown:
        # The rank of a repository is its place in the answer; only its stars can be wrong.
        if world.flaw("trending", f"{query[2]}:{today}:{item['full_name']}"):
            item["stargazers_count"] = -5
            record_id = f"github:trending:{query[2]}:{today}:{item['full_name']}"
            world.plant("github", record_id, "volume_not_negative", today)
    body = {"total_count": len(found), "incomplete_results": False, "items": shown}
    return _answer(request, body, _link(request, page, more=page * size < len(found)))


def _paging(request: Request) -> tuple[int, int]:
    size, page = (request.query_params.get(name, "") for name in ("per_page", "page"))
    asked = int(size) if size.isdecimal() else _PAGE_BY_DEFAULT
    return min(max(asked, 1), _PAGE_AT_MOST), max(int(page), 1) if page.isdecimal() else 1


def _link(request: Request, page: int, *, more: bool) -> dict[str, str]:
    links = {"prev": page - 1 if page > 1 else None, "next": page + 1 if more else None}
    shown = [
        f'<{request.url.include_query_params(page=number)}>; rel="{name}"' for name, number in links.items() if number
    ]
    return {"Link": ", ".join(shown)} if shown else {}


def _listing(world: World, request: Request, things: Iterable[Thing]) -> Response:
    size, page = _paging(request)
    is_endless = getattr(request.state, "endless", False)
    skipped = 0 if is_endless else (page - 1) * size
    taken = list(islice(things, skipped, skipped + size + 1))
    for thing in taken[:size]:
        if thing.rule is not None:
            world.plant("github", thing.record_id, thing.rule, thing.shown_at.date())
    headers = _link(request, page, more=len(taken) > size or is_endless)
    return _answer(request, [thing.item for thing in taken[:size]], headers)


def _answer(request: Request, body: Any, headers: Mapping[str, str]) -> Response:
    content = orjson.dumps(body)
    etag = f'W/"{sha256(content).hexdigest()}"'
    limit = 5000 if "authorization" in request.headers else 60
    # What is used does not grow: the sandbox has no limit of its own, refusals for haste are among its faults.
    told = {
        "ETag": etag,
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(limit - 1),
        "X-RateLimit-Used": "1",
        **headers,
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=told)
    return Response(content, headers=told, media_type="application/json; charset=utf-8")


def _refusal(status: int, message: str) -> Response:
    body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json; charset=utf-8")


def _guarded(handler: Handler) -> Handler:
    """`handler` behind what GitHub checks first, with its refusals as GitHub words them."""

    def guarded(request: Request) -> Response:
        if not request.headers.get("user-agent"):
            return _refusal(403, "Request forbidden by administrative rules. Send a User-Agent header")
        if request.headers.get("authorization", f"Bearer {_TOKEN}") != f"Bearer {_TOKEN}":
            return _refusal(401, "Bad credentials")
        try:
            return handler(request)
        except RefusedError as refused:
            return _refusal(refused.status, str(refused))

    return guarded


def _routes(counters: Handler, lists: Mapping[str, Handler], search: Handler) -> list[Route]:
    repository = "/repos/{owner}/{name}"
    return [
        Route(repository, _guarded(counters)),
        *(Route(f"{repository}/{kind}", _guarded(handler)) for kind, handler in lists.items()),
        Route("/search/repositories", _guarded(search)),
    ]


def _name(request: Request) -> str:
    return f"{request.path_params['owner']}/{request.path_params['name']}"


def routes(world: World) -> list[Route]:
    """Repositories and search, filled from the world."""
    known = {repository.lower(): repository for repository in world.repositories}

    def named(request: Request) -> str:
        # GitHub does not tell private repositories from absent ones.
        if _name(request).lower() not in known:
            raise RefusedError(404, "Not Found")
        return known[_name(request).lower()]

    return _routes(
        lambda request: _answer(request, repository_now(world, named(request)), {}),
        {
            "commits": lambda request: _listing(world, request, _commits(world, request, named(request))),
            "pulls": lambda request: _listing(world, request, _tickets(world, request, named(request), "pulls")),
            "issues": lambda request: _listing(world, request, _tickets(world, request, named(request), "issues")),
        },
        lambda request: _search(world, request),
    )


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001
    """Settings that make the source watch every repository of the world."""
    return {"token": _TOKEN, "repositories": world.repositories, "languages": list(LANGUAGES)}


def error_body() -> dict[str, Any]:
    """What GitHub's search says with status 200 when it ran out of time."""
    return {"total_count": 0, "incomplete_results": True, "items": []}


_SHOWN_AS = {
    "/repos/:o/:r": "counters",
    "/repos/:o/:r/commits": "commits",
    "/repos/:o/:r/commits/:sha": "commits",
    "/repos/:o/:r/pulls/:n/commits": "commits",
    "/search/commits": "commits",
    "/repos/:o/:r/pulls": "pulls",
    "/repos/:o/:r/pulls/:n": "pulls",
    "/repos/:o/:r/issues": "issues",
    "/repos/:o/:r/issues/:n": "issues",
    "/search/issues": "issues",
    "/search/repositories": "search",
}
"""Recorded endpoint -> what it is served as. Items stand in lists, found or asked for one by one, as in the listing."""

_LISTS = ("commits", "pulls", "issues")
_TOLD_HEADERS = ("content-type", "etag", "last-modified", "retry-after")


def _told(request: Request, recording: Recording, kind: str) -> Response:
    """A recorded answer with the headers that matter; an ETag that comes back is answered by 304."""
    # Some recordings hold templates of the server they were made for in place of times.
    headers = {
        name: value
        for name, value in recording.headers.items()
        if (name in _TOLD_HEADERS or name.startswith("x-ratelimit")) and "{{" not in value
    }
    if recording.status == 200 and headers.get("etag", "") == request.headers.get("if-none-match"):
        return Response(status_code=304, headers=headers)
    body = recording.body
    if kind in _LISTS and recording.status == 200:
        recorded = orjson.loads(body)
        if isinstance(recorded, dict):
            body = orjson.dumps(recorded.get("items", [recorded]))
    return Response(body, status_code=recording.status, headers=headers)


@dataclass(frozen=True)
class _Tapes:
    """Recordings by what they are served as; each of `counters` and of `search` begins a target of its own.

    Attributes:
        shown: kind -> recordings.
        moved_to: number of the repository that a recorded redirect leads to.
    """

    shown: Mapping[str, list[Recording]]
    moved_to: int

    @property
    def repositories(self) -> list[str]:
        return [f"recordings/{number}" for number in range(len(self.shown["counters"]))]

    @property
    def languages(self) -> list[str]:
        return [f"recordings-{number}" for number in range(len(self.shown["search"]))]

    def _number(self, request: Request) -> int:
        if _name(request) not in self.repositories:
            raise RefusedError(404, "Not Found")
        return int(request.path_params["name"])

    def counters(self, request: Request) -> Response:
        """The answer that was recorded for a repository; a redirect leads to another one of them."""
        recording = self.shown["counters"][self._number(request)]
        response = _told(request, recording, "counters")
        if "location" in recording.headers:
            path = request.url.path.rpartition("/")[0]
            response.headers["location"] = str(request.url.replace(path=f"{path}/{self.moved_to}"))
        return response

    def listing(self, kind: str, request: Request) -> Response:
        """A page of a repository: one recording; the last one has an empty page behind it if it named a next one."""
        pages = self.shown[kind][self._number(request) :: len(self.repositories)]
        _, page = _paging(request)
        if page > len(pages):
            return _answer(request, [], {})
        recording = pages[page - 1]
        response = _told(request, recording, kind)
        more = page < len(pages) or 'rel="next"' in recording.headers.get("link", "")
        response.headers.update(_link(request, page, more=more))
        return response

    def search(self, request: Request) -> Response:
        """The search that was recorded for a language, with an empty page behind it if it named a next one."""
        name = request.query_params.get("q", "").partition('language:"')[2].rstrip('"')
        if name not in self.languages:
            raise RefusedError(422, "Validation Failed")
        if _paging(request)[1] > 1:
            return _answer(request, {"total_count": 0, "incomplete_results": False, "items": []}, {})
        recording = self.shown["search"][self.languages.index(name)]
        response = _told(request, recording, "search")
        response.headers.update(_link(request, 1, more='rel="next"' in recording.headers.get("link", "")))
        return response


def replay(recordings: list[Recording]) -> Replay:
    """Every recorded answer to a reader of repositories, commits, pull requests, issues and the repository search.

    Each recorded repository is a watched one, and the recorded lists are dealt out to them, page by page.
    """
    shown: dict[str, list[Recording]] = {kind: [] for kind in ("counters", *_LISTS, "search")}
    unused: dict[str, str] = {}
    for recording in recordings:
        kind = _SHOWN_AS.get(recording.endpoint)
        if kind is None:
            unused[recording.file] = f"endpoint not in use: {recording.method} {recording.endpoint}"
        elif recording.method != "GET":
            unused[recording.file] = f"the answer to a request that writes: {recording.method} {recording.endpoint}"
        elif recording.status == 200 and "json" not in recording.headers.get("content-type", "json"):
            unused[recording.file] = f"another form than the JSON in use: {recording.headers['content-type']}"
        else:
            shown[kind].append(recording)
    for kind in _LISTS:
        # Nobody asks for the page after a refusal.
        shown[kind].sort(key=lambda recording: recording.status != 200)
    sound = [number for number, recording in enumerate(shown["counters"]) if recording.status == 200]
    tapes = _Tapes(shown, sound[0] if sound else 0)
    lists = {kind: partial(tapes.listing, kind) for kind in _LISTS}
    settings = {
        "token": _TOKEN,
        "repositories": tapes.repositories,
        "languages": tapes.languages,
        "trending_size": _PAGE_AT_MOST,
    }
    return Replay(_routes(tapes.counters, lists, tapes.search), settings, unused)
