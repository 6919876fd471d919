"""The overview of sources: what an operator asks first, for `pipeline-platform sources`."""

from typing import Any

from pipeline_platform.settings import missing_credentials, source_settings
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.limits import usage
from pipeline_platform.sources.policy import breaker_state
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.stores import Stores


def source_overview(stores: Stores) -> list[dict[str, Any]]:
    """One row per source, registry order: status, credentials, budget, breaker, last success and error per stream."""
    fetched = stores.warehouse.last_fetches()
    letters = stores.warehouse.dead_letters()
    return [
        _row(stores, source, fetched, sum(letter.source == source.name for letter in letters)) for source in SOURCES
    ]


def _row(stores: Stores, source: Source, fetched: list[dict[str, Any]], open_letters: int) -> dict[str, Any]:
    settings = source_settings(source)
    missing = missing_credentials(source)
    mine = [row for row in fetched if row["source"] == source.name]
    successes = [row["succeeded_at"] for row in mine if row["succeeded_at"]]
    errors = [row["error"] for row in sorted(mine, key=lambda row: row["ended_at"]) if row["error"]]
    used = usage(source, stores.redis, settings)
    return {
        "source": source.name,
        "domain": source.domain,
        "title": source.title,
        "kinds": sorted({stream.kind for stream in source.streams}),
        "streams": [stream.name for stream in source.streams],
        "status": _status(stores, settings.enabled, missing),
        "credentials": _credentials(source, missing),
        "budget": _budget(source, settings.requests_per_minute, used.used_today, used.daily),
        "requests today": used.used_today,
        "requests left today": used.remaining,
        "budget resets at": used.resets_at,
        "breaker": breaker_state(source, stores.redis),
        "last success": max(successes) if successes else None,
        "last error": errors[-1] if errors else None,
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


def _budget(source: Source, per_minute: int | None, used: int, daily: int | None) -> str:
    rate = f"{per_minute}/min" if per_minute else f"{source.budget.requests}/{source.budget.per_seconds:g} s"
    return f"{rate}, {used}{f' of {daily}' if daily else ''} today"
