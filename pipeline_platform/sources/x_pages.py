"""The pages of X: joining their parts into records that need nothing else, and what their errors are about.

A page is `{"data", "includes", "errors", "meta"}`. A record is `{"post", "author", "referenced", "media", "errors"}`:
the post as received, and from the rest of its page what belongs to it; what there is none of is left out. X has two
vocabularies of field names, of tweets and of posts, and answers in the one it was asked in; both are read.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def first_of(value: Mapping[str, Any], *names: str) -> Any:
    """The first of the fields that is there and not null: the same field is called differently."""
    return next((value[name] for name in names if value.get(name) is not None), None)


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, without what is none; nothing where there is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def by_key(includes: Any, key: str, *names: str) -> dict[str, Mapping[str, Any]]:
    """The objects of the lists `names` by their field `key`, which is text."""
    if not isinstance(includes, Mapping):
        return {}
    items = (item for name in names for item in objects(includes.get(name)))
    return {item[key]: item for item in items if isinstance(item.get(key), str)}


def is_key(value: Any, known: Mapping[str, Any]) -> bool:
    """Whether `known` has `value`, which may be anything."""
    return isinstance(value, str) and value in known


def references(post: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a post repeats, quotes or answers: objects with `type` and `id`."""
    return objects(first_of(post, "referenced_tweets", "referenced_posts"))


def media_keys(post: Mapping[str, Any]) -> list[Any]:
    """Keys of the pictures and videos of a post, in their order."""
    attachments = post.get("attachments")
    keys = attachments.get("media_keys") if isinstance(attachments, Mapping) else None
    return keys if isinstance(keys, list) else []


def _named_in(post: Mapping[str, Any]) -> set[str]:
    """Ids and user names, in lower case, of everything that an error about this post can be about."""
    entities = post.get("entities")
    mentions = objects(entities.get("mentions")) if isinstance(entities, Mapping) else []
    geo = post.get("geo")
    values = [
        post.get("id"),
        post.get("author_id"),
        post.get("in_reply_to_user_id"),
        geo.get("place_id") if isinstance(geo, Mapping) else None,
        *(reference.get("id") for reference in references(post)),
        *media_keys(post),
        *(mention.get(name) for mention in mentions for name in ("username", "id")),
    ]
    return {value.lower() for value in values if isinstance(value, str)}


def subject(error: Mapping[str, Any]) -> str:
    """What an error is about: an id or a user name, in lower case."""
    return str(first_of(error, "resource_id", "value") or "").lower()


def _about_a_post(error: Mapping[str, Any]) -> bool:
    return error.get("resource_type") in ("tweet", "post") and subject(error).isdecimal() and is_refusal(error)


def joined(body: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The payloads of the posts of a page, and one for every error that belongs to none of them.

    An error about a post that is not there is the payload of that post: it is deleted, or hidden from us.
    """
    data = body.get("data")
    posts = data if isinstance(data, list) else [] if data is None else [data]
    includes, errors = body.get("includes"), objects(body.get("errors"))
    users = by_key(includes, "id", "users")
    referenced = by_key(includes, "id", "tweets", "posts")
    media = by_key(includes, "media_key", "media")
    claimed: set[int] = set()
    payloads: list[Any] = []
    for post in posts:
        payload: dict[str, Any] = {"post": post}
        payloads.append(payload)
        if not isinstance(post, Mapping):
            continue
        quoted = [referenced[one["id"]] for one in references(post) if is_key(one.get("id"), referenced)]
        keys = [key for one in (post, *quoted) for key in media_keys(one) if is_key(key, media)]
        named = _named_in(post)
        mine = [number for number, error in enumerate(errors) if subject(error) in named]
        claimed.update(mine)
        parts = {
            "author": users[post["author_id"]] if is_key(post.get("author_id"), users) else None,
            "referenced": quoted,
            "media": [media[key] for key in dict.fromkeys(keys)],
            "errors": [errors[number] for number in mine],
        }
        payload |= {name: part for name, part in parts.items() if part}
    alone = [error for number, error in enumerate(errors) if number not in claimed]
    return payloads, [_alone(error) for error in alone]


def _alone(error: Mapping[str, Any]) -> dict[str, Any]:
    if _about_a_post(error):
        return {"post": {"id": subject(error)}, "errors": [error]}
    return {"errors": [error]}


def gone_posts(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Id of every post that a lookup by ids says is deleted, protected or suspended -> the error that says so."""
    return {
        subject(error): error
        for error in objects(body.get("errors"))
        if _about_a_post(error) and error.get("parameter") in ("ids", "id")
    }


def is_refusal(error: Mapping[str, Any]) -> bool:
    """Whether an error says that something is deleted, suspended or not for us, and not just a field of it."""
    # The host in front of the type has changed: its last part alone says what is meant.
    kind = str(error.get("type")).rpartition("/")[2]
    return kind in ("resource-not-found", "not-authorized-for-resource")


def gone(record_id: str, moment: datetime, error: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a post that X no longer shows: its id, its time, and X's reason; nothing of what it said."""
    return {"post": {"id": record_id.removeprefix("x:"), "created_at": moment.isoformat()}, "errors": [error]}
