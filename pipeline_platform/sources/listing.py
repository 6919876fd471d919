"""Listings: which records of a page sorted from new to old are wanted, where to stop, and what an answer names."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline_platform.sources.base import Fetch, Record
from pipeline_platform.sources.errors import Malformed


def _believed(record: Record, now: datetime) -> datetime | None:
    return record.event_time if record.event_time is not None and record.event_time <= now else None


def wanted(records: Sequence[Record], fetch: Fetch[Any]) -> Iterator[Record]:
    """Records of the window, and those without a date to be believed that stand among them.

    These are broken: they are kept for the quarantine instead of vanishing.
    """
    within_reach = True
    for record in records:
        moment = _believed(record, fetch.now)
        if moment is not None:
            within_reach = moment >= fetch.window.start
        if within_reach and (moment is None or moment in fetch.window):
            yield record


def ends_before(records: Sequence[Record], fetch: Fetch[Any]) -> bool:
    """Whether the last record with a date to be believed lies before the window, and so all that follow."""
    moments = [moment for record in records if (moment := _believed(record, fetch.now)) is not None]
    return bool(moments) and moments[-1] < fetch.window.start


def named(items: Sequence[Any], field: str) -> dict[str, Mapping[str, Any]]:
    """`items` by their text in `field`.

    Raises:
        Malformed: an item cannot be told. What is missing from such an answer must not count as deleted.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for item in items:
        name = item.get(field) if isinstance(item, Mapping) else None
        if not isinstance(name, str):
            raise Malformed(f"an item of the answer has no text in {field!r}, so nobody can say what is missing")
        found[name] = item
    return found
