"""What the entries of feeds mean: their identity and their place in the canonical kind, with samples of their form.

A payload is `{"feed": about the feed, "entry": the entry}` in the names of `feeds`.
"""

import hashlib
import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline_platform.sources.base import Record, Sample
from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.feeds import Feed
from pipeline_platform.sources.markup import text_of, text_of_plain
from pipeline_platform.sources.texts import language_tag, moment, web_address

LONGEST_GUID = 200

_LISTS = frozenset({"content", "links", "media_content", "media_thumbnail", "tags"})
_OBJECTS = frozenset({"author_detail", "image", "media_rating", "media_statistics", "summary_detail", "title_detail"})
_TEXTS = frozenset({"author", "id", "link", "summary", "title"})
_OWN = ("alternate", "self", "via")
"""How an address of the web begins."""


def records_of(feed: Feed, name: str) -> list[Record]:
    """Records of the entries of a feed called `name`.

    Entries of one guid with one content are one record. Where one guid names several contents each is kept, and its
    payload says which it is under `variant`.
    """
    about = {"name": name, **feed.about}
    common = {"feed": about, "bozo": True} if feed.damaged else {"feed": about}
    variants: dict[str, dict[str, Any]] = {}
    records = []
    for entry in feed.entries:
        if isinstance(entry, Mapping):
            variants.setdefault(_guid(entry), {}).setdefault(_content_hash(entry), entry)
        else:
            records.append(Record(None, None, {**common, "entry": entry}))
    for same_guid in variants.values():
        for variant, entry in same_guid.items():
            payload = {**common, "entry": entry}
            if len(same_guid) > 1:
                payload["variant"] = variant
            records.append(Record(*identify(payload), payload))
    return records


def _hash(*parts: Any) -> str:
    return hashlib.sha256("\x1f".join(str(part or "") for part in parts).encode()).hexdigest()


def _content_hash(entry: Mapping[str, Any]) -> str:
    return _hash(*(entry.get(name) for name in ("title", "link", "summary", "content")))[:8]


def _guid(entry: Mapping[str, Any]) -> str:
    guid = " ".join(str(entry.get("id") or entry.get("link") or "").split())
    if not guid:
        return "sha256-" + _hash(_content_hash(entry), entry.get("published") or entry.get("updated"))[:20]
    return guid if len(guid) <= LONGEST_GUID else f"{guid[:LONGEST_GUID]}-{_hash(guid)[:8]}"


def identify(payload: Any) -> tuple[str, datetime | None]:
    """`rss:<feed>:<guid>` and the moment of publication; without a guid its link counts, then a hash.

    `#<hash>` at the end tells entries apart that share a guid but not their content.
    """
    entry = payload["entry"]
    variant = f"#{payload['variant']}" if payload.get("variant") else ""
    return f"rss:{payload['feed']['name']}:{_guid(entry)}{variant}", _published(entry)


def _published(entry: Mapping[str, Any]) -> datetime | None:
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        found = moment(entry.get(name))
        # Publishing software writes its zero, the year 1 or 1970, where it knows no date.
        if found and found.year > 1970:
            return found
    return None


def parse(payload: Any) -> dict[str, Any]:
    """A document of an entry; `created_at` is None where the feed gives no date that can be read.

    Raises:
        Malformed: the entry has neither title, text nor link.
        KeyError, TypeError: the payload is no entry of a feed.
    """
    feed, entry = payload["feed"], _well_typed(payload["entry"])
    document_id, created_at = identify(payload)
    title, text, url = _title(entry), _body(entry), _link(entry)
    if not (title or text or url or entry.get("links")):
        raise Malformed("the entry has neither title, text nor link")
    return {
        "document_id": document_id,
        "kind": "article",
        "channel": feed["name"],
        "author": _author(feed, entry),
        "title": title,
        "text": text,
        "url": url,
        "image_url": _image(entry),
        "category": _category(entry),
        "created_at": created_at,
        "language_declared": _language(feed, entry),
        "replies": _count(entry.get("slash_comments") or entry.get("thr_total")),
        "views": _count(_part(entry, "media_statistics", "views")),
        "is_adult": _part(entry, "media_rating", "content") == "adult",
    }


def _well_typed(entry: Any) -> dict[str, Any]:
    """The entry without fields of a wrong type: an unknown element may carry the name of one of ours."""
    if not isinstance(entry, Mapping):
        raise TypeError(f"the entry is {type(entry).__name__} instead of an object")

    def fits(name: str, value: Any) -> bool:
        if name in _LISTS:
            return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
        return isinstance(value, Mapping) if name in _OBJECTS else name not in _TEXTS or isinstance(value, str)

    return {name: value for name, value in entry.items() if fits(name, value)}


def _part(entry: Mapping[str, Any], name: str, part: str) -> Any:
    return entry.get(name, {}).get(part)


def _title(entry: Mapping[str, Any]) -> str | None:
    title, kind = entry.get("title", ""), _part(entry, "title_detail", "type")
    return " ".join((text_of(title) if "html" in str(kind) else html.unescape(title)).split()) or None


def _read(kind: Any, value: str) -> str | None:
    # HTML without a tag is plain text, or was escaped twice.
    marked_up = "html" in str(kind) and "<" in value
    return (text_of(value) if marked_up else text_of_plain(value)) or None


def _body(entry: Mapping[str, Any]) -> str | None:
    """The longest of the contents that are text, else the summary."""
    readable = [
        (body.get("type") or "text/html", body["value"])
        for body in entry.get("content", [])
        if isinstance(body.get("value"), str) and re.search(r"html|^text|^$", str(body.get("type") or ""))
    ]
    for kind, value in sorted(readable, key=lambda body: -len(body[1])):
        if text := _read(kind, value):
            return text
    return _read(_part(entry, "summary_detail", "type"), entry.get("summary", ""))


def _link(entry: Mapping[str, Any]) -> str | None:
    # The address before the counting redirect of FeedBurner and Pheedo; then a page; then any link of the entry.
    wanted = [entry.get("feedburner_origlink"), entry.get("pheedo_origlink"), entry.get("link")]
    wanted += [link.get("href") for link in entry.get("links", []) if link.get("rel") in _OWN]
    return next((web for address in wanted if (web := web_address(address))), None)


def _image(entry: Mapping[str, Any]) -> str | None:
    candidates = [
        *(link.get("href") for link in entry.get("links", []) if _is_image(link) and link.get("rel") == "enclosure"),
        *(media.get("url") for media in entry.get("media_content", []) if _is_image(media)),
        *(media.get("url") for media in entry.get("media_thumbnail", [])),
        _part(entry, "image", "href"),
    ]
    return next((web for address in candidates if (web := web_address(address))), None)


def _is_image(media: Mapping[str, Any]) -> bool:
    return media.get("medium") == "image" or str(media.get("type")).startswith("image/")


def _author(feed: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    # Atom and JSON Feed say that an entry without an author has the one of the feed; RSS says no such thing.
    inherited = feed.get("author") if str(feed.get("version", "")).startswith(("atom", "json")) else None
    name = _part(entry, "author_detail", "name") or entry.get("author") or inherited
    return " ".join(html.unescape(name).split()) or None if isinstance(name, str) else None


def _category(entry: Mapping[str, Any]) -> str | None:
    terms = (str(tag.get("label") or tag.get("term") or "") for tag in entry.get("tags", []))
    return next((" ".join(html.unescape(term).split()) for term in terms if term.strip()), None)


def _language(feed: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    """The first language tag (BCP 47) of content, title, entry and feed that has the form of one, `en-US`."""
    declared = [body.get("language") for body in entry.get("content", [])]
    declared += [_part(entry, name, "language") for name in ("summary_detail", "title_detail")]
    for tag in (*declared, entry.get("language"), feed.get("language")):
        if found := language_tag(tag):
            return found
    return None


def _count(value: Any) -> int | None:
    text = str(value if value is not None else "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


FIELDS = {
    "document_id": "feed.name | entry.id | entry.link | variant | entry.published | entry.updated",
    "kind": "(always article)",
    "channel": "feed.name",
    "author": "entry.author_detail | entry.author | feed.author | feed.version",
    "title": "entry.title | entry.title_detail",
    "text": "entry.content | entry.summary | entry.summary_detail",
    "url": "entry.feedburner_origlink | entry.pheedo_origlink | entry.link | entry.links",
    "image_url": "entry.links | entry.media_content | entry.media_thumbnail | entry.image",
    "category": "entry.tags",
    "created_at": "entry.published_parsed | entry.updated_parsed | entry.created_parsed",
    "language_declared": "entry.content | entry.summary_detail | entry.title_detail | entry.language | feed.language",
    "replies": "entry.slash_comments | entry.thr_total",
    "views": "entry.media_statistics",
    "is_adult": "entry.media_rating",
}

SAMPLE = Sample(
    target="https://feeds.example.org/harbour.xml",
    payloads=[
        {
            "feed": {
                "name": "feeds.example.org/harbour.xml",
                "title": "Harbour news",
                "link": "https://harbour.example.org/",
                "language": "en-gb",
                "version": "rss20",
            },
            "entry": {
                "id": "harbour-2041",
                "title": "Ferry &amp; tram share one ticket",
                "title_detail": {"type": "text/html"},
                "link": "https://harbour.example.org/2041-one-ticket",
                "links": [
                    {"rel": "alternate", "type": "text/html", "href": "https://harbour.example.org/2041-one-ticket"},
                    {"rel": "enclosure", "type": "image/jpeg", "href": "https://harbour.example.org/2041.jpg"},
                ],
                "summary": "<p>From May one ticket is enough.</p><p>Commuters are <b>delighted</b>.</p>",
                "summary_detail": {"type": "text/html"},
                "author": "Ada Quay",
                "published": "Sun, 22 Nov 2026 10:15:00 GMT",
                "published_parsed": "2026-11-22T10:15:00+00:00",
                "tags": [{"term": "Transport"}],
                "slash_comments": "4",
            },
        },
        {
            "feed": {"name": "feeds.example.org/notes.json", "title": "Notes", "author": "Bo", "version": "json11"},
            "bozo": True,
            "entry": {"id": "17", "content": [{"type": "text/plain", "value": "No title and no date, just a note."}]},
        },
        {
            "feed": {"name": "feeds.example.org/harbour.xml", "title": "Harbour news", "version": "rss20"},
            "entry": {
                "id": "harbour-2042",
                "title": "The lock opens again",
                "link": "https://counter.example.org/~r/harbour/2042",
                "feedburner_origlink": "https://harbour.example.org/2042-lock",
                "pheedo_origlink": "https://harbour.example.org/2042-lock",
                "summary": "After two weeks of repairs ships may pass.",
                "author_detail": {"name": "Cem Wharf"},
                "updated": "2026-11-22T12:00:00Z",
                "updated_parsed": "2026-11-22T12:00:00+00:00",
                "created_parsed": "2026-11-22T11:30:00+00:00",
                "language": "en",
                "media_content": [{"url": "https://harbour.example.org/2042.jpg", "medium": "image"}],
                "media_thumbnail": [{"url": "https://harbour.example.org/2042-small.jpg"}],
                "media_statistics": {"views": "311"},
                "media_rating": {"content": "nonadult"},
                "image": {"href": "https://harbour.example.org/2042.jpg"},
                "thr_total": "2",
            },
            "variant": "5f0c2a91",
        },
    ],
)
