"""Alerts: the sensor that evaluates the rules and lets the channels tell, and what Dagster alone knows for it."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from pipeline_platform.defs.check_history import REMEMBERED, evaluations
from pipeline_platform.defs.checks import CHECK_NAME
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.tables import asset_key
from pipeline_platform.operate.alert_channels import channels
from pipeline_platform.operate.alert_facts import BrokenCheck
from pipeline_platform.operate.alert_gathering import gather
from pipeline_platform.operate.alert_rules import conditions, refuse_unknown_rules
from pipeline_platform.operate.alerting import Outcome, deliver, evaluate
from pipeline_platform.quality.facts import Checked
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.stores import Stores

CHECK_DAYS = timedelta(days=7)
"""Verdicts that are older hold back days that nobody follows any more."""


def tell(instance: dg.DagsterInstance, stores: Stores, now: datetime) -> Outcome:
    """Evaluate the rules and let the channels tell. Channels that fail raise nothing.

    Raises:
        sqlalchemy.exc.DBAPIError: PostgreSQL does not answer, which holds the alerts themselves.
    """
    settings = stores.settings.alerts
    by = channels(settings)
    facts = gather(stores, now, channels=[one.name for one in by], checks=lambda: broken_checks(instance, now))
    incidents = IncidentLog(stores.warehouse)
    outcome = evaluate(incidents, *conditions(facts, settings), settings, now)
    outcome.told = deliver(incidents, by, settings, now)
    return outcome


def broken_checks(instance: dg.DagsterInstance, now: datetime) -> list[BrokenCheck]:
    """Contracts whose newest verdict on some days is that they are broken."""
    return [broken for path in tables() if (broken := _broken(instance, path, now)) is not None]


def _broken(instance: dg.DagsterInstance, path: str, now: datetime) -> BrokenCheck | None:
    key = dg.AssetCheckKey(asset_key(tables()[path]), CHECK_NAME)
    # Most contracts were never broken, and this is asked often: their histories are not read.
    bad = [one for one in evaluations(instance, key, REMEMBERED, failed_only=True) if one.at >= now - CHECK_DAYS]
    if not bad:
        return None
    checked = Checked(path, CHECK_NAME, "", True, evaluations(instance, key, REMEMBERED))
    days = sorted({one.first for one in bad if one.first is not None and one.first == one.last})
    verdicts = {day: checked.about(date.fromisoformat(day)) for day in days}
    broken = {day: one.history[0] for day, one in verdicts.items() if one.is_bad}
    if not broken:
        return None
    newest = max(broken.values(), key=lambda one: one.at)
    return BrokenCheck(path, CHECK_NAME, list(broken), min(one.at for one in broken.values()), newest.words)


def told_in_words(outcome: Outcome) -> str:
    """What an evaluation changed, in a line."""
    parts = [f"{len(outcome.fired)} new", f"{len(outcome.resolved)} resolved"]
    parts += [f"{name}: {'waits' if told is None else f'{told} told'}" for name, told in sorted(outcome.told.items())]
    return ", ".join(parts)


@dg.sensor(
    minimum_interval_seconds=45,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Evaluates the rules of the alerts, and tells by the channels of the settings what changed.",
)
def alerts(context: dg.SensorEvaluationContext, stores: StoresResource) -> dg.SkipReason:
    """Starts no run."""
    return dg.SkipReason(told_in_words(tell(context.instance, stores.open, datetime.now(UTC))))


@dg.definitions
def alerting() -> dg.Definitions:
    """The sensor; a setting that names no rule is refused when definitions load, not when something is wrong."""
    refuse_unknown_rules(load_settings().alerts)
    return dg.Definitions(sensors=[alerts])
