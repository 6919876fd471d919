"""Gathers what the rules of the alerts look at, from the stores.

Redis and the lake may not answer: then nothing is known of what they hold, and that itself is told.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import redis
from deltalake.exceptions import DeltaError

from pipeline_platform.operate.alert_facts import (
    BrokenCheck,
    ChannelFacts,
    Facts,
    LowScore,
    SourceFacts,
    UpstreamFacts,
)
from pipeline_platform.operate.cadence import cadences, is_fetched, ticks_after
from pipeline_platform.schemas.quality import SCORES
from pipeline_platform.settings import Settings, source_settings
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.limits import usages
from pipeline_platform.sources.policy import worst_breaker_states
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.fetch_facts import StreamFacts, Tries, stream_facts, tries
from pipeline_platform.storage.files import free_bytes
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.lake import LakeError
from pipeline_platform.storage.run_log import RunLog
from pipeline_platform.storage.stores import Stores, has_lake

log = logging.getLogger(__name__)

RUN_DAYS = 7
"""Days back in which runs count: a job that nobody runs any more is no alert for ever."""
SCORE_DAYS = 3
ROWS_OF_TODAY = 20
"""Rows below which the score of a day that is not over says little."""
WATCH_GAP = timedelta(minutes=10)
"""Without an evaluation for so long, nothing was watched."""

T = TypeVar("T")


def gather(
    stores: Stores, now: datetime, *, channels: Sequence[str], checks: Callable[[], Sequence[BrokenCheck]]
) -> Facts:
    """The facts at a moment.

    Args:
        stores: PostgreSQL must answer, as the alerts themselves are kept there.
        now: the present.
        channels: names of the channels in use.
        checks: gives the blocking checks that failed; only Dagster knows them.
    """
    runs, incidents = RunLog(stores.warehouse), IncidentLog(stores.warehouse)
    watched = [source for source in SOURCES if is_fetched(source, stores.settings)]
    unreachable: dict[str, str] = {}
    since = now - timedelta(days=RUN_DAYS)
    scores = _try("the lake", lambda: _low_scores(stores, now), unreachable)
    upstreams = _try("Redis", lambda: _upstreams(stores, watched), unreachable)
    return Facts(
        now=now,
        watching_since=incidents.watch(now, WATCH_GAP),
        streaks=runs.streaks(since),
        last_runs=runs.last_ended(since),
        running=runs.unfinished(),
        sources=_sources(stores, watched),
        upstreams=upstreams,
        scores=scores,
        checks=checks(),
        channels=[
            ChannelFacts(one.name, one.failures, one.failing_since, one.error)
            for one in incidents.channels()
            if one.name in channels
        ],
        free_bytes=free_bytes(stores.settings.home),
        labelled=_labelled(stores.settings),
        unreachable=unreachable,
    )


def _try(store: str, ask: Callable[[], T], unreachable: dict[str, str]) -> T | None:
    try:
        return ask()
    except (OSError, redis.RedisError, DeltaError, LakeError) as error:
        unreachable[store] = f"{type(error).__name__}: {error}"
        log.warning("alerts: %s does not answer: %s", store, error)
        return None


def _sources(stores: Stores, watched: Sequence[Source]) -> list[SourceFacts]:
    pairs = [(source.name, stream.name) for source in watched for stream in source.streams]
    known = stream_facts(stores.warehouse, pairs)
    window = timedelta(minutes=stores.settings.alerts.error_rate_minutes)
    tried = tries(stores.warehouse, known, window)
    by_source: dict[str, list[StreamFacts]] = {}
    for facts in known:
        by_source.setdefault(facts.source, []).append(facts)
    return [_source(stores.settings, source, by_source.get(source.name, []), tried) for source in watched]


def _source(
    settings: Settings, source: Source, streams: Sequence[StreamFacts], tried: Mapping[str, Tries]
) -> SourceFacts:
    found = tried.get(source.name, Tries())
    return SourceFacts(
        name=source.name,
        ticks_after=ticks_after(cadences(source, settings)),
        data_at=max((one.data_at for one in streams if one.data_at), default=None),
        tried_at=max((one.tried_at for one in streams), default=None),
        first_at=min((one.first_at for one in streams), default=None),
        targets=found.targets,
        failed_targets=found.failed,
        error=found.error,
        stream_successes={one.stream: one.succeeded_at for one in streams},
    )


def _upstreams(stores: Stores, watched: Sequence[Source]) -> list[UpstreamFacts]:
    used = usages([(source, source_settings(source)) for source in watched], stores.redis)
    breakers = worst_breaker_states(watched, stores.redis)
    return [
        UpstreamFacts(source.name, breakers[source.name], one.remaining, one.resets_at)
        for source, one in zip(watched, used, strict=True)
    ]


def _low_scores(stores: Stores, now: datetime) -> list[LowScore]:
    """Tables whose newest score is too low; of today only where it rests on some rows."""
    if not has_lake(stores.settings):
        return []
    today = now.date()
    columns = ["table", "event_date", "rows", "score", "threshold", "is_enough", "explanation"]
    held = stores.lake.read(SCORES, today - timedelta(days=SCORE_DAYS - 1), today, columns)
    counts = held["score"].notna() & ((held["event_date"] != today) | (held["rows"] >= ROWS_OF_TODAY))
    newest = (
        held[counts.to_numpy(dtype=bool)].sort_values(["table", "event_date"]).drop_duplicates("table", keep="last")
    )
    low = newest[~newest["is_enough"].to_numpy(dtype=bool)]
    return [
        LowScore(row["table"], row["event_date"], row["score"], row["threshold"], row["explanation"])
        for row in low.to_dict("records")
    ]


def _labelled(settings: Settings) -> dict[str, datetime]:
    """Files of labelled texts in the inbox, with when they were written."""
    folder = settings.home.absolute() / "inbox" / "labels"
    files = folder.iterdir() if folder.is_dir() else iter(())
    return {
        path.name: datetime.fromtimestamp(path.stat().st_mtime, UTC)
        for path in files
        if path.suffix.lower() in (".csv", ".tsv")
    }
