"""Staleness: which streams have not been fetched successfully for too long, given their cadence."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cronsim import CronSim

from pipeline_platform.settings import missing_credentials, source_settings
from pipeline_platform.sources.registry import all_streams
from pipeline_platform.storage.stores import Stores

CADENCES = 3
"""Missed cadences after which a stream counts as stale."""


@dataclass(frozen=True)
class StaleStream:
    """A stream without a recent success."""

    name: str
    succeeded_at: datetime | None
    message: str


def cadence_length(cron: str, now: datetime) -> timedelta:
    """Time between the next two ticks of a cron expression in UTC."""
    ticks = CronSim(cron, now)
    first = next(ticks)
    return next(ticks) - first


def stale_streams(stores: Stores, now: datetime) -> list[StaleStream]:
    """Streams of enabled sources that were fetched before, but not successfully within three cadences."""
    fetched = {row["stream"]: row for row in stores.warehouse.last_fetches()}
    stale = []
    for source, stream in all_streams():
        settings = source_settings(source)
        row = fetched.get(stream.name)
        if not settings.enabled or missing_credentials(source) or row is None:
            continue
        allowed = CADENCES * cadence_length(settings.cadence or source.cadence, now)
        succeeded = row["succeeded_at"]
        if succeeded is None or now - succeeded > allowed:
            since = f"since {succeeded:%Y-%m-%d %H:%M} UTC" if succeeded else "ever"
            message = f"{stream.name}: no successful fetch {since} (allowed: {allowed}); last error: {row['error']}"
            stale.append(StaleStream(stream.name, succeeded, message))
    return stale
