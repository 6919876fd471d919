"""What Mastodon says of a status and of a trending tag, whom it is not kept of, and the rows of it.

Shapes: https://docs.joinmastodon.org/entities/Status/, /Account/, /MediaAttachment/ and /Tag/. The payload of a status
is `{"instance": …, "status": …}`: the status as received, and the instance that showed it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline_platform.sources.markup import text_of
from pipeline_platform.sources.texts import language_tag, moment, web_address

_STATUS_PATH = re.compile(r"/(?:ap/)?users/[^/]+/statuses/([A-Za-z0-9_-]{1,64})")
_NAMELESS_PATH = re.compile(r"/((?:objects|notes|activities|notice|post|comment)/[A-Za-z0-9_-]{1,64})")
"""Paths of other software in which no account is named."""
_HOST = re.compile(r"[a-z0-9.-]+(?::\d+)?")
_LOCAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_REFUSAL = re.compile(r"#(?:<span>)?(?:nobots?|noindex|noarchive|nosearch)\b", re.IGNORECASE)
"""What people write into their profile to keep collectors away; hashtags are links, `#<span>nobot</span>`."""
_ADULT_TAGS = frozenset({"nsfw", "porn"})


def identify_status(payload: Any) -> tuple[str, datetime | None]:
    """`mastodon:<instance that owns the status>:<its id there>` and the moment of the status.

    Every instance gives a status a number of its own. What is the same everywhere is `uri`:
    `https://<instance>/users/<name>/statuses/<id>` of Mastodon, other paths of other software. Without an address of
    the web (`tag:` of old servers) the number counts that the showing instance gave. No id holds a name.

    Raises:
        KeyError, TypeError, ValueError: the payload is no status.
    """
    host, name = _owner(payload)
    return f"mastodon:{host}:{name}", moment(payload["status"]["created_at"])


def _owner(payload: Any) -> tuple[str, str]:
    """The instance that owns the status, and its id there."""
    status = payload["status"]
    uri = web_address(status["uri"])
    if uri and (place := _place(uri)):
        return place
    if not _LOCAL_ID.fullmatch(status["id"]):
        raise ValueError(f"{status['id']!r:.80} is no id of a status")
    return payload["instance"], status["id"]


def _place(uri: str) -> tuple[str, str] | None:
    """Owning instance and id. Of other software the path is the id, or a hash where it may hold a name."""
    parts = urlsplit(uri)
    host = parts.netloc.lower()
    if not _HOST.fullmatch(host):
        return None
    found = _STATUS_PATH.fullmatch(parts.path) or _NAMELESS_PATH.fullmatch(parts.path)
    if found and not parts.query:
        return host, found[1]
    return host, f"sha256-{hashlib.sha256(uri.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"


def _address(payload: Any) -> str | None:
    """An address without the name of the account: Mastodon finds its own statuses by their number."""
    uri = payload["status"]["uri"]
    host, name = _owner(payload)
    if name.isdecimal():
        return f"https://{host}/statuses/{name}"
    return web_address(uri) if "/" in name else None


def wanted_by_its_author(status: Any, *, opted_in_only: bool, bots: bool) -> bool:
    """Whether a status may be kept: it is public and its author's own, and its author did not opt out.

    Opting out is `noindex` (Mastodon's setting against search engines) or a word in the profile. `indexable` is no
    opt-out: it is off until somebody turns it on, and only asked for where `opted_in_only`.

    Args:
        status: as received; what is too broken to tell may be kept, for the quarantine to say why.
        opted_in_only: keep nothing of accounts that did not agree to be searched.
        bots: keep statuses of accounts that say they are bots.
    """
    if not isinstance(status, Mapping):
        return True
    visibility = status.get("visibility")
    if (isinstance(visibility, str) and visibility != "public") or isinstance(status.get("reblog"), Mapping):
        return False
    account = status.get("account")
    if not isinstance(account, Mapping):
        return True
    note = account.get("note")
    refused = account.get("noindex") is True or (isinstance(note, str) and _REFUSAL.search(note) is not None)
    kept_out = (opted_in_only and account.get("indexable") is not True) or (not bots and account.get("bot") is True)
    return not (refused or kept_out)


def gone(known: Mapping[str, Any]) -> dict[str, Any]:
    """Payload of a status that is no longer shown: what names and dates it, and nothing of what it said."""
    kept = {name: known["status"].get(name) for name in ("id", "uri", "created_at")}
    return {"instance": known["instance"], "status": kept, "deleted": True}


def parse_status(payload: Any) -> dict[str, Any]:
    """A status as a document; one that was deleted keeps its id, place and date.

    The author is a pseudonym, and no name stands beside it. The counts are those that the showing instance knows of;
    of statuses of others it knows less than their own.

    Raises:
        KeyError, TypeError, ValueError: the payload is no status.
    """
    document_id, created = identify_status(payload)
    if created is None:
        raise ValueError(f"created_at is no moment: {payload['status']['created_at']!r:.80}")
    row = {
        "document_id": document_id,
        "kind": "post",
        "channel": _owner(payload)[0],
        "created_at": created,
    }
    if payload.get("deleted") is True:
        return {**row, "is_deleted": True}
    status = payload["status"]
    account = status["account"]
    media, tags = list(_objects(status.get("media_attachments"))), list(_tags(status))
    title, text = _words(status, media)
    return row | {
        # The address of the profile is the same on every instance; `acct` of its own members is a name alone.
        "author": web_address(account["url"]) or account["acct"],
        "title": title,
        "text": text,
        "url": _address(payload),
        "image_url": next(_images(status, media), None),
        "category": next(iter(tags), None),
        "language_declared": language_tag(status.get("language")),
        "likes": status.get("favourites_count"),
        "replies": status.get("replies_count"),
        "shares": status.get("reblogs_count"),
        "quotes": status.get("quotes_count"),
        "is_adult": (status.get("sensitive") is True and bool(media)) or not _ADULT_TAGS.isdisjoint(tags),
    }


def _words(status: Mapping[str, Any], media: list[Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """Warning as title, and text. A status without words of its own is what its media are described as."""
    content, warning = status["content"], status.get("spoiler_text")
    if not isinstance(content, str):
        raise TypeError(f"the content is {type(content).__name__}")
    title = " ".join(warning.split()) or None if isinstance(warning, str) else None
    text = text_of(content) or None
    if title is None and text is None:
        described = [one["description"] for one in media if isinstance(one.get("description"), str)]
        text = "\n".join(line for line in described if line.strip()) or None
    return title, text


def _tags(status: Mapping[str, Any]) -> Iterator[str]:
    for tag in _objects(status.get("tags")):
        if isinstance(tag.get("name"), str) and tag["name"].strip():
            yield tag["name"].lower()


def _images(status: Mapping[str, Any], media: list[Mapping[str, Any]]) -> Iterator[str]:
    """The first picture, still of a video, or picture of the link."""
    card = status.get("card")
    candidates = [one.get("url" if one.get("type") == "image" else "preview_url") for one in media]
    candidates.append(card.get("image") if isinstance(card, Mapping) else None)
    return (address for one in candidates if (address := web_address(one)))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def identify_trend(payload: Any) -> tuple[str, datetime | None]:
    """`mastodon:trends:<instance>:<day>:<tag>` and the hour in which it was seen."""
    observed = datetime.fromisoformat(payload["observed_at"])
    name = quote(payload["tag"]["name"], safe="")
    return f"mastodon:trends:{payload['instance']}:{observed:%Y-%m-%d}:{name}", observed


def parse_trend(payload: Any) -> dict[str, Any]:
    """A trending tag; its volume is how often it was used on the day so far, which Mastodon writes as a text."""
    trend_id, observed = identify_trend(payload)
    tag = payload["tag"]
    history = tag.get("history")
    return {
        "trend_id": trend_id,
        "list_name": payload["instance"],
        "rank": payload["rank"],
        "name": tag["name"],
        "volume": int(history[0]["uses"]) if history else None,
        "url": web_address(tag.get("url")),
        "observed_at": observed,
    }


_ACCOUNT = {
    "id": "118",
    "username": "adaquay",
    "acct": "adaquay",
    "url": "https://harbour.example/@adaquay",
    "note": "<p>Watches the tide.</p>",
    "bot": False,
    "indexable": True,
    "noindex": False,
}

SAMPLE_STATUS = {
    "instance": "harbour.example",
    "status": {
        "id": "115590001122334455",
        "uri": "https://harbour.example/users/adaquay/statuses/115590001122334455",
        "url": "https://harbour.example/@adaquay/115590001122334455",
        "created_at": "2026-11-22T09:41:05.120Z",
        "edited_at": None,
        "account": _ACCOUNT,
        "content": "<p>The gauge at pier&nbsp;4 is back.<br>Pass to the east.</p>",
        "spoiler_text": "Tides",
        "sensitive": True,
        "visibility": "public",
        "language": "en",
        "reblog": None,
        "media_attachments": [
            {"type": "image", "url": "https://files.harbour.example/4.jpg", "description": "A yellow gauge on a pier"},
            {"type": "video", "preview_url": "https://files.harbour.example/4.png", "description": None},
        ],
        "card": {"url": "https://tides.example/4", "title": "Pier 4", "image": "https://tides.example/4.jpg"},
        "tags": [{"name": "tides", "url": "https://harbour.example/tags/tides"}],
        "replies_count": 2,
        "reblogs_count": 3,
        "favourites_count": 12,
        "quotes_count": 1,
    },
}
SAMPLE_DELETED = gone(
    {
        "instance": "harbour.example",
        "status": {
            "id": "115590001122339999",
            "uri": "https://lantern.example/objects/5f1c7a52-0d3e-4f19-8f3e-c1a2b3d4e5f6",
            "created_at": "2026-11-22T08:00:00.000Z",
        },
    }
)
SAMPLE_TREND = {
    "instance": "harbour.example",
    "observed_at": "2026-11-22T10:00:00Z",
    "rank": 1,
    "tag": {
        "name": "tides",
        "url": "https://harbour.example/tags/tides",
        "history": [
            {"day": "1795305600", "uses": "41", "accounts": "30"},
            {"day": "1795219200", "uses": "12", "accounts": "11"},
        ],
    },
}
