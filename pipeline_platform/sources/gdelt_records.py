"""What the records of GDELT say: articles of the DOC API, and lines of the event, mention and annotation files.

Columns: "GDELT Event Codebook V2.0", "GDELT Global Knowledge Graph Codebook V2.1", and the announcement of the DOC API
(https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/).
"""

import hashlib
import html
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.texts import web_address

_STAMP = re.compile(r"[0-9]{14}")
_SEEN = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_ANNOTATION = re.compile(r"[0-9]{14}-T?[0-9]+")
_TITLE = re.compile(r"<PAGE_TITLE>(.*?)</PAGE_TITLE>", re.DOTALL)
_LANGUAGE = re.compile(r"\bsrclc:([a-z]{3})\b")

_NUMBER_POINT = re.compile(r"(?<=\d) \. (?=\d)")
_BEFORE = re.compile(r" +([,;:!?.)\]]+)(?=[\s,;:!?.)\]]|$)")
_BEFORE_FRENCH = re.compile(r" +([,.)\]]+)(?=[\s,.)\]]|$)")
_AFTER = re.compile(r"(?<=[(\[]) +")
_WIDE = re.compile(r" *([、。「」『』（）：；！？，．・]) *")

MENTION_TYPES = {"1": "web", "2": "citation", "3": "core", "4": "dtic", "5": "jstor", "6": "non_textual"}
WEB = "1"

LANGUAGES = {
    "Afrikaans": "af", "Albanian": "sq", "Amharic": "am", "Arabic": "ar", "Armenian": "hy", "Azerbaijani": "az",
    "Basque": "eu", "Belarusian": "be", "Bengali": "bn", "Bosnian": "bs", "Bulgarian": "bg", "Burmese": "my",
    "Catalan": "ca", "Chinese": "zh", "Croatian": "hr", "Czech": "cs", "Danish": "da", "Dutch": "nl", "English": "en",
    "Estonian": "et", "Finnish": "fi", "French": "fr", "Galician": "gl", "Georgian": "ka", "German": "de",
    "Greek": "el", "Gujarati": "gu", "Hebrew": "he", "Hindi": "hi", "Hungarian": "hu", "Icelandic": "is",
    "Indonesian": "id", "Irish": "ga", "Italian": "it", "Japanese": "ja", "Kannada": "kn", "Kazakh": "kk",
    "Khmer": "km", "Korean": "ko", "Kurdish": "ku", "Lao": "lo", "Latvian": "lv", "Lithuanian": "lt",
    "Macedonian": "mk", "Malay": "ms", "Malayalam": "ml", "Maltese": "mt", "Marathi": "mr", "Mongolian": "mn",
    "Nepali": "ne", "Norwegian": "no", "Pashto": "ps", "Persian": "fa", "Polish": "pl", "Portuguese": "pt",
    "Punjabi": "pa", "Romanian": "ro", "Russian": "ru", "Serbian": "sr", "Sinhalese": "si", "Slovak": "sk",
    "Slovenian": "sl", "Somali": "so", "Spanish": "es", "Swahili": "sw", "Swedish": "sv", "Tamil": "ta",
    "Telugu": "te", "Thai": "th", "Tibetan": "bo", "Turkish": "tr", "Ukrainian": "uk", "Urdu": "ur", "Uzbek": "uz",
    "Vietnamese": "vi", "Welsh": "cy",
}  # fmt: skip
"""English name -> BCP 47; what is not listed stays unknown."""


def seen_at(article: Mapping[str, Any]) -> datetime:
    """When GDELT saw an article, to 15 minutes; the publisher's own time is not given."""
    text = article["seendate"]
    if not _SEEN.fullmatch(text):
        raise ValueError(f"seendate {text[:40]!r} is not of the form 20261122T101500Z")
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def identify_article(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """`gdelt:<url>` and when GDELT saw it."""
    url = payload["url"]
    if not isinstance(url, str) or not url:
        raise TypeError("url is no text, or empty")
    return f"gdelt:{url}", seen_at(payload)


def tidy(title: str, language: str | None) -> str | None:
    """A title as it was before GDELT took it apart: "live : Iran ; " is "live: Iran;". None when nothing is left.

    Spaces around hyphens stay: "US - Israel" and "News - BBC" look the same. French writes a space before ; : ! ?.
    """
    text = _NUMBER_POINT.sub(".", " ".join(html.unescape(title).split()))
    text = (_BEFORE_FRENCH if language == "French" else _BEFORE).sub(r"\1", text)
    return _WIDE.sub(r"\1", _AFTER.sub("", text)).strip() or None


def parse_article(payload: Mapping[str, Any]) -> dict[str, Any]:
    """An article as a document: GDELT gives its title and no text."""
    document_id, seen = identify_article(payload)
    if web_address(payload["url"]) is None:
        raise ValueError("url is no address on the web")
    language, title, image = payload.get("language"), payload.get("title"), payload.get("socialimage")
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title is {type(title).__name__} instead of text")
    return {
        "document_id": document_id,
        "kind": "article",
        "channel": payload.get("domain") or None,
        "title": tidy(title, language) if title else None,
        "url": payload["url"],
        "image_url": web_address(image),
        "created_at": seen,
        "language_declared": LANGUAGES.get(language) if isinstance(language, str) else None,
    }


def _stamp(text: str) -> datetime:
    if not _STAMP.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no time of the form 20261122101500")
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _event_id(payload: Mapping[str, Any]) -> str:
    number = payload["GLOBALEVENTID"]
    if not number.isdecimal():
        raise ValueError(f"GLOBALEVENTID {number[:40]!r} is no number")
    return f"gdelt:event:{number}"


def _broken(payload: Mapping[str, Any]) -> tuple[str, datetime | None] | None:
    """Id and time of a line that could not be split into its columns; None for any other payload."""
    if "content" not in payload:
        return None
    name = payload["file"]
    slot = name[:14]
    return f"gdelt:broken:{name}:{payload['line']}", _stamp(slot) if _STAMP.fullmatch(slot) else None


def _refuse_broken(payload: Mapping[str, Any]) -> None:
    if "content" in payload:
        raise Malformed(f"line {payload['line']} of {payload['file']} has {payload['columns']} columns")


def _real(payload: Mapping[str, Any], column: str) -> float | None:
    text = payload.get(column)
    return None if text is None else _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def _integer(payload: Mapping[str, Any], column: str) -> int | None:
    text = payload.get(column)
    return None if text is None else int(text)


def identify_event(payload: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """`gdelt:event:<number>` and when GDELT added it."""
    return _broken(payload) or (_event_id(payload), _stamp(payload["DATEADDED"]))


def parse_event(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an export file; its place is the one of the action."""
    _refuse_broken(payload)
    event_id, added = identify_event(payload)
    happened = payload.get("SQLDATE")
    return {
        "news_event_id": event_id,
        "event_code": payload["EventCode"],
        "root_code": payload["EventRootCode"],
        "quad_class": _integer(payload, "QuadClass"),
        "actor1": payload.get("Actor1Name"),
        "actor1_country": payload.get("Actor1CountryCode"),
        "actor2": payload.get("Actor2Name"),
        "actor2_country": payload.get("Actor2CountryCode"),
        "goldstein": _real(payload, "GoldsteinScale"),
        "tone": _real(payload, "AvgTone"),
        "mentions": _integer(payload, "NumMentions"),
        "sources": _integer(payload, "NumSources"),
        "articles": _integer(payload, "NumArticles"),
        "place": payload.get("ActionGeo_FullName"),
        "country_code": payload.get("ActionGeo_CountryCode"),
        "lat": _real(payload, "ActionGeo_Lat"),
        "lon": _real(payload, "ActionGeo_Long"),
        "happened_on": f"{_stamp(happened + '000000'):%Y-%m-%d}" if happened else None,
        "url": payload.get("SOURCEURL"),
        "added_at": added,
    }


_PLACE_IN_DOCUMENT = (
    "MentionIdentifier", "SentenceID", "Actor1CharOffset", "Actor2CharOffset", "ActionCharOffset", "InRawText",
)  # fmt: skip


def identify_mention(payload: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """`gdelt:mention:<event>:<time>:<hash of the place in the document>` and the time of the mention.

    One document may mention an event several times, even in one sentence.
    """
    if broken := _broken(payload):
        return broken
    mentioned = _stamp(payload["MentionTimeDate"])
    event = _event_id(payload).removeprefix("gdelt:event:")
    place = "\t".join(payload.get(column, "") for column in _PLACE_IN_DOCUMENT)
    digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:12]
    return f"gdelt:mention:{event}:{mentioned:%Y%m%d%H%M%S}:{digest}", mentioned


def parse_mention(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a mentions file."""
    _refuse_broken(payload)
    mention_id, mentioned = identify_mention(payload)
    added = payload.get("EventTimeDate")
    return {
        "mention_id": mention_id,
        "news_event_id": _event_id(payload),
        "mention_type": MENTION_TYPES[payload["MentionType"]],
        "publisher": payload.get("MentionSourceName"),
        "url": payload.get("MentionIdentifier"),
        "sentence": _integer(payload, "SentenceID"),
        "confidence_pct": _real(payload, "Confidence"),
        "tone": _real(payload, "MentionDocTone"),
        "event_added_at": _stamp(added) if added else None,
        "mentioned_at": mentioned,
    }


def identify_annotation(payload: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """`gdelt:gkg:<record>` and when GDELT saw the document."""
    if broken := _broken(payload):
        return broken
    number = payload["GKGRECORDID"]
    if not _ANNOTATION.fullmatch(number):
        raise ValueError(f"GKGRECORDID {number[:40]!r} is not of the form 20261122101500-7")
    return f"gdelt:gkg:{number}", _stamp(payload["V2.1DATE"])


def parse_annotation(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a GKG file. The offsets of themes and names, GCAM scores, quotations and amounts stay in raw."""
    _refuse_broken(payload)
    annotation_id, annotated = identify_annotation(payload)
    tone, positive, negative, words = _tone(payload.get("V1.5TONE"))
    title = _TITLE.search(payload.get("V2EXTRASXML", ""))
    translated = _LANGUAGE.search(payload.get("V2.1TRANSLATIONINFO", ""))
    image = payload.get("V2.1SHARINGIMAGE")
    on_the_web = payload.get("V2SOURCECOLLECTIONIDENTIFIER") == WEB
    return {
        "annotation_id": annotation_id,
        "url": payload.get("V2DOCUMENTIDENTIFIER") if on_the_web else None,
        "publisher": payload.get("V2SOURCECOMMONNAME"),
        "title": " ".join(html.unescape(title[1]).split()) or None if title else None,
        "language": translated[1] if translated else None,
        "tone": tone,
        "positive_pct": positive,
        "negative_pct": negative,
        "words": words,
        "themes": _distinct(_blocks(payload, "V1THEMES")),
        "persons": _distinct(_blocks(payload, "V1PERSONS")),
        "organisations": _distinct(_blocks(payload, "V1ORGANIZATIONS")),
        "places": _distinct(map(_place, _blocks(payload, "V1LOCATIONS"))),
        "image_url": web_address(image),
        "annotated_at": annotated,
    }


def _tone(text: str | None) -> tuple[float | None, float | None, float | None, int | None]:
    if text is None:
        return None, None, None, None
    tone, positive, negative, _polarity, _activity, _self, words = text.split(",")
    return _finite(tone), _finite(positive), _finite(negative), int(words)


def _blocks(payload: Mapping[str, Any], column: str) -> Iterable[str]:
    return (block for part in payload.get(column, "").split(";") if (block := part.strip()))


def _distinct(texts: Iterable[str]) -> list[str] | None:
    return sorted(set(texts)) or None


def _place(block: str) -> str:
    """`name|country|lat|lon` of `type#name#country#adm1#lat#lon#feature`; a name may hold a # of its own."""
    _type, rest = block.split("#", 1)
    name, country, _adm1, lat, lon, _feature = rest.rsplit("#", 5)
    return f"{name}|{country}|{lat}|{lon}"
