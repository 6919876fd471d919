"""What Bluesky says of a post and of a trend, and the rows of it.

Shapes: https://github.com/bluesky-social/atproto/tree/main/lexicons/app/bsky (`feed/defs.json#postView`,
`feed/post.json`, `embed/*.json`, `unspecced/defs.json#trendView`) and `com/atproto/label/defs.json`. The payload of a
post is `{"watched": …, "post": …}`: the view of the post as received, and what it was found by.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urljoin

from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.texts import language_tag, moment, web_address

HOME = "https://bsky.app"
CLOCK_SKEW = timedelta(minutes=10)

ADULT = frozenset({"porn", "sexual", "nudity", "graphic-media"})
"""Labels of adult content and of shock (https://docs.bsky.app/docs/advanced-guides/moderation)."""
LOGGED_IN_ONLY = "!no-unauthenticated"
"""Label by which accounts ask not to be shown to people who are not logged in."""

_URI = re.compile(r"at://(did:[a-z]+:[A-Za-z0-9._:%-]{1,200})/app\.bsky\.feed\.post/([A-Za-z0-9._:~-]{1,512})")
_TAG = "app.bsky.richtext.facet#tag"


def identify_post(payload: Any) -> tuple[str, datetime | None]:
    """`bluesky:<did>/<record key>` and the moment of the post.

    Raises:
        KeyError, TypeError, ValueError: the payload is no view of a post.
    """
    post = payload["post"]
    did, key = _place(post["uri"])
    return f"bluesky:{did}/{key}", _created(post)


def _place(uri: Any) -> tuple[str, str]:
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri!r:.80} is no address of a post")
    return found[1], found[2]


def _created(post: Mapping[str, Any]) -> datetime | None:
    """`createdAt` is what the client said, and may be anything; `indexedAt` is when Bluesky saw it first.

    A post cannot have been seen before it was written, and 1970 and the year 1 are the zeros of clients. An earlier
    date may be true: people bring their old posts along.
    """
    record = post.get("record")
    said = moment(record.get("createdAt")) if isinstance(record, Mapping) else None
    seen = moment(post.get("indexedAt"))
    if said is None or said.year <= 1970 or (seen is not None and said - seen > CLOCK_SKEW):
        return seen
    return said


def labels(view: Mapping[str, Any]) -> frozenset[str]:
    """Labels that hold for a view of a post or an account; those taken back (`neg`) do not."""
    return frozenset(
        str(label["val"]) for label in _objects(view.get("labels")) if label.get("val") and label.get("neg") is not True
    )


def hidden_from_us(post: Any) -> bool:
    """Whether the author asks not to be shown to people who are not logged in, as we are not."""
    author = post.get("author") if isinstance(post, Mapping) else None
    return isinstance(author, Mapping) and LOGGED_IN_ONLY in labels(author)


def gone(known: Mapping[str, Any], created: datetime) -> dict[str, Any]:
    """Payload of a post that Bluesky no longer shows (`notFoundPost`), with the date that we knew."""
    uri = known["post"]["uri"]
    return {"watched": known["watched"], "post": {"uri": uri, "notFound": True, "indexedAt": created.isoformat()}}


def parse_post(payload: Any) -> dict[str, Any]:
    """A post as a document; one that was deleted keeps its id, place and date.

    A feed and a search are channels, an account is none: the author is a pseudonym, and no name stands beside it. The
    id of the account is in the address of every post, and so in its id here.

    Raises:
        Malformed: the post is hidden behind a block.
        KeyError, TypeError, ValueError: the payload is no view of a post.
    """
    document_id, created = identify_post(payload)
    watched, post = payload["watched"], payload["post"]
    row = {
        "document_id": document_id,
        "kind": "post",
        "channel": watched.get("uri") or watched.get("query"),
        "created_at": created,
        "url": "{}/profile/{}/post/{}".format(HOME, *_place(post["uri"])),
    }
    if post.get("notFound") is True:
        return {**row, "is_deleted": True}
    if post.get("blocked") is True:
        raise Malformed("the post is hidden, as one of its accounts blocks another")
    record, author = post["record"], post["author"]
    title, text = _words(record, post)
    return row | {
        "author": author["did"],
        "title": title,
        "text": text,
        "image_url": next(_images(post.get("embed")), None),
        "category": next(_tags(record), None),
        "language_declared": next(filter(None, map(language_tag, record.get("langs") or ())), None),
        "likes": post.get("likeCount"),
        "replies": post.get("replyCount"),
        "shares": post.get("repostCount"),
        "quotes": post.get("quoteCount"),
        "bookmarks": post.get("bookmarkCount"),
        "is_adult": bool(ADULT & (labels(post) | _own_labels(record))),
    }


def _words(record: Mapping[str, Any], post: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Title and text. A post without a text of its own is what it shows: the title of its card, the alt of pictures."""
    text = record["text"]
    if not isinstance(text, str):
        raise TypeError(f"the text is {type(text).__name__}")
    if text.strip():
        return None, text
    shown = list(_shown(post.get("embed")))
    title = next((one["title"] for one in shown if isinstance(one.get("title"), str)), None)
    described = [one["alt"] for one in shown if isinstance(one.get("alt"), str) and one["alt"].strip()]
    return title, "\n".join(described) or None


def _shown(embed: Any) -> Iterator[Mapping[str, Any]]:
    """Pictures, video and card of an embed, the media of a quote included, not what is quoted."""
    if not isinstance(embed, Mapping):
        return
    yield from _objects(embed.get("images"))
    yield from _objects(embed.get("items"))
    if "playlist" in embed:
        yield embed
    if isinstance(embed.get("external"), Mapping):
        yield embed["external"]
    media = embed.get("media")
    # Media hold no further media; a payload that nests them without end is none of Bluesky's.
    if isinstance(media, Mapping) and "media" not in media:
        yield from _shown(media)


def _images(embed: Any) -> Iterator[str]:
    for one in _shown(embed):
        for name in ("fullsize", "thumbnail", "thumb"):
            if address := web_address(one.get(name)):
                yield address


def _tags(record: Mapping[str, Any]) -> Iterator[str]:
    """Hashtags, those outside of the text first."""
    tags = record.get("tags")
    yield from (tag for tag in (tags if isinstance(tags, list) else ()) if isinstance(tag, str) and tag.strip())
    for facet in _objects(record.get("facets")):
        for feature in _objects(facet.get("features")):
            if feature.get("$type") == _TAG and isinstance(feature.get("tag"), str) and feature["tag"].strip():
                yield feature["tag"]


def _own_labels(record: Mapping[str, Any]) -> frozenset[str]:
    """Labels that the author gave, where no view repeats them (`com.atproto.label.defs#selfLabels`)."""
    given = record.get("labels")
    return labels({"labels": given.get("values")}) if isinstance(given, Mapping) else frozenset()


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def identify_trend(payload: Any) -> tuple[str, datetime | None]:
    """`bluesky:trends:<day>:<topic>` and the hour in which it was seen."""
    observed = datetime.fromisoformat(payload["observed_at"])
    return f"bluesky:trends:{observed:%Y-%m-%d}:{quote(payload['trend']['topic'], safe='')}", observed


def parse_trend(payload: Any) -> dict[str, Any]:
    """A trend with the number of posts that Bluesky counts for it."""
    trend_id, observed = identify_trend(payload)
    trend = payload["trend"]
    return {
        "trend_id": trend_id,
        "list_name": payload["list"],
        "rank": payload["rank"],
        "name": trend.get("displayName") or trend["topic"],
        "volume": trend.get("postCount"),
        "url": urljoin(HOME, trend["link"]) if trend.get("link") else None,
        "observed_at": observed,
    }


_AUTHOR = "did:plc:quayharbour2lanternquay3"

SAMPLE_POST = {
    "watched": {"type": "account", "handle": "harbour.example"},
    "post": {
        "uri": f"at://{_AUTHOR}/app.bsky.feed.post/3lzzquayharb2r",
        "cid": "bafyreiquayharbour",
        "author": {"did": _AUTHOR, "handle": "harbour.example", "displayName": "Harbour desk", "labels": []},
        "record": {
            "$type": "app.bsky.feed.post",
            "createdAt": "2026-11-22T09:41:05.120Z",
            "langs": ["en"],
            "text": "The tide gauge at pier 4 is back. #harbour",
            "tags": ["tides"],
            "facets": [
                {
                    "index": {"byteStart": 34, "byteEnd": 42},
                    "features": [{"$type": _TAG, "tag": "harbour"}],
                }
            ],
            "labels": {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "graphic-media"}]},
        },
        "embed": {
            "$type": "app.bsky.embed.images#view",
            "images": [
                {
                    "thumb": "https://cdn.example.org/thumb/gauge.jpg",
                    "fullsize": "https://cdn.example.org/full/gauge.jpg",
                    "alt": "A yellow gauge on a pier",
                }
            ],
        },
        "bookmarkCount": 1,
        "replyCount": 2,
        "repostCount": 3,
        "likeCount": 12,
        "quoteCount": 0,
        "indexedAt": "2026-11-22T09:41:06.512Z",
        "labels": [
            {"src": _AUTHOR, "uri": f"at://{_AUTHOR}", "val": "graphic-media", "cts": "2026-11-22T09:41:05.120Z"}
        ],
    },
}
_BRIEF = {"author": {"did": _AUTHOR, "handle": "handle.invalid"}, "indexedAt": "2026-11-22T09:50:00.000Z"}
_QUOTED = {"$type": "app.bsky.embed.record#viewNotFound", "uri": f"at://{_AUTHOR}/x/3", "notFound": True}
_PICTURE = {"thumb": "https://cdn.example.org/t/2.jpg", "fullsize": "https://cdn.example.org/f/2.jpg", "alt": "Pier 4"}

SAMPLE_QUOTE = {
    "watched": {"type": "feed", "uri": f"at://{_AUTHOR}/app.bsky.feed.generator/tides"},
    "post": {
        "uri": f"at://{_AUTHOR}/app.bsky.feed.post/3lzzquayharb4t",
        "record": {"$type": "app.bsky.feed.post", "createdAt": "1970-01-01T00:00:00.000Z", "text": ""},
        "embed": {
            "$type": "app.bsky.embed.recordWithMedia#view",
            "record": {"record": _QUOTED},
            "media": {"$type": "app.bsky.embed.images#view", "images": [_PICTURE]},
        },
        **_BRIEF,
    },
}
SAMPLE_VIDEO = {
    "watched": {"type": "feed", "uri": f"at://{_AUTHOR}/app.bsky.feed.generator/tides"},
    "post": {
        "uri": f"at://{_AUTHOR}/app.bsky.feed.post/3lzzquayharb5u",
        "record": {"$type": "app.bsky.feed.post", "createdAt": "2026-11-22T09:49:59.000Z", "text": ""},
        "embed": {
            "$type": "app.bsky.embed.video#view",
            "cid": "bafyreiquayvideo",
            "playlist": "https://video.example.org/5/playlist.m3u8",
            "thumbnail": "https://video.example.org/5/thumbnail.jpg",
            "alt": "The gauge rises with the tide",
        },
        **_BRIEF,
    },
}
SAMPLE_DELETED = {
    "watched": {"type": "search", "query": "tide gauge"},
    "post": {
        "uri": f"at://{_AUTHOR}/app.bsky.feed.post/3lzzquayharb3s",
        "notFound": True,
        "indexedAt": "2026-11-22T08:00:00+00:00",
    },
}
SAMPLE_TREND = {
    "list": "trends",
    "observed_at": "2026-11-22T10:00:00Z",
    "rank": 1,
    "trend": {
        "topic": "tide-gauges",
        "displayName": "Tide gauges",
        "link": "/profile/trending.example/feed/118",
        "startedAt": "2026-11-22T04:10:00Z",
        "postCount": 412,
        "status": "hot",
        "category": "science",
    },
}
