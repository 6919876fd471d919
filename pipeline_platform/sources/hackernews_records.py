"""What the hits of the Hacker News search mean: their identity and their place in the canonical kind, with samples.

Pure functions of one hit of https://hn.algolia.com/api. An item that is gone is no hit any more; its payload is what
`gone` makes of the hit that we hold.
"""

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline_platform.sources import values
from pipeline_platform.sources.markup import text_of

ITEM_PAGE = "https://news.ycombinator.com/item?id="
_LATEST = 253_402_300_800
"""Midnight of 10000-01-01 in epoch seconds."""

_CATEGORIES = ("job", "poll", "show_hn", "ask_hn")
_GONE = frozenset({"[dead]", "[deleted]", "[flagged]"})
"""What Hacker News shows where the text of an item was."""


def identify(payload: Any) -> tuple[str, datetime | None]:
    """`hackernews:<id>` and the time of the item, None where it gives none.

    Raises:
        KeyError, TypeError, ValueError: it is no item.
    """
    try:
        return _document_id(payload), _created_at(payload)
    except (KeyError, TypeError, ValueError):
        return _document_id(payload), None


def item_id(payload: Any) -> str:
    """The id of an item, which is a number; raises KeyError, TypeError or ValueError where it has none."""
    if not isinstance(payload, Mapping):
        raise TypeError(f"an item must be an object, not {type(payload).__name__}")
    number = values.written(payload["objectID"], "objectID")
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"objectID must be a number, not {number!r:.40}")
    return number


def _document_id(payload: Any) -> str:
    return f"hackernews:{item_id(payload)}"


def _created_at(payload: Mapping[str, Any]) -> datetime:
    seconds = values.integer(payload["created_at_i"], "created_at_i")
    if seconds is None or not 0 <= seconds < _LATEST:
        raise ValueError(f"created_at_i is no time: {seconds!r}")
    return datetime.fromtimestamp(seconds, UTC)


def gone(payload: Mapping[str, Any], item: Mapping[str, Any] | None) -> dict[str, Any]:
    """The payload of an item that is shown no more, from the last hit and its record in the official API.

    Of the hit nothing stays but id and time. An item without a record was taken out altogether, which is a deletion.
    """
    why = "dead" if item is not None and item.get("dead") else "deleted"
    return {name: payload[name] for name in ("objectID", "created_at_i") if name in payload} | {why: True}


def _common(payload: Any, kind: str) -> dict[str, Any]:
    document_id = _document_id(payload)
    return {
        "document_id": document_id,
        "kind": kind,
        "channel": "hackernews",
        "url": f"{ITEM_PAGE}{document_id.partition(':')[2]}",
        "created_at": _created_at(payload),
    }


def _is_gone(payload: Mapping[str, Any], *texts: str | None) -> bool:
    # Killed items are called dead; only people who ask for them are shown their texts.
    return bool(payload.get("deleted") or payload.get("dead")) or any(text in _GONE for text in texts)


def _category(payload: Mapping[str, Any]) -> str | None:
    tags = payload.get("_tags") or []
    if not isinstance(tags, list):
        raise TypeError(f"_tags must be a list, not {type(tags).__name__}")
    return next((name for name in _CATEGORIES if name in tags), None)


def parse_story(payload: Any) -> dict[str, Any]:
    """A story, poll or job as a document; its address is that of the discussion, not of what it links to.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    row = _common(payload, "story")
    title, markup = (values.text(payload.get(name), name) for name in ("title", "story_text"))
    if _is_gone(payload, title, markup):
        return row | {"is_deleted": True}
    return row | {
        "author": values.text(payload.get("author"), "author"),
        "title": " ".join(html.unescape(title or "").split()) or None,
        "text": text_of(markup or "") or None,
        "category": _category(payload),
        "score": values.integer(payload.get("points"), "points"),
        "replies": values.integer(payload.get("num_comments"), "num_comments"),
    }


def parse_comment(payload: Any) -> dict[str, Any]:
    """A comment as a document; votes for comments are not shown to others than their authors.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    row = _common(payload, "comment")
    markup = values.text(payload.get("comment_text"), "comment_text")
    if _is_gone(payload, markup):
        return row | {"is_deleted": True}
    return row | {
        "author": values.text(payload.get("author"), "author"),
        "text": text_of(markup or "") or None,
    }


_COMMON_FIELDS = {
    "document_id": "objectID",
    "channel": "(always hackernews)",
    "author": "author",
    "url": "objectID",
    "created_at": "created_at_i",
    "is_deleted": "deleted | dead",
}
STORY_FIELDS = {
    **_COMMON_FIELDS,
    "kind": "(always story)",
    "title": "title",
    "text": "story_text",
    "category": "_tags",
    "score": "points",
    "replies": "num_comments",
}
COMMENT_FIELDS = {**_COMMON_FIELDS, "kind": "(always comment)", "text": "comment_text"}

SAMPLE_STORIES: list[dict[str, Any]] = [
    {
        "objectID": "51020417",
        "story_id": 51020417,
        "author": "lamp_oil",
        "title": "Ask HN: How do you keep a lighthouse&#x27;s logbook?",
        "story_text": "Ours is on paper since <i>1911</i>.<p>What would you use today, and who reads it in 100 years?",
        "points": 41,
        "num_comments": 2,
        "children": [51020552],
        "_tags": ["story", "author_lamp_oil", "story_51020417", "ask_hn"],
        "created_at": "2026-11-22T09:30:00Z",
        "created_at_i": 1795339800,
        "updated_at": "2026-11-22T11:02:14Z",
    },
    {"objectID": "51020431", "created_at_i": 1795339920, "dead": True},
    {"objectID": "51020440", "created_at_i": 1795339980, "deleted": True},
]
SAMPLE_COMMENTS: list[dict[str, Any]] = [
    {
        "objectID": "51020552",
        "parent_id": 51020417,
        "story_id": 51020417,
        "story_title": "Ask HN: How do you keep a lighthouse&#x27;s logbook?",
        "author": "tide_table",
        "comment_text": "Paper &amp; ink.<p>It needs no update:<p><pre><code>  cat logbook | lp\n</code></pre>",
        "points": None,
        "children": [],
        "_tags": ["comment", "author_tide_table", "story_51020417"],
        "created_at": "2026-11-22T09:47:12Z",
        "created_at_i": 1795340832,
        "updated_at": "2026-11-22T09:50:00Z",
    },
    {"objectID": "51020560", "created_at_i": 1795340900, "deleted": True},
    {"objectID": "51020571", "created_at_i": 1795340960, "dead": True},
]
