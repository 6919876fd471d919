"""Hacker News: stories and comments by time, from its search; and what was removed, from the official API.

The search (https://hn.algolia.com/api) takes a range of time and gives a thousand items an answer. The official API
(https://github.com/HackerNews/API) gives one item an answer, and knows no time; it is asked only why an item that we
hold is found no more.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from pipeline_platform.sources.base import (
    Budget,
    Fetch,
    Known,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
    Window,
)
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.hackernews_records import (
    COMMENT_FIELDS,
    SAMPLE_COMMENTS,
    SAMPLE_STORIES,
    STORY_FIELDS,
    gone,
    identify,
    item_id,
    parse_comment,
    parse_story,
)
from pipeline_platform.sources.texts import web_address

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

STORIES, COMMENTS = ("story", "poll", "job"), ("comment",)
"""Tags of the search."""

MOST_HITS = 1000
"""Hits after which the search ends, whatever page is asked for."""

_SECOND = timedelta(seconds=1)


class HackerNewsSettings(SourceSettings):
    """Settings of Hacker News, which wants no key."""

    items_url: str = Field(
        "https://hacker-news.firebaseio.com/v0", description="Address of the official API, asked about removed items."
    )
    queries: list[str] = Field(
        [], description='Watch only what matches one of these, `rust` or `"heat pump"`; everything if empty.'
    )

    @field_validator("items_url")
    @classmethod
    def _can_be_asked(cls, items_url: str) -> str:
        address = web_address(items_url)
        if address is None:
            raise ValueError(f"{items_url!r} is no address; write https://…, or unset PIPELINE_HACKERNEWS__ITEMS_URL")
        return address.rstrip("/")

    @field_validator("queries")
    @classmethod
    def _say_something(cls, queries: list[str]) -> list[str]:
        if not all(query.strip() for query in queries):
            raise ValueError("a query is blank; PIPELINE_HACKERNEWS__QUERIES takes words, or [] to watch everything")
        return list(dict.fromkeys(query.strip() for query in queries))


def _targets(tags: Sequence[str], settings: HackerNewsSettings) -> Sequence[str]:
    """`story` for all stories, `story heat pump` for those that match a query."""
    return [f"{tag} {query}".strip() for query in settings.queries or ("",) for tag in tags]


def diagnose(response: "Response") -> SourceError | None:
    """Reads the search's way of refusing with status 200: no hits, and a message."""
    body = response.json() if response.status == 200 else None
    message = body.get("message") if isinstance(body, Mapping) and not body.get("hits") else None
    if message is None:
        return None
    said = f"Hacker News search: {message}"
    code = body.get("status") if isinstance(body, Mapping) else None
    passes = isinstance(code, int) and (code == 429 or code >= 500)
    return Transient(said, status=200) if passes else Permanent(said, status=200)


def _hits(response: "Response") -> tuple[list[Any], int]:
    """The hits of an answer, and how many there are altogether."""
    body = response.json()
    hits, total = (body.get("hits"), body.get("nbHits")) if isinstance(body, Mapping) else (None, None)
    if not isinstance(hits, list) or not isinstance(total, int):
        raise Malformed(f"{response.url} answered without a list of hits and their number", status=response.status)
    return hits, total


def _record(hit: Any) -> Record:
    if isinstance(hit, Mapping):
        # The texts again, with the words that were searched for marked.
        hit = {name: value for name, value in hit.items() if name != "_highlightResult"}
    try:
        return Record(*identify(hit), hit)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, hit)  # too broken to tell: kept, and quarantine says why


def _pages(fetch: Fetch[HackerNewsSettings], tags: str, query: str | None, window: Window) -> Iterator[Page]:
    """The items of `window`, newest first: what lies beyond the last hit of a page is a query of its own.

    Hits whose time cannot be believed are kept wherever they come; quarantine says what is wrong with them.
    """
    start, end = math.floor(window.start.timestamp()), math.ceil(window.end.timestamp())
    seen: set[str | None] = set()
    while start < end:
        params = {
            "tags": tags,
            "query": query,
            "numericFilters": f"created_at_i>={start},created_at_i<{end}",
            "hitsPerPage": MOST_HITS,
        }
        response = fetch.client.get("search_by_date", params=params)
        hits, total = _hits(response)
        records = [_record(hit) for hit in hits]
        yield Page.of(response, [one for one in records if one.record_id is None or one.record_id not in seen])
        if total <= len(hits):
            return
        seen = {one.record_id for one in records}
        moments = [one.event_time.timestamp() for one in records if one.event_time is not None]
        # The second of the oldest hit once more: others of it may have been cut off.
        oldest = min((int(moment) for moment in moments if start <= moment < end), default=end)
        if oldest + 1 >= end:
            raise Malformed(f"the search of Hacker News shows {len(hits)} of {total} items, and does not get past them")
        end = oldest + 1


def fetch_items(fetch: Fetch[HackerNewsSettings], target: str) -> Iterator[Page]:
    """The items of one tag, of the window, and of the query if the target names one; a page per thousand."""
    tag, _, query = target.partition(" ")
    return _pages(fetch, tag, query or None, fetch.window)


def _removed(fetch: Fetch[HackerNewsSettings], known: Known) -> Page | None:
    """A page that says that the item was removed; None where the official API still shows it, or it has no id."""
    try:
        number = item_id(known.payload)
    except (KeyError, TypeError, ValueError):
        return None
    response = fetch.client.get(f"{fetch.settings.items_url}/item/{number}.json")
    item = response.json()
    if item is not None and not isinstance(item, Mapping):
        raise Malformed(f"{response.url} is no item but {type(item).__name__}", status=response.status)
    if item is not None and not item.get("deleted") and not item.get("dead"):
        return None
    return Page.of(response, [Record(known.record_id, known.event_time, gone(known.payload, item))])


def _day(known: Known) -> date:
    return known.event_time.astimezone(UTC).date()


def recheck(tags: Sequence[str], fetch: Fetch[HackerNewsSettings], known: Sequence[Known]) -> Iterator[Page]:
    """Known items as they are shown now: day by day from the search, and one by one what is found there no more."""
    # Tags in parentheses are alternatives.
    either = f"({','.join(tags)})" if len(tags) > 1 else tags[0]
    for _, of_day in groupby(sorted(known, key=lambda one: one.event_time), _day):
        held = {one.record_id: one for one in of_day}
        moments = [one.event_time for one in held.values()]
        for page in _pages(fetch, either, None, Window(min(moments), max(moments) + _SECOND)):
            shown = [record for record in page.records if record.record_id in held]
            yield Page(shown, page.request, page.from_sandbox)
            for record in shown:
                held.pop(str(record.record_id), None)
        for one in held.values():
            if (removed := _removed(fetch, one)) is not None:
                yield removed


SOURCE = Source(
    name="hackernews",
    title="Hacker News",
    domain="social",
    homepage="https://news.ycombinator.com",
    api_docs="https://hn.algolia.com/api",
    licence="Y Combinator terms of use; texts belong to their authors",
    terms=(
        "Texts may be kept for analysis; link to the discussion when showing them. What is deleted or killed on "
        "Hacker News is to be deleted here too."
    ),
    base_url="https://hn.algolia.com/api/v1",
    credentials=(),
    # 10,000 an hour and address; the rest is for the other users of this one.
    budget=Budget(requests=100, per_seconds=60),
    cadence="20 * * * *",
    settings=HackerNewsSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="hackernews_stories",
            kind="documents",
            description="Stories, polls and jobs of Hacker News.",
            history="replayable",
            lookback_days=2,
            targets=partial(_targets, STORIES),
            fetch=fetch_items,
            identify=identify,
            parse=parse_story,
            fields=STORY_FIELDS,
            recheck=partial(recheck, STORIES),
            recheck_days=7,
            sample=Sample("story", SAMPLE_STORIES),
            max_pages=10_000,
        ),
        Stream(
            name="hackernews_comments",
            kind="documents",
            description="Comments on Hacker News.",
            history="replayable",
            lookback_days=2,
            targets=partial(_targets, COMMENTS),
            fetch=fetch_items,
            identify=identify,
            parse=parse_comment,
            fields=COMMENT_FIELDS,
            recheck=partial(recheck, COMMENTS),
            recheck_days=7,
            sample=Sample("comment", SAMPLE_COMMENTS),
            max_pages=10_000,
        ),
    ),
)
