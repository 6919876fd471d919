"""What the posts and trends of X mean: their identity and their place in the canonical kinds, with samples.

Pure functions of one record of `x_pages`. Fields: https://docs.x.com/x-api/fundamentals/data-dictionary.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from pipeline_platform.sources.x_pages import (
    by_key,
    first_of,
    is_key,
    is_refusal,
    media_keys,
    objects,
    references,
    subject,
)

_SITE = "https://x.com"
_INT64 = 2**63

_FIRST_SNOWFLAKE = 29_700_859_247
"""Ids from here on tell the time, to the millisecond: the first 42 bits count from `_SNOWFLAKE_EPOCH`."""
_SNOWFLAKE_EPOCH = datetime.fromtimestamp(1_288_834_974.657, UTC)

_NO_LANGUAGE = frozenset({"und", "zxx", "art", "mis", "mul"})
_OLD_LANGUAGES = {"in": "id", "iw": "he", "ji": "yi"}
"""Withdrawn codes that X still uses, and what IANA has put in their place."""

_REPOST = ("retweeted", "reposted")


def _text(value: Mapping[str, Any], field: str) -> str | None:
    found = value.get(field)
    if found is None or isinstance(found, str):
        return found
    raise TypeError(f"{field} must be text, not {type(found).__name__}")


def _count(metrics: Mapping[str, Any], *names: str) -> int | None:
    value = first_of(metrics, *names)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{names[0]} must be a whole number, not {type(value).__name__}")
    if not -_INT64 <= value < _INT64:
        raise ValueError(f"{names[0]} does not fit 64 bits")
    return value


def _flag(value: Mapping[str, Any], field: str) -> bool:
    found = value.get(field)
    if found is not None and not isinstance(found, bool):
        raise TypeError(f"{field} must be true or false, not {type(found).__name__}")
    return bool(found)


def _object(value: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = value.get(field)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise TypeError(f"{field} must be an object, not {type(found).__name__}")
    return found


def _post(payload: Any) -> tuple[Mapping[str, Any], str]:
    post = payload["post"]
    if not isinstance(post, Mapping):
        raise TypeError(f"a post must be an object, not {type(post).__name__}")
    number = post["id"]
    if not isinstance(number, str) or not re.fullmatch(r"[0-9]{1,19}", number):
        raise ValueError(f"id must be a decimal number as text, not {number!r:.40}")
    return post, number


def _created_at(post: Mapping[str, Any], number: str) -> datetime:
    written = _text(post, "created_at")
    if written is None:
        if int(number) < _FIRST_SNOWFLAKE:
            raise ValueError("created_at is missing, and the id is too old to tell the time")
        moment = _SNOWFLAKE_EPOCH + timedelta(milliseconds=int(number) >> 22)
        return moment.replace(microsecond=0)
    return _moment(written)


def _moment(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {written!r:.40}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"no year has {written!r:.40}") from None


def identify_post(payload: Any) -> tuple[str, datetime | None]:
    """`x:NUMBER` and the time of the post; the id tells it where `created_at` was not given.

    Raises:
        KeyError, TypeError, ValueError: it is no post.
    """
    post, number = _post(payload)
    try:
        return f"x:{number}", _created_at(post, number)
    except (TypeError, ValueError):
        return f"x:{number}", None


def _unescaped(text: str | None) -> str | None:
    # X escapes these three and no more: `&copy` in an address is not a sign.
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") if text else text


def _whole_text(post: Mapping[str, Any]) -> str | None:
    note = _object(post, "note_tweet") or _object(post, "note_post")
    cut = _text(post, "text")
    return _text(note, "text") or cut


def _reposted(post: Mapping[str, Any], payload: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any] | None]:
    """Whether a post repeats another as a whole, and that other if X sent it along."""
    number = next((one.get("id") for one in references(post) if one.get("type") in _REPOST), None)
    found = next((one for one in objects(payload.get("referenced")) if one.get("id") == number), None)
    return number is not None, found if number is not None else None


def _image(post: Mapping[str, Any], payload: Mapping[str, Any]) -> str | None:
    media = by_key(payload, "media_key", "media")
    shown = (media[key] for key in media_keys(post) if is_key(key, media))
    addresses = (first_of(item, "url", "preview_image_url") for item in shown)
    return next((one for one in addresses if isinstance(one, str) and one.startswith("https://")), None)


def _language(code: str | None) -> str | None:
    # Codes with q stand for what has no language: only links, only hashtags, a very short text.
    if not code or code in _NO_LANGUAGE or (code.startswith("q") and len(code) == 3):
        return None
    return _OLD_LANGUAGES.get(code, code)


def _is_superseded(post: Mapping[str, Any], number: str) -> bool:
    """Whether the author has edited the post, so that another id holds its present state."""
    history = first_of(post, "edit_history_tweet_ids", "edit_history_post_ids")
    ids = [int(one) for one in history if isinstance(one, str) and one.isdecimal()] if isinstance(history, list) else []
    return max(ids, default=0) > int(number)


def _is_gone(payload: Mapping[str, Any], number: str) -> bool:
    return any(subject(error) == number and is_refusal(error) for error in objects(payload.get("errors")))


def parse_post(payload: Any) -> dict[str, Any]:
    """A post as a document; of a deleted, hidden or superseded one nothing but its id and its time.

    Its address is the one without the account, and it has no channel: the author is a pseudonym, and stays one.

    The counters of a repost are not its own: X repeats the number of shares of the original, and shows 0 likes. They
    stay null.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    post, number = _post(payload)
    row: dict[str, Any] = {
        "document_id": f"x:{number}",
        "kind": "tweet",
        "created_at": _created_at(post, number),
        "url": f"{_SITE}/i/status/{number}",
    }
    if "text" not in post and not _is_gone(payload, number):
        raise KeyError("text")
    if "text" not in post or _is_superseded(post, number):
        return row | {"is_deleted": True}
    is_repost, original = _reposted(post, payload)
    row |= {
        "author": _text(post, "author_id"),
        "text": _unescaped(_whole_text(original or post)),
        "image_url": _image(original or post, payload),
        "language_declared": _language(_text(post, "lang")),
        "is_adult": _flag(post, "possibly_sensitive"),
    }
    return row if is_repost else row | _counters(_object(post, "public_metrics"))


def _counters(metrics: Mapping[str, Any]) -> dict[str, int | None]:
    return {
        "likes": _count(metrics, "like_count"),
        "shares": _count(metrics, "retweet_count", "repost_count"),
        "replies": _count(metrics, "reply_count"),
        "quotes": _count(metrics, "quote_count"),
        "bookmarks": _count(metrics, "bookmark_count"),
        "views": _count(metrics, "impression_count"),
    }


def identify_trend(payload: Any) -> tuple[str, datetime | None]:
    """`x:trend:WOEID:DAY:NAME`, one per place and day, and the hour of observation.

    Raises:
        KeyError, TypeError, ValueError: it is no trend.
    """
    observed = _moment(payload["observed_at"])
    name = payload["trend"]["trend_name"]
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"trend_name must be text, not {name!r:.40}")
    # Readable in every script; what cannot stand in an id is written as in addresses.
    readable = "".join(sign if sign.isprintable() and sign not in " %" else quote(sign) for sign in name)
    return f"x:trend:{payload['woeid']}:{observed:%Y-%m-%d}:{readable}", observed


def parse_trend(payload: Any) -> dict[str, Any]:
    """A trend of a place; its volume is the number of posts, null where X tells none.

    Raises:
        KeyError, TypeError, ValueError: a field is missing or of a wrong type.
    """
    trend_id, observed = identify_trend(payload)
    name = payload["trend"]["trend_name"]
    return {
        "trend_id": trend_id,
        "list_name": payload["place"],
        "rank": payload["rank"],
        "name": name,
        "volume": _count(payload["trend"], "tweet_count", "post_count"),
        "url": f"{_SITE}/search?q={quote(name, safe='')}",
        "observed_at": observed,
    }


def _sample(number: str, created: str, text: str, author: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "created_at": created, "text": text, "author_id": author, "lang": "en", **more}


_BAKER = {"id": "4417702", "name": "Ada Quay", "username": "ada_bakes"}
_PHOTO = {"media_key": "3_1997600100000000001", "type": "photo", "url": "https://pbs.twimg.com/media/loaf.jpg"}
_LONG = (
    "Notes on a slow loaf. Mix at nine, fold at ten and at eleven, then leave it alone. The flour is from the mill by "
    "the weir, 80 % water, and salt only after the first fold. It looks like soup until the second one, and then it "
    "holds its shape like a cushion. Bake it dark & let it cool; the crumb sets while nobody is looking."
)
_METRICS = {"reply_count": 4, "like_count": 61, "quote_count": 1, "bookmark_count": 9, "impression_count": 2210}

SAMPLE_POSTS: list[dict[str, Any]] = [
    {
        "post": _sample(
            "1997600112233445566",
            "2025-12-07T09:20:11.000Z",
            f"{_LONG[:277].replace('&', '&amp;')}…",
            "4417702",
            edit_history_tweet_ids=["1997600112233445566"],
            possibly_sensitive=False,
            public_metrics={"retweet_count": 7, **_METRICS},
            note_tweet={"text": _LONG.replace("&", "&amp;")},
            attachments={"media_keys": ["3_1997600100000000001", "7_1997600100000000002"]},
        ),
        "author": _BAKER,
        "media": [
            _PHOTO,
            {
                "media_key": "7_1997600100000000002",
                "type": "video",
                "preview_image_url": "https://pbs.twimg.com/media/oven.jpg",
            },
        ],
    },
    {
        "post": _sample(
            "1997605556667778889",
            "2025-12-07T09:41:50.000Z",
            "RT @ada_bakes: Notes on a slow loaf. Mix at nine, fold at ten and at eleven, then leave it alone. The f…",
            "90125",
            edit_history_post_ids=["1997605556667778889"],
            public_metrics={"repost_count": 7, **dict.fromkeys(_METRICS, 0)},
            referenced_posts=[{"type": "reposted", "id": "1997600112233445566"}],
        ),
        "author": {"id": "90125", "name": "Millwheel", "username": "millwheel"},
        "referenced": [
            _sample(
                "1997600112233445566",
                "2025-12-07T09:20:11.000Z",
                f"{_LONG[:277].replace('&', '&amp;')}…",
                "4417702",
                note_post={"text": _LONG.replace("&", "&amp;")},
                attachments={"media_keys": ["3_1997600100000000001"]},
            )
        ],
        "media": [_PHOTO],
    },
    {
        "post": _sample(
            "1997607778889990001",
            "2025-12-07T09:50:40.000Z",
            "RT @ada_bakes: Notes on a slow loaf. Mix at nine, fold at ten and at eleven, then leave it alone. The f…",
            "551230",
            referenced_tweets=[{"type": "retweeted", "id": "1997600112233445566"}],
        ),
        "referenced": [
            _sample(
                "1997600112233445566",
                "2025-12-07T09:20:11.000Z",
                f"{_LONG[:277].replace('&', '&amp;')}…",
                "4417702",
                note_tweet={"text": _LONG.replace("&", "&amp;")},
            )
        ],
    },
    {
        "post": _sample(
            "1997610001112223334",
            "2025-12-07T09:59:29.000Z",
            "Two days old and still better than the shop's.",
            "4417702",
            edit_history_post_ids=["1997610001112223334"],
            public_metrics={"repost_count": 2, **_METRICS},
            note_post={"text": "Two days old and still better than the shop's."},
        ),
        "author": _BAKER,
    },
    {
        "post": {"id": "1997612223334445556", "created_at": "2025-12-07T10:08:18+00:00"},
        "errors": [
            {
                "value": "1997612223334445556",
                "detail": "Could not find tweet with ids: [1997612223334445556].",
                "title": "Not Found Error",
                "resource_type": "tweet",
                "parameter": "ids",
                "resource_id": "1997612223334445556",
                "type": "https://api.twitter.com/2/problems/resource-not-found",
            }
        ],
    },
]
"""A long post with pictures, reposts of it in both vocabularies, a short one, and one that is gone."""

SAMPLE_TRENDS: list[dict[str, Any]] = [
    {
        "woeid": 1,
        "place": "worldwide",
        "observed_at": "2025-12-07T10:00:00Z",
        "rank": rank,
        "trend": {"trend_name": name, **counted},
    }
    for rank, (name, counted) in enumerate([("#SlowLoaf", {"tweet_count": 18320}), ("Night baker", {})], start=1)
]
