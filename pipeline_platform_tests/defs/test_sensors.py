"""Sensors that start work: once for each cause, bounded, and nothing where there is none."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.sensors import MOST_REPAIRS, feed_lists, missing_days, ripe_letters, waiting_letters
from pipeline_platform.settings import source_settings
from pipeline_platform.sources.base import Window
from pipeline_platform.sources.registry import SOURCES, source_named
from pipeline_platform.sources.rss import feeds_of_inbox, targets
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

NOW = datetime.now(UTC)
TODAY = NOW.date()
OPML = b'<opml version="2.0"><body><outline type="rss" xmlUrl="https://example.org/one.xml"/></body></opml>'


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as opened:
        yield opened


class Evaluated:
    """A sensor that keeps its cursor from tick to tick."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self.sensor, self.instance, self.cursor = sensor, instance, None

    def tick(self) -> list[dg.RunRequest]:
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"stores": StoresResource()}
        ) as context:
            answer = self.sensor.evaluate_tick(context)
            self.cursor = context.cursor  # type: ignore[assignment]
        return list(answer.run_requests or [])


def letter(error: str, failed: datetime, source: str = "rss") -> DeadLetter:
    window = Window(NOW - timedelta(days=1), NOW)
    return DeadLetter(source, f"{source}_x", f"at {failed}", window, {}, error, "no", 1, "", "run", failed)


def put(folder: Path, name: str, content: bytes) -> Path:
    """A file that was put there a while ago."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (NOW.timestamp() - 60,) * 2)
    return path


def fetched(stores: Stores, source: str, stream: str, days_ago: int) -> None:
    at = NOW - timedelta(days=days_ago)
    stores.warehouse.record_fetch(
        source=source, stream=stream, run_id="run", started_at=at, ended_at=at,
        records=1, inserted=1, updated=0, targets=1, failed_targets=0,
    )  # fmt: skip


def made(instance: dg.DagsterInstance, stream: str, *days_ago: int) -> None:
    for ago in days_ago:
        day = (TODAY - timedelta(days=ago)).isoformat()
        instance.report_runless_asset_event(dg.AssetMaterialization(["raw", stream], partition=day))


@pytest.fixture
def inbox(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command names."""
    folder = stores.settings.home / "inbox"
    monkeypatch.setenv("PIPELINE_RSS__INBOX", str(folder))
    return folder


def test_a_list_in_the_inbox_is_fetched_once_and_again_when_it_changes(
    instance: dg.DagsterInstance, inbox: Path
) -> None:
    sensor = Evaluated(feed_lists, instance)
    assert sensor.tick() == []
    put(inbox, "town.opml", OPML)
    (request,) = sensor.tick()
    assert request.tags["dagster/asset_partition_range_end"] == datetime.now(UTC).date().isoformat()
    assert sensor.tick() == []
    put(inbox, "harbour.txt", b"# of the harbour\nhttps://example.org/two.xml\n")
    (again,) = sensor.tick()
    assert again.run_key != request.run_key
    assert targets(source_settings(source_named("rss")))[-2:] == [
        "https://example.org/two.xml",
        "https://example.org/one.xml",
    ]


def test_a_file_that_is_still_written_waits(instance: dg.DagsterInstance, inbox: Path) -> None:
    path = put(inbox, "town.opml", OPML)
    os.utime(path)
    assert Evaluated(feed_lists, instance).tick() == []


def test_a_broken_list_takes_no_other_with_it_and_a_password_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path, "a.opml", b"<opml")
    put(tmp_path, "b.txt", b"https://ada:secret@example.org/feed\nhttps://example.org/feed\nno address\n")
    put(tmp_path, "c.txt", b"\xff\xfe\xff")
    put(tmp_path, "d.csv", b"https://example.org/other")
    feeds, problems = feeds_of_inbox(tmp_path)
    assert [feed for found in feeds.values() for feed in found] == ["https://example.org/feed"]
    assert {path.name for path in problems} == {"a.opml", "b.txt", "c.txt"}
    assert "secret" not in str(problems)
    assert feeds_of_inbox(tmp_path / "nowhere") == ({}, {})


def test_days_that_were_never_fetched_are_fetched_as_one_run_a_day(
    instance: dg.DagsterInstance, stores: Stores
) -> None:
    stream = next(one for one in source_named("open_meteo").streams if one.history == "replayable")
    sensor = Evaluated(missing_days, instance)
    assert sensor.tick() == [], "what was never fetched is not missing"
    fetched(stores, "open_meteo", stream.name, days_ago=5)
    made(instance, stream.name, 5, 3, 2)
    (request,) = sensor.tick()
    assert request.job_name == "fetch_open_meteo"
    assert request.tags["dagster/asset_partition_range_start"] == (TODAY - timedelta(days=4)).isoformat()
    assert request.tags["dagster/asset_partition_range_end"] == (TODAY - timedelta(days=1)).isoformat()
    assert request.asset_selection == [dg.AssetKey(["raw", stream.name]), dg.AssetKey(["cleaned", stream.name])]
    assert [one.run_key for one in sensor.tick()] == [request.run_key], "Dagster starts a key once"
    made(instance, stream.name, 4, 1)
    assert sensor.tick() == []


def test_repairs_are_bounded_and_leave_paused_sources_alone(
    instance: dg.DagsterInstance, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in SOURCES:
        for stream in source.streams:
            fetched(stores, source.name, stream.name, days_ago=3)
    requests = Evaluated(missing_days, instance).tick()
    assert len(requests) == MOST_REPAIRS
    for source in SOURCES:
        monkeypatch.setenv(f"PIPELINE_{source.name.upper()}__PAUSED", "true")
    assert Evaluated(missing_days, instance).tick() == []


def test_letters_are_replayed_when_they_may_heal(instance: dg.DagsterInstance, stores: Stores) -> None:
    assert Evaluated(waiting_letters, instance).tick() == []
    stores.warehouse.bury([letter("Transient", NOW), letter("Permanent", NOW - timedelta(days=2))])
    assert Evaluated(waiting_letters, instance).tick() == []
    stores.warehouse.bury([letter("Transient", NOW - timedelta(hours=2))])
    (request,) = Evaluated(waiting_letters, instance).tick()
    (again,) = Evaluated(waiting_letters, instance).tick()
    assert request.run_key == again.run_key
    assert request.run_config == again.run_config


def test_what_lacked_a_quota_waits_for_its_reset(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime.now(UTC).replace(hour=12)
    morning, last_night = noon - timedelta(hours=5), noon - timedelta(hours=12, minutes=10)
    waiting = [letter("QuotaExhausted", at, "newsapi") for at in (morning, last_night)]
    assert ripe_letters(stores, waiting, noon) == waiting, "there are requests left"
    monkeypatch.setenv("PIPELINE_NEWSAPI__REQUESTS_PER_DAY", "1")
    newsapi = source_named("newsapi")
    from pipeline_platform.sources.clock import SYSTEM_CLOCK
    from pipeline_platform.sources.limits import Limits

    Limits(newsapi, source_settings(newsapi), stores.redis, SYSTEM_CLOCK).acquire("newsapi.org")
    assert ripe_letters(stores, waiting, noon) == []
    midnight = datetime.combine(TODAY, datetime.min.time(), UTC)
    fresh = [letter("QuotaExhausted", midnight - timedelta(minutes=10), "alpha_vantage")]
    assert ripe_letters(stores, fresh, midnight + timedelta(minutes=1)) == fresh, "the day is another one"
