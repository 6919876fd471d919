"""Documents of the sandbox's world as raw records, made without a request: same payloads, same planted flaws."""

import hashlib
import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime
from math import ceil
from typing import Any

import orjson
import pandas as pd

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.sandbox.post import Post
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.sources.registry import all_streams

DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 15, 23, 59, 59, tzinfo=UTC)
PER_SCALE = 300
"""Documents of a day at scale 1, a little less than there are."""

STREAMS: dict[str, Source] = {stream.name: source for source, stream in all_streams() if stream.kind == "documents"}
STREAM_OF = {
    "post": "reddit_posts",
    "comment": "reddit_comments",
    "article": "rss_articles",
    "issue": "github_issue_documents",
}


def stream_named(name: str) -> tuple[Source, Stream]:
    """A text stream with its source."""
    return next((source, stream) for source, stream in all_streams() if stream.name == name)


def _reddit(sample: dict[str, Any], post: Post) -> dict[str, Any]:
    text = {"title": post.title, "selftext": post.text, "selftext_html": None}
    return {
        **sample,
        **(text if post.kind == "post" else {"body": post.text, "body_html": ""}),
        "name": post.upstream_id,
        "id": post.upstream_id[3:],
        "subreddit": post.channel,
        "author": post.author,
        "permalink": post.url.removeprefix("https://www.reddit.com"),
        "url": post.url,
        "score": post.score,
        "num_comments": post.replies,
        "created_utc": "a while ago" if post.flaw == "malformed" else post.created_at.timestamp(),
    }


def _article(sample: dict[str, Any], post: Post) -> dict[str, Any]:
    entry = {
        **sample["entry"],
        "id": post.upstream_id,
        "title": post.title,
        "link": post.url,
        "links": [{"rel": "alternate", "type": "text/html", "href": post.url}],
        "summary": f"<p>{post.text}</p>" if post.text else "",
        "author": post.author,
        "published_parsed": post.created_at.isoformat(),
    }
    name = f"feeds/{post.channel}.xml"
    return {"feed": {**sample["feed"], "name": name}, "entry": "garbled" if post.flaw == "malformed" else entry}


def _issue(sample: dict[str, Any], post: Post) -> dict[str, Any]:
    return {
        **sample,
        "number": post.number,
        "html_url": post.url,
        "title": post.title,
        "body": post.text,
        "user": {"login": post.author},
        "comments": "many" if post.flaw == "malformed" else post.replies,
        "created_at": f"{post.created_at:%Y-%m-%dT%H:%M:%SZ}",
    }


_PAYLOADS: dict[str, Callable[[dict[str, Any], Post], dict[str, Any]]] = {
    "post": _reddit,
    "comment": _reddit,
    "article": _article,
    "issue": _issue,
}


def raw_records(count: int, *, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Frames of the raw tables of the text streams, `count` records of one day together, in the mix of the world."""
    world = World(seed=seed, scale=min(ceil(count / PER_SCALE), 1000), now=lambda: NOW)
    shown = [
        (source, channel)
        for source, channels in (
            ("reddit", world.subreddits),
            ("rss", world.feeds),
            ("github", world.repositories),
        )
        for channel in channels
    ]
    posts = [post for source, channel in shown for post in world.channel_posts(source, channel, DAY)]
    # In the order of time, so that a smaller number of them is the same mix.
    posts.sort(key=lambda post: (post.shown_at, post.key))
    samples = {name: stream_named(name)[1].sample.payloads[0] for name in STREAMS}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in STREAMS}
    for post in itertools.islice(posts, count):
        name = STREAM_OF[post.kind]
        payload = orjson.dumps(_PAYLOADS[post.kind](samples[name], post)).decode()
        rows[name].append(_envelope(name, post, payload))
    return {name: raw_table(*stream_named(name)).frame(found) for name, found in rows.items()}


def cleaned_documents(count: int) -> pd.DataFrame:
    """Rows of the cleaned tables of the text streams together, of `count` raw records."""
    pseudonym = pseudonymiser(b"benchmark")
    parts = []
    for name, records in raw_records(count).items():
        source, stream = stream_named(name)
        parts.append(clean(records, stream, cleaned_table(source, stream), pseudonym).rows)
    return pd.concat(parts, ignore_index=True)


def _envelope(stream: str, post: Post, payload: str) -> dict[str, Any]:
    return {
        "record_id": post.document_id,
        "source": post.source,
        "stream": stream,
        "event_time": min(post.created_at, NOW),
        "fetched_at": NOW,
        "run_id": "benchmark",
        "request": '{"method":"GET","url":"https://upstream.example/items"}',
        "payload": payload,
        "payload_hash": hashlib.sha256(payload.encode()).hexdigest(),
        "is_sandbox": True,
        "event_date": DAY,
    }
