"""Re-checks: records that we hold are shown to the upstream again, so that what it deleted is deleted here.

Every fetch of a stream with a `recheck` checks some: those of the last `Stream.recheck_days` days that were neither
received nor checked for `RECHECK_AFTER`, longest unseen first. What comes is merged like any other capture, so deleted
content leaves the current version of the raw table, and the tables downstream follow.

They are asked for in parts, and a part that fails holds up no other. What it was about is asked for again after a
while, behind the others and in smaller parts, until the one record that the upstream cannot answer for stands alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import orjson
import pandas as pd

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.base import Fetch, Known, Page, Recheck, Stream, Window
from pipeline_platform.sources.collect import Collected, Collector
from pipeline_platform.sources.errors import CircuitOpen, QuotaExhausted, SourceError
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import RecheckNote

_UNNOTED = RecheckNote()

RECHECK_TARGET = "(re-check)"
"""Target of the dead letter of a re-check that failed."""

RECHECK_AFTER = timedelta(hours=24)
"""Upstreams that set a term for deletions say 24 to 48 hours; a capture is looked at again in time for the latter."""

RECHECK_BATCH = 1_000
"""Records that one fetch checks at most: ten requests of an upstream that takes a hundred ids, so that budgets hold.
At a cadence of 15 minutes that is 96,000 records a day."""

PART_SIZES = (100, 10, 1)
"""Records that are asked for together, by how often asking for them failed: at first as many as most upstreams take."""

AGAIN_AFTER = (timedelta(0), timedelta(hours=1), timedelta(hours=4), timedelta(hours=16))
"""How long they are left alone, by the same."""

MOST_FAILED_PARTS = 3
"""Parts that may fail in one fetch: an upstream that does not answer is not asked ten times over."""


@dataclass(frozen=True)
class Rechecked:
    """What a re-check found.

    Attributes:
        collected: the captures that came, and the first failure if a part failed.
        removed: records that the upstream deleted since their last capture.
        changed: days of the records whose payload changed, with their number.
        waiting: records that are due as well and left for the next fetch.
        held_back: records that are due and were not asked for, because asking for them failed lately.
        window: the days that were looked at.
    """

    collected: Collected
    removed: int
    changed: Counter[date]
    waiting: int
    held_back: int
    window: Window


def recheck_records(
    stores: Stores,
    stream: Stream,
    table: Table,
    collector: Collector,
    check: Recheck,
    now: datetime,
    *,
    patient: bool = True,
) -> Rechecked:
    """Check records of `stream` that are due.

    A check that fails is returned as a failure of `RECHECK_TARGET`; what came is kept, the rest stays due.

    Args:
        stores: where the records are.
        stream: of which stream.
        table: its raw table.
        collector: takes what comes; the client in its `fetch` asks.
        check: the `recheck` of the stream.
        now: moment of the fetch.
        patient: leave records alone for a while after asking for them failed.
    """
    window = Window(
        datetime.combine(now.date() - timedelta(days=stream.recheck_days), time(), UTC),
        datetime.combine(now.date() + timedelta(days=1), time(), UTC),
    )
    due = _due(stores.lake, table, window, stores.warehouse.rechecks(stream.name), now)
    rested = due["asked_again"] <= now if patient else due["asked_again"].notna()
    settings = collector.fetch.settings
    most = RECHECK_BATCH if stream.recheck_most is None else min(RECHECK_BATCH, stream.recheck_most(settings))
    wanted = due[rested].head(most)
    answers = _Answers(stream, _parts(_known(stores.lake, table, wanted), wanted["failures"].tolist()))
    collected = Collected()
    if len(wanted):
        collected = collector.take_pages(RECHECK_TARGET, answers.of(check, collector.fetch))
        stores.warehouse.note_rechecks(
            stream.name,
            checked=answers.checked,
            failed=answers.failed,
            moment=now,
            forget_before=window.start - RECHECK_AFTER,
        )
    return Rechecked(
        collected,
        answers.removed,
        answers.changed,
        waiting=int(rested.sum()) - len(wanted),
        held_back=len(due) - int(rested.sum()),
        window=window,
    )


def _due(lake: Lake, table: Table, window: Window, notes: Mapping[str, RecheckNote], now: datetime) -> pd.DataFrame:
    """The records that are due: id, day, time, failures, and from when they may be asked for again.

    Those of which asking failed come last, the others longest unseen first.
    """
    columns = ["record_id", "event_time", "event_date", "fetched_at"]
    held = lake.read_arrow(table, window.start.date(), window.end.date(), columns).to_pandas()
    noted = [notes.get(name, _UNNOTED) for name in held["record_id"]]
    moments = held["fetched_at"].dtype
    # A payload that came again unchanged leaves the capture as it was, with its old time: checks are noted apart.
    asked = pd.Series([note.checked_at for note in noted], held.index, dtype=moments)
    held["last_seen"] = held["fetched_at"].where(~(asked > held["fetched_at"]), asked)
    failed = pd.Series([note.failed_at for note in noted], held.index, dtype=moments)
    # What was received since is no failure any more.
    lasting = (failed > held["last_seen"]).to_numpy(dtype=bool)
    held["failures"] = np.where(lasting, [note.failures for note in noted], 0)
    rest = pd.Series(AGAIN_AFTER)[held["failures"].clip(upper=len(AGAIN_AFTER) - 1)].to_numpy()
    held["asked_again"] = failed.where(lasting, held["last_seen"]) + rest
    due = held[held["last_seen"] <= now - RECHECK_AFTER]
    return due.sort_values(["failures", "last_seen", "record_id"])


def _parts(known: Sequence[Known], failures: Sequence[int]) -> list[list[Known]]:
    """`known` in parts to ask for together, none with records that failed more often than others of it."""
    parts: list[list[Known]] = []
    for failed, same in groupby(zip(failures, known, strict=True), lambda pair: pair[0]):
        records = [one for _, one in same]
        size = PART_SIZES[min(failed, len(PART_SIZES) - 1)]
        parts += [records[start : start + size] for start in range(0, len(records), size)]
    return parts


def _known(lake: Lake, table: Table, due: pd.DataFrame) -> list[Known]:
    if due.empty:
        return []
    rows = lake.read_arrow(table, due["event_date"].min(), due["event_date"].max(), ["record_id", "payload"])
    payloads = dict(zip(*(rows[name].to_pylist() for name in ("record_id", "payload")), strict=True))
    return [
        Known(record_id, moment.to_pydatetime(), _read(payloads[record_id]))
        for record_id, moment in zip(due["record_id"], due["event_time"], strict=True)
    ]


def _read(payload: str) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None


class _Answers:
    """Asks for the parts of a re-check, and notes what comes about their records.

    Attributes:
        checked: records that need not be asked for again: of a part that failed only those that came.
        failed: the others of parts that failed; parts that were not asked for are in neither.
        changed, removed: as in `Rechecked`.
    """

    def __init__(self, stream: Stream, parts: Sequence[Sequence[Known]]) -> None:
        self._stream = stream
        self._parts = parts
        self._known = {one.record_id: one for part in parts for one in part}
        self.checked: set[str] = set()
        self.failed: set[str] = set()
        self.changed: Counter[date] = Counter()
        self.removed = 0

    def of(self, check: Recheck, fetch: Fetch[Any]) -> Iterator[Page]:
        """The pages of all parts, as they come.

        Raises:
            SourceError: the first failure of a part, after the others; at once where no part would be answered.
        """
        errors: list[SourceError] = []
        for part in self._parts:
            try:
                for page in check(fetch, part):
                    self._look_at(page)
                    yield page
            except (CircuitOpen, QuotaExhausted) as error:
                errors.append(error)
                break
            except SourceError as error:
                self.failed |= {one.record_id for one in part} - self.checked
                errors.append(error)
                if len(errors) == MOST_FAILED_PARTS:
                    break
            else:
                self.checked |= {one.record_id for one in part}
        if errors:
            raise errors[0]

    def _look_at(self, page: Page) -> None:
        for record in page.records:
            held = self._known.get(record.record_id or "")
            if held is not None:
                self._note(held, record.payload)

    def _note(self, held: Known, payload: Any) -> None:
        self.checked.add(held.record_id)
        if payload == held.payload:
            return
        self.changed[held.event_time.date()] += 1
        self.removed += self._is_deleted(payload) and not self._is_deleted(held.payload)

    def _is_deleted(self, payload: Any) -> bool:
        try:
            return bool(self._stream.parse(payload).get("is_deleted"))
        except UNREADABLE:
            return False
