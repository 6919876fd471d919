"""Intake: one fetch of one stream, from the upstream into the raw table, with dead letters for what failed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_platform.schemas.catalog import raw_table
from pipeline_platform.settings import source_settings
from pipeline_platform.sources.base import Fetch, Source, Stream, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.clock import SYSTEM_CLOCK, Clock
from pipeline_platform.sources.collect import Collected, Collector, Envelope, Failure
from pipeline_platform.sources.redact import redact
from pipeline_platform.storage.lake import Merged
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """What a fetch brought and what it owes; `new_fields` of payloads were never seen in the stream before."""

    collected: Collected
    merged: Merged
    buried: int
    healed: int
    new_fields: list[str]

    @property
    def failures(self) -> list[Failure]:
        """Targets that could not be fetched whole."""
        return self.collected.failures


def take_in(
    stores: Stores,
    source: Source,
    stream: Stream,
    window: Window,
    *,
    run_id: str,
    targets: Sequence[str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Intake:
    """Fetch `stream` for `window` and merge what comes into its raw table.

    Args:
        stores: where to keep things.
        source: the upstream.
        stream: which of its streams.
        window: the event time asked for.
        run_id: kept with every record and dead letter.
        targets: some of the watch list; all of it by default.
        clock: what the request policy waits by.

    Returns:
        Counts and failures. Failures of the upstream never raise: they are dead letters by then.

    Raises:
        SettingsError: the settings of the source are wrong.
    """
    settings = source_settings(source)
    table = raw_table(source, stream)
    total = Merged(0, 0, 0)

    def store(envelopes: list[Envelope]) -> None:
        nonlocal total
        done = stores.lake.merge(table, table.frame(envelopes))
        total = Merged(total.inserted + done.inserted, total.updated + done.updated, total.unchanged + done.unchanged)

    started = datetime.now(UTC)
    with SourceClient(source, settings, redis=stores.redis, cache_path=stores.http_cache, clock=clock) as client:
        collected = Collector(
            source,
            stream,
            Fetch(client=client, settings=settings, window=window, now=started),
            run_id=run_id,
            first_moment=stores.settings.first_moment,
            sandbox=stores.settings.mode == "demo",
            store=store,
        ).collect(list(targets) if targets is not None else None)
        letters = [_letter(source, stream, window, run_id, failure, client.secrets) for failure in collected.failures]
    buried = stores.warehouse.bury(letters)
    healed = sum(stores.warehouse.heal(source.name, stream.name, target, window) for target in collected.whole)
    stores.warehouse.record_fetch(
        source=source.name,
        stream=stream.name,
        run_id=run_id,
        started_at=started,
        ended_at=datetime.now(UTC),
        records=collected.records,
        inserted=total.inserted,
        updated=total.updated,
        targets=len(collected.whole) + len(collected.failures),
        failed_targets=len(collected.failures),
        requests=client.requests,
        error=letters[0].message if letters else None,
    )
    new_fields = stores.warehouse.note_fields(stream.name, collected.unmapped)
    return Intake(collected, total, buried, healed, new_fields)


def _letter(
    source: Source, stream: Stream, window: Window, run_id: str, failure: Failure, secrets: Sequence[str]
) -> DeadLetter:
    return DeadLetter(
        source=source.name,
        stream=stream.name,
        target=redact(failure.target, secrets),
        window=window,
        request=dict(failure.error.request),
        error_class=type(failure.error).__name__,
        message=redact(str(failure.error), secrets),
        attempts=failure.error.attempts,
        traceback=failure.traceback,
        run_id=run_id,
        failed_at=datetime.now(UTC),
    )
