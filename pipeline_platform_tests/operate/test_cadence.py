"""When sources are fetched, and what the first tick after a standstill asks for."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.operate.cadence import Cadence, cadences, days_to_fetch, spread, ticks_after
from pipeline_platform.settings import Settings, SettingsError, source_settings
from pipeline_platform.sources.registry import SOURCES, source_named
from pipeline_platform.storage.fetch_facts import StreamFacts

SETTINGS = Settings(_env_file=None)
TICK = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
HOUR = datetime(2026, 11, 20, 9, 59, tzinfo=UTC)
GITHUB = source_named("github")
REPLAYABLE = next(stream for stream in GITHUB.streams if stream.history == "replayable")
NOW_ONLY = next(stream for stream in GITHUB.streams if stream.history == "now_only")


def facts(stream: str, tried: datetime) -> StreamFacts:
    return StreamFacts("github", stream, tried, tried, tried, tried)


def of(*streams: str) -> Cadence:
    (cadence,) = cadences(GITHUB, SETTINGS)
    return replace(cadence, streams=tuple(stream for stream in cadence.streams if stream.name in streams))


def test_sources_of_one_cadence_start_at_minutes_of_their_own() -> None:
    alike = [cadences(source, SETTINGS)[0].cron for source in SOURCES if source.cadence == "*/15 * * * *"]
    assert len(alike) > 2
    assert len(set(alike)) == len(alike)


@given(
    cron=st.sampled_from(["*/15 * * * *", "0 * * * *", "7,22,37,52 * * * *", "40 22 * * *", "59 1 * * 1", "0 0 1 * *"]),
    name=st.text(min_size=1, max_size=8),
    minutes=st.integers(0, 59),
)
def test_a_spread_cron_ticks_as_often_in_the_same_hours_and_always_alike(cron: str, name: str, minutes: int) -> None:
    shifted = spread(cron, name, minutes)
    assert shifted == spread(cron, name, minutes)
    before, after = CronSim(cron, HOUR), CronSim(shifted, HOUR)
    pairs = [(next(before), next(after)) for _ in range(30)]
    (shift,) = {later - earlier for earlier, later in pairs}
    assert timedelta(0) <= shift <= timedelta(minutes=minutes)
    assert all(earlier.replace(minute=0) == later.replace(minute=0) for earlier, later in pairs)


@pytest.mark.parametrize("cron", ["0-30/10 * * * *", "@hourly", "* * * * *"])
def test_a_cron_that_is_more_than_numbers_stays(cron: str) -> None:
    assert spread(cron, "town", 10) == cron


def test_a_cadence_that_somebody_set_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_GITHUB__CADENCE", "0 6 * * *")
    monkeypatch.setenv("PIPELINE_GITHUB__TIME_ZONE", "Europe/Berlin")
    (cadence,) = cadences(GITHUB, SETTINGS)
    assert (cadence.cron, cadence.time_zone) == ("0 6 * * *", "Europe/Berlin")
    first, second = ticks_after([cadence])(TICK)
    assert (first.astimezone(UTC), second - first) == (datetime(2026, 11, 21, 5, tzinfo=UTC), timedelta(days=1))


def test_a_stream_may_have_a_cadence_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_GITHUB__CADENCES", f'{{"{NOW_ONLY.name}": "5 4 * * *"}}')
    usual, own = cadences(GITHUB, SETTINGS)
    assert (own.name, own.cron, own.streams) == (NOW_ONLY.name, "5 4 * * *", (NOW_ONLY,))
    assert NOW_ONLY not in usual.streams
    assert len(usual.streams) == len(GITHUB.streams) - 1


def test_a_cadence_of_no_stream_and_no_cron_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_GITHUB__CADENCES", '{"github_nothing": "5 4 * * *"}')
    with pytest.raises(SettingsError, match="PIPELINE_GITHUB__CADENCES: no stream is called github_nothing"):
        cadences(GITHUB, SETTINGS)
    monkeypatch.setenv("PIPELINE_GITHUB__CADENCES", '{"github_nothing": "hourly"}')
    with pytest.raises(SettingsError, match="no cron expression"):
        source_settings(GITHUB)


def test_without_a_gap_the_look_back_is_asked_for() -> None:
    cadence = of(REPLAYABLE.name)
    usual = date(2026, 11, 20) - timedelta(days=REPLAYABLE.lookback_days - 1)
    assert days_to_fetch(cadence, [], SETTINGS, TICK) == (usual, date(2026, 11, 20))
    known = [facts(REPLAYABLE.name, TICK - timedelta(minutes=15))]
    assert days_to_fetch(cadence, known, SETTINGS, TICK) == (usual, date(2026, 11, 20))


@pytest.mark.parametrize(("days", "first"), [(12, date(2026, 11, 8)), (90, date(2026, 10, 21))])
def test_after_a_standstill_one_run_asks_for_what_was_missed_within_bounds(days: int, first: date) -> None:
    known = [facts(REPLAYABLE.name, TICK - timedelta(days=days))]
    assert days_to_fetch(of(REPLAYABLE.name), known, SETTINGS, TICK)[0] == first


def test_what_shows_the_present_only_is_not_caught_up_with() -> None:
    known = [facts(NOW_ONLY.name, TICK - timedelta(days=12))]
    assert days_to_fetch(of(NOW_ONLY.name), known, SETTINGS, TICK) == days_to_fetch(
        of(NOW_ONLY.name), [], SETTINGS, TICK
    )


def test_no_day_before_the_first_partition_is_asked_for() -> None:
    young = Settings(start_date=date(2026, 11, 19), _env_file=None)
    known = [facts(REPLAYABLE.name, TICK - timedelta(days=12))]
    assert days_to_fetch(of(REPLAYABLE.name), known, young, TICK)[0] == date(2026, 11, 19)
