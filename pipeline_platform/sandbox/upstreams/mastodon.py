"""Mastodon as the sandbox shows it: several instances, each under its name, with timelines, statuses and trends.

Wire format: https://docs.joinmastodon.org/methods/timelines/, /methods/statuses/ and /methods/trends/. A tag shows
statuses of every instance, under ids of the instance that is asked. Beside the statuses of the world each instance has
one a day of somebody who does not want to be collected, and there are instances that are closed to visitors.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.world import FIRST_DAY, Post, World

MEMBERS_ONLY, SWITCHED_OFF = "members.example", "off.example"
"""Instances that refuse visitors (422), and that show them an empty timeline."""
SHY = "shy_newt"
"""An account on every instance that has `noindex`."""

MEDIA_SHARE, SENSITIVE_SHARE, CARD_SHARE, BOT_SHARE = 0.2, 0.1, 0.1, 0.05
FEDERATED = 10**15
"""What is added to the number of a status on instances that it does not belong to."""
_LIMIT, _WINDOW_SECONDS = 300, 300
_PAGE_AT_MOST, _PAGE_BY_DEFAULT, _TRENDS_AT_MOST, _STATUSES_AT_MOST = 40, 20, 20, 20
_KNOWN_DAYS, _TREND_DAYS = 60, 7
_ENDLESS_ITEMS = 5

Status = dict[str, Any]


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def _content(text: str) -> str:
    lines = (html.escape(line, quote=False) for line in text.splitlines())
    return "".join(f"<p>{line}</p>" for line in lines)


def _account(name: str, home: str, seen_on: str, *, bot: bool = False) -> dict[str, Any]:
    shy = name == SHY
    return {
        "id": str(sum(name.encode())),
        "username": name,
        "acct": name if home == seen_on else f"{name}@{home}",
        "display_name": name.replace("_", " ").title(),
        "locked": False,
        "bot": bot,
        "discoverable": not shy,
        "indexable": not shy,
        **({"noindex": shy} if home == seen_on else {}),
        "created_at": "2022-11-05T00:00:00.000Z",
        "note": "<p>Please leave me alone.</p>" if shy else "",
        "url": f"https://{home}/@{name}",
    }


def _status(world: World, post: Post, seen_on: str) -> Status:
    rng = world.rng("mastodon-status", post.key)
    blank = post.flaw == "title_or_text"
    pictured, sensitive = rng.random() < MEDIA_SHARE and not blank, rng.random() < SENSITIVE_SHARE
    address = f"https://files.{post.channel}/{post.number}"
    card = {"url": f"https://{post.channel}/read", "title": post.topic, "image": f"{address}-card.jpg"}
    status: Status = {
        "id": str(post.number if seen_on == post.channel else post.number + FEDERATED),
        "created_at": _iso(post.created_at),
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "sensitive": sensitive,
        "spoiler_text": "",
        "visibility": "public",
        "language": post.language,
        "uri": f"https://{post.channel}/users/{post.author}/statuses/{post.number}",
        "url": post.url,
        "replies_count": post.replies,
        "reblogs_count": post.score // 4,
        "favourites_count": post.score,
        "quotes_count": post.score // 20,
        "edited_at": None,
        "content": _content(post.text),
        "reblog": None,
        "account": _account(post.author, post.channel, seen_on, bot=rng.random() < BOT_SHARE),
        "media_attachments": [_picture(address, post.topic)] if pictured else [],
        "mentions": [],
        "tags": [{"name": post.topic, "url": f"https://{seen_on}/tags/{post.topic}"}],
        "emojis": [],
        "card": card if rng.random() < CARD_SHARE else None,
        "poll": None,
    }
    if post.flaw == "malformed":
        wrong: tuple[dict[str, Any], ...] = (
            {"content": {"html": status["content"]}},
            {"account": None},
            {"created_at": "a while ago"},
        )
        status |= world.rng("mastodon-garble", post.key).choice(wrong)
    return status


def _picture(address: str, topic: str) -> dict[str, Any]:
    return {
        "id": address.rpartition("/")[2],
        "type": "image",
        "url": f"{address}.jpg",
        "preview_url": f"{address}-small.jpg",
        "remote_url": None,
        "description": f"About {topic}",
    }


def _shy_status(instance: str, day: datetime) -> Status:
    number = f"{day:%Y%m%d}"
    return {
        "id": number,
        "created_at": _iso(day),
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": f"https://{instance}/users/{SHY}/statuses/{number}",
        "url": f"https://{instance}/@{SHY}/{number}",
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 1,
        "content": "<p>Not for everybody.</p>",
        "reblog": None,
        "account": _account(SHY, instance, instance),
        "media_attachments": [],
        "tags": [],
        "card": None,
    }


def _days(world: World, most: int | None = None) -> Iterator[datetime]:
    """Midnights from today back."""
    day = world.now().replace(hour=0, minute=0, second=0, microsecond=0)
    count = (day.date() - FIRST_DAY).days + 1
    for back in range(min(count, most or count)):
        yield day - timedelta(days=back)


def _local(world: World, instance: str) -> Iterator[Status]:
    """Statuses of an instance, newest first."""
    for day in _days(world):
        for post in reversed(world.channel_posts("mastodon", instance, day.date())):
            yield _status(world, post, instance)
        yield _shy_status(instance, day)


def _tagged(world: World, instance: str, tag: str) -> Iterator[Status]:
    """Statuses of all instances with a tag, newest first."""
    for day in _days(world):
        for post in reversed(world.posts("mastodon", day.date())):
            if post.topic == tag.lower():
                yield _status(world, post, instance)


class _Instances:
    """The endpoints that the platform asks for, of every instance."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.names = world.channels["mastodon"]

    def _limit_headers(self) -> dict[str, str]:
        # What is used does not grow: the sandbox has no limit of its own, refusals for haste are among its faults.
        now = self.world.now().timestamp()
        resets = datetime.fromtimestamp(now + _WINDOW_SECONDS - now % _WINDOW_SECONDS, UTC)
        return {
            "X-RateLimit-Limit": str(_LIMIT),
            "X-RateLimit-Remaining": str(_LIMIT - 1),
            "X-RateLimit-Reset": f"{resets:%Y-%m-%dT%H:%M:%S.%fZ}",
        }

    def _refusal(self, request: Request) -> Response | None:
        """What an instance that is not there, or closed, answers."""
        name = request.path_params["instance"]
        if name == MEMBERS_ONLY:
            return JSONResponse({"error": "This method requires an authenticated user"}, 422)
        if name not in (*self.names, SWITCHED_OFF):
            return HTMLResponse("<html><body>Nobody is here</body></html>", 404)
        return None

    def _page(self, request: Request, statuses: Iterable[Status]) -> Response:
        """A page of statuses with the address of the next; the fault `endless` gives the newest again and again."""
        asked = request.query_params.get("limit", str(_PAGE_BY_DEFAULT))
        size = min(max(int(asked), 1), _PAGE_AT_MOST) if asked.isdecimal() else _PAGE_BY_DEFAULT
        after, shown = request.query_params.get("max_id"), iter(statuses)
        headers = self._limit_headers()
        if getattr(request.state, "endless", False):
            page = list(islice(shown, _ENDLESS_ITEMS))
            turn = int(after) + 1 if after and after.isdecimal() and len(after) < 9 else 1
            following = str(turn)
        else:
            if after:
                shown = islice(dropwhile(lambda status: status["id"] != after, shown), 1, None)
            page = list(islice(shown, size))
            following = page[-1]["id"] if page else ""
        if page:
            instance, path = request.path_params["instance"], request.url.path.partition("/api/")[2]
            headers["Link"] = f'<https://{instance}/api/{path}?limit={size}&max_id={following}>; rel="next"'
        return JSONResponse(page, headers=headers)

    def public(self, request: Request) -> Response:
        instance = request.path_params["instance"]
        if refusal := self._refusal(request):
            return refusal
        return self._page(request, [] if instance == SWITCHED_OFF else _local(self.world, instance))

    def tag(self, request: Request) -> Response:
        instance = request.path_params["instance"]
        if refusal := self._refusal(request):
            return refusal
        tagged = _tagged(self.world, instance, request.path_params["tag"])
        return self._page(request, [] if instance == SWITCHED_OFF else tagged)

    def about(self, request: Request) -> Response:
        access = "disabled" if request.path_params["instance"] == SWITCHED_OFF else "public"
        feeds = {"local": access, "remote": access}
        timelines = {"live_feeds": feeds, "hashtag_feeds": feeds}
        body = {"domain": request.path_params["instance"], "configuration": {"timelines_access": timelines}}
        return self._refusal(request) or JSONResponse(body, headers=self._limit_headers())

    def statuses(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        instance, ids = request.path_params["instance"], request.query_params.getlist("id[]")[:_STATUSES_AT_MOST]
        numbers = {int(one) % FEDERATED for one in ids if re.fullmatch(r"\d{1,18}", one)}
        posts = (post for day in _days(self.world, _KNOWN_DAYS) for post in self.world.posts("mastodon", day.date()))
        found = (_status(self.world, post, instance) for post in posts if post.number in numbers)
        return JSONResponse([status for status in found if status["id"] in ids], headers=self._limit_headers())

    def trends(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        instance = request.path_params["instance"]
        tags = [] if instance == SWITCHED_OFF else self._trending(instance)
        return JSONResponse(tags[:_TRENDS_AT_MOST], headers=self._limit_headers())

    def _trending(self, instance: str) -> list[dict[str, Any]]:
        uses = {
            day: Counter(post.topic for post in self.world.channel_posts("mastodon", instance, day.date()))
            for day in _days(self.world, _TREND_DAYS)
        }
        today = next(iter(uses))
        topics = {topic for counts in uses.values() for topic in counts}
        return [
            {
                "name": topic,
                "url": f"https://{instance}/tags/{topic}",
                "history": [
                    {"day": f"{day.timestamp():.0f}", "uses": str(count), "accounts": str(abs(count))}
                    for day, counts in uses.items()
                    for count in [self._flawed(instance, topic, counts[topic]) if day == today else counts[topic]]
                ],
            }
            for topic in sorted(topics, key=lambda topic: (-uses[today][topic], topic))
        ]

    def _flawed(self, instance: str, topic: str, count: int) -> int:
        today = self.world.now().date()
        record_id = f"mastodon:trends:{instance}:{today}:{topic}"
        if not self.world.flaw("trending", record_id):
            return count
        # The rank is the place in the list, which cannot be wrong.
        self.world.plant("mastodon", record_id, "volume_not_negative", today)
        return -count - 1


def routes(world: World) -> list[Route]:
    """Every instance under its name."""
    instances = _Instances(world)
    return [
        Route("/{instance}/api/v1/timelines/public", instances.public),
        Route("/{instance}/api/v1/timelines/tag/{tag}", instances.tag),
        Route("/{instance}/api/v1/statuses", instances.statuses),
        Route("/{instance}/api/v1/trends/tags", instances.trends),
        Route("/{instance}/api/v2/instance", instances.about),
    ]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch every instance, and a tag on the first."""
    names = world.channels["mastodon"]
    local = [{"instance": name, "timeline": "local"} for name in names]
    return {"watch": [*local, {"instance": names[0], "tag": "programming"}]}


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return {"error": "Remote data could not be fetched"}
