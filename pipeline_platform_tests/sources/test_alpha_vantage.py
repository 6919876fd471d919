"""Alpha Vantage: what is asked for on which day, errors with status 200, bars as strings, a key that stays secret."""

import json
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx import Headers
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.schemas.kinds import BAR_INTERVALS, KINDS
from pipeline_platform.sources import alpha_vantage, alpha_vantage_bars
from pipeline_platform.sources.alpha_vantage import AlphaVantageSettings
from pipeline_platform.sources.alpha_vantage_plan import Plan
from pipeline_platform.sources.base import Fetch, Record, Window
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, NotDue, Permanent, QuotaExhausted, SourceError, Transient

NOW = datetime(2026, 11, 20, 22, 40, tzinfo=UTC)
KEY = "Q7XK2M9P4R1T"
STREAMS = {stream.name: stream for stream in alpha_vantage.SOURCE.streams}
PRICES = {"1. open": "10.5000", "2. high": "12.0000", "3. low": "9.2500", "4. close": "11.7500"}

Ask = Callable[..., tuple[list[Record], list[dict[str, str]]]]


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Ask:
    """Fetch a stream from a server that gives one answer: the records, and the queries it saw."""

    def fetch(
        answer: Any, stream: str, window: Window, *, target: str = "AAPL", now: datetime = NOW, **settings: Any
    ) -> tuple[list[Record], list[dict[str, str]]]:
        redis_client.flushall()
        upstream.seen.clear()
        upstream.script.clear()
        upstream.reply(answer if isinstance(answer, str) else json.dumps(answer))
        options = AlphaVantageSettings(**{"base_url": upstream.url, "api_key": KEY, **settings})
        with SourceClient(
            alpha_vantage.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock
        ) as client:
            pages = list(STREAMS[stream].fetch(Fetch(client, options, window, now), target))
        assert all(urlsplit(request.path).path == "/query" for request in upstream.seen)
        queries = [dict(parse_qsl(urlsplit(request.path).query)) for request in upstream.seen]
        return [record for page in pages for record in page.records], queries

    return fetch


def days_back(days: int, length: int = 1) -> Window:
    start = NOW.replace(hour=0, minute=0) - timedelta(days=days)
    return Window(start, start + timedelta(days=length))


def answer_with(bars: dict[str, Any], name: str = "Daily", zone: str = "US/Eastern") -> dict[str, Any]:
    return {"Meta Data": {"2. Symbol": "X", "5. Time Zone": zone}, f"Time Series ({name})": bars}


# --- what is asked for ---


@pytest.mark.parametrize(
    ("target", "settings", "query"),
    [
        ("AAPL", {}, {"function": "TIME_SERIES_DAILY", "symbol": "AAPL", "outputsize": "compact"}),
        ("AAPL", {"premium": True}, {"function": "TIME_SERIES_DAILY_ADJUSTED", "symbol": "AAPL"}),
        ("EUR/USD", {}, {"function": "FX_DAILY", "from_symbol": "EUR", "to_symbol": "USD", "outputsize": "compact"}),
        ("BTC/USD", {}, {"function": "DIGITAL_CURRENCY_DAILY", "symbol": "BTC", "market": "USD"}),
    ],
)
def test_each_sort_of_asset_has_its_function(ask: Ask, target: str, settings: Any, query: dict[str, str]) -> None:
    _, seen = ask(answer_with({}), "alpha_vantage_daily", days_back(1, 2), target=target, **settings)
    assert query.items() <= seen[0].items()
    assert seen[0]["apikey"] == KEY


@pytest.mark.parametrize(("back", "size"), [(0, "compact"), (98, "compact"), (99, "full"), (900, "full")])
def test_history_beyond_a_hundred_days_is_asked_for_in_full(ask: Ask, back: int, size: str) -> None:
    _, seen = ask(answer_with({}), "alpha_vantage_daily", days_back(back), premium=True)
    assert [query["outputsize"] for query in seen] == [size]


def test_what_a_free_key_does_not_give_costs_no_request(ask: Ask, upstream: Any) -> None:
    with pytest.raises(Permanent, match="choose days from 2026-08-14 on"):
        ask(answer_with({}), "alpha_vantage_daily", days_back(99))
    with pytest.raises(Permanent, match=r"INTRADAY=\[\]"):
        ask(answer_with({}, "30min"), "alpha_vantage_intraday", days_back(0))
    assert upstream.seen == []


def test_within_the_day_newest_bars_come_compact_and_earlier_ones_by_month(ask: Ask) -> None:
    regular = {"extended_hours": "false", "adjusted": "false", "interval": "30min"}
    _, seen = ask(answer_with({}, "30min"), "alpha_vantage_intraday", days_back(6, 7), premium=True)
    assert len(seen) == 1
    assert {**regular, "outputsize": "compact"}.items() <= seen[0].items()
    _, seen = ask(answer_with({}, "30min"), "alpha_vantage_intraday", days_back(30, 31), premium=True)
    assert [query["month"] for query in seen] == ["2026-10", "2026-11"]
    assert all({**regular, "outputsize": "full"}.items() <= query.items() for query in seen)
    _, seen = ask(answer_with({}, "30min"), "alpha_vantage_intraday", days_back(6, 7), premium=True, target="BTC/USD")
    assert seen[0]["function"] == "CRYPTO_INTRADAY"
    assert (seen[0]["outputsize"], "month" in seen[0]) == ("full", False)


def test_a_target_that_is_not_watched_any_more_is_told(ask: Ask) -> None:
    with pytest.raises(Permanent, match="not watched any more"):
        ask(answer_with({}), "alpha_vantage_daily", days_back(0), target="IBM")


def test_without_a_key_nothing_is_asked(ask: Ask) -> None:
    with pytest.raises(Permanent, match="PIPELINE_ALPHA_VANTAGE__API_KEY"):
        ask(answer_with({}), "alpha_vantage_daily", days_back(0), api_key=None)


# --- the quota ---


@given(st.integers(1, 120), st.integers(1, 100), st.dates(date(2026, 1, 1), date(2030, 1, 1)))
def test_no_series_starves_and_no_day_is_overspent(count: int, daily: int, start: date) -> None:
    series = [("daily", f"S{number}") for number in range(count)]
    plan = Plan(series, daily)
    span = [start + timedelta(days=number) for number in range(2 * (plan.days_between + 1) + 1)]
    for day in span:
        assert sum(plan.is_due(*one, day) for one in series) == min(count, plan.planned) <= max(1, 0.8 * daily)
    for one in series:
        turns = [place for place, day in enumerate(span) if plan.is_due(*one, day)]
        assert turns[0] <= plan.days_between
        assert all(after - before <= plan.days_between + 1 for before, after in pairwise(turns))
        assert plan.is_due(*one, plan.next_turn(*one, start))


def test_defaults_fit_into_a_day() -> None:
    settings = AlphaVantageSettings(premium=True)
    series = sum(len(stream.targets(settings)) for stream in alpha_vantage.SOURCE.streams)
    assert series <= Plan([], alpha_vantage.FREE_REQUESTS).planned


def test_what_has_no_turn_is_told_and_comes_with_the_next(ask: Ask) -> None:
    watched = [f"S{number}" for number in range(40)]
    settings = {"symbols": watched, "funds": [], "currencies": [], "crypto": [], "intraday": []}
    plan = Plan([("daily", target) for target in watched], alpha_vantage.FREE_REQUESTS)
    bars = {f"2026-11-{day:02}": {**PRICES, "5. volume": "7"} for day in range(20, 9, -1)}
    asked: dict[date, set[str]] = {}
    got: dict[str, set[str | None]] = {target: set() for target in watched}
    for offset in range(2):
        now = NOW + timedelta(days=offset)
        for target in watched:
            request = (answer_with(bars), "alpha_vantage_daily", days_back(-offset))
            if not plan.is_due("daily", target, now.date()):
                with pytest.raises(NotDue, match=f"has its turn on {now.date() + timedelta(days=1)}"):
                    ask(*request, target=target, now=now, **settings)
                continue
            records, _ = ask(*request, target=target, now=now, **settings)
            asked.setdefault(now.date(), set()).add(target)
            got[target] |= {record.record_id for record in records}
    assert [len(targets) for targets in asked.values()] == [20, 20]
    assert set().union(*asked.values()) == set(watched)
    # Those of the second day bring the first day too.
    assert all(f"alpha_vantage:{target}:usd:1d:2026-11-20" in ids for target, ids in got.items())


# --- errors ---

DAILY_LIMIT = (
    "We have detected your API key as {key} and our standard API rate limit is 25 requests per day. Please subscribe "
    "to any of the premium plans at https://www.alphavantage.co/premium/ to instantly remove all daily rate limits."
)
BURST = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 request "
    "per second). You may subscribe to any of the premium plans to lift the free key rate limit (25 requests per day)."
)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"Information": DAILY_LIMIT.format(key=KEY)}, QuotaExhausted, "used up"),
        ({"Information": BURST}, Transient, "too fast"),
        ({"Note": "Our standard API call frequency is 5 calls per minute and 500 calls per day."}, Transient, "fast"),
        ({"Information": "This is a premium endpoint. You may subscribe"}, Permanent, "INTRADAY="),
        ({"Information": "The **demo** API key is for demo purposes only."}, Permanent, "A free key"),
        ({"Error Message": "the parameter apikey is invalid or missing."}, Permanent, "A free key"),
        ({"Error Message": "Invalid API call. Please retry or visit the documentation"}, Permanent, "__SYMBOLS"),
        ({}, Permanent, "__SYMBOLS"),
        ([], Malformed, "Meta Data"),
        ({"Meta Data": {}}, Malformed, "no time series"),
        ({"Meta Data": {}, "Time Series (Daily)": []}, Malformed, "no time series"),
        ({"Meta Data": "x", "Time Series (Daily)": {}}, Malformed, "Meta Data"),
        ("timestamp,open,high", Malformed, "plain text"),
    ],
)
def test_errors_with_status_200_are_errors(ask: Ask, body: Any, kind: type[SourceError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(body, "alpha_vantage_daily", days_back(0))
    assert type(caught.value) is kind


@pytest.mark.parametrize("echo", [KEY, KEY.lower(), KEY.upper(), f'"{KEY}"', "SOMETHING-ELSE-OF-THE-ACCOUNT"])
@pytest.mark.parametrize("name", ["Information", "Note", "Error Message"])
def test_the_key_that_an_error_echoes_is_written_nowhere(
    ask: Ask, echo: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(SourceError) as caught:
        ask({name: DAILY_LIMIT.format(key=echo)}, "alpha_vantage_daily", days_back(0))
    error = caught.value
    written = [str(error), repr(error), json.dumps(error.request), "".join(traceback.format_exception(error))]
    for text in (*written, caplog.text):
        assert KEY.lower() not in text.lower()
        assert echo.strip('"').lower() not in text.lower()
    assert "***" in str(error)


def test_a_history_that_begins_after_the_window_is_told(ask: Ask) -> None:
    bars = {"2026-11-20": PRICES, "2026-11-19": PRICES}
    with pytest.raises(Permanent, match="begins with 2026-11-19"):
        ask(answer_with(bars), "alpha_vantage_daily", days_back(400), premium=True)
    # A day without trading inside of the history is no error.
    assert ask(answer_with({"2026-11-20": PRICES, "2026-11-13": PRICES}), "alpha_vantage_daily", days_back(5))[0] == []


# --- bars ---


@pytest.mark.parametrize("stream", alpha_vantage.SOURCE.streams, ids=lambda stream: stream.name)
def test_samples_become_rows_of_their_kind(stream: Any) -> None:
    kind = KINDS[stream.kind]
    for payload in stream.sample.payloads:
        record_id, moment = stream.identify(payload)
        row = stream.parse(payload)
        assert (row[kind.key], row[kind.event_time]) == (record_id, moment)
        assert set(row) <= set(kind.columns)


def test_every_interval_is_one_the_schema_allows() -> None:
    assert set(alpha_vantage_bars.INTERVALS.values()) <= set(BAR_INTERVALS)


def test_a_daily_bar_is_on_the_day_of_trading(ask: Ask) -> None:
    bars = {"2026-11-21": PRICES, "2026-11-20": {**PRICES, "5. volume": "7"}, "2026-11-19": PRICES}
    records, _ = ask(answer_with(bars), "alpha_vantage_daily", days_back(0))
    assert [record.record_id for record in records] == ["alpha_vantage:AAPL:usd:1d:2026-11-20"]
    row = STREAMS["alpha_vantage_daily"].parse(records[0].payload)
    assert row["opened_at"] == datetime(2026, 11, 20, tzinfo=UTC)
    assert (row["open"], row["high"], row["low"], row["close"], row["volume"]) == (10.5, 12.0, 9.25, 11.75, 7.0)
    assert (row["asset_class"], row["interval"], row["currency"], row["adjusted_close"]) == (
        "equity", "1d", "USD", None,
    )  # fmt: skip
    assert records[0].payload["1. open"] == "10.5000"


def test_an_adjusted_bar_has_other_numbers_before_its_names(ask: Ask) -> None:
    bar = {**PRICES, "5. adjusted close": "11.5", "6. volume": "9", "7. dividend amount": "0.24"}
    records, _ = ask(answer_with({"2026-11-20": bar}), "alpha_vantage_daily", days_back(0), premium=True)
    row = STREAMS["alpha_vantage_daily"].parse(records[0].payload)
    assert (row["close"], row["adjusted_close"], row["volume"]) == (11.75, 11.5, 9.0)


def test_a_fund_is_a_fund_and_pence_become_pounds(ask: Ask) -> None:
    answer = answer_with({"2026-11-20": {**PRICES, "5. volume": "7"}})
    records, _ = ask(answer, "alpha_vantage_daily", days_back(0), target="SPY")
    assert STREAMS["alpha_vantage_daily"].parse(records[0].payload)["asset_class"] == "fund"
    london = {"symbols": ["AAPL", "TSCO.LON/GBX"]}
    records, seen = ask(answer, "alpha_vantage_daily", days_back(0), target="TSCO.LON/GBX", **london)
    row = STREAMS["alpha_vantage_daily"].parse(records[0].payload)
    assert seen[0]["symbol"] == "TSCO.LON"
    assert (row["symbol"], row["currency"], row["close"], row["volume"]) == ("TSCO.LON", "GBP", 0.1175, 7.0)


def test_an_old_coin_tells_two_currencies_and_ours_is_read() -> None:
    payload = {
        "symbol": "BTC/CNY", "asset_class": "crypto", "currency": "CNY", "interval": "1d", "time_zone": "UTC",
        "date": "2017-11-08", "1a. open (CNY)": "4.0", "1b. open (USD)": "1.0", "2a. high (CNY)": "5.0",
        "2b. high (USD)": "1.1", "3a. low (CNY)": "3.0", "3b. low (USD)": "0.9", "4a. close (CNY)": "4.5",
        "4b. close (USD)": "1.0", "5. volume": "1.5",
    }  # fmt: skip
    row = alpha_vantage_bars.parse_daily(payload)
    assert (row["open"], row["high"], row["low"], row["close"], row["currency"]) == (4.0, 5.0, 3.0, 4.5, "CNY")
    assert (row["volume"], row["volume_unit"]) == (1.5, "coins")


def test_bars_within_the_day_open_at_their_stamp_in_utc(ask: Ask) -> None:
    bars = {"2026-11-20 15:30:00": PRICES, "2026-10-30 09:30:00": PRICES}
    records, _ = ask(answer_with(bars, "30min"), "alpha_vantage_intraday", days_back(30, 31), premium=True)
    assert {record.record_id for record in records} == {
        "alpha_vantage:AAPL:usd:30m:2026-11-20T20:30Z",
        "alpha_vantage:AAPL:usd:30m:2026-10-30T13:30Z",
    }
    # The interval is that of the answer.
    records, _ = ask(
        answer_with({"2026-11-20 15:00:00": PRICES}, "60min"), "alpha_vantage_intraday", days_back(0), premium=True
    )
    assert alpha_vantage_bars.parse_intraday(records[0].payload)["interval"] == "1h"


@pytest.mark.parametrize(
    "bar",
    [None, [], "x", {**PRICES, "4. close": 11.75}, {**PRICES, "4. close": "n/a"}, {**PRICES, "1. open": "inf"}],
)
def test_broken_bars_are_kept_for_quarantine(ask: Ask, bar: Any) -> None:
    records, _ = ask(answer_with({"2026-11-20": bar}), "alpha_vantage_daily", days_back(0))
    assert len(records) == 1
    try:
        row = alpha_vantage_bars.parse_daily(records[0].payload)
    except (KeyError, TypeError, ValueError):
        return
    assert row["close"] is None


def test_a_missing_number_is_null() -> None:
    payload = {**STREAMS["alpha_vantage_daily"].sample.payloads[0], "5. volume": "None"}
    assert alpha_vantage_bars.parse_daily(payload)["volume"] is None


def test_dates_that_are_none_are_kept_without_a_time(ask: Ask) -> None:
    bars = {"2026-11-20": PRICES, "yesterday": PRICES}
    records, _ = ask(answer_with(bars), "alpha_vantage_daily", days_back(0))
    assert [record.record_id is None for record in records] == [False, True]
    zone = answer_with({"2026-11-20 15:30:00": PRICES}, "30min", zone="GMT+8")
    assert [record.event_time for record in ask(zone, "alpha_vantage_intraday", days_back(0), premium=True)[0]] == [
        None
    ]


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"symbols": ["A B"]}, "no symbol"),
        ({"symbols": ["TSCO.LON"]}, "write its currency too"),
        ({"currencies": ["EUR"]}, "'EUR/USD'"),
        ({"crypto": ["BTC"]}, "'BTC/USD'"),
        ({"intraday": ["IBM"]}, "must stand in"),
        ({"symbols": ["AAPL", "SPY"]}, "two lists"),
        ({"interval": "2min"}, "30min"),
    ],
)
def test_settings_say_how_to_write_it(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AlphaVantageSettings(**settings)


def test_settings_take_symbols_as_people_write_them() -> None:
    settings = AlphaVantageSettings(symbols=[" aapl", "AAPL", "brk.b"], intraday=["aapl"])
    assert settings.symbols == ["AAPL", "BRK.B"]
    assert settings.intraday == ["AAPL"]
    assert AlphaVantageSettings(symbols=["AAPL"], intraday=[]).intraday == []


# --- whatever comes ---

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12))
names = st.sampled_from(
    [
        "symbol", "asset_class", "currency", "interval", "time_zone", "date", "1. open", "4. close", "Note",
        "Information", "Error Message", "Meta Data",
    ]
)  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=5)
)


@given(anything)
def test_no_payload_breaks_a_parser(payload: Any) -> None:
    sample = STREAMS["alpha_vantage_daily"].sample.payloads[0]
    mixed = {**sample, **payload} if isinstance(payload, dict) else payload
    for stream in STREAMS.values():
        for read in (stream.identify, stream.parse):
            for one in (payload, mixed):
                try:
                    read(one)
                except UNREADABLE:
                    continue


@given(anything)
def test_no_answer_breaks_the_diagnosis(body: Any) -> None:
    answer = Response(200, Headers(), json.dumps(body).encode(), "https://x.example", {}, from_sandbox=False)
    found = alpha_vantage.SOURCE.diagnose(answer)
    assert found is None or isinstance(found, SourceError)
