"""Hacker News as the sandbox shows it: the search by date, and single items of the official API.

Wire formats: https://hn.algolia.com/api and https://github.com/HackerNews/API. The world has stories; comments on them
are made here, a few for each, and some of those are deleted a day later.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox import texts
from pipeline_platform.sandbox.cast import author_named
from pipeline_platform.sandbox.post import Slot
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import FIRST_DAY, FIRST_NUMBERED_DAY, Post, World

MOST_HITS, HITS_BY_DEFAULT = 1000, 20
_ENDLESS_HITS = 5

COMMENTS_AT_MOST = 3
"""On one story, which may claim to have more."""
LATEST_COMMENT = timedelta(hours=4)
"""After its story."""
DELETED_SHARE, DELETED_AFTER = 0.03, timedelta(days=1)
MALFORMED_SHARE = 0.01
UNBOUNDED = timedelta(days=30)
"""How far a search goes back that asks for no beginning; the world holds years."""
_FIRST_COMMENT = 2048
"""Of the 16,384 numbers of a day and channel comments have those from here on; stories take the lower ones."""

_KINDS = ("story", "comment", "poll", "pollopt", "job")
_FILTER = re.compile(r"created_at_i(<=|>=|=|<|>)(\d+(?:\.\d+)?)")


class RefusedError(Exception):
    """A request that the search answers with status 400."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on `story`; times are aware UTC."""

    number: int
    story: Post
    author: str
    created_at: datetime
    deleted_at: datetime | None
    is_malformed: bool


class Discussions:
    """Stories of the world with comments on them.

    Args:
        world: gives stories, time and flaws.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def stories(self, start: datetime, end: datetime) -> Iterator[Post]:
        """Stories shown in `[start, end)`."""
        day = max(start.date(), FIRST_DAY)
        while day <= min(end.date(), self.world.now().date()):
            yield from (post for post in self.world.posts("hackernews", day) if start <= post.shown_at < end)
            day += timedelta(days=1)

    def comments(self, start: datetime, end: datetime) -> Iterator[Comment]:
        """Comments made in `[start, end)` that are still shown."""
        now = self.world.now()
        for story in self.stories(start - LATEST_COMMENT, end):
            for comment in self.comments_on(story):
                is_shown = comment.created_at <= now and (comment.deleted_at is None or comment.deleted_at > now)
                if is_shown and start <= comment.created_at < end:
                    yield comment

    def comments_on(self, story: Post) -> list[Comment]:
        """Every comment on a story, also of the future and deleted ones."""
        return [self._comment(story, number) for number in comment_numbers(story)]

    def text(self, comment: Comment) -> str:
        """What a comment says."""
        rng = self.world.rng("hackernews-text", comment.number)
        return texts.write(rng, comment.story.topic, "comment", titled=False).text

    def _comment(self, story: Post, number: int) -> Comment:
        rng = self.world.rng("hackernews-comment", number)
        created_at = story.shown_at + timedelta(seconds=rng.randrange(60, int(LATEST_COMMENT.total_seconds())))
        return Comment(
            number=number,
            story=story,
            author=author_named(rng),
            created_at=created_at,
            deleted_at=created_at + DELETED_AFTER if rng.random() < DELETED_SHARE else None,
            is_malformed=rng.random() < MALFORMED_SHARE,
        )

    def item(self, number: int) -> Post | Comment | None:
        """The story or comment with this number, if it is or was shown by now."""
        now = self.world.now()
        place, of_day = number % 16384, FIRST_NUMBERED_DAY + timedelta(days=number // (16384 * 4096))
        if place < _FIRST_COMMENT:
            return next((post for post in self.world.posts("hackernews", of_day) if post.number == number), None)
        channel = number // 16384 % 4096
        k = (place - _FIRST_COMMENT) // COMMENTS_AT_MOST
        story = self.world.post(Slot("h", channel, of_day, k).key)
        made = self.comments_on(story) if story else []
        return next((one for one in made if one.number == number and one.created_at <= now), None)


def comment_numbers(story: Post) -> range:
    """The numbers of the comments on a story."""
    k = Slot.of(story.key).k
    first = story.number - k + _FIRST_COMMENT + k * COMMENTS_AT_MOST
    return range(first, first + min(story.replies, COMMENTS_AT_MOST))


def _markup(text: str) -> str:
    """Text in the HTML of Hacker News: paragraphs are begun, never ended."""
    return "<p>".join(html.escape(line) for line in text.splitlines())


def _moments(created_at: datetime) -> dict[str, Any]:
    return {
        "created_at": f"{created_at:%Y-%m-%dT%H:%M:%SZ}",
        "created_at_i": int(created_at.timestamp()),
        "updated_at": f"{created_at + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
    }


def _highlighted(hit: dict[str, Any]) -> dict[str, Any]:
    named = {name: hit[name] for name in ("author", "title", "story_text", "comment_text") if hit.get(name)}
    marks = {name: {"value": value, "matchLevel": "none", "matchedWords": []} for name, value in named.items()}
    return hit | {"_highlightResult": marks}


def _story_hit(post: Post) -> dict[str, Any]:
    title = post.title or ""
    kind = ["ask_hn"] if title.endswith("?") else ["show_hn"] if post.number % 10 == 0 else []
    hit: dict[str, Any] = {
        "objectID": post.upstream_id,
        "story_id": post.number,
        "author": post.author,
        "title": title,
        "url": f"https://{post.topic}.example/{post.key}",
        "points": post.score,
        "num_comments": post.replies,
        "children": list(comment_numbers(post)),
        "_tags": ["story", f"author_{post.author}", f"story_{post.number}", *kind],
        **_moments(post.created_at),
    }
    if post.text:
        hit["story_text"] = _markup(post.text)
    if post.flaw == "malformed":
        hit |= {"title": len(title), "points": "many"}
    return _highlighted(hit)


def _comment_hit(comment: Comment, text: str) -> dict[str, Any]:
    story = comment.story
    return _highlighted(
        {
            "objectID": str(comment.number),
            "parent_id": story.number,
            "story_id": story.number,
            "story_title": story.title,
            "author": comment.author,
            "comment_text": ["a", "list"] if comment.is_malformed else _markup(text),
            "points": None,
            "children": [],
            "_tags": ["comment", f"author_{comment.author}", f"story_{story.number}"],
            **_moments(comment.created_at),
        }
    )


def _span(request: Request, now: datetime) -> tuple[datetime, datetime]:
    """The range `[first, after)` of whole seconds that `numericFilters` names; `UNBOUNDED` where it has no begin."""
    first, after = int((now - UNBOUNDED).timestamp()), int(now.timestamp()) + 1
    filters = request.query_params.get("numericFilters", "")
    if ">" in filters or "created_at_i=" in filters:
        first = 0
    for part in filter(None, filters.split(",")):
        found = _FILTER.fullmatch(part)
        if found is None:
            raise RefusedError(f"invalid numeric filter {part}: the sandbox filters by created_at_i")
        sign, second = found[1], int(float(found[2]))
        if sign in (">", ">=", "="):
            first = max(first, second + (sign == ">"))
        if sign in ("<", "<=", "="):
            after = min(after, second + (sign != "<"))
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(max(first, after), UTC)


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not text.isdecimal():
        raise RefusedError(f"invalid value for parameter {name}: expected a number")
    return int(text)


def _matches(query: str, *written: str | None) -> bool:
    said = " ".join(part for part in written if part).lower()
    return all(word in said for word in query.replace('"', "").lower().split())


def _found(discussions: Discussions, request: Request) -> list[Post | Comment]:
    """What matches a search, newest first by when it was shown; planted rows may claim another time."""
    kinds = {name for name in re.findall(r"[a-z_]+", request.query_params.get("tags", "")) if name in _KINDS}
    query = request.query_params.get("query", "")
    start, end = _span(request, discussions.world.now())
    found: list[tuple[datetime, Post | Comment]] = []
    if not kinds or "story" in kinds:
        stories = discussions.stories(start, end)
        found += [(post.shown_at, post) for post in stories if _matches(query, post.title, post.text)]
    if not kinds or "comment" in kinds:
        comments = discussions.comments(start, end)
        found += [(one.created_at, one) for one in comments if not query or _matches(query, discussions.text(one))]
    return [thing for _, thing in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _hit(discussions: Discussions, thing: Post | Comment) -> dict[str, Any]:
    if isinstance(thing, Post):
        return _story_hit(thing)
    if thing.is_malformed:
        discussions.world.plant("hackernews", f"hackernews:{thing.number}", "malformed", thing.created_at.date())
    return _comment_hit(thing, discussions.text(thing))


def _search(discussions: Discussions, request: Request) -> dict[str, Any]:
    found = _found(discussions, request)
    size, page = min(_number(request, "hitsPerPage", HITS_BY_DEFAULT), MOST_HITS), _number(request, "page", 0)
    total, first, after = len(found), page * size, min((page + 1) * size, MOST_HITS)
    if getattr(request.state, "endless", False):
        total, first, after = 10 * MOST_HITS, 0, _ENDLESS_HITS
    elif first >= MOST_HITS:
        return too_far()
    return _answer([_hit(discussions, thing) for thing in found[first:after]], total, page, size)


def _answer(hits: list[dict[str, Any]], total: int, page: int, size: int) -> dict[str, Any]:
    reachable = min(total, MOST_HITS)
    return {
        "hits": hits,
        "nbHits": total,
        "page": page,
        "nbPages": -(-reachable // size) if size else 0,
        "hitsPerPage": size,
        "exhaustiveNbHits": True,
        "query": "",
        "processingTimeMS": 3,
    }


def too_far() -> dict[str, Any]:
    """What the search says, with status 200, to those who ask for more than it shows."""
    message = "you can only fetch the 1000 hits for this query"
    return {"hits": [], "nbHits": 0, "page": 10, "nbPages": 0, "hitsPerPage": 100, "message": message}


error_body = too_far


def _item(discussions: Discussions, number: int) -> dict[str, Any] | None:
    found = discussions.item(number)
    if found is None:
        return None
    if isinstance(found, Comment):
        item = {"id": number, "type": "comment", "parent": found.story.number}
        item["time"] = int(found.created_at.timestamp())
        if found.deleted_at is not None and found.deleted_at <= discussions.world.now():
            return item | {"deleted": True}
        return item | {"by": found.author, "text": _markup(discussions.text(found))}
    return {
        "id": number,
        "type": "story",
        "by": found.author,
        "time": int(found.created_at.timestamp()),
        "title": found.title,
        "text": _markup(found.text),
        "score": found.score,
        "descendants": found.replies,
        "kids": list(comment_numbers(found)),
    }


def routes(world: World) -> list[Route]:
    """`/search_by_date` of the search, `/v0/item/<id>.json` of the official API."""
    discussions = Discussions(world)

    def search_by_date(request: Request) -> Response:
        try:
            return JSONResponse(_search(discussions, request))
        except RefusedError as refused:
            return JSONResponse({"message": str(refused), "status": 400}, 400)

    def item(request: Request) -> Response:
        return JSONResponse(_item(discussions, request.path_params["number"]))

    return [Route("/search_by_date", search_by_date), Route("/v0/item/{number:int}.json", item)]


def watch(_world: World, base: str) -> dict[str, Any]:
    """Settings that make the source ask here for items as well."""
    return {"items_url": f"{base}/v0"}


def replay(recordings: list[Recording]) -> Replay:
    """Nothing of Hacker News was recorded in a form that is asked for."""
    return Replay([], {}, {recording.file: "endpoint not in use" for recording in recordings})
