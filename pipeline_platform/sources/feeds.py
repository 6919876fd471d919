"""Feed documents: bytes in, a `Feed` of plain JSON values out. No network and no platform, only formats.

RSS, Atom and CDF are read by feedparser, JSON Feed (https://www.jsonfeed.org/version/1.1/) here, into the names that
feedparser uses. What a hostile or broken document could do to feedparser is taken out before it sees the document.
"""

import gzip
import io
import math
import re
import time
import zlib
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import charset_normalizer
import feedparser
import orjson
from feedparser.encodings import convert_to_utf8

from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.texts import moment

MAX_BYTES = 64 * 1024 * 1024
"""Of an unpacked document, and of the text that the entities of its DTD stand for."""
GUESS_BYTES = 64 * 1024
"""Of a document without a charset, to guess it from."""

_BOMS = (
    # UTF-32 first: its little-endian mark begins with the one of UTF-16.
    (b"\x00\x00\xfe\xff", "utf-32be"),
    (b"\xff\xfe\x00\x00", "utf-32le"),
    (b"\xfe\xff", "utf-16be"),
    (b"\xff\xfe", "utf-16le"),
    (b"\xef\xbb\xbf", "utf-8"),
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_WIDE_DECLARATION = re.compile(rb"<\?xml[^>]*encoding=[\"'](?:utf|ucs|iso-10646-ucs)[-_]?(?:16|32|2|4)", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml[^>]*\sencoding\s*=")
_MARKUP_BYTES = re.compile(rb"<[^<>]*>")
_ASCII = bytes(range(128))
_ROOT = re.compile(rb"<\w")
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_ROOT_NAME = re.compile(rb"<((?:[\w.-]+:)?(?:rss|feed|rdf|channel|opml))(?=[\s>])", re.IGNORECASE)
_BLANKS = re.compile(rb"\s{2,}")
_ENTITY = re.compile(rb"<!ENTITY\s+(\w+)\s+\"([^\"]*)\"")
_HTML = re.compile(rb"<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_HTML_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_REFERENCE = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LINK = re.compile(r"(?:https?:/)?/", re.IGNORECASE)
_ADDRESSES = frozenset({"link", "href", "url", "comments"})
_READER_FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed document.

    Attributes:
        about: title, link, language, author and version of the feed, as far as it gives them.
        entries: entries in document order, in the names of feedparser; moments are ISO 8601 texts under `*_parsed`,
            addresses are absolute. JSON Feed can hold items that are no objects: these stay as they are.
        damaged: the document is not well-formed or lies about its encoding, and was read all the same.
    """

    about: dict[str, Any]
    entries: list[Any]
    damaged: bool


def read_feed(body: bytes, *, url: str, content_type: str = "") -> Feed:
    """Read a feed document in any format and encoding.

    Args:
        body: the document, perhaps gzipped.
        url: its address; relative addresses are resolved against `xml:base`, then (RSS) the link of the feed, then it.
        content_type: the HTTP header; only its charset counts, after a byte order mark and before the declaration.

    Raises:
        Malformed: no feed: empty, HTML, other XML or JSON, cut off gzip, a bomb.
    """
    # At the end a line feed can be half a character of UTF-16.
    body = _unpacked(body).lstrip(b" \t\r\n")
    if not body:
        raise Malformed("the body is empty instead of a feed")
    text = body.removeprefix(b"\xef\xbb\xbf")
    return _json_feed(text, url) if text[:1] in (b"{", b"[") else _xml_feed(body, url, content_type)


def lost_on_the_way(body: bytes) -> str | None:
    """What is wrong with a body that asking once more may mend: nothing came, a page came instead, the end is missing.

    None where nothing of that shows. feedparser reads what is there of a document that was cut off and says no more
    than that it is not well-formed, as a great many whole feeds are.
    """
    document = _unpacked(body).strip(b" \t\r\n")
    if not document:
        return "the body is empty instead of a feed"
    if _HTML.match(document):
        return _no_feed(document)
    first = document.removeprefix(b"\xef\xbb\xbf")[:1]
    if first in (b"{", b"[") and document[-1:] not in (b"}", b"]"):
        return f"the document is cut off after {len(body)} bytes"
    # In 16 or 32 bits a character the tags would have to be decoded first.
    if b"\0" in document[:100] or first != b"<":
        return None
    root = _ROOT_NAME.search(_COMMENT.sub(b"", document))
    if root is None or b"</" + root[1] in document:
        return None
    return f"the document is cut off after {len(body)} bytes: </{root[1].decode(errors='replace')}> is missing"


def _unpacked(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            unpacked = packed.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Malformed(f"the gzipped body cannot be unpacked: {error}") from None
    if len(unpacked) > MAX_BYTES:
        raise Malformed(f"the gzipped body unpacks to more than {MAX_BYTES} bytes")
    return unpacked


def _charset(body: bytes, content_type: str) -> str:
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    if found := _CHARSET.search(content_type):
        return found[1]
    if _WIDE_DECLARATION.match(body):
        # A declaration that can be read byte by byte is not in the 16 or 32 bits a character that it claims.
        return "utf-8"
    return "" if _DECLARED.match(body) else _guessed(body)


def _guessed(body: bytes) -> str:
    """The charset of a document that names none and is not UTF-8, where it looks like no Western European one.

    Few bytes of a Western text lie beyond ASCII, which is too little to guess from; it is left to feedparser, which
    takes windows-1252.
    """
    words = _MARKUP_BYTES.sub(b" ", body[:GUESS_BYTES])
    foreign = len(words.translate(None, _ASCII))
    if b"\0" in body[:100] or foreign < 0.2 * len(b"".join(words.split())):
        return ""
    try:
        body.decode()
    except UnicodeDecodeError:
        found = charset_normalizer.from_bytes(words.rpartition(b" ")[0]).best()
        return found.encoding if found else ""
    return "utf-8"


def _reference(found: re.Match[bytes]) -> bytes:
    digits = found[1] or found[2]
    code = int(digits, 16 if found[1] else 10) if len(digits) < 12 else -1
    allowed = code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return found[0] if allowed else "\N{REPLACEMENT CHARACTER}".encode()


def _readable(document: bytes) -> bytes:
    """The UTF-8 document without characters that XML does not have: one of them makes feedparser give up on it all."""
    return _REFERENCE.sub(_reference, document.translate(None, _CONTROLS))


def _harmless(document: bytes) -> bytes:
    """The UTF-8 document without what makes feedparser work or grow without measure.

    Its patterns take time that is quadratic in the blanks before the root element, and its lenient parser puts in the
    text of every entity without a limit (expat has one).

    Raises:
        Malformed: its entities stand for far more text than a feed has.
    """
    root = _ROOT.search(document)
    if root is None:
        return document
    head = document[: root.start()]
    grown = sum(len(value) * document.count(b"&" + name + b";") for name, value in _ENTITY.findall(head))
    if grown > MAX_BYTES:
        raise Malformed(f"the entities of its DTD stand for {grown} bytes, which is an attack and not a feed")
    return _BLANKS.sub(b"\n", head) + document[root.start() :]


def _xml_feed(body: bytes, url: str, content_type: str) -> Feed:
    charset = _charset(body, content_type)
    kind = f"application/xml; charset={charset}" if charset else "application/xml"
    decoding: dict[str, Any] = {}
    try:
        decoded = convert_to_utf8({"content-type": kind}, body, decoding)
        document = _readable(decoded)
        # A stream, since feedparser opens bytes as the name of a file and text as an address.
        parsed = feedparser.parse(
            io.BytesIO(_harmless(document)),
            response_headers={"content-type": "application/xml; charset=utf-8"},
            resolve_relative_uris=False,
            sanitize_html=False,
        )
    except _READER_FAILURES as error:
        raise Malformed(f"the feed cannot be read: {type(error).__name__}: {error}") from error
    # CDF and RSS 1.0 without their namespaces have no version, but entries.
    if not parsed.get("version") and (not parsed["entries"] or _HTML.search(document[:2000])):
        raise Malformed(_no_feed(document))
    about = _plain(parsed["feed"])
    home = _absolute(url, about.get("link"))
    base = home if home and parsed.get("version", "").startswith("rss") else url
    return Feed(
        about=_about(about, home, parsed.get("version")),
        entries=[_resolved(_without_false_link(_plain(entry)), base) for entry in parsed["entries"]],
        damaged=bool(parsed.get("bozo") or decoding.get("bozo") or document != decoded),
    )


def _no_feed(document: bytes) -> str:
    if _HTML.search(document[:2000]):
        title = _HTML_TITLE.search(document)
        named = f" ({' '.join(title[1].decode(errors='replace').split())!r})" if title else ""
        return f"an HTML page{named} instead of a feed; give the address of the feed that the page links to"
    root = _ROOT.search(document)
    begin = document[root.start() :][:60] if root else document[:60]
    return f"no feed: {begin.decode(errors='replace')!r} begins neither RSS, Atom nor CDF"


def _about(feed: Mapping[str, Any], link: str | None, version: str | None) -> dict[str, Any]:
    found = {name: feed.get(name) for name in ("title", "language", "author")} | {"link": link, "version": version}
    return {name: value for name, value in found.items() if value}


def _plain(value: Any) -> Any:
    """`value` of feedparser as JSON, without what repeats itself or depends on the address that was asked."""
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, time.struct_time):
        return _iso(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        # Character references can name half a surrogate pair, which no encoder takes.
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _plain_mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    plain = {}
    # A plain dict, since looking up a key of a feedparser dict may give another one's value.
    for name, item in dict(value).items():
        if name == "base" or item is None:
            continue
        plain[str(name)] = _plain(item)
    for name, detail in plain.items():
        whole = plain.get(name.removesuffix("_detail"))
        if name.endswith("_detail") and isinstance(detail, dict) and detail.get("value") == whole:
            detail.pop("value", None)
    return plain


def _iso(parsed: time.struct_time) -> str | None:
    try:
        return datetime.fromtimestamp(timegm(parsed), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _absolute(base: str, address: Any) -> str | None:
    if not isinstance(address, str) or not address.strip():
        return None
    address = address.strip()
    if _SCHEME.match(address):
        return address
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def _resolved(value: Any, base: str) -> Any:
    """`value` with absolute addresses wherever feedparser keeps one."""
    if isinstance(value, list):
        return [_resolved(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _absolute(base, item) if name in _ADDRESSES and isinstance(item, str) else _resolved(item, base)
        for name, item in value.items()
    }


def _without_false_link(entry: dict[str, Any]) -> dict[str, Any]:
    # feedparser takes every guid that nobody declares to be no link for one.
    if entry.get("link") == entry.get("id") and not _LINK.match(entry.get("link") or ""):
        entry.pop("link", None)
    return entry


def _json_feed(body: bytes, url: str) -> Feed:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"neither XML nor JSON: {error}") from None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, str) or "jsonfeed.org/version/" not in version:
        raise Malformed("JSON, but no JSON Feed: it names no version of jsonfeed.org")
    items = document.get("items")
    if not isinstance(items, list):
        raise Malformed(f"a JSON Feed whose items are {type(items).__name__} instead of a list")
    authors = _authors(document)
    about = {
        "title": _text(document.get("title")),
        "language": _text(document.get("language")),
        "author": authors[0]["name"] if authors else None,
    }
    number = version.rpartition("/")[2].replace(".", "")
    return Feed(
        about=_about(about, _absolute(url, document.get("home_page_url")), f"json{number}"),
        entries=[_resolved(_json_entry(item), url) if isinstance(item, dict) else item for item in items],
        damaged=False,
    )


def _text(value: Any) -> str | None:
    """A text or a number of JSON as text; the spec wants publishers' numeric ids read as texts."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _authors(item: Mapping[str, Any]) -> list[dict[str, str]]:
    """Authors of 1.1, or the one author of 1.0, as `{"name": …}`."""
    listed = item.get("authors")
    found = listed if isinstance(listed, list) else [item.get("author")]
    names = [_text(author.get("name")) for author in found if isinstance(author, dict)]
    return [{"name": name} for name in names if name]


def _json_entry(item: Mapping[str, Any]) -> dict[str, Any]:
    authors = _authors(item)
    tags, attachments = item.get("tags"), item.get("attachments")
    published, updated = _text(item.get("date_published")), _text(item.get("date_modified"))
    contents = (("text/html", item.get("content_html")), ("text/plain", item.get("content_text")))
    entry = {
        "id": _text(item.get("id")),
        "link": _text(item.get("url")) or _text(item.get("external_url")),
        "title": _text(item.get("title")),
        "content": [{"type": kind, "value": value} for kind, value in contents if isinstance(value, str)],
        "summary": _text(item.get("summary")),
        "published": published,
        "published_parsed": found.isoformat() if (found := moment(published)) else None,
        "updated": updated,
        "updated_parsed": found.isoformat() if (found := moment(updated)) else None,
        "authors": authors,
        "author": authors[0]["name"] if authors else None,
        "tags": [{"term": _text(tag)} for tag in tags if _text(tag)] if isinstance(tags, list) else [],
        "image": {"href": _text(item.get("image")) or _text(item.get("banner_image"))},
        "language": _text(item.get("language")),
        "links": [
            {"rel": "enclosure", "href": _text(file.get("url")), "type": _text(file.get("mime_type"))}
            for file in (attachments if isinstance(attachments, list) else [])
            if isinstance(file, dict)
        ],
    }
    return {name: value for name, value in entry.items() if value and value != {"href": None}}
