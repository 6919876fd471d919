"""Intake and replay on a sandbox that misbehaves: what fails becomes a dead letter, and a replay heals it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pipeline_platform.operate.intake import Intake, take_in
from pipeline_platform.operate.overview import source_overview
from pipeline_platform.operate.replay import Replayed, replay
from pipeline_platform.sandbox.faults import FaultPlan
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import raw_table
from pipeline_platform.sources.base import Window
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.stores import Stores

OPENWEATHER = source_named("openweather")
CURRENT = next(stream for stream in OPENWEATHER.streams if stream.name == "openweather_current")
NOW = datetime.now(UTC)
TODAY = Window(datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC), NOW + timedelta(days=1))


@contextmanager
def sandbox(monkeypatch: pytest.MonkeyPatch, faults: str = "") -> Iterator[str]:
    """A sandbox that the settings point to; gives the API key that it takes."""
    with running(build_app(World(), faults=FaultPlan.parse(faults) if faults else None)) as url:
        watch = httpx.get(f"{url}/watch").json()["openweather"]
        monkeypatch.setenv("PIPELINE_OPENWEATHER__BASE_URL", watch["base_url"])
        monkeypatch.setenv("PIPELINE_OPENWEATHER__PLACES", httpx.Response(200, json=watch["places"]).text)
        monkeypatch.setenv("PIPELINE_OPENWEATHER__API_KEY", watch["api_key"])
        yield watch["api_key"]


def fetch(stores: Stores) -> Intake:
    return take_in(stores, OPENWEATHER, CURRENT, TODAY, run_id="run")


def test_a_failed_target_is_owed_and_a_replay_pays(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[Replayed] = []
    with sandbox(monkeypatch, "openweather:404x1") as secret:
        intake = fetch(stores)
    assert len(intake.failures) == intake.buried == 1
    assert intake.merged.inserted > 0, "the other targets came"
    (letter,) = stores.warehouse.dead_letters()
    assert (letter.source, letter.stream, letter.error_class) == ("openweather", CURRENT.name, "Permanent")
    assert letter.traceback
    assert secret not in f"{letter.request}{letter.message}{letter.traceback}"
    # The host of the other sandbox is another one for breaker and limits, as a mended upstream would not be.
    with sandbox(monkeypatch):
        (outcome,) = replay(stores, run_id="again", progress=outcomes.append)
    assert outcome.healed
    assert outcomes == [outcome]
    assert stores.warehouse.dead_letters() == []
    (healed,) = stores.warehouse.dead_letters(status=None)
    assert healed.status == "healed"


def test_a_replay_that_fails_keeps_the_letter_with_its_new_error(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox(monkeypatch, "openweather:404x1"):
        fetch(stores)
    with sandbox(monkeypatch, "openweather:401"):
        (outcome,) = replay(stores, run_id="again", progress=lambda _: None)
    assert not outcome.healed
    (letter,) = stores.warehouse.dead_letters()
    assert letter.attempts == 2
    assert "key" in letter.message


def test_letters_of_one_window_are_paid_by_one_fetch(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(monkeypatch, "openweather:404x3"):
        intake = fetch(stores)
    owed = sorted(failure.target for failure in intake.failures)
    assert len(owed) == 3
    with sandbox(monkeypatch):
        outcomes = replay(stores, run_id="again", progress=lambda _: None)
    assert sorted(outcome.letter.target for outcome in outcomes) == owed
    assert [(outcome.healed, outcome.records) for outcome in outcomes] == [(True, 1)] * 3
    assert {outcome.days for outcome in outcomes} == {frozenset({NOW.date()})}
    (newest,) = stores.warehouse.last_fetches()
    assert (newest["run_id"], newest["targets"]) == ("again", 3)


def test_a_whole_fetch_closes_what_was_owed(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(monkeypatch, "openweather:404x1"):
        fetch(stores)
    with sandbox(monkeypatch):
        assert fetch(stores).healed == 1
    assert stores.warehouse.dead_letters() == []


def test_a_backfill_beyond_the_requests_of_a_day_goes_on_where_it_stopped(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request is paid for: no moment of the three days may be asked for twice."""
    past = next(stream for stream in OPENWEATHER.streams if stream.name == "openweather_history")
    days = Window(TODAY.start - timedelta(days=3), TODAY.start)
    with sandbox(monkeypatch):
        monkeypatch.setenv("PIPELINE_OPENWEATHER__HISTORY_PLACES", '[{"name": "Lisbon", "lat": 38.7, "lon": -9.1}]')
        monkeypatch.setenv("PIPELINE_OPENWEATHER__HISTORY_HOURS", str(list(range(24))))
        monkeypatch.setenv("PIPELINE_OPENWEATHER__REQUESTS_PER_MINUTE", "6000")
        monkeypatch.setenv("PIPELINE_OPENWEATHER__HISTORY_DAILY_REQUESTS", "30")
        assert take_in(stores, OPENWEATHER, past, days, run_id="run").merged.inserted == 30
        owed = []
        for allowed in (60, 90):
            (letter,) = stores.warehouse.dead_letters()
            owed.append((letter.error_class, letter.window.start - days.start, letter.window.end))
            monkeypatch.setenv("PIPELINE_OPENWEATHER__HISTORY_DAILY_REQUESTS", str(allowed))
            (outcome,) = replay(stores, run_id="again", progress=lambda _: None)
        assert outcome.healed
        assert outcome.records == 72 - 60
    assert owed == [
        ("QuotaExhausted", timedelta(hours=29, seconds=1), days.end),
        ("QuotaExhausted", timedelta(hours=59, seconds=1), days.end),
    ]
    assert stores.warehouse.dead_letters() == []
    assert len(stores.lake.read(raw_table(OPENWEATHER, past))) == 72


def test_what_has_no_turn_is_shown_and_not_owed(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_named("alpha_vantage")
    daily = next(stream for stream in source.streams if stream.name == "alpha_vantage_daily")
    with running(build_app(World())) as url:
        watch = httpx.get(f"{url}/watch").json()["alpha_vantage"]
        watched = [*watch["symbols"], *watch["funds"], *watch["currencies"], *watch["crypto"]]
        for name in ("base_url", "api_key", "symbols", "funds", "currencies", "crypto", "premium"):
            text = watch[name] if isinstance(watch[name], str) else httpx.Response(200, json=watch[name]).text
            monkeypatch.setenv(f"PIPELINE_ALPHA_VANTAGE__{name.upper()}", text)
        monkeypatch.setenv("PIPELINE_ALPHA_VANTAGE__REQUESTS_PER_MINUTE", "6000")
        monkeypatch.setenv("PIPELINE_ALPHA_VANTAGE__REQUESTS_PER_DAY", "3")
        intake = take_in(stores, source, daily, TODAY, run_id="run")
        (row,) = [row for row in source_overview(stores) if row["source"] == "alpha_vantage"]
    skipped = intake.collected.skipped
    assert 0 < len(intake.collected.whole) <= 2
    assert {*intake.collected.whole, *skipped} == set(watched)
    assert (intake.failures, stores.warehouse.dead_letters()) == ([], [])
    assert row["last error"] is None
    (told,) = row["skipped targets"]
    assert told.startswith(f"{len(skipped)} of alpha_vantage_daily: ")
    assert "has its turn on" in told


def test_rows_of_the_sandbox_never_reach_a_live_lake(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    live = Stores(stores.settings.model_copy(update={"mode": "live", "home": stores.settings.home / "live"}))
    with sandbox(monkeypatch):
        intake = fetch(live)
    assert not intake.collected.whole
    assert intake.collected.records == 0
    assert "PIPELINE_OPENWEATHER__BASE_URL" in str(intake.failures[0].error)


def test_the_overview_tells_last_success_and_open_letters(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(monkeypatch, "openweather:404x1") as secret:
        fetch(stores)
        (row,) = [row for row in source_overview(stores) if row["source"] == "openweather"]
    assert row["dead letters"] == 1
    assert row["requests today"] > 0
    assert row["last error"]
    assert row["breaker"] == "closed"
    assert secret not in str(row)
