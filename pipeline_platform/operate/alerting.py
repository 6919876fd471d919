"""Alerting: conditions become incidents, which are told once, told again while they last, and told when they are over.

Evaluating and delivering are apart: an incident is kept with what is to be told of it in one transaction, and each
channel tells what it owes whenever it can. So a channel that does not work holds up neither a run nor the others.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline_platform.operate.alert_channels import Channel, ChannelError
from pipeline_platform.operate.alert_rules import Condition, rule_named, worse
from pipeline_platform.operate.alert_settings import SEVERITIES, AlertSettings, Severity
from pipeline_platform.storage.incident_log import Changes, Incident, IncidentLog, Notice

log = logging.getLogger(__name__)

RETURN_WINDOW = timedelta(hours=6)
"""What comes back so soon after it was resolved is resolved the more slowly."""
MOST_DOUBLINGS = 4
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_MESSAGES = 50
"""That a channel sends in one go; the rest follows with the next evaluation."""


@dataclass
class Outcome:
    """What an evaluation changed, and what it told by channel; None where a channel could not or should not tell."""

    fired: list[Incident] = field(default_factory=list)
    resolved: list[Incident] = field(default_factory=list)
    told: dict[str, int | None] = field(default_factory=dict)


def evaluate(
    incidents: IncidentLog, found: Iterable[Condition], judged: set[str], settings: AlertSettings, now: datetime
) -> Outcome:
    """Bring the incidents up to date with the conditions that hold now.

    Args:
        incidents: the log.
        found: the conditions.
        judged: the rules that could be judged; incidents of others stay as they are.
        settings: when to tell again, and when something counts as over.
        now: when the conditions were found.
    """
    outcome = Outcome()
    held = {(condition.rule, condition.subject): condition for condition in found}
    with incidents.changing() as changes:
        lasting = changes.lasting()
        for key, condition in held.items():
            if (incident := lasting.get(key)) is not None:
                _still(changes, incident, condition, settings, now)
            elif (opened := _fire(changes, condition, now)) is not None:
                outcome.fired.append(opened)
        for key, incident in lasting.items():
            is_judged = incident.rule in judged or rule_named(incident.rule) is None
            if key not in held and is_judged and now - incident.seen_at >= _hold(incident, settings):
                changes.change(incident, resolved_at=now)
                changes.tell(incident, "resolved", incident.severity, incident.message, now)
                outcome.resolved.append(incident)
    for incident in outcome.fired:
        level = logging.ERROR if incident.severity == "critical" else logging.WARNING
        log.log(level, "alert %s %s (%s): %s", incident.rule, incident.subject, incident.severity, incident.message)
    for incident in outcome.resolved:
        log.info("alert %s %s is resolved", incident.rule, incident.subject)
    return outcome


def deliver(
    incidents: IncidentLog, by: Sequence[Channel], settings: AlertSettings, now: datetime
) -> dict[str, int | None]:
    """Let every channel tell what it owes; never raises for one that fails.

    Returns:
        Notices told by channel; None where it failed, waits after a failure, or another process has it.
    """
    return {channel.name: _deliver_by(incidents, channel, settings, now) for channel in by}


def is_quiet(settings: AlertSettings, now: datetime) -> bool:
    """Whether only what is critical is told now."""
    if settings.quiet is None:
        return False
    first, last = settings.quiet
    clock = now.astimezone(ZoneInfo(settings.time_zone)).time()
    return first <= clock < last if first < last else clock >= first or clock < last


def send_test(channel: Channel, severity: Severity, now: datetime) -> str | None:
    """Send a test message and that it is resolved; gives the error if it could not."""
    incident = Incident(
        id=0,
        rule="test",
        subject="pipeline-platform",
        severity=severity,
        message="This is a test of the alerts of pipeline-platform.",
        path=None,
        began_at=now,
        fired_at=now,
        seen_at=now,
        told_at=now,
        resolved_at=None,
        returns=0,
    )
    for event in ("firing", "resolved"):
        error = _try(channel, [Notice(0, event, severity, incident.message, now, incident)])
        if error is not None:
            return error
    return None


def _fire(changes: Changes, condition: Condition, now: datetime) -> Incident | None:
    last = changes.last_of(condition.rule, condition.subject)
    if last is not None and last.resolved_at is not None and last.resolved_at > now:
        return None  # Found before somebody else found that it is over.
    soon = last is not None and last.resolved_at is not None and now - last.resolved_at < RETURN_WINDOW
    incident = changes.open(
        rule=condition.rule,
        subject=condition.subject,
        severity=condition.severity,
        message=condition.message,
        path=condition.path,
        began_at=min(condition.since.astimezone(UTC), now),
        fired_at=now,
        seen_at=now,
        told_at=now,
        returns=last.returns + 1 if last is not None and soon else 0,
    )
    changes.tell(incident, "firing", condition.severity, condition.message, now)
    return incident


def _still(changes: Changes, incident: Incident, condition: Condition, settings: AlertSettings, now: datetime) -> None:
    if now < incident.seen_at:
        return  # Somebody else has seen it since.
    severity = worse(condition.severity, incident.severity)  # type: ignore[arg-type]
    changed = {"seen_at": now, "message": condition.message, "path": condition.path, "severity": severity}
    if severity != incident.severity:
        changes.tell(incident, "worse", severity, condition.message, now)
        changed["told_at"] = now
    elif now - incident.told_at >= timedelta(hours=settings.repeat_hours):
        changes.tell(incident, "lasting", severity, condition.message, now)
        changed["told_at"] = now
    changes.change(incident, **changed)


def _hold(incident: Incident, settings: AlertSettings) -> timedelta:
    """How long a condition must be gone before its incident is over."""
    doubled: int = 2 ** min(incident.returns, MOST_DOUBLINGS)
    return timedelta(minutes=settings.clear_minutes) * doubled


def _deliver_by(incidents: IncidentLog, channel: Channel, settings: AlertSettings, now: datetime) -> int | None:
    told = 0
    for _ in range(MOST_MESSAGES):
        sent = incidents.deliver(
            channel.name,
            now,
            tells=settings.told_by(channel.kind),
            tells_now=("critical",) if is_quiet(settings, now) else SEVERITIES,
            at_most=channel.at_once,
            send=lambda notices: _try(channel, notices),
            back_off=_back_off,
        )
        if sent is None:
            return None
        told += sent
        if sent == 0:
            break
    return told


def _try(channel: Channel, notices: Sequence[Notice]) -> str | None:
    try:
        channel.send(notices)
    except ChannelError as error:
        log.warning("alerts could not be told by %s: %s", channel.name, error)
        return str(error)
    return None


def _back_off(failures: int) -> timedelta:
    """30 s after the first failure, twice as long after each further one, an hour at most."""
    doubled: int = 2 ** min(failures - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)
