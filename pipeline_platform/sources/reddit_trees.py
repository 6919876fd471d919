"""Comments of a subreddit: its newest ones, and the whole trees under the posts that are discussed most.

A tree comes nested, and where it is large with `more` things in place of comments
(https://www.reddit.com/dev/api#POST_api_morechildren). They are followed as PRAW's `replace_more` does it, largest
first up to a limit; but on the JSON, since PRAW's models refuse a whole tree for one odd comment.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_platform.sources.base import Fetch, Page
from pipeline_platform.sources.errors import Malformed, Permanent
from pipeline_platform.sources.reddit_listings import (
    PAGE_SIZE,
    believed,
    connection_of,
    listed,
    listing_pages,
    page_of,
    record_of,
)
from pipeline_platform.sources.reddit_praw import Connection
from pipeline_platform.sources.reddit_records import fullname_of, identify_comment, identify_post
from pipeline_platform.sources.reddit_settings import RedditSettings

log = logging.getLogger(__name__)

_AT_ONCE = 100
"""Ids that one request for `more` may name."""

_TREE_SIZE = 500
"""Comments that the first answer may hold; Reddit cuts it at this."""

_NOT_FOUND = 404


def fetch_comments(fetch: Fetch[RedditSettings], target: str) -> Iterator[Page]:
    """Comments of a subreddit in the window: as far as the listing reaches back, and in the largest trees."""
    seen: set[str] = set()
    for page in listing_pages(fetch, f"r/{target}/comments", identify_comment):
        seen.update(record.record_id for record in page.records if record.record_id)
        yield page
    if fetch.settings.trees:
        connection = connection_of(fetch)
        for name in _most_discussed(fetch, connection, target):
            yield from _Tree(fetch, connection, name, seen).pages()


def _most_discussed(fetch: Fetch[RedditSettings], connection: Connection, subreddit: str) -> list[str]:
    """Fullnames of the posts of the window, among the newest hundred, that have the most comments."""
    path = f"r/{subreddit}/new"
    children, _ = listed(connection.ask(path, {"limit": PAGE_SIZE}), path)
    counts: dict[str, int] = {}
    for record in (record_of(child, identify_post) for child in children):
        moment = believed(record, fetch.now)
        if record.record_id and moment is not None and moment in fetch.window:
            count = record.payload.get("num_comments")
            if isinstance(count, int) and count > 0:
                counts[fullname_of(record.record_id)] = count
    return sorted(counts, key=lambda name: -counts[name])[: fetch.settings.trees]


class _Tree:
    """The tree of comments under a post.

    Args:
        fetch, connection: what to ask with.
        post: its fullname.
        seen: record ids that came before; those of the tree are added.
    """

    def __init__(self, fetch: Fetch[RedditSettings], connection: Connection, post: str, seen: set[str]) -> None:
        self._fetch = fetch
        self._connection = connection
        self._post = post
        self._seen = seen
        self._more: list[Mapping[str, Any]] = []

    def pages(self) -> Iterator[Page]:
        """A page per answer, with the comments of the window that did not come before."""
        path = f"comments/{self._post[3:]}"
        params: dict[str, str | int] = {"limit": _TREE_SIZE, "sort": "confidence"}
        try:
            answer = self._connection.ask(path, params)
        except Permanent as error:
            if error.status != _NOT_FOUND:
                raise
            log.info("%s was taken away after it was listed", self._post)
            return
        yield self._page(_comments_of(answer, path), params)
        for _ in range(self._fetch.settings.tree_expansions):
            if not self._more:
                return
            yield self._expanded(self._largest())
        if self._more:
            log.info(
                "%s: %d `more` links were not followed, set PIPELINE_REDDIT__TREE_EXPANSIONS for more of the tree",
                self._post,
                len(self._more),
            )

    def _largest(self) -> Mapping[str, Any]:
        largest = max(self._more, key=lambda more: more["count"])
        self._more.remove(largest)
        return largest

    def _expanded(self, more: Mapping[str, Any]) -> Page:
        params: dict[str, str | int]
        if not more["children"]:
            # "Continue this thread": the tree is cut here because it is deep, not because it is wide.
            path = f"comments/{self._post[3:]}/_/{more['parent_id'][3:]}"
            params = {"limit": _TREE_SIZE, "sort": "confidence"}
            return self._page(_comments_of(self._connection.ask(path, params), path), params)
        now, later = more["children"][:_AT_ONCE], more["children"][_AT_ONCE:]
        if later:
            self._more.append({**more, "children": later, "count": max(more["count"] - len(now), len(later))})
        params = {"link_id": self._post, "children": ",".join(now), "sort": "confidence"}
        path = "api/morechildren"
        return self._page(_things_of(self._connection.send(path, params), path), params, "POST")

    def _page(self, things: list[Any], params: Mapping[str, str | int], method: str = "GET") -> Page:
        records = []
        for thing in self._flat(things):
            record = record_of(thing, identify_comment)
            moment = believed(record, self._fetch.now)
            if record.record_id not in self._seen and (moment is None or moment in self._fetch.window):
                records.append(record)
                self._seen.update([record.record_id] if record.record_id else [])
        return page_of(self._fetch, self._connection, records, params, method)

    def _flat(self, things: list[Any]) -> Iterator[Any]:
        """Comments without their replies, which follow by themselves; `more` things are put aside."""
        waiting = list(reversed(things))
        while waiting:
            thing = waiting.pop()
            kind, data = (thing.get("kind"), thing.get("data")) if isinstance(thing, Mapping) else (None, None)
            if kind == "more" and isinstance(data, Mapping):
                self._more.append(_more(data))
            elif isinstance(data, Mapping) and isinstance(data.get("replies"), Mapping):
                replies, _ = listed(data["replies"], f"the replies to {data.get('name')}")
                waiting += reversed(replies)
                yield {**thing, "data": {**data, "replies": ""}}
            else:
                yield thing


def _more(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A `more` thing as it can be followed.

    Raises:
        Malformed: it cannot.
    """
    count, children, parent = data.get("count"), data.get("children"), data.get("parent_id")
    sound = isinstance(count, int) and isinstance(children, list) and re.fullmatch(r"t[13]_[0-9a-z]+", str(parent))
    if not sound or not all(isinstance(child, str) for child in children or ()):
        raise Malformed(f"a `more` thing names no comments: {data!r:.200}", status=200)
    return {"count": count, "children": children, "parent_id": parent}


def _comments_of(body: Any, path: str) -> list[Any]:
    """Comments of the answer for a tree: the listing of the post, then that of its comments."""
    if not isinstance(body, list) or len(body) != 2:
        raise Malformed(f"{path} gave no tree of comments", status=200)
    return listed(body[1], path)[0]


def _things_of(body: Any, path: str) -> list[Any]:
    inner = body.get("json") if isinstance(body, Mapping) else None
    data = inner.get("data") if isinstance(inner, Mapping) else None
    things = data.get("things") if isinstance(data, Mapping) else None
    if not isinstance(things, list):
        raise Malformed(f"{path} gave no things", status=200)
    return things
