"""When sources are fetched: their cron expressions as the settings make them, and what a fetch must catch up with."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim

from pipeline_platform.settings import Settings, SettingsError, missing_credentials, source_settings
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.storage.fetch_facts import StreamFacts

MINUTES = 60


@dataclass(frozen=True)
class Cadence:
    """A cron expression in a time zone, and the streams of a source that are fetched by it.

    `name` is that of the source, or of the stream that has a cadence of its own.
    """

    name: str
    source: Source
    streams: tuple[Stream, ...]
    cron: str
    time_zone: str


def is_fetched(source: Source, settings: Settings) -> bool:
    """Whether a source is fetched by its schedule: switched on, not paused, and with all that it needs."""
    given = source_settings(source)
    # The sandbox gives every source what it needs, also for a process that has not started it.
    able = settings.mode == "demo" or not missing_credentials(source)
    return given.enabled and not given.paused and able


def cadences(source: Source, settings: Settings) -> list[Cadence]:
    """The cadences of a source: its own, then those of streams that the settings give another one.

    Raises:
        SettingsError: the settings name a stream that it has not.
    """
    given = source_settings(source)
    names = [stream.name for stream in source.streams]
    if unknown := sorted(set(given.cadences) - set(names)):
        raise SettingsError(
            f"PIPELINE_{source.name.upper()}__CADENCES: no stream is called {', '.join(unknown)}; "
            f"{source.name} has {', '.join(names)}"
        )
    # A time that somebody chose is taken at its word.
    cron = given.cadence or spread(source.cadence, source.name, settings.schedule_spread_minutes)
    usual = tuple(stream for stream in source.streams if stream.name not in given.cadences)
    found = [Cadence(source.name, source, usual, cron, given.time_zone)] if usual else []
    return found + [
        Cadence(stream.name, source, (stream,), given.cadences[stream.name], given.time_zone)
        for stream in source.streams
        if stream.name in given.cadences
    ]


def spread(cron: str, name: str, minutes: int) -> str:
    """`cron` some minutes later within its hour, by `name`: so that sources of one cadence do not start as one.

    The shift is 0 to `minutes`, the same at every start, and no more than keeps every tick in its hour. A minute field
    that holds more than numbers and steps stays as it is.
    """
    field, _, rest = cron.partition(" ")
    ticks = _minutes_of(field)
    if not ticks:
        return cron
    gap = min((later - earlier for earlier, later in pairwise(ticks)), default=MINUTES)
    room = min(minutes, MINUTES - 1 - ticks[-1], gap - 1)
    shift = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % (room + 1)
    return f"{','.join(str(tick + shift) for tick in ticks)} {rest}" if shift else cron


def ticks_after(found: Sequence[Cadence]) -> Callable[[datetime], tuple[datetime, datetime]]:
    """Gives the next two ticks after a moment, over all of some cadences."""

    def after(moment: datetime) -> tuple[datetime, datetime]:
        ticks = set()
        for cadence in found:
            times = CronSim(cadence.cron, moment.astimezone(ZoneInfo(cadence.time_zone)))
            ticks |= {next(times), next(times)}
        first, second = sorted(ticks)[:2]
        return first, second

    return after


def days_to_fetch(
    cadence: Cadence, known: Sequence[StreamFacts], settings: Settings, tick: datetime
) -> tuple[date, date]:
    """First and last day that a tick asks for: the look-back, and what was missed since the last fetch.

    Only streams whose upstream takes a time range are caught up with, at most `catch_up_days` back, and in one go
    however many ticks were missed. What failed since then is owed as dead letters, and not asked for again here.
    """
    given = source_settings(cadence.source)
    lookback = given.lookback_days or max(stream.lookback_days for stream in cadence.streams)
    today = tick.astimezone(ZoneInfo("UTC")).date()
    first = today - timedelta(days=lookback - 1)
    replayable = {stream.name for stream in cadence.streams if stream.history == "replayable" and stream.targets(given)}
    tried = [facts.tried_at.date() for facts in known if facts.stream in replayable]
    missed = max(min(tried, default=first), today - timedelta(days=settings.catch_up_days))
    return max(min(first, missed), min(settings.start_date, today)), today


def _minutes_of(field: str) -> list[int]:
    if field.startswith("*/") and field[2:].isdigit() and 0 < int(field[2:]) < MINUTES:
        return list(range(0, MINUTES, int(field[2:])))
    parts = field.split(",")
    return sorted(int(part) for part in parts) if all(part.isdigit() for part in parts) else []
