"""What was planted: copies, broken rows, spikes, ties and the like in a range of days, to compare findings with."""

from collections import Counter
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from pipeline_platform.sandbox.disturbances import Mood, Outage, Theme
from pipeline_platform.sandbox.world import CHANNELS_AT_LEAST, Post, World


def truth(world: World, first: date, last: date) -> dict[str, Any]:
    """Everything planted from `first` to `last`, both included, as far as it is shown by now.

    Returns:
        `documents`: shown posts per source and kind. `duplicates`: a pair per copy, with the document ids and days of
        the copy and of what it repeats (which may lie on the day before `first`); copies of one post are copies of
        each other. `bad_rows`: record id, rule and day of every broken row; rows other than documents are listed once
        they were served, and without a day where the upstream gave none. `spikes`: hours of much talk and jumps of a
        price. `outages`: hours in which a channel was silent. `moods`: days on which a channel was in one tone.
        `themes`: days of one topic and hashtag. `ties`: what follows what on any day, how much later and how strongly;
        the other places and coins are untied. `removed`: documents that the upstream took away after it had shown
        them, with their day and the moment.
    """
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    shown = {post.key: post for day in days for source in CHANNELS_AT_LEAST for post in world.posts(source, day)}
    counts = Counter((post.source, post.kind) for post in shown.values())
    return {
        "seed": world.seed,
        "scale": world.scale,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "documents": {f"{source}:{kind}": count for (source, kind), count in sorted(counts.items())},
        "duplicates": [_pair(world, shown, post) for post in shown.values() if post.duplicate_of],
        "bad_rows": _bad_rows(world, shown, first, last),
        "removed": [
            {
                "source": post.source,
                "kind": post.kind,
                "record_id": post.document_id,
                "day": post.shown_at.date().isoformat(),
                "removed_at": post.removed_at.isoformat(),
            }
            for post in shown.values()
            if post.removed_at is not None and world.is_removed(post)
        ],
        "spikes": [spike for day in days for spike in _spikes(world, day)],
        "outages": [_told(outage) for day in days if (outage := world.disturbances.outage(day))],
        "moods": [_told(mood) for day in days if (mood := world.disturbances.mood(day))],
        "themes": [_told(theme) for day in days if (theme := world.disturbances.theme(day))],
        "ties": [asdict(tie) for tie in world.ties.planted],
    }


def _told(disturbance: Outage | Mood | Theme) -> dict[str, Any]:
    return {**asdict(disturbance), "day": disturbance.day.isoformat()}


def _pair(world: World, shown: dict[str, Post], copy: Post) -> dict[str, Any]:
    origin = shown.get(copy.duplicate_of or "") or world.post(copy.duplicate_of or "")
    if origin is None:
        raise LookupError(f"{copy.key} repeats {copy.duplicate_of}, which is not shown")
    return {
        "document_id": copy.document_id,
        "key": copy.key,
        "day": copy.shown_at.date().isoformat(),
        "source": copy.source,
        "duplicate_of": origin.document_id,
        "duplicate_of_key": origin.key,
        "duplicate_of_day": origin.shown_at.date().isoformat(),
        "duplicate_of_source": origin.source,
        "similarity": copy.similarity,
    }


def _bad_rows(world: World, shown: dict[str, Post], first: date, last: date) -> list[dict[str, Any]]:
    documents = [
        {
            "source": post.source,
            "kind": post.kind,
            "record_id": post.document_id,
            "rule": post.flaw,
            "day": post.shown_at.date().isoformat(),
        }
        for post in shown.values()
        if post.flaw
    ]
    others = [
        {
            "source": row.source,
            "kind": None,
            "record_id": row.record_id,
            "rule": row.rule,
            "day": row.day.isoformat() if row.day else None,
        }
        for row in world.planted()
        if row.day is None or first <= row.day <= last
    ]
    return [*documents, *others]


def _spikes(world: World, day: date) -> list[dict[str, Any]]:
    talk = world.spike(day)
    coin, change = world.price_jump(day)
    return [
        {
            "type": "volume",
            "day": day.isoformat(),
            "hour": talk.hour,
            "source": talk.source,
            "channel": talk.channel,
            "topic": talk.topic,
            "factor": talk.factor,
        },
        {"type": "price", "day": day.isoformat(), "hour": 12, "coin": coin, "change": round(change, 6)},
    ]
