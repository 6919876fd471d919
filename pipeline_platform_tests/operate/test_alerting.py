"""Alerting over weeks of a fast clock: nothing is missing, and nothing is told twice."""

import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_platform.operate.alert_channels import Channel, ChannelError
from pipeline_platform.operate.alert_rules import RULES, Condition
from pipeline_platform.operate.alert_settings import AlertSettings, Severity
from pipeline_platform.operate.alerting import deliver, evaluate, is_quiet
from pipeline_platform.storage.incident_log import IncidentLog, Notice
from pipeline_platform.storage.warehouse import Warehouse

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SETTINGS = AlertSettings()
ALL_JUDGED = {rule.name for rule in RULES}
WARNING, CRITICAL = "warning", "critical"


class Postbox(Channel):
    """Keeps what it is told; fails while it is broken."""

    def __init__(self, kind: str = "slack", settings: AlertSettings = SETTINGS) -> None:
        super().__init__(settings)
        self.kind = self.name = kind
        self.told: list[tuple[str, str, str]] = []
        self.broken = False

    def _send(self, notices: Sequence[Notice]) -> None:
        if self.broken:
            raise ChannelError("the postbox is full")
        self.told += [(one.incident.rule, one.incident.subject, one.event) for one in notices]


class Desk:
    """Evaluates and delivers, with a clock that is set."""

    def __init__(self, warehouse: Warehouse, settings: AlertSettings = SETTINGS, *channels: Postbox) -> None:
        self.log = IncidentLog(warehouse)
        self.settings = settings
        self.slack = Postbox(settings=settings)
        self.channels = channels or (self.slack,)
        self.now = NOON

    def after(self, time: timedelta, *found: Condition, judged: set[str] = ALL_JUDGED) -> None:
        """Some time later these conditions hold."""
        self.now += time
        evaluate(self.log, found, judged, self.settings, self.now)
        deliver(self.log, self.channels, self.settings, self.now)

    @property
    def events(self) -> list[str]:
        return [event for _, _, event in self.slack.told]


def fault(subject: str = "town", severity: Severity = "warning", rule: str = "no_data") -> Condition:
    return Condition(rule, subject, severity, f"{subject} is silent", NOON)


@pytest.fixture
def desk(warehouse: Warehouse) -> Desk:
    return Desk(warehouse)


def test_a_lasting_condition_is_told_once_and_its_end_once(desk: Desk) -> None:
    for _ in range(20):
        desk.after(MINUTE, fault())
    assert desk.events == ["firing"]
    for _ in range(20):
        desk.after(MINUTE)
    assert desk.events == ["firing", "resolved"]
    (incident,) = desk.log.incidents(everything=True)
    assert incident.fired_at == NOON + MINUTE
    assert incident.resolved_at == NOON + 25 * MINUTE
    assert desk.log.incidents() == []


def test_it_is_told_again_after_the_set_time(desk: Desk) -> None:
    for _ in range(49):
        desk.after(HOUR, fault())
    assert desk.events == ["firing", "lasting", "lasting"]


def test_what_becomes_worse_is_told_at_once_to_those_who_hear_the_worst_only(warehouse: Warehouse) -> None:
    pager, slack = Postbox("pagerduty"), Postbox()
    desk = Desk(warehouse, SETTINGS, pager, slack)
    desk.after(MINUTE, fault())
    assert pager.told == []
    desk.after(MINUTE, fault(severity="critical"))
    desk.after(MINUTE, fault())
    desk.after(HOUR)
    assert [event for *_, event in pager.told] == ["worse", "resolved"]
    assert [event for *_, event in slack.told] == ["firing", "worse", "resolved"]


def test_a_condition_that_flickers_stays_one_incident_and_returns_are_damped(desk: Desk) -> None:
    for minute in range(60):
        desk.after(MINUTE, *([fault()] if minute % 3 == 0 else []))
    assert desk.events == ["firing"]
    for _ in range(40):  # six minutes gone and six there: longer than the five that are enough the first time
        for minute in range(12):
            desk.after(MINUTE, *([fault()] if minute >= 6 else []))
    assert desk.events == ["firing", "resolved", "firing"]


def test_what_could_not_be_judged_is_not_over(desk: Desk) -> None:
    desk.after(MINUTE, fault())
    for _ in range(20):
        desk.after(MINUTE, judged=ALL_JUDGED - {"no_data"})
    assert desk.events == ["firing"]


def test_incidents_of_a_rule_that_is_no_more_are_resolved(desk: Desk) -> None:
    desk.after(MINUTE, fault(rule="rule_of_an_earlier_version"))
    desk.after(HOUR)
    assert desk.events == ["firing", "resolved"]


def test_a_failing_channel_loses_nothing_holds_up_nobody_and_is_tried_less_and_less(warehouse: Warehouse) -> None:
    email, slack = Postbox("email"), Postbox()
    desk = Desk(warehouse, SETTINGS, email, slack)
    slack.broken = True
    for minute in range(120):
        desk.after(MINUTE, *([fault()] if minute < 30 else []))
    (state,) = (one for one in desk.log.channels() if one.name == "slack")
    # 30 s, 1, 2, 4, 8, 16, 32 minutes, then an hour: far fewer than the 120 evaluations.
    assert (state.failures, state.failed, state.error) == (8, 8, "the postbox is full")
    assert state.failing_since == NOON + MINUTE
    assert [event for *_, event in email.told] == ["firing", "resolved"]
    slack.broken = False
    desk.after(HOUR)
    assert desk.events == [] or slack.told
    assert [event for *_, event in slack.told] == ["firing", "resolved"]
    (state,) = (one for one in desk.log.channels() if one.name == "slack")
    assert (state.failures, state.error, state.delivered) == (0, None, 2)


def test_a_channel_is_not_told_of_its_own_failure(warehouse: Warehouse) -> None:
    email, slack = Postbox("email"), Postbox()
    desk = Desk(warehouse, SETTINGS, email, slack)
    desk.after(MINUTE, fault("slack", rule="channel_failing"))
    assert len(email.told) == 1
    assert slack.told == []


def test_in_quiet_hours_only_what_is_critical_is_told_and_the_rest_after_them(warehouse: Warehouse) -> None:
    night = AlertSettings(quiet_hours="22:00-07:00", time_zone="Europe/Berlin")
    desk = Desk(warehouse, night)
    desk.now = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)  # 22:00 in Berlin
    desk.after(MINUTE, fault("town"), fault("city", "critical"))
    assert desk.slack.told == [("no_data", "city", "firing")]
    desk.after(HOUR, fault("city", "critical"))  # the town is over by itself
    desk.after(8 * HOUR + 30 * MINUTE, fault("city", "critical"))
    assert desk.slack.told[1:] == [("no_data", "town", "firing"), ("no_data", "town", "resolved")]


@pytest.mark.parametrize(
    ("hours", "clock", "quiet"),
    [
        (None, "03:00", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("01:00-05:00", "00:59", False),
        ("01:00-05:00", "01:00", True),
        ("01:00-05:00", "05:00", False),
    ],
)
def test_quiet_hours_may_span_midnight(hours: str | None, clock: str, quiet: bool) -> None:
    moment = datetime.fromisoformat(f"2026-11-20T{clock}:00+00:00")
    assert is_quiet(AlertSettings(quiet_hours=hours), moment) is quiet


def test_a_new_channel_hears_what_lasts_and_nothing_of_the_past(desk: Desk) -> None:
    desk.after(MINUTE, fault("town"), fault("city"))
    desk.after(HOUR, fault("town"))
    late = Postbox("email")
    desk.channels = (late,)
    desk.after(MINUTE, fault("town"))
    assert late.told == [("no_data", "town", "firing")]


def test_a_death_between_sending_and_noting_tells_again_rather_than_not_at_all(desk: Desk) -> None:
    class Dies(Postbox):
        def _send(self, notices: Sequence[Notice]) -> None:
            super()._send(notices)
            raise KeyboardInterrupt

    dying = Dies()
    desk.channels = (dying,)
    with pytest.raises(KeyboardInterrupt):
        desk.after(MINUTE, fault())
    desk.channels = (desk.slack,)
    desk.after(MINUTE, fault())
    assert [event for *_, event in dying.told] == desk.events == ["firing"]


def test_many_processes_that_evaluate_at_once_tell_once(warehouse: Warehouse, desk: Desk) -> None:
    faults = [fault(f"town-{number}") for number in range(30)]
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def watch() -> None:
        try:
            for minute in range(12):
                barrier.wait(60)
                now = NOON + minute * MINUTE
                evaluate(desk.log, faults if minute < 4 else [], ALL_JUDGED, SETTINGS, now)
                deliver(desk.log, [desk.slack], SETTINGS, now)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver(desk.log, [desk.slack], SETTINGS, NOON + HOUR)
    assert failures == []
    told = sorted(desk.slack.told)
    assert told == sorted(("no_data", f"town-{n}", event) for n in range(30) for event in ("firing", "resolved"))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_week_of_faults_and_broken_channels_tells_every_incident_once(warehouse: Warehouse, seed: int) -> None:
    """Faults come and go, channels break, nights are quiet: in the end each channel told all that concerns it, once."""
    chance = random.Random(seed)
    settings = AlertSettings(quiet_hours="22:00-07:00", repeat_hours=48)
    email, pager = Postbox("email", settings), Postbox("pagerduty", settings)
    desk = Desk(warehouse, settings, email, pager)
    severities: dict[str, Severity] = {"town": "warning", "city": "critical", "farm": "info"}
    until: dict[str, datetime] = {}
    for _ in range(7 * 24 * 2):
        for subject in severities:
            if subject not in until and chance.random() < 0.05:
                until[subject] = desk.now + chance.randint(1, 300) * MINUTE
        for channel in desk.channels:
            channel.broken = chance.random() < 0.3
        desk.after(30 * MINUTE, *(fault(one, severities[one]) for one in until))
        until = {subject: end for subject, end in until.items() if end > desk.now}
    for channel in desk.channels:
        channel.broken = False
    for _ in range(48):
        desk.after(30 * MINUTE)
    incidents = desk.log.incidents(everything=True, limit=10_000)
    assert incidents
    assert all(one.resolved_at for one in incidents)

    def expected(hears: Callable[[str], bool]) -> list[tuple[str, str, str]]:
        mine = [one for one in incidents if hears(one.severity)]
        return sorted((one.rule, one.subject, event) for one in mine for event in ("firing", "resolved"))

    assert sorted(email.told) == expected(lambda severity: severity != "info")
    assert sorted(pager.told) == expected(lambda severity: severity == "critical")
    for channel in desk.channels:
        for subject in severities:
            events = [event for _, name, event in channel.told if name == subject]
            assert events == ["firing", "resolved"] * (len(events) // 2), "in order"


def test_old_incidents_are_forgotten_with_their_notices(desk: Desk) -> None:
    desk.after(MINUTE, fault("town"), fault("city"))
    desk.after(HOUR, fault("city"))
    assert desk.log.forget(NOON) == 0
    assert desk.log.forget(NOON + 2 * HOUR) == 1
    assert [one.subject for one in desk.log.incidents(everything=True)] == ["city"]


def test_a_gap_in_watching_is_known(desk: Desk) -> None:
    gap = 10 * MINUTE
    assert desk.log.watch(NOON, gap) == NOON
    assert desk.log.watch(NOON + 9 * MINUTE, gap) == NOON
    assert desk.log.watch(NOON + 2 * HOUR, gap) == NOON + 2 * HOUR
    assert desk.log.evaluated_at() == NOON + 2 * HOUR
