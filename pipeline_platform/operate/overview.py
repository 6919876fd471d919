"""The overview of sources: what an operator asks first, for `pipeline-platform sources`."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd

from pipeline_platform.schemas.catalog import raw_table
from pipeline_platform.settings import missing_credentials, source_settings
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.limits import usage
from pipeline_platform.sources.policy import breaker_state
from pipeline_platform.sources.registry import SOURCES, all_streams
from pipeline_platform.storage.counts import layer_counts, no_counts
from pipeline_platform.storage.stores import Stores, has_lake

FRESH_DAYS = 7
"""Days back in which the newest event of a source is looked for."""


def source_overview(stores: Stores) -> list[dict[str, Any]]:
    """One row per source, registry order: status, credentials, budget, breaker, last success and error, rows today."""
    fetched = stores.warehouse.last_fetches()
    letters = Counter(letter.source for letter in stores.warehouse.dead_letters())
    today = datetime.now(UTC).date()
    counted = _raw_counts(stores, today)
    return [_row(stores, source, fetched, letters[source.name], counted, today) for source in SOURCES]


def _raw_counts(stores: Stores, today: date) -> pd.DataFrame:
    """Raw records per stream and day; none where there is no lake of this mode."""
    raw = [raw_table(source, stream) for source, stream in all_streams()] if has_lake(stores.settings) else []
    return layer_counts(stores.lake, raw, today - timedelta(days=FRESH_DAYS), today) if raw else no_counts()


def source_state(stores: Stores, source: Source) -> dict[str, Any]:
    """How a source may be asked now: requests used and left, when the budget is reset, the breaker."""
    used = usage(source, stores.redis, source_settings(source))
    return {
        "requests today": used.used_today,
        "requests left today": used.remaining,
        "budget resets at": used.resets_at,
        "breaker": breaker_state(source, stores.redis),
    }


def _row(
    stores: Stores,
    source: Source,
    fetched: list[dict[str, Any]],
    open_letters: int,
    counted: pd.DataFrame,
    today: date,
) -> dict[str, Any]:
    settings = source_settings(source)
    missing = missing_credentials(source)
    mine = [row for row in fetched if row["source"] == source.name]
    successes = [row["succeeded_at"] for row in mine if row["succeeded_at"]]
    errors = [row["error"] for row in sorted(mine, key=lambda row: row["ended_at"]) if row["error"]]
    skipped = [f"{row['skipped_targets']} of {row['stream']}: {row['skipped']}" for row in mine if row["skipped"]]
    state = source_state(stores, source)
    rows = counted[(counted["source"] == source.name).to_numpy(dtype=bool)]
    newest = rows["newest_event"].max() if len(rows) else None
    unmapped = sum(len(stores.warehouse.unmapped_fields(stream.name)) for stream in source.streams)
    return {
        "source": source.name,
        "domain": source.domain,
        "title": source.title,
        "kinds": sorted({stream.kind for stream in source.streams}),
        "streams": [stream.name for stream in source.streams],
        "status": _status(stores, settings.enabled, missing),
        "credentials": _credentials(source, missing),
        "budget": _budget(source, settings.requests_per_minute, state),
        **state,
        "last success": max(successes) if successes else None,
        "last error": errors[-1] if errors else None,
        "skipped targets": skipped,
        "rows today": int(rows.loc[(rows["event_date"] == today).to_numpy(dtype=bool), "rows"].sum()),
        "newest event": None if newest is None or newest is pd.NA else newest,
        "unmapped fields": unmapped,
        "dead letters": open_letters,
        "homepage": source.homepage,
        "licence": source.licence,
        "terms": source.terms,
    }


def _status(stores: Stores, enabled: bool, missing: list[str]) -> str:
    if not enabled:
        return "off"
    if stores.settings.mode == "demo":
        return "demo"
    return "needs a credential" if missing else "ready"


def _credentials(source: Source, missing: list[str]) -> str:
    if not source.credentials:
        return "none needed"
    prefix = f"PIPELINE_{source.name.upper()}__"
    lines = []
    for credential in source.credentials:
        name = f"{prefix}{credential.setting.upper()}"
        state = "missing" if name in missing else "given" if credential.required else "optional"
        lines.append(f"{name} ({state}): {credential.how}")
    return "\n".join(lines)


def _budget(source: Source, per_minute: int | None, state: dict[str, Any]) -> str:
    rate = f"{per_minute}/min" if per_minute else f"{source.budget.requests}/{source.budget.per_seconds:g} s"
    left = state["requests left today"]
    until = f", {left} left until {state['budget resets at']:%H:%M} UTC" if left is not None else ""
    return f"{rate}; {state['requests today']} today{until}"
