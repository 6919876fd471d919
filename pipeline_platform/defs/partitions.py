"""One partition is one UTC event day; a run covers a day or a span of days at once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import dagster as dg

from pipeline_platform.settings import load_settings
from pipeline_platform.sources.base import Window


@cache
def daily() -> dg.DailyPartitionsDefinition:
    """UTC days from `PIPELINE_START_DATE` to today, today included: it fills while it lasts."""
    return dg.DailyPartitionsDefinition(start_date=load_settings().start_date.isoformat(), end_offset=1)


def look_back(days: int) -> dg.TimeWindowPartitionMapping:
    """A day needs the days before it too, as far as there are any."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, allow_nonexistent_upstream_partitions=True)


def before(days: int) -> dg.TimeWindowPartitionMapping:
    """A day needs the days before it and not itself, as far as there are any; also of its own table."""
    return dg.TimeWindowPartitionMapping(start_offset=-days, end_offset=-1, allow_nonexistent_upstream_partitions=True)


def asked_days(context: Any) -> list[date]:
    """The days a run was asked for, in order (asset or check context)."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def window_of(days: Sequence[date]) -> Window:
    """The span from the start of the first day to the end of the last."""
    return Window(_midnight(days[0]), _midnight(days[-1] + timedelta(days=1)))


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make one run cover a span of partitions."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
