"""NewsAPI as the sandbox shows it: the search of all articles and the headlines of a country, for two plans.

Wire format: https://newsapi.org/docs/endpoints. The developer key sees articles a day late, a month back, and the first
hundred results of a search; the paid key sees all.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import count
from string import ascii_lowercase
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import FIRST_DAY, Post, World

PAID_KEY, DEVELOPER_KEY = "sandbox-newsapi-paid", "sandbox-newsapi-developer"
DEVELOPER_RESULTS = 100
DEVELOPER_DELAY, DEVELOPER_REACH = timedelta(days=1), timedelta(days=31)
HEADLINES_FOR = timedelta(days=1)
"""How long an article stays a headline."""

CONTENT_AT_MOST = 200
PAGE_AT_MOST = 100
CATEGORIES = {
    "business": ("markets", "coins"),
    "entertainment": (),
    "general": ("news",),
    "health": (),
    "science": ("weather",),
    "sports": (),
    "technology": ("programming",),
}
"""Category of headlines -> topics of the world."""

COUNTRIES = ("us", "gb")
"""Publishers are from them by turns."""

REMOVED = {
    "source": {"id": None, "name": "[Removed]"},
    "author": None,
    "title": "[Removed]",
    "description": "[Removed]",
    "url": "https://removed.com",
    "urlToImage": None,
    "publishedAt": "1970-01-01T00:00:00Z",
    "content": "[Removed]",
}


class RefusedError(Exception):
    """A request that NewsAPI answers with an error: its status and its code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Newsroom:
    """Articles of the world, each once.

    Args:
        world: gives posts and time.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._linked_first = lru_cache(maxsize=64)(self._find_linked_first)

    def articles(self, start: datetime, end: datetime) -> Iterator[Post]:
        """Articles shown in `[start, end]`, newest first; of several posts with one address only the first."""
        day = min(end, self.world.now()).date()
        while day >= max(start.date(), FIRST_DAY):
            for post in reversed(self.world.posts("newsapi", day)):
                if start <= post.shown_at <= end and self._linked_first(_origin_day(post)).get(post.url) == post.key:
                    yield post
            day -= timedelta(days=1)

    def _find_linked_first(self, origin_day: date) -> dict[str, str]:
        """Address -> key of the first post that has it; an article is linked to on its own day and the next."""
        first: dict[str, str] = {}
        for day in (origin_day, origin_day + timedelta(days=1)):
            for post in self.world.posts("newsapi", day):
                first.setdefault(post.url, post.key)
        return first


def _origin_day(post: Post) -> date:
    return date.fromisoformat((post.duplicate_of or post.key)[:10])


def _name(channel: str) -> str:
    return channel.replace("-", " ").title()


def _article(post: Post, suffix: str = "") -> dict[str, Any]:
    cut = len(post.text) - CONTENT_AT_MOST
    article: dict[str, Any] = {
        "source": {"id": post.channel, "name": _name(post.channel)},
        "author": post.author,
        "title": post.title and post.title + suffix,
        "description": post.text.partition(". ")[0],
        "url": post.url,
        "urlToImage": f"https://{post.channel}.example/images/{post.key}.jpg" if post.number % 4 else None,
        "publishedAt": f"{post.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "content": f"{post.text[:CONTENT_AT_MOST]}… [+{cut} chars]" if cut > 0 else post.text,
    }
    return article | {"title": len(article["title"]), "source": post.channel} if post.flaw == "malformed" else article


def _key(request: Request) -> str:
    asked = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    key = asked or request.query_params.get("apiKey")
    if not key:
        raise RefusedError(401, "apiKeyMissing", "Your API key is missing.")
    if key not in (PAID_KEY, DEVELOPER_KEY):
        raise RefusedError(401, "apiKeyInvalid", "Your API key is invalid or incorrect.")
    return key


def _number(request: Request, name: str, otherwise: int, at_most: int) -> int:
    text = request.query_params.get(name, str(otherwise))
    if not text.isdecimal() or not 1 <= int(text) <= at_most:
        raise RefusedError(400, "parameterInvalid", f"The {name} parameter must lie between 1 and {at_most}.")
    return int(text)


def _moment(request: Request, name: str, otherwise: datetime) -> datetime:
    text = request.query_params.get(name)
    try:
        moment = datetime.fromisoformat(text) if text else otherwise
    except ValueError:
        raise RefusedError(400, "parameterInvalid", f"The {name} parameter is no date.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _page(request: Request, articles: list[dict[str, Any]], key: str, size: int) -> dict[str, Any]:
    page = _number(request, "page", 1, 1_000_000)
    first, after = (page - 1) * size, page * size
    if key == DEVELOPER_KEY and after > DEVELOPER_RESULTS:
        raise RefusedError(
            426,
            "maximumResultsReached",
            "You have requested too many results. Developer accounts are limited to a max of 100 results. "
            f"You are trying to request results {first} to {after}.",
        )
    if getattr(request.state, "endless", False):
        return {"status": "ok", "totalResults": 10 * len(articles) + 1, "articles": articles[:5]}
    return {"status": "ok", "totalResults": len(articles), "articles": articles[first:after]}


def _matches(post: Post, query: str) -> bool:
    said = f"{post.topic} {post.title} {post.text}".lower()
    return all(word in said for word in query.replace('"', "").lower().split())


def _everything(newsroom: Newsroom, request: Request) -> dict[str, Any]:
    key, asked, now = _key(request), request.query_params, newsroom.world.now()
    query, domains = asked.get("q"), asked.get("domains")
    if not query and not domains:
        raise RefusedError(400, "parametersMissing", "Required parameters are missing: q, sources or domains.")
    start = _moment(request, "from", now - DEVELOPER_REACH)
    latest = now - DEVELOPER_DELAY if key == DEVELOPER_KEY else now
    end = min(_moment(request, "to", latest), latest)
    if key == DEVELOPER_KEY and start < now - DEVELOPER_REACH:
        raise RefusedError(426, "parameterInvalid", "You are trying to request results too far in the past.")
    size = _number(request, "pageSize", PAGE_AT_MOST, PAGE_AT_MOST)
    publishers = [domain.removesuffix(".example") for domain in (domains or "").split(",") if domain]
    found = [
        _article(post)
        for post in newsroom.articles(start, end)
        if (not publishers or post.channel in publishers)
        and (not query or _matches(post, query))
        and asked.get("language", post.language) == post.language
    ]
    return _page(request, found, key, size)


def _headlines(newsroom: Newsroom, request: Request) -> dict[str, Any]:
    key, now = _key(request), newsroom.world.now()
    country, category = request.query_params.get("country"), request.query_params.get("category")
    if not country and not category:
        raise RefusedError(400, "parametersMissing", "Required parameters are missing: country, category or sources.")
    if category is not None and category not in CATEGORIES:
        raise RefusedError(400, "parameterInvalid", f"{category} is no category.")
    channels = newsroom.world.channels["newsapi"]
    found = [
        _article(post, f" - {_name(post.channel)}")
        for post in newsroom.articles(now - HEADLINES_FOR, now)
        if (category is None or post.topic in CATEGORIES[category])
        and (country is None or country == COUNTRIES[channels.index(post.channel) % len(COUNTRIES)])
    ]
    if category == "general":
        found.append(REMOVED)
    return _page(request, found, key, _number(request, "pageSize", 20, PAGE_AT_MOST))


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return {"status": "error", "code": "unexpectedError", "message": "This should not happen, and if it does it is us."}


def routes(world: World) -> list[Route]:
    """`/everything` and `/top-headlines`."""
    newsroom = Newsroom(world)

    def guarded(answer: Callable[[Newsroom, Request], dict[str, Any]]) -> Callable[[Request], Response]:
        def answered(request: Request) -> Response:
            try:
                return JSONResponse(answer(newsroom, request))
            except RefusedError as refused:
                body = {"status": "error", "code": refused.code, "message": str(refused)}
                return JSONResponse(body, refused.status)

        return answered

    return [Route("/everything", guarded(_everything)), Route("/top-headlines", guarded(_headlines))]


def watch(world: World, _base: str) -> dict[str, Any]:
    """Settings that make the source watch every publisher, one query, and every list of headlines."""
    lists = [f"{country}/{category}" for country in COUNTRIES for category, topics in CATEGORIES.items() if topics]
    return {
        "api_key": PAID_KEY,
        "is_paid": True,
        "queries": ["bitcoin"],
        "domains": [f"{channel}.example" for channel in world.channels["newsapi"]],
        "headlines": lists,
        "requests_per_query": 100,
    }


def _codes() -> Iterator[str]:
    """Two letters each, as if they were countries."""
    for number in count():
        yield ascii_lowercase[number // 26] + ascii_lowercase[number % 26]


def _is_list_of_sources(recording: Recording) -> bool:
    try:
        return "sources" in orjson.loads(recording.body)
    except (orjson.JSONDecodeError, TypeError):
        return False


def replay(recordings: list[Recording]) -> Replay:
    """Every recorded search as a publisher of its own, every recorded list of headlines as one of a country."""
    searches: dict[str, Recording] = {}
    lists: dict[tuple[str, str], Recording] = {}
    unused: dict[str, str] = {}
    codes = _codes()
    for recording in recordings:
        stem = recording.file.rpartition("/")[2].partition(".")[0].lower()
        if _is_list_of_sources(recording):
            unused[recording.file] = "endpoint not in use: the list of sources"
        elif "top" in f"{stem} {recording.endpoint.lower()}":
            found = re.search("|".join(CATEGORIES), stem)
            lists[next(codes), found[0] if found else "general"] = recording
        else:
            searches[f"{stem}.example"] = recording

    def answer(recording: Recording | None) -> Response:
        if recording is None:
            return JSONResponse({"status": "ok", "totalResults": 0, "articles": []})
        return Response(recording.body, recording.status, media_type="application/json")

    def everything(request: Request) -> Response:
        return answer(searches.get(request.query_params.get("domains", "")))

    def headlines(request: Request) -> Response:
        asked = request.query_params
        return answer(lists.get((asked.get("country", ""), asked.get("category", ""))))

    return Replay(
        routes=[Route("/everything", everything), Route("/top-headlines", headlines)],
        # All of history, as recordings are years old.
        watch={
            "api_key": PAID_KEY,
            "is_paid": True,
            "queries": [],
            "domains": list(searches),
            "headlines": [f"{country}/{category}" for country, category in lists],
        },
        unused=unused,
    )
