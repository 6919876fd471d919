"""What the things of Reddit mean: their identity and their place in the canonical kind, with samples of their form.

Pure functions of the `data` of one thing: `t3` is a post, `t1` a comment (https://www.reddit.com/dev/api#fullnames).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from pipeline_platform.sources import values

_SITE = "https://www.reddit.com"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_GONE = frozenset({"[deleted]", "[removed]", "[deleted by user]", "[ removed by reddit ]"})
"""What Reddit writes, in any case of letters, where a body or a title was."""

_REMOVED_IF = ("removed_by_category", "removed", "spam", "banned_by", "gone")
"""Fields that are set where something was removed. `removed`, `spam` and `banned_by` are shown to moderators, who still
see the text that everybody else does not; `gone` is our own word for what Reddit does not show any more at all."""

_CONTENT = ("title", "selftext", "body")
_KEPT_OF_GONE = (
    "name",
    "id",
    "subreddit",
    "link_id",
    "parent_id",
    "created_utc",
    "score",
    "hide_score",
    "score_hidden",
    "num_comments",
    "num_crossposts",
    "over_18",
    *_REMOVED_IF,
)
"""Fields that say nothing of what was written, by whom, or where it led."""


def _text(payload: Mapping[str, Any], field: str) -> str | None:
    return values.text(payload.get(field), field)


def _written(payload: Mapping[str, Any], field: str) -> str:
    return values.written(payload.get(field), field)


def _integer(payload: Mapping[str, Any], field: str) -> int | None:
    return values.integer(payload.get(field), field)


def _flag(payload: Mapping[str, Any], field: str) -> bool:
    value = payload.get(field)
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{field} must be true or false, not {type(value).__name__}")
    return bool(value)


def _created_at(payload: Mapping[str, Any]) -> datetime:
    # Not `created`: that is eight hours ahead in most of what Reddit ever sent.
    value = payload["created_utc"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"created_utc must be a number of seconds, not {type(value).__name__}")
    try:
        return _EPOCH + timedelta(seconds=value)
    except OverflowError as error:
        raise ValueError(f"created_utc is no time: {value!r:.40}") from error


def _fullname(payload: Mapping[str, Any], prefix: str) -> str:
    name = payload["name"]
    if not isinstance(name, str) or not re.fullmatch(rf"{prefix}_[0-9a-z]+", name):
        raise ValueError(f"name must be a fullname {prefix}_…, not {name!r:.40}")
    return name


def _identify(payload: Any, prefix: str) -> tuple[str, datetime | None]:
    if not isinstance(payload, Mapping):
        raise TypeError(f"a thing must be an object, not {type(payload).__name__}")
    record_id = f"reddit:{_fullname(payload, prefix)}"
    try:
        return record_id, _created_at(payload)
    except (KeyError, TypeError, ValueError):
        return record_id, None


def identify_post(payload: Any) -> tuple[str, datetime | None]:
    """`reddit:t3_…` and the time of the post.

    Raises:
        KeyError, TypeError, ValueError: it is no post.
    """
    return _identify(payload, "t3")


def identify_comment(payload: Any) -> tuple[str, datetime | None]:
    """`reddit:t1_…` and the time of the comment.

    Raises:
        KeyError, TypeError, ValueError: it is no comment.
    """
    return _identify(payload, "t1")


def _is_gone(payload: Mapping[str, Any]) -> bool:
    if any(payload.get(field) for field in _REMOVED_IF):
        return True
    texts = (payload.get(field) for field in _CONTENT)
    return any(isinstance(text, str) and text.strip().lower() in _GONE for text in texts)


def without_what_is_gone(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """`payload` as we may keep it: as received, or without content and author if it was deleted or removed.

    Reddit goes on to show title, pictures and addresses of a removed post; its terms want them deleted.
    """
    if not _is_gone(payload):
        return payload
    content = {field: _marker(payload[field]) for field in _CONTENT if field in payload}
    return {field: payload[field] for field in _KEPT_OF_GONE if field in payload} | content


def _marker(text: Any) -> str:
    return text if isinstance(text, str) and text.strip().lower() in _GONE else "[removed]"


def payload_of_missing(record_id: str, event_time: datetime, payload: Any) -> dict[str, Any]:
    """What is kept of a post or comment that Reddit does not show any more, made of its last capture.

    Raises:
        ValueError: `record_id` is neither of a post nor of a comment.
    """
    name = fullname_of(record_id)
    held = payload if isinstance(payload, Mapping) else {}
    kept = {field: held[field] for field in ("subreddit", "link_id") if field in held}
    content = {"title": "[deleted]", "selftext": "[deleted]"} if name.startswith("t3_") else {"body": "[deleted]"}
    return {"name": name, "created_utc": event_time.timestamp(), **kept, **content, "gone": True}


def fullname_of(record_id: str) -> str:
    """`t3_…` of `reddit:t3_…`; raises ValueError where there is none."""
    name = record_id.removeprefix("reddit:")
    if not re.fullmatch(r"t[13]_[0-9a-z]+", name):
        raise ValueError(f"{record_id!r:.60} has no fullname")
    return name


def _plain(markdown: str | None, html: str | None) -> str | None:
    """The body without markup, read from the HTML that Reddit rendered from its own dialect of Markdown."""
    if not html or not markdown:
        return markdown or None
    text = _BLANK_LINES.sub("\n\n", LexborHTMLParser(html).text(separator="", strip=False)).strip()
    # Of a body that is one picture nothing would be left.
    return text or markdown


def _common(payload: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    author = _text(payload, "author")
    hidden = _flag(payload, "hide_score") or _flag(payload, "score_hidden")
    score = _integer(payload, "score")
    return {
        "document_id": f"reddit:{name}",
        "kind": kind,
        "channel": _written(payload, "subreddit"),
        "author": None if author == "[deleted]" else author,
        "created_at": _created_at(payload),
        # Reddit writes 1 where it hides the score.
        "score": None if hidden else score,
        "is_adult": _flag(payload, "over_18"),
    }


def _at(value: Any, *path: str | int) -> Any:
    """What lies at `path` of nested objects and lists, None where it leads nowhere."""
    try:
        for step in path:
            value = value[step]
    except (KeyError, IndexError, TypeError):
        return None
    return value


def _image(payload: Mapping[str, Any]) -> str | None:
    """Address of the main picture: the linked one, the first of a gallery, the preview, the thumbnail."""
    candidates = (
        payload.get("url") if payload.get("post_hint") == "image" else None,
        _at(payload, "media_metadata", _at(payload, "gallery_data", "items", 0, "media_id"), "s", "u"),
        _at(payload, "preview", "images", 0, "source", "url"),
        # Otherwise a word: self, default, nsfw, spoiler.
        payload.get("thumbnail"),
    )
    return next((url for url in candidates if isinstance(url, str) and url.startswith(("https://", "http://"))), None)


def parse_post(payload: Any) -> dict[str, Any]:
    """A post as a document; of a deleted one neither title, text, picture nor an address that repeats the title.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    name = _fullname(payload, "t3")
    title, body = _written(payload, "title"), _text(payload, "selftext")
    text = _plain(body, _text(payload, "selftext_html"))
    permalink, flair = _text(payload, "permalink"), _text(payload, "link_flair_text")
    row = _common(payload, "post", name) | {
        "category": flair.strip() or None if flair else None,
        "replies": _integer(payload, "num_comments"),
        "shares": _integer(payload, "num_crossposts"),
    }
    if _is_gone(payload):
        return row | {"is_deleted": True, "url": f"{_SITE}/comments/{name[3:]}/"}
    return row | {
        "title": title,
        "text": text,
        "url": f"{_SITE}{permalink}" if permalink else f"{_SITE}/comments/{name[3:]}/",
        "image_url": _image(payload),
    }


def parse_comment(payload: Any) -> dict[str, Any]:
    """A comment as a document; of a deleted one no text.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    name, post = _fullname(payload, "t1"), _written(payload, "link_id").removeprefix("t3_")
    body = _written(payload, "body")
    text = _plain(body, _text(payload, "body_html"))
    # The permalink repeats the title of the post, which outlives neither the post nor this comment.
    row = _common(payload, "comment", name) | {"url": f"{_SITE}/comments/{post}/_/{name[3:]}/"}
    if _is_gone(payload):
        return row | {"is_deleted": True}
    return row | {"text": text}


SAMPLE_POST: dict[str, Any] = {
    "name": "t3_1q5k2ab",
    "id": "1q5k2ab",
    "subreddit": "homebrewing",
    "author": "copper_kettle_91",
    "title": "First lager with a borrowed fridge, what would you change?",
    "selftext": "Held it at **11 °C** for two weeks.\n\nIt smells of green apple. More time, or more yeast?",
    "selftext_html": (
        '<!-- SC_OFF --><div class="md"><p>Held it at <strong>11 °C</strong> for two weeks.</p>\n\n'
        "<p>It smells of green apple. More time, or more yeast?</p>\n</div><!-- SC_ON -->"
    ),
    "permalink": "/r/homebrewing/comments/1q5k2ab/first_lager_with_a_borrowed_fridge_what_would_you/",
    "url": "https://www.reddit.com/r/homebrewing/comments/1q5k2ab/first_lager_with_a_borrowed_fridge_what_would_you/",
    "is_self": True,
    "link_flair_text": "Question",
    "thumbnail": "self",
    "over_18": False,
    "score": 14,
    "hide_score": False,
    "upvote_ratio": 0.89,
    "num_comments": 6,
    "num_crossposts": 0,
    "edited": False,
    "removed_by_category": None,
    "created_utc": 1767697200.0,
}

SAMPLE_GALLERY: dict[str, Any] = {
    "name": "t3_1q5m7dz",
    "id": "1q5m7dz",
    "subreddit": "homebrewing",
    "author": "hopyard_gate",
    "title": "Labels for the winter ale, both sides",
    "selftext": "",
    "selftext_html": None,
    "permalink": "/r/homebrewing/comments/1q5m7dz/labels_for_the_winter_ale_both_sides/",
    "url": "https://www.reddit.com/gallery/1q5m7dz",
    "is_gallery": True,
    "gallery_data": {"items": [{"media_id": "front7", "id": 1}, {"media_id": "back7", "id": 2}]},
    "media_metadata": {"front7": {"status": "valid", "s": {"u": "https://preview.redd.it/front7.jpg"}}},
    "preview": {"images": [{"source": {"url": "https://preview.redd.it/front7-preview.jpg"}}]},
    "post_hint": "image",
    "link_flair_text": None,
    "thumbnail": "https://b.thumbs.redditmedia.com/front7.jpg",
    "over_18": False,
    "score": 1,
    "hide_score": True,
    "num_comments": 0,
    "num_crossposts": 0,
    "edited": False,
    "removed_by_category": None,
    "removed": False,
    "spam": False,
    "banned_by": None,
    "created_utc": 1767700800.0,
}

SAMPLE_GONE_POST = payload_of_missing("reddit:t3_1q5a0aa", _EPOCH + timedelta(seconds=1767693600), SAMPLE_POST)

SAMPLE_COMMENT: dict[str, Any] = {
    "name": "t1_nx4r7c2",
    "id": "nx4r7c2",
    "subreddit": "homebrewing",
    "author": "slow_mash",
    "link_id": "t3_1q5k2ab",
    "parent_id": "t3_1q5k2ab",
    "body": "Give it three days at 18 °C before you chill it, the apple goes away by itself.",
    "body_html": (
        '<div class="md"><p>Give it three days at 18 °C before you chill it, the apple goes away by itself.</p>\n</div>'
    ),
    "permalink": "/r/homebrewing/comments/1q5k2ab/first_lager_with_a_borrowed_fridge_what_would_you/nx4r7c2/",
    "over_18": False,
    "score": 5,
    "score_hidden": False,
    "replies": "",
    "edited": False,
    "created_utc": 1767700860.0,
}

SAMPLE_REMOVED_COMMENT: dict[str, Any] = {
    "name": "t1_nx4rb08",
    "subreddit": "homebrewing",
    "link_id": "t3_1q5k2ab",
    "body": "[removed]",
    "created_utc": 1767701400.0,
    "score": 1,
    "removed": True,
    "spam": False,
    "banned_by": None,
}

SAMPLE_GONE_COMMENT = payload_of_missing("reddit:t1_nx4r000", _EPOCH + timedelta(seconds=1767701460), SAMPLE_COMMENT)

_GONE_FIELDS = "removed | spam | banned_by | gone"

POST_FIELDS = {
    "document_id": "name",
    "kind": "(always post)",
    "channel": "subreddit",
    "author": "author",
    "title": "title",
    "text": "selftext | selftext_html",
    "url": "permalink | name",
    "image_url": "url | post_hint | gallery_data | media_metadata | preview | thumbnail",
    "category": "link_flair_text",
    "created_at": "created_utc",
    "score": "score | hide_score",
    "replies": "num_comments",
    "shares": "num_crossposts",
    "is_deleted": f"{_GONE_FIELDS} | removed_by_category | title | selftext",
    "is_adult": "over_18",
}

COMMENT_FIELDS = {
    "document_id": "name",
    "kind": "(always comment)",
    "channel": "subreddit",
    "author": "author",
    "text": "body | body_html",
    "url": "link_id | name",
    "created_at": "created_utc",
    "score": "score | score_hidden",
    "is_deleted": f"{_GONE_FIELDS} | body",
    "is_adult": "over_18",
}
