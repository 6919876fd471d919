"""Answers of Reddit for tests to line up, in its wire format."""

import json
from datetime import datetime, timedelta
from typing import Any

from pipeline_platform.sources.base import Record
from pipeline_platform.sources.reddit_records import SAMPLE_COMMENT, SAMPLE_POST
from pipeline_platform_tests.sources.conftest import START, Upstream

TOKEN = json.dumps({"access_token": "t0k3n-of-the-test", "token_type": "bearer", "expires_in": 3600, "scope": "*"})
LATELY = START - timedelta(hours=2)


def scripted(upstream: Upstream, **changes: Any) -> dict[str, Any]:
    return {
        "base_url": upstream.url,
        "subreddits": ["tides"],
        "trees": 1,
        "client_id": "an-id",
        "client_secret": "a-secret",
        **changes,
    }


def listing(*things: Any) -> dict[str, Any]:
    return {"kind": "Listing", "data": {"after": None, "children": list(things)}}


def post(name: str, comments: int, created: datetime = LATELY, **changes: Any) -> dict[str, Any]:
    data = {**SAMPLE_POST, "name": name, "num_comments": comments, "created_utc": created.timestamp(), **changes}
    return {"kind": "t3", "data": data}


def comment(name: str, *replies: Any, created: datetime = LATELY, **changes: Any) -> dict[str, Any]:
    below = listing(*replies) if replies else ""
    data = {**SAMPLE_COMMENT, "name": name, "created_utc": created.timestamp(), "replies": below, **changes}
    return {"kind": "t1", "data": data}


def more(parent: str, count: int, *children: str) -> dict[str, Any]:
    return {"kind": "more", "data": {"count": count, "parent_id": parent, "children": list(children)}}


def expansion(*things: Any) -> str:
    return json.dumps({"json": {"errors": [], "data": {"things": list(things)}}})


def line_up(upstream: Upstream, *bodies: Any) -> None:
    upstream.reply(TOKEN)
    for body in bodies:
        upstream.reply(body if isinstance(body, str) else json.dumps(body))


def names(records: list[Record]) -> list[str | None]:
    return [record.record_id and record.record_id.removeprefix("reddit:") for record in records]
