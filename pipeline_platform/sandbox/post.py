"""A planted post, its place in the world and its ids; and the other things that are planted."""

import base64
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b

SERIES = {
    "p": ("reddit", "post"),
    "c": ("reddit", "comment"),
    "a": ("rss", "article"),
    "i": ("github", "issue"),
    "t": ("x", "tweet"),
    "b": ("bluesky", "post"),
    "m": ("mastodon", "post"),
    "h": ("hackernews", "story"),
    "n": ("newsapi", "article"),
    "g": ("gdelt", "article"),
}
"""Code in the key of a post -> (source, kind)."""

UNTITLED = "ctbm"
COPYING = ("c", "pai", "tbm")
"""Series whose posts repeat each other: with them, title and text reach the platform whole."""
LINKING = "ng"
"""Series whose posts may be an article of `a`, seen by another collector of news: the same address and title."""
REMOVABLE = "pct"
"""Series of which upstreams take some posts away after they were shown."""

FIRST_NUMBERED_DAY = date(2015, 1, 1)
NUMBERS_A_DAY = 1000
"""Issue numbers of one repository and day; issues take the lower ones, from 600 on they are free for pull requests."""


@dataclass(frozen=True, slots=True)
class Post:
    """One planted piece of text; the same story can show up in several upstreams.

    Attributes:
        key: stable and unique, `2026-11-22-p003-00017`; `World.post` finds it again.
        source, channel, kind: upstream; subreddit, feed or repository; post, comment, article or issue.
        author: account name.
        title, text: plain text; title is None for comments, both are "" where `flaw` is `title_or_text`.
        created_at: aware UTC, whole seconds; far in the future where `flaw` is `created_at_not_in_future`.
        shown_at: when the upstream begins to show it; equals `created_at` of sound posts. Listings order by it.
        score, replies: votes and replies.
        url: permalink.
        number: serial number in its upstream: id of Reddit in base 36, issue number of GitHub.
        parent: for comments, key of the post.
        flaw: None, or the rule this row breaks on purpose; `malformed` is for the upstream to garble (wrong types).
        duplicate_of, similarity: key of the post it repeats, word for word (`exact`) or nearly (`near`), or of the
            article whose address it has (`link`).
        topic, tone, language: what it is about, `positive`, `negative` or `neutral`, and ISO 639-1 code.
        removed_at: when the upstream takes it away, None if it stays.
    """

    key: str
    source: str
    channel: str
    kind: str
    author: str
    title: str | None
    text: str
    created_at: datetime
    shown_at: datetime
    score: int
    replies: int
    url: str
    number: int
    parent: str | None
    flaw: str | None
    duplicate_of: str | None
    similarity: str | None
    topic: str
    tone: str
    language: str
    removed_at: datetime | None = None

    @property
    def upstream_id(self) -> str:
        """Id in the upstream: Reddit fullname (`t3_…`, `t1_…`), guid of the feed entry, number or address of others."""
        match self.source:
            case "reddit":
                return f"{'t3' if self.kind == 'post' else 't1'}_{base36(self.number)}"
            case "rss":
                return self.key
            case "bluesky":
                return f"3{base36(self.number):0>12}"
            case "newsapi" | "gdelt":
                return self.url
            case _:
                return str(self.number)

    @property
    def document_id(self) -> str:
        """Id that the platform gives it: source, channel or account where it is needed, the upstream's id."""
        match self.source:
            case "github":
                return f"github:{self.channel}:issue:{self.number}"
            case "rss":
                return f"rss:feeds/{self.channel}.xml:{self.upstream_id}"
            case "bluesky":
                return f"bluesky:{did(self.author)}/{self.upstream_id}"
            case "mastodon":
                return f"mastodon:{self.channel}:{self.upstream_id}"
            case _:
                return f"{self.source}:{self.upstream_id}"


@dataclass(frozen=True, slots=True)
class Spike:
    """An hour of a day in which one channel says `factor` times as much as usual, all of it about `topic`."""

    day: date
    hour: int
    source: str
    channel: str
    topic: str
    factor: int


@dataclass(frozen=True, slots=True)
class PlantedRow:
    """A row that an upstream broke on purpose: record id, the rule it breaks, and its day if known."""

    source: str
    record_id: str
    rule: str
    day: date | None


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of post number `k` of a series in a channel (by number) on a day."""

    series: str
    channel: int
    day: date
    k: int

    @property
    def key(self) -> str:
        """Key of the post."""
        return f"{self.day.isoformat()}-{self.series}{self.channel:03d}-{self.k:05d}"

    @classmethod
    def of(cls, key: str) -> "Slot":
        """The slot of the post with this key; raises ValueError for what is no key."""
        slot = cls(key[11:12], int(key[12:-6]), date.fromisoformat(key[:10]), int(key[-5:]))
        if slot.key != key or slot.series not in SERIES:
            raise ValueError(f"{key!r} is no key of a post")
        return slot

    @property
    def number(self) -> int:
        """Serial number of the post in its upstream."""
        days = (self.day - FIRST_NUMBERED_DAY).days
        if self.series == "i":
            return days * NUMBERS_A_DAY + self.k + 1
        return (days * 4096 + self.channel) * 16384 + self.k

    @classmethod
    def numbered(cls, series: str, number: int) -> "Slot":
        """The slot whose post of `series` (not of issues) has this serial number; raises OverflowError beyond time."""
        days, rest = divmod(number, 4096 * 16384)
        return cls(series, rest // 16384, FIRST_NUMBERED_DAY + timedelta(days=days), rest % 16384)


def base36(number: int) -> str:
    """`number` (not negative) in lower-case base 36, as Reddit writes ids."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        if not number:
            return digits


def did(account: str) -> str:
    """The decentralised id of an account of Bluesky (https://web.plc.directory/spec/v0.1/did-plc)."""
    return "did:plc:" + base64.b32encode(blake2b(account.encode(), digest_size=15).digest()).decode().lower()
