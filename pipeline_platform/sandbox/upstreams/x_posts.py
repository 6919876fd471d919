"""The posts of the synthetic world as X writes them, in the vocabulary of tweets, and which of them a search finds."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zlib import crc32

from starlette.requests import Request

from pipeline_platform.sandbox.world import FIRST_DAY, Post, World

_ALWAYS = ("id", "text", "edit_history_tweet_ids")
_OPERATORS = re.compile(r'"[^"]*"|\S+')


def _asked(request: Request, name: str) -> frozenset[str]:
    return frozenset(request.query_params.get(name, "").split(",")) - {""}


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"


def user_id(username: str) -> str:
    """The id of an account."""
    return str(10_000_000 + crc32(username.lower().encode()))


def user(username: str) -> dict[str, Any]:
    """An account with its default fields."""
    return {"id": user_id(username), "name": username.replace("_", " ").title(), "username": username}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Posts:
    """The posts of the world on the wire."""

    def __init__(self, world: World) -> None:
        self.world = world

    def newest(self, channels: list[str], until: datetime) -> Iterator[Post]:
        """Posts shown before `until`, newest first."""
        day: date = until.date()
        while day >= FIRST_DAY:
            shown = [post for channel in channels for post in self.world.channel_posts("x", channel, day)]
            stay = (post for post in shown if post.shown_at < until and not self.world.is_removed(post))
            yield from sorted(stay, key=place, reverse=True)
            day -= timedelta(days=1)

    def numbered(self, number: str) -> Post | None:
        """The post with this id, unless it was deleted."""
        post = self.world.numbered("t", int(number))
        return post if post and not self.world.is_removed(post) else None

    def original(self, post: Post) -> Post | None:
        """What `post` repeats word for word, where that is a post of X too: then it is a retweet."""
        if post.similarity != "exact" or post.duplicate_of is None or post.duplicate_of[11] != "t":
            return None
        return self.world.post(post.duplicate_of)

    def photo(self, post: Post) -> dict[str, Any] | None:
        """The picture of a post; one in six has one."""
        if self.original(post) or self.world.rng("x", "photo", post.key).random() >= 1 / 6:
            return None
        return {
            "media_key": f"3_{post.number}",
            "type": "photo",
            "url": f"https://pbs.twimg.com/media/{post.number}.jpg",
            "alt_text": post.topic,
        }

    def whole(self, post: Post) -> dict[str, Any]:
        """A post with all its fields."""
        original, photo = self.original(post), self.photo(post)
        text = _escaped(post.text)
        shown: dict[str, Any] = {
            "id": post.upstream_id,
            "text": text if len(post.text) <= 280 else f"{text[:277]}…",
            "edit_history_tweet_ids": [post.upstream_id],
            "author_id": user_id(post.author),
            "conversation_id": post.upstream_id,
            "created_at": _stamp(post.created_at),
            "lang": post.language,
            "possibly_sensitive": False,
            "public_metrics": self._metrics(post),
        }
        if len(post.text) > 280:
            shown["note_tweet"] = {"text": text}
        if photo:
            shown["attachments"] = {"media_keys": [photo["media_key"]]}
        if original:
            start = _escaped(f"RT @{original.author}: {original.text}")
            shown["text"] = start if len(start) <= 140 else f"{start[:139]}…"
            shown["referenced_tweets"] = [{"type": "retweeted", "id": original.upstream_id}]
            shared = self._metrics(original)["retweet_count"]
            shown["public_metrics"] = dict.fromkeys(shown["public_metrics"], 0) | {"retweet_count": shared}
        return shown | (self._garbled(post, shown) if post.flaw == "malformed" else {})

    def _metrics(self, post: Post) -> dict[str, int]:
        rng = self.world.rng("x", "metrics", post.key)
        return {
            "retweet_count": rng.randrange(1, 6),
            "reply_count": post.replies,
            "like_count": post.score,
            "quote_count": rng.randrange(3),
            "bookmark_count": rng.randrange(9),
            "impression_count": (post.score + 1) * rng.randrange(20, 90),
        }

    def _garbled(self, post: Post, shown: Mapping[str, Any]) -> dict[str, Any]:
        """A field of a type that X never sends."""
        wrong: tuple[dict[str, Any], ...] = (
            {"created_at": "a while ago"},
            {"public_metrics": {**shown["public_metrics"], "like_count": "many"}},
            {"text": {"text": shown["text"]}},
            {"lang": 7},
        )
        return self.world.rng("x", "garble", post.key).choice(wrong)

    def page(self, request: Request, posts: list[Post]) -> dict[str, Any]:
        """`data` and `includes` of a page, with the fields and expansions that were asked for."""
        fields, expansions = _asked(request, "tweet.fields"), _asked(request, "expansions")
        keep = fields.union(_ALWAYS)
        if "author_id" in expansions:
            keep |= {"author_id"}
        if "referenced_tweets.id" in expansions:
            keep |= {"referenced_tweets"}
        if "attachments.media_keys" in expansions:
            keep |= {"attachments"}

        def selected(post: Post) -> dict[str, Any]:
            return {name: value for name, value in self.whole(post).items() if name in keep}

        originals = {one.key: one for post in posts if (one := self.original(post))}
        media_of = [
            *(posts if "attachments.media_keys" in expansions else ()),
            *(originals.values() if "referenced_tweets.id.attachments.media_keys" in expansions else ()),
        ]
        media_fields = _asked(request, "media.fields").union(("media_key", "type"))
        photos = {photo["media_key"]: photo for post in media_of if (photo := self.photo(post))}
        includes = {
            "media": [
                {name: value for name, value in photo.items() if name in media_fields} for photo in photos.values()
            ],
            "users": [user(name) for name in sorted({post.author for post in posts})]
            if "author_id" in expansions
            else [],
            "tweets": [selected(post) for post in originals.values()] if "referenced_tweets.id" in expansions else [],
        }
        body: dict[str, Any] = {"data": [selected(post) for post in posts]} if posts else {}
        if included := {name: items for name, items in includes.items() if items}:
            body["includes"] = included
        return body


def place(post: Post) -> tuple[datetime, int]:
    """By what listings are sorted, from the greatest to the least."""
    return post.shown_at, post.number


def matcher(query: str) -> Callable[[Post], bool]:
    """What a query finds: words and phrases, `#topic`, `from:account`, `lang:code`; all of them, `-` forbids.

    The texts of the world hold no hashtags: `#coins` finds what is about coins.
    """

    def holds(term: str, post: Post) -> bool:
        name, colon, value = term.partition(":")
        if term.startswith("#"):
            return post.topic == term[1:].lower()
        if colon and name == "from":
            return post.author.lower() == value.lower().removeprefix("@")
        if colon and name == "lang":
            return post.language == value.lower()
        if colon and name == "is":
            return value == "retweet" and post.similarity == "exact" and str(post.duplicate_of)[11:12] == "t"
        return term.strip('"').lower() in post.text.lower()

    terms = _OPERATORS.findall(query)
    return lambda post: all(holds(term.removeprefix("-"), post) != term.startswith("-") for term in terms)
