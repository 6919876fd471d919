"""Feeds as the sandbox shows them: RSS 2.0, Atom, RSS 1.0 and JSON Feed, by turns, and the list of them as OPML.

Formats: https://www.rssboard.org/rss-specification, RFC 4287, https://web.resource.org/rss/1.0/spec,
https://www.jsonfeed.org/version/1.1/ and http://opml.org/spec2.opml.
"""

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import Post, World

DAYS_AT_MOST, DAYS_AT_LEAST = 10, 4
"""Days that a feed holds, today included; fewer in a larger world, as busy feeds roll over sooner."""

NONSENSE_DATE = "the day before yesterday"
IMAGE_SHARE = 0.3
ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DC = "http://purl.org/dc/elements/1.1/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RSS_1 = "http://purl.org/rss/1.0/"
SLASH = "http://purl.org/rss/1.0/modules/slash/"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_TYPES = {".atom": "application/atom+xml", ".rss": "application/rss+xml", ".html": "text/html", ".xml": "text/xml"}
_TAPED_HEADER = re.compile(r"^Header:\s*(content-[a-z-]+):\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)


def _page(post: Post) -> str:
    return "".join(f"<p>{html.escape(line, quote=False)}</p>" for line in post.text.splitlines())


class _Entry:
    """What the formats say of a post. Of a garbled one they give the id, and a date that is none."""

    def __init__(self, world: World, post: Post) -> None:
        self.id = post.upstream_id
        self.garbled = post.flaw == "malformed"
        self.post = post
        pictured = world.rng("rss-image", post.key).random() < IMAGE_SHARE and not self.garbled
        self.image = f"https://{post.channel}.example/images/{post.key}.jpg" if pictured else None

    def date(self, form: Callable[[datetime], str]) -> str:
        return NONSENSE_DATE if self.garbled else form(self.post.created_at)


def _rfc_822(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, name, attributes)
    child.text = text
    return child


for _prefix, _uri in {"content": CONTENT, "dc": DC, "rdf": RDF, "slash": SLASH}.items():
    ET.register_namespace(_prefix, _uri)


def _document(root: ET.Element) -> bytes:
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _rss_2(name: str, changed: datetime, entries: list[_Entry]) -> bytes:
    root = ET.Element("rss", version="2.0")
    channel = _add(root, "channel")
    _add(channel, "title", _title(name))
    _add(channel, "link", f"https://{name}.example/")
    _add(channel, "description", f"All the news of {_title(name)}")
    _add(channel, "language", "en")
    _add(channel, "lastBuildDate", _rfc_822(changed))
    _add(channel, "ttl", "15")
    for entry in entries:
        post, item = entry.post, _add(channel, "item")
        _add(item, "guid", entry.id, isPermaLink="false")
        _add(item, "pubDate", entry.date(_rfc_822))
        if entry.garbled:
            continue
        item.set(_LANG, post.language)
        _add(item, "title", html.escape(post.title or "", quote=False))
        _add(item, "link", post.url)
        _add(item, f"{{{DC}}}creator", post.author)
        _add(item, "category", post.topic)
        _add(item, "description", html.escape(post.text[:80], quote=False))
        _add(item, f"{{{CONTENT}}}encoded", _page(post))
        _add(item, f"{{{SLASH}}}comments", str(post.replies))
        if entry.image:
            _add(item, "enclosure", url=entry.image, type="image/jpeg", length="0")
    return _document(root)


def _atom(name: str, changed: datetime, entries: list[_Entry]) -> bytes:
    root = ET.Element("feed", {"xmlns": ATOM, _LANG: "en"})
    _add(root, "id", f"https://{name}.example/")
    _add(root, "title", _title(name))
    _add(root, "link", rel="alternate", href=f"https://{name}.example/")
    _add(root, "updated", changed.isoformat())
    for entry in entries:
        post, item = entry.post, _add(root, "entry")
        _add(item, "id", entry.id)
        _add(item, "updated", entry.date(datetime.isoformat))
        if entry.garbled:
            continue
        item.set(_LANG, post.language)
        _add(item, "published", entry.date(datetime.isoformat))
        _add(item, "title", post.title or "", type="text")
        _add(item, "link", rel="alternate", href=post.url)
        _add(_add(item, "author"), "name", post.author)
        _add(item, "category", term=post.topic)
        _add(item, "content", _page(post), type="html")
        if entry.image:
            _add(item, "link", rel="enclosure", href=entry.image, type="image/jpeg")
    return _document(root)


def _rss_1(name: str, _changed: datetime, entries: list[_Entry]) -> bytes:
    root = ET.Element(f"{{{RDF}}}RDF", {"xmlns": RSS_1})
    channel = _add(root, "channel", None, **{f"{{{RDF}}}about": f"https://{name}.example/"})
    _add(channel, "title", _title(name))
    _add(channel, "link", f"https://{name}.example/")
    _add(channel, "description", f"All the news of {_title(name)}")
    _add(channel, f"{{{DC}}}language", "en")
    listed = _add(_add(channel, "items"), f"{{{RDF}}}Seq")
    for entry in entries:
        _add(listed, f"{{{RDF}}}li", None, **{f"{{{RDF}}}resource": entry.id})
        post, item = entry.post, _add(root, "item", None, **{f"{{{RDF}}}about": entry.id})
        _add(item, f"{{{DC}}}date", entry.date(datetime.isoformat))
        if entry.garbled:
            continue
        item.set(_LANG, post.language)
        _add(item, "title", html.escape(post.title or "", quote=False))
        _add(item, "link", post.url)
        _add(item, "description", _page(post))
        _add(item, f"{{{DC}}}creator", post.author)
        _add(item, f"{{{DC}}}subject", post.topic)
    return _document(root)


def _json_feed(name: str, _changed: datetime, entries: list[_Entry]) -> bytes:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _title(name),
        "home_page_url": f"https://{name}.example/",
        "language": "en",
        "items": [_json_item(entry) for entry in entries],
    }
    return orjson.dumps(feed)


def _json_item(entry: _Entry) -> dict[str, Any]:
    post = entry.post
    item: dict[str, Any] = {"id": entry.id, "date_published": entry.date(datetime.isoformat)}
    if entry.garbled:
        return item
    item |= {
        "url": post.url,
        "title": post.title,
        "content_text": post.text,
        "authors": [{"name": post.author}],
        "tags": [post.topic],
        "language": post.language,
    }
    return {**item, "image": entry.image} if entry.image else item


_FORMATS: tuple[tuple[str, Callable[[str, datetime, list[_Entry]], bytes]], ...] = (
    ("application/rss+xml", _rss_2),
    ("application/atom+xml", _atom),
    ("application/rdf+xml", _rss_1),
    ("application/feed+json", _json_feed),
)


def _title(name: str) -> str:
    return name.replace("-", " ").title()


def _newest_first(world: World, name: str) -> Iterator[Post]:
    today = world.now().date()
    for back in range(max(DAYS_AT_LEAST, DAYS_AT_MOST // world.scale)):
        yield from reversed(world.channel_posts("rss", name, today - timedelta(days=back)))


def _answer(request: Request, body: bytes, media_type: str, changed: datetime) -> Response:
    """The document, or 304 for a client that has it (RFC 9110, section 13.2.2)."""
    headers = {"ETag": f'"{blake2b(body, digest_size=12).hexdigest()}"', "Last-Modified": _rfc_822(changed)}
    known = request.headers.get("if-none-match")
    if known == headers["ETag"] or (known is None and _has_since(request.headers.get("if-modified-since"), changed)):
        return Response(status_code=304, headers=headers)
    return Response(body, headers={**headers, "Content-Type": media_type})


def _has_since(text: str | None, changed: datetime) -> bool:
    try:
        return text is not None and parsedate_to_datetime(text) >= changed
    except (TypeError, ValueError):
        return False


def routes(world: World) -> list[Route]:
    """`/feeds/<name>.xml` for every feed of the world, and `/feeds.opml`."""

    def feed(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in world.feeds:
            return Response(f"no feed is called {name}", 404)
        media_type, write = _FORMATS[world.feeds.index(name) % len(_FORMATS)]
        posts = list(_newest_first(world, name))
        changed = max((post.shown_at for post in posts), default=datetime(2026, 1, 1, tzinfo=UTC))
        body = write(name, changed, [_Entry(world, post) for post in posts])
        return _answer(request, body, media_type, changed)

    def opml(request: Request) -> Response:
        root = ET.Element("opml", version="2.0")
        _add(_add(root, "head"), "title", "Feeds of the sandbox")
        folder = ET.SubElement(_add(root, "body"), "outline", text="Everything")
        base = str(request.url).rpartition("/")[0]
        for name in world.feeds:
            group = ET.SubElement(folder, "outline", text=name.partition("-")[0])
            address = f"{base}/feeds/{name}.xml"
            ET.SubElement(group, "outline", type="rss", text=_title(name), xmlUrl=address)
        return Response(_document(root), media_type="text/x-opml")

    return [Route("/feeds/{name}.xml", feed), Route("/feeds.opml", opml)]


def watch(world: World, _base: str) -> dict[str, Any]:
    """Settings that make the source watch every feed of the world."""
    return {"feeds": [f"feeds/{name}.xml" for name in world.feeds]}


def replay(recordings: list[Recording]) -> Replay:
    """Every recorded document under `/recordings/<file>`, byte for byte, each a feed to watch."""
    taped = {PurePosixPath(recording.file).name: recording for recording in recordings}

    def recorded(request: Request) -> Response:
        recording = taped.get(request.path_params["name"])
        if recording is None:
            return Response("no such recording", 404)
        return Response(recording.body, recording.status, headers=_headers(recording))

    return Replay([Route("/recordings/{name}", recorded)], {"feeds": [f"recordings/{name}" for name in taped]})


def _headers(recording: Recording) -> dict[str, str]:
    """The recorded headers, or those that the document asks for in a comment, or those of its kind."""
    if recording.headers:
        return recording.headers
    kind = _TYPES.get(PurePosixPath(recording.file).suffix, "application/xml")
    if recording.body.startswith(b"\x1f\x8b"):
        kind = "application/gzip"
    elif recording.body.lstrip()[:1] == b"{":
        kind = "application/feed+json" if b"jsonfeed.org" in recording.body else "application/json"
    asked = _TAPED_HEADER.findall(recording.body[:2000].replace(b"\0", b"").decode("latin-1"))
    return {"content-type": kind, **{name.lower(): value for name, value in asked}}
