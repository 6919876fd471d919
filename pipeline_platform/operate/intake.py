"""Intake: one fetch of one stream, from the upstream into the raw table, with dead letters for what failed."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_platform.operate.measures import measures_of_fetch
from pipeline_platform.operate.recheck import RECHECK_TARGET, Rechecked, recheck_records
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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Intake:
    """What a fetch brought and what it owes.

    `new_fields` of payloads were never seen in the stream before; `rechecked` is None where nothing was checked again.
    """

    collected: Collected
    merged: Merged
    buried: int
    healed: int
    new_fields: list[str]
    rechecked: Rechecked | None = None

    @property
    def failures(self) -> list[Failure]:
        """Targets that could not be fetched whole, and the re-check if it failed."""
        return [*self.collected.failures, *(self.rechecked.collected.failures if self.rechecked else [])]

    @property
    def records(self) -> int:
        """Records that were received, those of the re-check among them."""
        return self.collected.records + (self.rechecked.collected.records if self.rechecked else 0)


def take_in(
    stores: Stores,
    source: Source,
    stream: Stream,
    window: Window,
    *,
    run_id: str,
    targets: Sequence[str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    now: datetime | None = None,
) -> Intake:
    """Fetch `stream` for `window`, check again what is due, and merge what comes into its raw table.

    Args:
        stores: where to keep things.
        source: the upstream.
        stream: which of its streams.
        window: the event time asked for.
        run_id: kept with every record and dead letter.
        targets: some of the watch list, `RECHECK_TARGET` for the re-check; all of it by default.
        clock: what the request policy waits by.
        now: moment of the fetch; the present by default.

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

    def letters_of(failures: Sequence[Failure], asked: Window) -> list[DeadLetter]:
        return [_letter(source, stream, asked, run_id, failure, client.secrets) for failure in failures]

    started = now or datetime.now(UTC)
    began = datetime.now(UTC)
    rechecked: Rechecked | None = None
    with SourceClient(source, settings, redis=stores.redis, cache_path=stores.http_cache, clock=clock) as client:
        collector = Collector(
            source,
            stream,
            Fetch(client=client, settings=settings, window=window, now=started),
            run_id=run_id,
            first_moment=stores.settings.first_moment,
            sandbox=stores.settings.mode == "demo",
            store=store,
        )
        watched = None if targets is None else [target for target in targets if target != RECHECK_TARGET]
        collected = collector.collect(watched)
        letters = letters_of(collected.failures, window)
        healed = sum(
            stores.warehouse.narrow(source.name, stream.name, failure.target, window, failure.left)
            for failure in collected.failures
            if failure.left is not None
        )
        buried = stores.warehouse.bury(letters)
        healed += sum(stores.warehouse.heal(source.name, stream.name, target, window) for target in collected.whole)
        wanted = targets is None or RECHECK_TARGET in targets
        # An upstream that gave nothing need not be asked more: what is due stays due.
        if wanted and stream.recheck is not None and (collected.whole or not collected.failures):
            # Who asks for it by name wants what is owed now.
            rechecked = recheck_records(
                stores, stream, table, collector, stream.recheck, started, patient=targets is None
            )
            more = letters_of(rechecked.collected.failures, rechecked.window)
            buried += stores.warehouse.bury(more)
            letters += more
    if rechecked is not None and not rechecked.collected.failures and not rechecked.held_back:
        # What an earlier re-check owes is still due, so that a later one pays it, whatever its days.
        until_now = Window(_EPOCH, rechecked.window.end)
        healed += stores.warehouse.heal(source.name, stream.name, RECHECK_TARGET, until_now)
    unmapped = collected.unmapped + (rechecked.collected.unmapped if rechecked else Counter())
    new_fields = stores.warehouse.note_fields(stream.name, unmapped)
    intake = Intake(collected, total, buried, healed, new_fields, rechecked)
    counters, gauges = measures_of_fetch(source, stream, client.tally, intake.records, letters)
    stores.warehouse.record_fetch(
        counters,
        gauges,
        source=source.name,
        stream=stream.name,
        run_id=run_id,
        started_at=began,
        ended_at=datetime.now(UTC),
        records=intake.records,
        inserted=total.inserted,
        updated=total.updated,
        targets=len(collected.whole) + len(collected.failures) + len(collected.skipped) + (rechecked is not None),
        failed_targets=len(intake.failures),
        skipped_targets=len(collected.skipped),
        skipped=next(iter(collected.skipped.values()), None),
        requests=client.tally.requests,
        error=letters[0].message if letters else None,
    )
    return intake


def _letter(
    source: Source, stream: Stream, window: Window, run_id: str, failure: Failure, secrets: Sequence[str]
) -> DeadLetter:
    return DeadLetter(
        source=source.name,
        stream=stream.name,
        target=redact(failure.target, secrets),
        window=failure.left or window,
        request=dict(failure.error.request),
        error_class=type(failure.error).__name__,
        message=redact(str(failure.error), secrets),
        attempts=failure.error.attempts,
        traceback=failure.traceback,
        run_id=run_id,
        failed_at=datetime.now(UTC),
    )
