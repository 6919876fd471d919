"""GitHub as the sandbox shows it: repositories with their lists, statistics and event feed, and the repository search.

Answers, paging, limits and refusals as in https://docs.github.com/en/rest, version 2022-11-28.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline_platform.sandbox.upstreams.github_items import (
    BEGINNING,
    LANGUAGES,
    LIFE,
    Thing,
    commits_of_day,
    days_back,
    repository_now,
    repository_number,
    stars_until,
    tickets_of_day,
    young_repositories,
)
from pipeline_platform.sandbox.upstreams.github_life import contributors, feed, releases, star
from pipeline_platform.sandbox.upstreams.github_replay import replay
from pipeline_platform.sandbox.upstreams.github_wire import (
    TOKEN,
    Meter,
    RefusedError,
    answer,
    counted_listing,
    links,
    listing,
    paging,
    repository_routes,
    search_route,
)
from pipeline_platform.sandbox.world import World

__all__ = ["error_body", "replay", "routes", "watch"]

_SEARCH_CAP = 1000


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
    size, page = paging(request)
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
    return answer(request, body, links(request, page, more=page * size < len(found)))


_STAR_PAGES = 400
_FORMER = "former-"
"""A repository whose owner begins with this was moved to the owner without it."""


def _stars(world: World, request: Request, repository: str) -> Response:
    is_timed = request.headers.get("accept") == "application/vnd.github.star+json"

    def shown(number: int) -> Thing:
        made = star(world, repository, number)
        # Without the media type of stars there are accounts alone, without the times.
        return made if is_timed else Thing(made.item["user"], made.shown_at, made.updated_at)

    media = {"X-GitHub-Media-Type": f"github.v3;{' param=star;' if is_timed else ''} format=json"}
    total = stars_until(world, repository, world.now())
    return counted_listing(world, request, total, shown, _STAR_PAGES, media)


class _Names:
    """The repositories of the world, by the name or number in a path."""

    def __init__(self, world: World) -> None:
        self._known = {repository.lower(): repository for repository in world.repositories}
        self._numbered = {repository_number(world, repository): repository for repository in world.repositories}

    def named(self, request: Request) -> str:
        """The repository that is asked for; under a former name GitHub sends to its number."""
        asked = request.path_params
        if "number" in asked:
            found = self._numbered.get(asked["number"])
        else:
            found = self._known.get(f"{asked['owner']}/{asked['name']}".lower())
            moved = self._known.get(f"{asked['owner']}/{asked['name']}".lower().removeprefix(_FORMER))
            if found is None and moved is not None:
                number = next(number for number, name in self._numbered.items() if name == moved)
                old = f"/repos/{asked['owner']}/{asked['name']}"
                path = request.url.path.replace(old, f"/repositories/{number}", 1)
                location = str(request.url.replace(path=path))
                raise RefusedError(301, "Moved Permanently", {"Location": location})
        if found is None:
            # GitHub does not tell private repositories from absent ones.
            raise RefusedError(404, "Not Found")
        return found


class _Statistics:
    """Statistics are computed when they are first asked for; here those of one repository, so that nobody waits long.

    GitHub names no time to wait with its 202.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._to_compute = set(world.repositories[:1])

    def contributors(self, request: Request, repository: str) -> Response:
        """Work by week, or 202 while it is computed."""
        if repository in self._to_compute:
            self._to_compute.discard(repository)
            response = answer(request, {}, {"Retry-After": "1"})
            response.status_code = 202
            return response
        return answer(request, contributors(self._world, repository), {})


def routes(world: World) -> list[Route]:
    """Repositories and search, filled from the world."""
    named, statistics = _Names(world).named, _Statistics(world)
    limited = Meter(world).limited
    poll = {"X-Poll-Interval": "60"}
    shown = {
        "": lambda request: answer(request, repository_now(world, named(request)), {}),
        "/commits": lambda request: listing(world, request, _commits(world, request, named(request))),
        "/pulls": lambda request: listing(world, request, _tickets(world, request, named(request), "pulls")),
        "/issues": lambda request: listing(world, request, _tickets(world, request, named(request), "issues")),
        "/stargazers": lambda request: _stars(world, request, named(request)),
        "/releases": lambda request: listing(world, request, releases(world, named(request))),
        "/events": lambda request: listing(world, request, feed(world, named(request)), poll),
        "/stats/contributors": lambda request: statistics.contributors(request, named(request)),
    }
    return [
        *repository_routes("/repos/{owner}/{name}", shown, limited),
        *repository_routes("/repositories/{number:int}", shown, limited),
        search_route(lambda request: _search(world, request), limited),
    ]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001
    """Settings that make the source watch every repository of the world."""
    return {"token": TOKEN, "repositories": world.repositories, "languages": list(LANGUAGES)}


def error_body() -> dict[str, Any]:
    """What GitHub's search says with status 200 when it ran out of time."""
    return {"total_count": 0, "incomplete_results": True, "items": []}
