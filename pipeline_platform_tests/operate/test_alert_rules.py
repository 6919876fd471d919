"""The rules of the alerts, judged over plain facts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from cronsim import CronSim

from pipeline_platform.operate.alert_facts import (
    BrokenCheck,
    ChannelFacts,
    Facts,
    LowScore,
    SourceFacts,
    UpstreamFacts,
)
from pipeline_platform.operate.alert_rules import GIB, RULES, Condition, conditions, refuse_unknown_rules, rule_named
from pipeline_platform.operate.alert_settings import AlertSettings
from pipeline_platform.settings import SettingsError
from pipeline_platform.storage.run_log import JobRun, JobStreak

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
WATCHED = Facts(now=NOON, watching_since=NOON - 30 * timedelta(days=1))
STREAK = JobStreak("fetch_town", 3, NOON - HOUR, "no bridge\nTraceback", "run-9")
RUN = JobRun("run-1", "fetch_town", "town", "manual", "started", NOON, NOON)


def found(facts: Facts, **settings: object) -> list[Condition]:
    return conditions(facts, AlertSettings(**settings))[0]  # type: ignore[arg-type]


def names(facts: Facts, **settings: object) -> list[str]:
    return [one.rule for one in found(facts, **settings)]


def cron_ticks(cron: str) -> Callable[[datetime], tuple[datetime, datetime]]:
    def after(moment: datetime) -> tuple[datetime, datetime]:
        ticks = CronSim(cron, moment)
        return next(ticks), next(ticks)

    return after


def town(cadence: str = "*/15 * * * *", **facts: object) -> SourceFacts:
    return SourceFacts(name="town", ticks_after=cron_ticks(cadence), **facts)  # type: ignore[arg-type]


def test_nothing_is_wrong_where_nothing_is_known() -> None:
    assert conditions(WATCHED, AlertSettings())[0] == []


@pytest.mark.parametrize(("failures", "told"), [(2, []), (3, ["job_failing"]), (40, ["job_failing"])])
def test_three_failures_in_a_row_are_told(failures: int, told: list[str]) -> None:
    assert names(replace(WATCHED, streaks=[replace(STREAK, failures=failures)])) == told


def test_a_failing_job_is_critical_and_says_why_since_when_and_where() -> None:
    (told,) = found(replace(WATCHED, streaks=[STREAK]))
    assert (told.subject, told.severity, told.since, told.path) == (
        "fetch_town",
        "critical",
        NOON - HOUR,
        "/runs/run-9",
    )
    assert told.message == "fetch_town failed 3 times in a row. Last: no bridge"


@pytest.mark.parametrize(
    ("minutes", "slas", "told"),
    [(60, {}, []), (61, {}, ["run_slow"]), (61, {"fetch_town": 90.0}, []), (11, {"fetch_town": 10.0}, ["run_slow"])],
)
def test_a_run_over_its_sla_is_told_while_it_goes_on_and_after_it_ended(
    minutes: int, slas: dict[str, float], told: list[str]
) -> None:
    later = replace(WATCHED, now=NOON + minutes * MINUTE)
    ended = replace(RUN, status="success", ended_at=later.now)
    assert names(replace(later, running=[RUN]), slas=slas) == told
    assert names(replace(later, now=later.now + HOUR, last_runs=[ended]), slas=slas) == told


def test_a_run_that_waits_to_start_is_not_slow() -> None:
    assert names(replace(WATCHED, now=NOON + 9 * HOUR, running=[replace(RUN, status="queued", started_at=None)])) == []


@pytest.mark.parametrize(
    ("targets", "failed", "told"), [(10, 1, []), (10, 2, ["source_errors"]), (4, 4, []), (0, 0, [])]
)
def test_more_than_a_tenth_of_enough_targets_failing_is_told(targets: int, failed: int, told: list[str]) -> None:
    source = town(tried_at=NOON, data_at=NOON, first_at=NOON, targets=targets, failed_targets=failed, error="no bridge")
    assert names(replace(WATCHED, sources=[source])) == told


@pytest.mark.parametrize(
    ("cadence", "data_at", "silent_until"),
    [
        ("*/15 * * * *", NOON, NOON + 2 * HOUR),
        ("10 * * * *", NOON, NOON + 2 * HOUR),
        ("25 */3 * * *", NOON + 26 * MINUTE, NOON + 3 * HOUR + 25 * MINUTE + 2 * HOUR),
        ("0 11 * * *", NOON, NOON + 23 * HOUR + 2 * HOUR),
        ("0 11 * * 1-5", NOON, NOON + 71 * HOUR + 2 * HOUR),
    ],
)
def test_silence_is_told_two_hours_late_by_the_cadence_of_the_source(
    cadence: str, data_at: datetime, silent_until: datetime
) -> None:
    tried = town(cadence, data_at=data_at, first_at=data_at, tried_at=silent_until, error="no bridge")
    assert names(replace(WATCHED, now=silent_until, sources=[tried])) == []
    assert names(replace(WATCHED, now=silent_until + MINUTE, sources=[tried])) == ["no_data"]


def test_a_source_that_never_brought_data_is_silent_since_its_first_fetch() -> None:
    source = town(first_at=NOON, tried_at=NOON + 2 * HOUR, error="no bridge")
    (told,) = found(replace(WATCHED, now=NOON + 3 * HOUR, sources=[source]))
    assert "no data ever" in told.message
    assert names(replace(WATCHED, now=NOON + 3 * HOUR, sources=[town()])) == []


def test_after_a_night_off_the_first_turn_comes_before_the_alarm() -> None:
    """A machine that was switched off is no upstream that fell silent."""
    source = town("10 * * * *", data_at=NOON, first_at=NOON, tried_at=NOON)
    woken = Facts(now=NOON + 20 * HOUR, watching_since=NOON + 20 * HOUR)
    assert names(replace(woken, sources=[source])) == []
    assert names(replace(woken, now=NOON + 22 * HOUR + MINUTE, sources=[source])) == ["no_data"]
    asked_in_vain = replace(source, tried_at=NOON + 20 * HOUR)
    assert names(replace(woken, sources=[asked_in_vain])) == ["no_data"]


def test_a_stream_is_stale_when_its_siblings_are_not() -> None:
    successes: dict[str, datetime | None] = {"town_posts": NOON, "town_news": NOON - 4 * HOUR}
    source = town("0 * * * *", data_at=NOON, tried_at=NOON, first_at=NOON - 9 * HOUR, stream_successes=successes)
    (told,) = found(replace(WATCHED, sources=[source]))
    assert (told.rule, told.subject) == ("stream_stale", "town_news")
    fresh = replace(source, stream_successes={"town_posts": NOON, "town_news": NOON - 2 * HOUR})
    assert names(replace(WATCHED, sources=[fresh])) == []


def test_quality_checks_breakers_quotas_disk_stores_and_channels_are_told() -> None:
    facts = replace(
        WATCHED,
        scores=[LowScore("cleaned/town_posts", date(2026, 11, 19), 0.71, 0.9, "half of it is empty")],
        checks=[BrokenCheck("cleaned/town_posts", "contract", ["2026-11-19"], NOON, "Broken on 2026-11-19")],
        upstreams=[UpstreamFacts("town", "open", 0, NOON + 12 * HOUR), UpstreamFacts("city", "closed", None, NOON)],
        free_bytes=GIB,
        unreachable={"Redis": "ConnectionError: refused"},
        channels=[ChannelFacts("slack", 3, NOON, "slack answered 500"), ChannelFacts("email", 2, NOON, "no")],
    )
    told = {one.rule: one for one in found(facts)}
    assert sorted(told) == [
        "breaker_open",
        "channel_failing",
        "check_failed",
        "disk_full",
        "quality_low",
        "quota_spent",
        "store_unreachable",
    ]
    assert told["quality_low"].message.startswith("cleaned/town_posts scores 0.710 on 2026-11-19, below 0.9.")
    assert told["disk_full"].severity == "warning"
    assert {one.severity for one in found(replace(facts, free_bytes=GIB // 4)) if one.rule == "disk_full"} == {
        "critical"
    }


def test_what_could_not_be_looked_at_is_not_judged() -> None:
    _, judged = conditions(replace(WATCHED, upstreams=None, scores=None), AlertSettings())
    assert {rule.name for rule in RULES} - judged == {"breaker_open", "quota_spent", "quality_low", "disk_full"}


def test_severities_are_set_by_rule_and_a_rule_is_switched_off() -> None:
    facts = replace(WATCHED, streaks=[STREAK], free_bytes=0)
    (told,) = found(facts, severities={"job_failing": "info", "disk_full": "off"})
    assert (told.rule, told.severity) == ("job_failing", "info")
    with pytest.raises(SettingsError, match=r"PIPELINE_ALERTS__SEVERITIES: no rule is called job_failed; known: job_f"):
        refuse_unknown_rules(AlertSettings(severities={"job_failed": "off"}))


def test_every_rule_says_what_to_do() -> None:
    assert all(rule.means and rule.runbook and rule_named(rule.name) is rule for rule in RULES)
