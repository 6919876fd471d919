"""What the articles of NewsAPI mean: their identity and their place in the canonical kind, with samples of their form.

A payload is `{"article": the article as received}`, beside it what was asked for and articles do not say themselves:
`language` of a search, `country` and `category` of a list of headlines. Wire format: https://newsapi.org/docs/endpoints/everything.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pipeline_platform.sources import values
from pipeline_platform.sources.markup import text_of, text_of_plain
from pipeline_platform.sources.texts import web_address

REMOVED = "[Removed]"
"""What stands in every field of an article that its publisher had removed."""

_REMOVED_HOST = "removed.com"
_REST = re.compile(r"(?:</?[a-z][^<>]*)?…?\s*\[\+\d+ chars\]\s*$", re.IGNORECASE)
"""Where content is cut off, perhaps in the middle of a tag."""
_MARKED_UP = re.compile(r"</?(?:[aip]|li|[ou]l|table|t[dhr])\b[^<>]*>", re.IGNORECASE)


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = payload[name]
    if not isinstance(part, Mapping):
        raise TypeError(f"{name} must be an object, not {type(part).__name__}")
    return part


def _address(article: Mapping[str, Any]) -> str:
    told = values.written(article["url"], "url")
    url = web_address(told)
    # It becomes the id, which has no spaces.
    if url is None or len(url.split()) > 1:
        raise ValueError(f"url must be an address, not {told!r:.80}")
    return url


def _published(article: Mapping[str, Any]) -> datetime | None:
    text = values.text(article.get("publishedAt"), "publishedAt")
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    # Its zero, the beginning of 1970, is written where it knows no date.
    return moment if moment.year > 1970 else None


def identify(payload: Any) -> tuple[str, datetime | None]:
    """`newsapi:<url>`, as articles have no id, and the time of publication, None where it cannot be read.

    Raises:
        KeyError, TypeError, ValueError: it is no article, or has no address.
    """
    if not isinstance(payload, Mapping):
        raise TypeError(f"a payload must be an object, not {type(payload).__name__}")
    article = _part(payload, "article")
    record_id = f"newsapi:{_address(article)}"
    try:
        return record_id, _published(article)
    except (TypeError, ValueError, OverflowError):
        return record_id, None


def _line(value: Any, field: str) -> str | None:
    return " ".join(text_of_plain(values.text(value, field) or "").split()) or None


def _publisher(article: Mapping[str, Any]) -> tuple[str | None, str | None]:
    source = article.get("source") or {}
    if not isinstance(source, Mapping):
        raise TypeError(f"source must be an object, not {type(source).__name__}")
    return values.text(source.get("id"), "source.id"), values.text(source.get("name"), "source.name")


def _title(article: Mapping[str, Any], publisher: str | None) -> str | None:
    # Lists of headlines write the publisher behind the title, the search does not.
    title = _line(article.get("title"), "title")
    return title.removesuffix(f" - {publisher}").rstrip() or None if title and publisher else title


def _text(article: Mapping[str, Any]) -> str | None:
    """Description or content, whichever says more: of the content the API gives the first 200 characters."""
    said = [_REST.sub("…", values.text(article.get(name), name) or "") for name in ("description", "content")]
    # Of what is cut off the end tags are missing, by which markup is told from plain text elsewhere.
    read = [text_of(text) if _MARKED_UP.search(text) else text_of_plain(text) for text in said]
    longest = max(read, key=len)
    return longest if longest.strip("…") else None


def _picture(article: Mapping[str, Any]) -> str | None:
    return web_address(values.text(article.get("urlToImage"), "urlToImage"))


def parse(payload: Any) -> dict[str, Any]:
    """An article as a document; of a removed one nothing but that it was.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    document_id, _ = identify(payload)
    article = _part(payload, "article")
    channel_id, publisher = _publisher(article)
    title, url = _title(article, publisher), _address(article)
    row = {"document_id": document_id, "kind": "article", "url": url, "created_at": _published(article)}
    if REMOVED in (title, publisher) or urlsplit(url).hostname == _REMOVED_HOST:
        return row | {"is_deleted": True}
    return row | {
        "channel": channel_id or publisher,
        "author": _line(article.get("author"), "author"),
        "title": title,
        "text": _text(article),
        "image_url": _picture(article),
        "category": values.text(payload.get("category"), "category"),
        "language_declared": values.text(payload.get("language"), "language"),
    }


_FIELDS = {
    "document_id": "article.url",
    "kind": "(always article)",
    "channel": "article.source.id | article.source.name",
    "author": "article.author",
    "title": "article.title",
    "text": "article.description | article.content",
    "url": "article.url",
    "image_url": "article.urlToImage",
    "created_at": "article.publishedAt",
    "is_deleted": f"article.title ({REMOVED})",
}
SEARCH_FIELDS = {**_FIELDS, "language_declared": "language"}
HEADLINE_FIELDS = {**_FIELDS, "category": "category"}

_SAMPLE: dict[str, Any] = {
    "source": {"id": None, "name": "Harbour Gazette"},
    "author": "Ada Quay, Bo Wharf",
    "title": "Night ferries return after nine years - Harbour Gazette",
    "description": "From May <b>three</b> boats cross the bay after midnight.",
    "url": "https://gazette.example.org/2026/11/night-ferries",
    "urlToImage": "https://gazette.example.org/2026/11/night-ferries.jpg",
    "publishedAt": "2026-11-21T06:40:00Z",
    "content": "The harbour office has found crews for three boats.\r\nThe first will leave the north pier at 0:20 and "
    "call at both islands, say those who wrote the timetable… [+2114 chars]",
}
_GONE = {
    "source": {"id": None, "name": REMOVED},
    "author": None,
    "title": REMOVED,
    "description": REMOVED,
    "url": "https://removed.com",
    "urlToImage": None,
    "publishedAt": "1970-01-01T00:00:00Z",
    "content": REMOVED,
}
SAMPLE_ARTICLES: list[dict[str, Any]] = [
    {"language": "en", "article": {**_SAMPLE, "source": {"id": "harbour-gazette", "name": "Harbour Gazette"}}},
    {"article": _GONE},
]
SAMPLE_HEADLINES: list[dict[str, Any]] = [
    {"country": "gb", "category": "general", "article": _SAMPLE},
    {"country": "gb", "category": "general", "article": _GONE},
]
