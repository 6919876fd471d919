"""RSS: the entries of any list of feeds (RSS, Atom, CDF, JSON Feed), also imported from OPML.

Formats are read by `feeds`; this file says which feeds there are, what an entry is called and what its row says.
`ttl`, `skipHours` and `skipDays` are not waited for: asking again costs a conditional request that is answered 304.
"""

import hashlib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import listparser
from pydantic import Field, ValidationInfo, field_validator

from pipeline_platform.sources.base import Budget, Fetch, Page, Record, Sample, Source, SourceSettings, Stream
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient
from pipeline_platform.sources.feeds import Feed, lost_on_the_way, read_feed
from pipeline_platform.sources.markup import text_of, text_of_plain
from pipeline_platform.sources.texts import language_tag, moment, web_address

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

# No mention of JSON: the client would take it for a promise. JSON Feed comes by the wildcard.
ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml, text/xml, */*;q=0.8"
OPML = "opml:"
LONGEST_GUID = 200

_LISTS = frozenset({"content", "links", "media_content", "media_thumbnail", "tags"})
_OBJECTS = frozenset({"author_detail", "image", "media_rating", "media_statistics", "summary_detail", "title_detail"})
_TEXTS = frozenset({"author", "id", "link", "summary", "title"})
_OWN = ("alternate", "self", "via")
_WEB = re.compile(r"https?://[^/\s]", re.IGNORECASE)


def feeds_of_opml(document: bytes) -> list[str]:
    """Addresses of the feeds of an OPML (or FOAF, iGoogle) document, nested outlines included, in order.

    Raises:
        ValueError: it cannot be read, or lists no feed.
    """
    try:
        # Bytes, since listparser opens a text that begins like an address.
        listed = listparser.parse(document)
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"the OPML cannot be read: {type(error).__name__}: {error}") from error
    found = list(dict.fromkeys(feed["url"] for feed in listed["feeds"]))
    if not found:
        raise ValueError("the OPML lists no feed: no outline has an xmlUrl")
    return found


class RssSettings(SourceSettings):
    """Settings of the feeds. Their addresses show in logs, record ids and dead letters: none may hold a password."""

    feeds: list[str] = Field(
        [
            "https://feeds.bbci.co.uk/news/world/rss.xml",
            "https://www.theguardian.com/world/rss",
            "https://feeds.npr.org/1001/rss.xml",
            "https://feeds.arstechnica.com/arstechnica/index",
            "https://hnrss.org/frontpage",
        ],
        description="Addresses of feeds, or paths relative to the base URL.",
    )
    opml: str | None = Field(None, description="OPML file, or the address of one, whose feeds are watched as well.")

    @field_validator("feeds")
    @classmethod
    def _can_be_asked(cls, feeds: list[str], info: ValidationInfo) -> list[str]:
        for feed in feeds:
            if not _WEB.match(feed) and (":" in feed.split("/")[0] or not info.data.get("base_url")):
                raise ValueError(f"{feed!r} is no address; write https://… or set the base URL that it is relative to")
            if urlsplit(feed).username is not None:
                raise ValueError("a feed address holds a user name; addresses are shown, so give none with a password")
        return feeds

    @field_validator("opml")
    @classmethod
    def _can_be_read(cls, opml: str | None) -> str | None:
        if opml and not _WEB.match(opml):
            try:
                feeds_of_opml(Path(opml).read_bytes())
            except OSError as error:
                raise ValueError(f"cannot read {opml!r}: {error.strerror}; give a file or https://…") from None
        return opml or None


def targets(settings: RssSettings) -> Sequence[str]:
    """Feeds of the settings and of a local OPML file; an OPML that must be fetched is one target, `opml:<address>`."""
    found = list(settings.feeds)
    if settings.opml and _WEB.match(settings.opml):
        found.append(OPML + settings.opml)
    elif settings.opml:
        found += feeds_of_opml(Path(settings.opml).read_bytes())
    return list(dict.fromkeys(found))


def fetch(fetch: Fetch[RssSettings], target: str) -> Iterator[Page]:
    """The entries that a feed shows now, as one page; for OPML one page per feed.

    Raises:
        SourceError: the feed cannot be had, or is none. A feed of an OPML that fails does not keep the others from
            being fetched; the error at the end names every one that failed.
    """
    if target.startswith(OPML):
        yield from _fetch_list(fetch, target.removeprefix(OPML))
    else:
        yield _fetch_feed(fetch, target)


def diagnose(response: "Response") -> SourceError | None:
    """Reads bodies that were lost on the way, so that they are asked for again and never kept."""
    problem = lost_on_the_way(response.content) if response.status == 200 else None
    return Malformed(f"{response.url}: {problem}", status=200) if problem else None


def _fetch_feed(fetch: Fetch[RssSettings], address: str) -> Page:
    try:
        response = fetch.client.get(address, headers={"Accept": ACCEPT})
    except Permanent as error:
        if error.status != 410:
            raise
        raise Permanent(f"the feed {address} is gone for good (410); take it off the watch list", status=410) from error
    try:
        feed = read_feed(response.content, url=response.url, content_type=response.headers.get("content-type", ""))
    except Malformed as error:
        raise Malformed(f"{address}: {error}", status=response.status) from error
    return Page.of(response, records_of(feed, _name(address, fetch.settings.base_url)))


def _fetch_list(fetch: Fetch[RssSettings], address: str) -> Iterator[Page]:
    response = fetch.client.get(address, headers={"Accept": "text/x-opml, application/xml, text/xml, */*;q=0.8"})
    try:
        listed = feeds_of_opml(response.content)
    except ValueError as error:
        raise Malformed(f"{address}: {error}", status=response.status) from error
    failed: dict[str, SourceError] = {}
    for feed in dict.fromkeys(urljoin(response.url, feed) for feed in listed):
        try:
            yield _fetch_feed(fetch, feed)
        except SourceError as error:
            failed[feed] = error
    if failed:
        named = "; ".join(f"{feed}: {type(error).__name__}: {error}" for feed, error in failed.items())
        kinds = {type(error) for error in failed.values()}
        # One kind for all: what may pass for one of them is worth another try.
        kind = kinds.pop() if kinds in ({Permanent}, {Malformed}) else Transient
        raise kind(f"{len(failed)} of {len(listed)} feeds of {address} failed: {named}")


def _name(address: str, base_url: str | None) -> str:
    """What a feed is called: host and path, or the path alone if it lies under the base URL, which may move."""
    if base_url and address.startswith(base_url.rstrip("/") + "/"):
        address = address[len(base_url.rstrip("/")) :]
    return re.sub(r"^https?://", "", address, flags=re.IGNORECASE).strip("/")


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
    ],
)

SOURCE = Source(
    name="rss",
    title="RSS, Atom and JSON feeds",
    domain="news",
    homepage="https://www.rssboard.org/",
    api_docs="https://www.rssboard.org/rss-specification",
    licence="Per publisher; usually all rights reserved.",
    terms=(
        "Title, link and text may be kept for personal or internal use; link to the publisher when showing them, and "
        "remove what a publisher asks to have removed."
    ),
    base_url="https://www.rssboard.org/",
    credentials=(),
    budget=Budget(requests=120, per_seconds=60),
    cadence="*/15 * * * *",
    settings=RssSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="rss_articles",
            kind="documents",
            description="Entries of the watched feeds.",
            history="now_only",
            lookback_days=3,
            targets=targets,
            fetch=fetch,
            identify=identify,
            parse=parse,
            sample=SAMPLE,
            max_pages=10_000,
        ),
    ),
)
