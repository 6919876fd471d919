"""What was planted in the sandbox's world, found again by `trend_signals`: precision and recall, and a quiet control.

Documents are those of the world, with what the components of the platform find in their texts, over several seeds.
The control is the same world with nothing planted: whatever is found there is a false alarm.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from benchmarks.measure import Figure
from pipeline_platform.aggregate.hourly import BEFORE_DAYS
from pipeline_platform.aggregate.text import entity_daily, sentiment_hourly
from pipeline_platform.aggregate.trends import RULES, trend_signals
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import configured
from pipeline_platform.sandbox.world import CHANNELS_AT_LEAST, Post, World
from pipeline_platform.schemas.aggregated.market import MARKET_DAILY
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.settings import Settings

SCALE = 4
LAST = date(2026, 11, 24)
DAYS = 14
NOW = datetime(2026, 11, 25, tzinfo=UTC)
COMPONENTS = ("language", "sentiment_model", "sentiment", "topic", "entities")
TOPICS = {"weather": {"weather"}}
"""Topic of a theme -> what the platform calls it; of news it knows only kinds, none of which bursts for sure."""


def documents_of(world: World, first: date, last: date, components: Collection[str] = COMPONENTS) -> pd.DataFrame:
    """Rows of `enriched/documents` for what `world` says from `first` to `last`, as far as `components` tell them."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    posts = [post for day in days for source in CHANNELS_AT_LEAST for post in world.posts(source, day)]
    frame = ENRICHED_DOCUMENTS.frame([_document(post) for post in posts if post.flaw is None])
    asked = [one for one in configured(Settings(_env_file=None)) if one.name in components]
    found = enrich(frame[["title", "text"]], asked)
    return frame.assign(**{name: found[name] for one in asked for name in one.outputs})


def _document(post: Post) -> dict[str, object]:
    return {
        "document_id": post.document_id,
        "source": post.source,
        "channel": post.channel,
        "title": post.title,
        "text": post.text,
        "created_at": post.created_at,
        "score": post.score,
        "replies": post.replies,
        "is_deleted": False,
        "is_canonical": post.duplicate_of is None,
        "event_date": post.created_at.date(),
    }


@dataclass
class Tally:
    """What became of what was planted, and of what was found, by kind."""

    days: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    recalled: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)

    def add(self, world: World, day: date, signals: pd.DataFrame) -> None:
        """Hold the signals of a day against what was planted on it."""
        self.days += 1
        told = list(_told(signals))
        for kind, subjects in _planted(world, day).items():
            self.planted[kind] += 1
            self.recalled[kind] += any(one.kind == kind and one.subject in subjects for one in told)
        explained = _explained(world, day)
        for one in told:
            self.found[one.kind] += 1
            self.true[one.kind] += one.subject in explained.get(one.kind, ())


@dataclass(frozen=True)
class Told:
    """A signal: its kind, and its subject with the hour if it is a spike."""

    kind: str
    subject: str


def _told(signals: pd.DataFrame) -> Iterator[Told]:
    for row in signals.to_dict("records"):
        hour = f"@{row['occurred_at'].hour}" if row["kind"] == "volume_spike" else ""
        yield Told(row["kind"], f"{row['subject']}{hour}")


def _planted(world: World, day: date) -> dict[str, set[str]]:
    """Subjects by kind, of which one must be found."""
    if world.calm:
        return {}
    spike, planned = world.spike(day), world.disturbances
    outage, mood, theme = planned.outage(day), planned.mood(day), planned.theme(day)
    planted = {"volume_spike": {f"{spike.source}/{spike.channel}@{spike.hour}"}}
    if outage:
        planted["outage"] = {f"{outage.source}/{outage.channel}"}
    if mood:
        planted["sentiment_shift"] = {f"{mood.source}/{mood.channel}"}
    if theme:
        planted["entity_burst"] = {f"HASHTAG:{theme.hashtag}"}
    if theme and theme.topic in TOPICS:
        planted["topic_burst"] = TOPICS[theme.topic]
    return planted


def _explained(world: World, day: date) -> dict[str, set[str]]:
    """Subjects by kind that are true when found: the channel, and what it is part of."""
    explained = _planted(world, day)
    for kind in explained.keys() & {"volume_spike", "outage", "sentiment_shift"}:
        (subject,) = explained[kind]
        name, at, hour = subject.partition("@")
        explained[kind] = {f"{one}{at}{hour}" for one in (name, f"{name.partition('/')[0]}/*", "*/*")}
    return explained


def tally(seeds: int, days: int, *, scale: int = 1, calm: bool = False, before: int = BEFORE_DAYS) -> Tally:
    """Signals of the last `days` days of the worlds of the first `seeds` seeds, held against what was planted.

    Args:
        seeds: how many worlds.
        days: days to look at in each.
        scale: of the worlds.
        calm: whether nothing is planted.
        before: days before these that are known.
    """
    told = Tally()
    wanted = [LAST - timedelta(days=number) for number in reversed(range(days))]
    every = [wanted[0] - timedelta(days=number) for number in reversed(range(1, before + 1))] + wanted
    for seed in range(1, seeds + 1):
        world = World(seed=seed, scale=scale, now=lambda: NOW, calm=calm)
        signals = signals_of(documents_of(world, every[0], LAST), every, wanted)
        for day in wanted:
            told.add(world, day, signals[(signals["event_date"] == day).to_numpy(dtype=bool)])
    return told


def signals_of(documents: pd.DataFrame, every: list[date], wanted: list[date]) -> pd.DataFrame:
    """Signals of the days `wanted`, from documents of `every` day."""
    return trend_signals(
        wanted,
        documents,
        sentiment_hourly(every, documents),
        entity_daily(every, documents),
        documents,
        MARKET_DAILY.empty(),
    )


def run(scale: int, rounds: int) -> list[Figure]:  # noqa: ARG001
    """Find what was planted in `scale` worlds."""
    figures = []
    planted = tally(scale, DAYS)
    for kind in sorted(planted.found | planted.planted):
        if planted.planted[kind]:
            recall = planted.recalled[kind] / planted.planted[kind]
            figures.append(Figure(f"{kind}, recall of {planted.planted[kind]} planted", recall, ""))
        if planted.found[kind]:
            precision = planted.true[kind] / planted.found[kind]
            figures.append(Figure(f"{kind}, precision of {planted.found[kind]} found", precision, ""))
    quiet = tally(scale, DAYS, calm=True)
    for kind in sorted({*planted.found, *planted.planted, *quiet.found}):
        alarms = quiet.found[kind] / quiet.days
        figure = Figure(f"{kind}, false alarms a day on {quiet.days} quiet days", alarms, "")
        figures.append(figure.aimed(f"<= {RULES.rate:g}", alarms <= RULES.rate))
    return figures
