"""Yahoo: charts with nulls and events, days of exchanges, quotes behind a crumb, and refusals."""

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from httpx import Headers
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.sources import yahoo, yahoo_records
from pipeline_platform.sources.base import Fetch, Record, Window
from pipeline_platform.sources.client import Response, SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.transfer import USER_AGENT
from pipeline_platform.sources.yahoo import YahooSettings

NOW = datetime(2026, 11, 20, 22, 40, tzinfo=UTC)
STREAMS = {stream.name: stream for stream in yahoo.SOURCE.streams}
META = {
    "symbol": "AAPL",
    "currency": "USD",
    "instrumentType": "EQUITY",
    "exchangeTimezoneName": "America/New_York",
    "dataGranularity": "1d",
    "regularMarketTime": 1795208402,
}

Ask = Callable[..., tuple[list[Record], list[Any]]]


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Ask:
    """Fetch streams from a server that gives the answers in order, the last one on and on: records and requests."""

    def fetch(
        answers: list[tuple[Any, dict[str, Any]]],
        stream: str,
        window: Window,
        *,
        target: str = "AAPL",
        times: int = 1,
        **settings: Any,
    ) -> tuple[list[Record], list[Any]]:
        redis_client.flushall()
        upstream.seen.clear()
        upstream.script.clear()
        for body, options in answers:
            upstream.reply(body if isinstance(body, str) else json.dumps(body), **options)
        chosen = YahooSettings(**{"base_url": upstream.url, "cookie_page": "quote/AAPL", **settings})
        with SourceClient(yahoo.SOURCE, chosen, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            for _ in range(times):
                pages = list(STREAMS[stream].fetch(Fetch(client, chosen, window, NOW), target))
        return [record for page in pages for record in page.records], list(upstream.seen)

    return fetch


def days_back(days: int, length: int = 1) -> Window:
    start = NOW.replace(hour=0, minute=0) - timedelta(days=days)
    return Window(start, start + timedelta(days=length))


def epoch(day: int, hour: int = 14, minute: int = 30) -> int:
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp())


def chart(stamps: list[Any] | None = None, events: Any = None, **columns: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"meta": META, "indicators": {"quote": [{}]}}
    if stamps is not None:
        filled = {name: [10.0] * len(stamps) for name in ("open", "high", "low", "close", "volume", "adjclose")}
        filled |= columns
        adjusted = filled.pop("adjclose")
        result["timestamp"] = stamps
        result["indicators"] = {"quote": [filled], "adjclose": [{"adjclose": adjusted}]}
    if events is not None:
        result["events"] = events
    return {"chart": {"result": [result], "error": None}}


def only(body: Any, **options: Any) -> list[tuple[Any, dict[str, Any]]]:
    return [(body, options)]


# --- charts ---


@pytest.mark.parametrize("stream", yahoo.SOURCE.streams, ids=lambda stream: stream.name)
def test_samples_become_rows_of_their_kind(stream: Any) -> None:
    kind = KINDS[stream.kind]
    for payload in stream.sample.payloads:
        record_id, moment = stream.identify(payload)
        row = stream.parse(payload)
        assert (row[kind.key], row[kind.event_time]) == (record_id, moment)
        assert set(row) <= set(kind.columns)


def test_the_period_holds_every_session_of_the_days_asked_for(ask: Ask) -> None:
    window = days_back(3, 2)
    _, seen = ask(only(chart()), "yahoo_bars", window, target="^GSPC")
    address = urlsplit(seen[0].path)
    query = dict(parse_qsl(address.query))
    assert unquote(address.path) == "/v8/finance/chart/^GSPC"
    assert query["interval"] == "1d"
    assert int(query["period1"]) == (window.start - timedelta(days=1)).timestamp()
    assert int(query["period2"]) == (window.end + timedelta(days=1)).timestamp()
    assert "crumb" not in query
    assert seen[0].headers["user-agent"] == USER_AGENT
    assert "Mozilla" not in USER_AGENT


def test_times_without_trade_are_left_out_and_half_told_ones_are_kept(ask: Ask) -> None:
    nulls = {name: [10.0, None, 10.0] for name in ("open", "high", "low", "adjclose")}
    body = chart([epoch(18), epoch(19), epoch(20)], **nulls, close=[10.0, None, None], volume=[5, None, 0])
    records, _ = ask(only(body), "yahoo_bars", days_back(2, 3))
    assert [record.record_id for record in records] == ["yahoo:AAPL:usd:1d:2026-11-18", "yahoo:AAPL:usd:1d:2026-11-20"]
    rows = [yahoo_records.parse_bar(record.payload) for record in records]
    assert [row["close"] for row in rows] == [10.0, None]
    assert [row["volume"] for row in rows] == [5.0, 0.0]


def test_a_span_without_bars_is_empty_and_no_error(ask: Ask) -> None:
    assert ask(only(chart()), "yahoo_bars", days_back(0))[0] == []
    assert ask(only(chart()), "yahoo_actions", days_back(0))[0] == []


def test_todays_bar_counts_once_however_it_is_stamped(ask: Ask) -> None:
    body = chart([epoch(20), epoch(20, 21, 0)], close=[11.0, 12.0], volume=[7, 9])
    records, _ = ask(only(body), "yahoo_bars", days_back(0))
    assert [yahoo_records.parse_bar(record.payload)["close"] for record in records] == [12.0]
    assert records[0].event_time == datetime(2026, 11, 20, tzinfo=UTC)


def test_bars_outside_of_the_window_or_not_begun_in_utc_are_left_out(ask: Ask) -> None:
    sydney = {"meta": {**META, "exchangeTimezoneName": "Australia/Sydney"}}
    body = chart([epoch(18, 23, 0), epoch(19, 23, 0), epoch(20, 22, 30)])
    body["chart"]["result"][0] |= sydney
    records, _ = ask(only(body), "yahoo_bars", days_back(0, 5))
    assert [record.record_id for record in records] == ["yahoo:AAPL:usd:1d:2026-11-20"]


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        (75.0875015258789, 75.0875),
        (73.72000122070312, 73.72),
        (1.1220825910568237, 1.1220826),
        (67310.4765625, 67310.48),
        (1505, 1505.0),
        (0.1, 0.1),
        (1e300, 1e300),
        (None, None),
    ],
)
def test_the_noise_of_single_precision_is_taken_off(shown: Any, written: Any) -> None:
    assert yahoo_records.price(shown) == written


@given(st.floats(2**-10, 2**20, width=32))
def test_taking_off_the_noise_loses_nothing(value: float) -> None:
    cleaned = yahoo_records.price(value)
    assert cleaned is not None
    assert struct.unpack("f", struct.pack("f", cleaned))[0] == value


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"currency": "GBp"}, {"currency": "GBP", "close": 0.1, "asset_class": "equity", "volume": 0.0}),
        ({"instrumentType": "INDEX"}, {"asset_class": "index", "volume": None, "volume_unit": None}),
        ({"instrumentType": "CURRENCY"}, {"asset_class": "currency", "volume": None, "volume_unit": None}),
        ({"instrumentType": "ETF"}, {"asset_class": "fund", "volume": 0.0, "volume_unit": "shares"}),
        ({"instrumentType": "CRYPTOCURRENCY"}, {"asset_class": "crypto", "volume": 0.0, "volume_unit": "currency"}),
        ({"instrumentType": "FUTURE"}, {"asset_class": "commodity", "volume": 0.0, "volume_unit": "contracts"}),
        ({"instrumentType": "CRYPTOCURRENCY"}, {"asset_class": "crypto"}),
        ({"instrumentType": "FUTURE"}, {"asset_class": "commodity"}),
    ],
)
def test_the_chart_says_what_is_traded_and_in_which_unit(ask: Ask, meta: Any, expected: dict[str, Any]) -> None:
    body = chart([epoch(20)], volume=[0])
    body["chart"]["result"][0]["meta"] = {**META, **meta}
    records, _ = ask(only(body), "yahoo_bars", days_back(0))
    row = yahoo_records.parse_bar(records[0].payload)
    assert expected.items() <= row.items()


def test_an_unknown_sort_or_zone_goes_to_quarantine(ask: Ask) -> None:
    body = chart([epoch(20)])
    body["chart"]["result"][0]["meta"] = {**META, "instrumentType": "OPTION"}
    records, _ = ask(only(body), "yahoo_bars", days_back(0))
    with pytest.raises(KeyError):
        yahoo_records.parse_bar(records[0].payload)
    body["chart"]["result"][0]["meta"] = {**META, "exchangeTimezoneName": "America/Nowhere"}
    records, _ = ask(only(body), "yahoo_bars", days_back(0))
    assert [record.record_id for record in records] == [None]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda result: result.update(timestamp="x"),
        lambda result: result.update(indicators=[]),
        lambda result: result.update(indicators={"quote": [{}]}),
        lambda result: result["indicators"]["quote"][0].update(close=[1.0]),
        lambda result: result["indicators"]["quote"][0].update(close=None),
        lambda result: result.update(meta=None),
        lambda result: result["meta"].update(dataGranularity="1mo"),
        lambda result: result.clear(),
    ],
)
def test_values_that_do_not_stand_beside_their_times_are_malformed(ask: Ask, spoil: Any) -> None:
    body = json.loads(json.dumps(chart([epoch(19), epoch(20)])))
    spoil(body["chart"]["result"][0])
    with pytest.raises(Malformed):
        ask(only(body), "yahoo_bars", days_back(1, 2))


# --- actions ---


def test_dividends_splits_and_gains_are_actions_on_their_first_day(ask: Ask) -> None:
    events = {
        "dividends": {"1": {"amount": 0.26, "date": epoch(18)}, "2": {"amount": 0.3, "date": epoch(3)}},
        "splits": {"3": {"date": epoch(19), "numerator": 1, "denominator": 8, "splitRatio": "1:8"}},
        "capitalGains": {"4": {"amount": 1.5, "date": epoch(20)}},
        "earnings": {"5": {"date": epoch(20)}},
    }
    records, seen = ask(only(chart([], events)), "yahoo_actions", days_back(5, 6))
    assert dict(parse_qsl(urlsplit(seen[0].path).query))["events"] == "div|split|capitalGain"
    assert [record.record_id for record in records] == [
        "yahoo:AAPL:dividend:2026-11-18",
        "yahoo:AAPL:split:2026-11-19",
        "yahoo:AAPL:capital_gain:2026-11-20",
    ]
    rows = [yahoo_records.parse_action(record.payload) for record in records]
    assert [row["action_type"] for row in rows] == ["dividend", "split", "capital_gain"]
    assert [row.get("amount") for row in rows] == [0.26, None, 1.5]
    assert [row.get("ratio") for row in rows] == [None, 0.125, None]
    assert [row.get("currency") for row in rows] == ["USD", None, "USD"]
    assert rows[0]["occurred_at"] == datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "event",
    [
        None,
        "x",
        {"date": epoch(20)},
        {"amount": None, "date": epoch(20)},
        {"amount": "0.26", "date": epoch(20)},
        {"amount": 0.26, "date": "today"},
    ],
)
def test_broken_events_are_kept_for_quarantine(ask: Ask, event: Any) -> None:
    records, _ = ask(only(chart([], {"dividends": {"1": event}})), "yahoo_actions", days_back(0))
    assert len(records) == 1
    with pytest.raises((KeyError, TypeError, ValueError)):
        yahoo_records.parse_action(records[0].payload)


def test_a_split_by_nothing_goes_to_quarantine() -> None:
    payload = {**STREAMS["yahoo_actions"].sample.payloads[1], "denominator": 0}
    with pytest.raises(ValueError, match="a split of"):
        yahoo_records.parse_action(payload)


@pytest.mark.parametrize("events", [[], "x", {"dividends": [1]}, {"splits": "x"}])
def test_events_of_another_shape_are_malformed_or_none(ask: Ask, events: Any) -> None:
    if not events:
        assert ask(only(chart([], events)), "yahoo_actions", days_back(0))[0] == []
        return
    with pytest.raises(Malformed):
        ask(only(chart([], events)), "yahoo_actions", days_back(0))


# --- quotes ---

QUOTE = STREAMS["yahoo_quotes"].sample.payloads[0]
PAGE = ("<html></html>", {"kind": "text/html", "Set_Cookie": "A3=word; Domain=.yahoo.com; Secure"})
CRUMB = ("aBc.1/x2Yz0", {"kind": "text/plain"})
BAD_CRUMB = (
    {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}},
    {"status": 401},
)


def quotes(*found: Any) -> tuple[Any, dict[str, Any]]:
    return {"quoteResponse": {"result": list(found), "error": None}}, {}


def test_a_quote_is_asked_for_with_cookie_and_crumb_which_are_fetched_once(ask: Ask) -> None:
    records, seen = ask([PAGE, CRUMB, quotes(QUOTE)], "yahoo_quotes", days_back(0), times=3)
    assert [urlsplit(request.path).path for request in seen] == [
        "/quote/AAPL",
        "/v1/test/getcrumb",
        *["/v7/finance/quote"] * 3,
    ]
    assert [request.headers.get("cookie") for request in seen] == [None, *["A3=word"] * 4]
    assert dict(parse_qsl(urlsplit(seen[-1].path).query)) == {"symbols": "AAPL", "crumb": "aBc.1/x2Yz0"}
    assert {request.headers["user-agent"] for request in seen} == {USER_AGENT}
    assert [record.record_id for record in records] == ["yahoo:AAPL:usd:1d:2026-11-20:quote"]
    row = yahoo_records.parse_quote(records[0].payload)
    assert (row["close"], row["market_cap"], row["opened_at"]) == (
        229.41,
        3406738350080.0,
        datetime(2026, 11, 20, tzinfo=UTC),
    )
    assert {"open", "high", "low", "volume"}.isdisjoint(row)


def test_crumb_and_cookie_are_not_written_down(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(Permanent) as caught:
        ask([PAGE, CRUMB, BAD_CRUMB], "yahoo_quotes", days_back(0))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("pipeline_platform")]
    shown = "\n".join([str(caught.value), json.dumps(caught.value.request), *ours])
    assert "crumb=***" in shown
    assert "A3=word" not in shown
    assert "aBc.1" not in shown


def test_a_crumb_that_ended_is_renewed_once(ask: Ask) -> None:
    fresh = [PAGE, CRUMB, BAD_CRUMB, PAGE, CRUMB, quotes(QUOTE)]
    records, seen = ask(fresh, "yahoo_quotes", days_back(0))
    assert (len(records), len(seen)) == (1, 6)
    with pytest.raises(Permanent, match="does not accept the crumb"):
        ask([PAGE, CRUMB, BAD_CRUMB, PAGE, CRUMB, BAD_CRUMB], "yahoo_quotes", days_back(0))


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ([PAGE, ("Too Many Requests\r\n", {"kind": "text/plain"})], QuotaExhausted, "do not pose as a browser"),
        ([PAGE, ("Edge: Too Many Requests", {"kind": "text/plain"})], QuotaExhausted, "do not pose as a browser"),
        ([PAGE, ("<html>consent</html>", {"kind": "text/html"})], Malformed, "something else than a crumb"),
        ([PAGE, ("", {"kind": "text/plain"})], Malformed, "something else than a crumb"),
        ([("<html></html>", {"kind": "text/html"})], Permanent, "QUOTES=false"),
        ([PAGE, CRUMB, quotes()], Permanent, "no such symbol"),
        ([PAGE, CRUMB, ({"quoteResponse": {}}, {})], Malformed, "no result"),
        ([PAGE, CRUMB, ([], {})], Malformed, "no result"),
    ],
)
def test_what_stands_in_the_way_of_a_quote_is_told(ask: Ask, answers: Any, kind: type[SourceError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(answers, "yahoo_quotes", days_back(0))
    assert type(caught.value) is kind


def test_a_quote_without_a_market_goes_to_quarantine(ask: Ask) -> None:
    dead = {"symbol": "SI", "quoteType": "NONE"}
    records, _ = ask([PAGE, CRUMB, quotes(dead, "x")], "yahoo_quotes", days_back(0))
    assert [record.record_id for record in records] == [None, None]


def test_quotes_can_be_done_without() -> None:
    assert list(STREAMS["yahoo_quotes"].targets(YahooSettings(quotes=False))) == []
    assert list(STREAMS["yahoo_bars"].targets(YahooSettings(quotes=False)))


# --- refusals ---


def failed(code: str, description: str = "so") -> dict[str, Any]:
    return {"chart": {"result": None, "error": {"code": code, "description": description}}}


@pytest.mark.parametrize(
    ("body", "options", "kind", "words"),
    [
        ("Too Many Requests\r\n", {"status": 429, "kind": "text/html"}, QuotaExhausted, "do not pose as a browser"),
        (failed("Too Many Requests"), {"status": 429}, QuotaExhausted, "do not pose as a browser"),
        (failed("Not Found", "No data found"), {"status": 404}, Permanent, "PIPELINE_YAHOO__SYMBOLS"),
        (failed("Not Found", "No data found"), {}, Permanent, "PIPELINE_YAHOO__SYMBOLS"),
        (failed("Unprocessable Entity"), {"status": 422}, Permanent, "Unprocessable"),
        (failed("Internal Server Error"), {}, Transient, "failed"),
        (failed("Internal Server Error"), {"status": 500}, Transient, "failed"),
        ("<html>down</html>", {"status": 502, "kind": "text/html"}, Transient, "502"),
        ("<!DOCTYPE html><html></html>", {"kind": "text/html"}, Malformed, "HTML"),
        ({"chart": {"result": [], "error": None}}, {}, Malformed, "no result"),
        ([], {}, Malformed, "no result"),
    ],
)
def test_errors_say_what_to_do(ask: Ask, body: Any, options: Any, kind: type[SourceError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(only(body, **options), "yahoo_bars", days_back(0))
    assert type(caught.value) is kind


def test_a_refusal_leaves_yahoo_alone_for_an_hour_and_is_not_repeated(ask: Ask, clock: Any) -> None:
    refusal = only("Too Many Requests\r\n", status=429, kind="text/html")
    with pytest.raises(QuotaExhausted) as caught:
        ask(refusal, "yahoo_bars", days_back(0))
    assert caught.value.attempts == 1
    assert caught.value.resets_at == clock.now() + timedelta(hours=1)
    assert clock.sleeps == []


def test_the_page_of_consent_is_told_and_not_passed() -> None:
    url = "https://consent.yahoo.com/v2/collectConsent?sessionId=1"
    page = Response(200, Headers({"content-type": "text/html"}), b"<html></html>", url, {}, from_sandbox=False)
    found = yahoo.diagnose(page)
    assert isinstance(found, Permanent)
    assert "a program cannot give" in str(found)


# --- settings, and whatever comes ---


def test_settings_take_symbols_as_people_write_them() -> None:
    assert YahooSettings(symbols=[" aapl", "AAPL", "brk-b"]).symbols == ["AAPL", "BRK-B"]
    for wrong in ("", "A B", "a/b", "AAPL,MSFT"):
        with pytest.raises(ValidationError, match="no symbol of Yahoo"):
            YahooSettings(symbols=[wrong])


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12))
names = st.sampled_from(
    [
        "chart", "result", "meta", "timestamp", "indicators", "quote", "close", "events", "dividends", "splits",
        "adjclose", "date", "amount", "currency", "type", "time_zone", "action", "dataGranularity",
    ]
)  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=5)
)


@given(anything)
def test_no_payload_breaks_a_parser(payload: Any) -> None:
    for stream in STREAMS.values():
        for sample in stream.sample.payloads:
            mixed = {**sample, **payload} if isinstance(payload, dict) else payload
            for read in (stream.identify, stream.parse):
                for one in (payload, mixed):
                    try:
                        read(one)
                    except UNREADABLE:
                        continue


@given(anything, anything)
def test_no_chart_breaks_its_reading(meta: Any, rest: Any) -> None:
    result = {"meta": {**META, **(meta if isinstance(meta, dict) else {})}, **(rest if isinstance(rest, dict) else {})}
    body = {"chart": {"result": [result]}}
    for read in (yahoo_records.bars_of, yahoo_records.actions_of):
        for one in (rest, body):
            try:
                list(read(yahoo_records.chart_of(one, "X"), "X"))
            except Malformed:
                continue


@given(anything, st.integers(200, 599))
def test_no_answer_breaks_the_diagnosis(body: Any, status: int) -> None:
    for one in (body, {"chart": body}, {"chart": {"error": body}}, {"finance": {"error": {"code": body}}}):
        answer = Response(status, Headers(), json.dumps(one).encode(), "https://x.example", {}, from_sandbox=False)
        found = yahoo.diagnose(answer)
        assert found is None or isinstance(found, SourceError)
