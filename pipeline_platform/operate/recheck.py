"""Re-checks: records that we hold are shown to the upstream again, so that what it deleted is deleted here.

Every fetch of a stream with a `recheck` checks some: those of the last `Stream.recheck_days` days that were neither
received nor checked for `RECHECK_AFTER`, longest unseen first. What comes is merged like any other capture, so deleted
content leaves the current version of the raw table, and the tables downstream follow.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import orjson
import pandas as pd

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.base import Known, Page, Recheck, Stream, Window
from pipeline_platform.sources.collect import Collected, Collector
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.stores import Stores

RECHECK_TARGET = "(re-check)"
"""Target of the dead letter of a re-check that failed."""

RECHECK_AFTER = timedelta(hours=24)
"""Upstreams that set a term for deletions say 24 to 48 hours; a capture is looked at again in time for the latter."""

RECHECK_BATCH = 1_000
"""Records that one fetch checks at most: ten requests of an upstream that takes a hundred ids, so that budgets hold.
At a cadence of 15 minutes that is 96,000 records a day."""


@dataclass(frozen=True)
class Rechecked:
    """What a re-check found.

    Attributes:
        collected: the captures that came, and the failure if it failed.
        removed: records that the upstream deleted since their last capture.
        changed: days of the records whose payload changed, with their number.
        waiting: records that are due as well and left for the next fetch.
        window: the days that were looked at.
    """

    collected: Collected
    removed: int
    changed: Counter[date]
    waiting: int
    window: Window


def recheck_records(
    stores: Stores, stream: Stream, table: Table, collector: Collector, check: Recheck, now: datetime
) -> Rechecked:
    """Check records of `stream` that are due.

    A check that fails is returned as a failure of `RECHECK_TARGET`; what came before is kept, the rest stays due.

    Args:
        stores: where the records are.
        stream: of which stream.
        table: its raw table.
        collector: takes what comes; the client in its `fetch` asks.
        check: the `recheck` of the stream.
        now: moment of the fetch.
    """
    window = Window(
        datetime.combine(now.date() - timedelta(days=stream.recheck_days), time(), UTC),
        datetime.combine(now.date() + timedelta(days=1), time(), UTC),
    )
    checked = stores.warehouse.rechecks(stream.name)
    due = _due(stores.lake, table, window, checked, now)
    known = _known(stores.lake, table, due.head(RECHECK_BATCH))
    answers = _Answers(stream, known)
    collected = Collected()
    if known:
        collected = collector.take_pages(RECHECK_TARGET, answers.noted(check(collector.fetch, known)))
        # After a failure only what was answered: the rest is asked for again.
        seen = answers.seen if collected.failures else {one.record_id for one in known}
        stores.warehouse.mark_rechecked(stream.name, seen, now, forget_before=window.start - RECHECK_AFTER)
    return Rechecked(collected, answers.removed, answers.changed, len(due) - len(known), window)


def _due(lake: Lake, table: Table, window: Window, checked: dict[str, datetime], now: datetime) -> pd.DataFrame:
    """Id, day and time of the records that are due, longest unseen first."""
    columns = ["record_id", "event_time", "event_date", "fetched_at"]
    held = lake.read_arrow(table, window.start.date(), window.end.date(), columns).to_pandas()
    # A payload that came again unchanged leaves the capture as it was, with its old time: checks are noted apart.
    asked = held["record_id"].map(checked).astype(held["fetched_at"].dtype)
    held["last_seen"] = held["fetched_at"].where(~(asked > held["fetched_at"]), asked)
    return held[held["last_seen"] <= now - RECHECK_AFTER].sort_values(["last_seen", "record_id"])


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
    """Notes what a re-check yields about the records it was given."""

    def __init__(self, stream: Stream, known: Sequence[Known]) -> None:
        self._stream = stream
        self._known = {one.record_id: one for one in known}
        self.seen: set[str] = set()
        self.changed: Counter[date] = Counter()
        self.removed = 0

    def noted(self, pages: Iterable[Page]) -> Iterator[Page]:
        """`pages`, as they come."""
        for page in pages:
            for record in page.records:
                held = self._known.get(record.record_id or "")
                if held is not None:
                    self._note(held, record.payload)
            yield page

    def _note(self, held: Known, payload: Any) -> None:
        self.seen.add(held.record_id)
        if payload == held.payload:
            return
        self.changed[held.event_time.date()] += 1
        self.removed += self._is_deleted(payload) and not self._is_deleted(held.payload)

    def _is_deleted(self, payload: Any) -> bool:
        try:
            return bool(self._stream.parse(payload).get("is_deleted"))
        except UNREADABLE:
            return False
