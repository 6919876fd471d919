"""CoinGecko: choice of what to ask for, bars from candles and points, errors in every shape."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.schemas.kinds import BAR_INTERVALS, KINDS
from pipeline_platform.sources import coingecko, coingecko_bars
from pipeline_platform.sources.base import Fetch, Record, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient

NOW = datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)
STREAMS = {stream.name: stream for stream in coingecko.SOURCE.streams}

Ask = Callable[..., tuple[list[Record], list[Any], Any]]


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Ask:
    """Fetch a stream from a server that gives one answer: the records, the requests it saw, the waits."""

    def fetch(
        answer: Any,
        stream: str,
        window: Window,
        *,
        target: str = "bitcoin",
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
        **settings: Any,
    ) -> tuple[list[Record], list[Any], Any]:
        upstream.seen.clear()
        upstream.script.clear()
        upstream.reply(json.dumps(answer), status, **headers)
        options = coingecko.CoinGeckoSettings(base_url=upstream.url, **settings)
        with SourceClient(coingecko.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            pages = list(STREAMS[stream].fetch(Fetch(client, options, window, NOW), target))
        return [record for page in pages for record in page.records], list(upstream.seen), clock.sleeps

    return fetch


def query(request: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query))


def days_back(days: int, length: int = 1) -> Window:
    start = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=days)
    return Window(start, start + timedelta(days=length))


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize("stream", coingecko.SOURCE.streams, ids=lambda stream: stream.name)
def test_samples_become_rows_of_their_kind(stream: Any) -> None:
    kind = KINDS[stream.kind]
    for payload in stream.sample.payloads:
        record_id, moment = stream.identify(payload)
        row = stream.parse(payload)
        assert row[kind.key] == record_id
        assert row[kind.event_time] == moment
        assert set(row) <= set(kind.columns)


def test_every_interval_is_one_the_schema_allows() -> None:
    assert set(coingecko_bars.INTERVALS) <= set(BAR_INTERVALS)


@pytest.mark.parametrize(
    ("back", "days"), [(0, "1"), (1, "7"), (6, "7"), (7, "14"), (29, "30"), (30, "90"), (100, "180"), (364, "365")]
)
def test_candles_are_asked_for_as_far_back_as_the_window(ask: Any, back: int, days: str) -> None:
    _, seen, _ = ask([], "coingecko_ohlc", days_back(back))
    assert urlsplit(seen[0].path).path == "/coins/bitcoin/ohlc"
    assert query(seen[0]) == {"vs_currency": "usd", "days": days}


def test_a_candle_opens_an_interval_before_its_stamp(ask: Any) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0)
    closes = [midnight + timedelta(hours=hours) for hours in (-4, 0, 4, 8, 12)]
    records, _, _ = ask([[ms(close), 10, 12, 9, 11.5] for close in closes], "coingecko_ohlc", days_back(0))
    assert [record.record_id for record in records] == [
        "coingecko:bitcoin:usd:4h:2026-11-22T00:00Z",
        "coingecko:bitcoin:usd:4h:2026-11-22T04:00Z",
        "coingecko:bitcoin:usd:4h:2026-11-22T08:00Z",
    ]
    row = STREAMS["coingecko_ohlc"].parse(records[-1].payload)
    assert row["opened_at"] == NOW.replace(hour=8, minute=0, second=0)
    assert (row["open"], row["high"], row["low"], row["close"]) == (10.0, 12.0, 9.0, 11.5)
    assert row["interval"] == "4h"
    assert row["currency"] == "USD"


def test_the_interval_is_read_from_the_answer_and_not_from_the_question() -> None:
    opened = NOW.replace(minute=0, second=0)
    for name, span in coingecko_bars.INTERVALS.items():
        stamps = [[ms(opened + span * place)] for place in range(6)]
        assert coingecko_bars.interval_of(stamps, "5m") == name
    assert coingecko_bars.interval_of([[ms(opened)]], "4d") == "4d"


def test_broken_candles_are_kept_for_quarantine(ask: Any) -> None:
    close = ms(NOW.replace(hour=4, minute=0, second=0))
    broken = [None, [], ["x", 1, 2, 3, 4], [1e99, 1, 1, 1, 1], {"t": 1}]
    records, _, _ = ask([[close, 1, 2, 1, 2], [close, 1, 2], *broken], "coingecko_ohlc", days_back(0))
    assert len(records) == 2 + len(broken)
    assert [record.record_id is None for record in records] == [False, False, *[True] * len(broken)]
    for record in records[1:]:
        with pytest.raises((KeyError, TypeError, ValueError)):
            STREAMS["coingecko_ohlc"].parse(record.payload)


def chart(points: list[tuple[datetime, Any, Any, Any]]) -> dict[str, Any]:
    names = ("prices", "market_caps", "total_volumes")
    return {name: [[ms(point[0]), point[place]] for point in points] for place, name in enumerate(names, start=1)}


def test_points_are_snapped_to_the_hour_and_joined_by_stamp(ask: Any) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0)
    points = [
        (midnight + timedelta(hours=hour, minutes=hour % 5 + 1), 100 + hour, 1e12, 3.5e10) for hour in range(-30, 11)
    ]
    body = chart(points)
    body["market_caps"].pop(-2)
    body["total_volumes"][-1][1] = None
    records, seen, _ = ask(body, "coingecko_prices", days_back(0))
    assert urlsplit(seen[0].path).path == "/coins/bitcoin/market_chart/range"
    asked = {name: int(query(seen[0])[name]) for name in ("from", "to")}
    assert timedelta(days=2) <= timedelta(seconds=asked["to"] - asked["from"]) <= timedelta(days=2, seconds=1)
    assert [record.record_id for record in records] == [
        f"coingecko:bitcoin:usd:1h:2026-11-22T{hour:02}:00Z" for hour in range(11)
    ]
    rows = [STREAMS["coingecko_prices"].parse(record.payload) for record in records]
    assert [row["close"] for row in rows] == [100.0 + hour for hour in range(11)]
    assert (rows[-2]["market_cap"], rows[-1]["market_cap"]) == (None, 1e12)
    assert (rows[-2]["volume"], rows[-1]["volume"]) == (3.5e10, None)
    assert (rows[-2]["volume_unit"], rows[-1]["volume_unit"]) == ("currency", None)
    assert "open" not in rows[0]


def test_the_point_of_the_present_neither_adds_nor_changes_a_bar(ask: Any) -> None:
    hour = NOW.replace(minute=0, second=0)
    series = [(hour - timedelta(hours=back) + timedelta(minutes=3), 50, 1, 1) for back in range(8, -1, -1)]
    first, _, _ = ask(chart([*series, (NOW, 51, 1, 1)]), "coingecko_prices", days_back(0))
    second, _, _ = ask(chart([*series, (NOW + timedelta(minutes=9), 52, 1, 1)]), "coingecko_prices", days_back(0))
    assert first == second
    opened_by_now, _, _ = ask(chart([*series[:-1], (NOW, 51, 1, 1)]), "coingecko_prices", days_back(0))
    assert opened_by_now[-1].record_id == first[-1].record_id


def test_long_windows_are_asked_for_in_spans_that_come_in_hours(ask: Any) -> None:
    _, seen, waits = ask({"prices": []}, "coingecko_prices", days_back(200, 201))
    spans = [(int(query(request)["from"]), int(query(request)["to"])) for request in seen]
    assert len(spans) == 3
    assert all(timedelta(days=2) <= timedelta(seconds=end - start) < timedelta(days=90) for start, end in spans)
    assert spans[-1][1] >= NOW.timestamp()
    assert waits == []


def test_a_window_that_has_not_begun_needs_no_request(ask: Any) -> None:
    records, seen, _ = ask({"prices": []}, "coingecko_prices", days_back(-1))
    assert (records, seen) == ([], [])


def test_broken_points_are_kept_for_quarantine(ask: Any) -> None:
    stamp = ms(NOW.replace(hour=3))
    body: dict[str, Any] = {
        "prices": [[stamp, "dear"], [], None, ["late", 1], [True, 2]],
        "market_caps": None,
        "total_volumes": [[]],
    }
    records, _, _ = ask(body, "coingecko_prices", days_back(0))
    assert [record.record_id for record in records] == ["coingecko:bitcoin:usd:1h:2026-11-22T03:00Z", *[None] * 4]
    for record in records:
        with pytest.raises((KeyError, TypeError, ValueError)):
            STREAMS["coingecko_prices"].parse(record.payload)


def test_trending_coins_keep_their_order_and_one_id_a_day(ask: Any) -> None:
    items = [{"id": "solana", "name": "Solana", "slug": "solana", "score": 0}, {"id": "odd coin", "name": "Odd"}]
    body = {"coins": [*({"item": item} for item in items), {"item": None}, "x"], "nfts": [], "exchanges": []}
    records, _, _ = ask(body, "coingecko_trending", days_back(0), target="coins")
    rows = [STREAMS["coingecko_trending"].parse(record.payload) for record in records[:2]]
    assert [record.record_id for record in records] == [
        "coingecko:trending:coins:2026-11-22:solana",
        "coingecko:trending:coins:2026-11-22:odd coin",
        None,
        None,
    ]
    assert [(row["rank"], row["name"]) for row in rows] == [(1, "Solana"), (2, "Odd")]
    assert rows[1]["url"] == "https://www.coingecko.com/en/coins/odd%20coin"
    assert rows[0]["observed_at"] == NOW.replace(minute=0, second=0)


@pytest.mark.parametrize(
    ("stream", "target", "body"),
    [
        ("coingecko_ohlc", "bitcoin", {"candles": []}),
        ("coingecko_prices", "bitcoin", {"market_caps": []}),
        ("coingecko_prices", "bitcoin", [1]),
        ("coingecko_trending", "coins", {"nfts": []}),
    ],
)
def test_another_shape_than_promised_is_malformed(ask: Any, stream: str, target: str, body: Any) -> None:
    with pytest.raises(Malformed):
        ask(body, stream, days_back(0), target=target)


def nested(code: int) -> dict[str, Any]:
    return {"error": {"status": {"timestamp": "2026-11-22T10:00:00Z", "error_code": code, "error_message": "no"}}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (422, {"error": "Missing parameter days"}, Permanent, "Missing parameter days"),
        (404, {"error": "coin not found"}, Permanent, "PIPELINE_COINGECKO__COINS"),
        (200, {}, Permanent, "PIPELINE_COINGECKO__COINS"),
        (401, {"status": {"error_code": 10002, "error_message": "API Key Missing"}}, Permanent, "API_KEY="),
        (401, nested(10005), Permanent, "plan"),
        (400, nested(10010), Permanent, "into PIPELINE_COINGECKO__PRO_API_KEY"),
        (400, nested(10011), Permanent, "into PIPELINE_COINGECKO__API_KEY"),
        (401, nested(10012), Permanent, "365 days"),
        (500, {"status": 500, "error": "Internal Server Error"}, Transient, "500"),
        (200, {"status": 500, "error": "Internal Server Error"}, Transient, "500"),
        (200, {"status": {"error_code": 400, "error_message": "bad"}}, Permanent, "bad"),
    ],
)
def test_errors_say_what_to_do(ask: Any, status: int, body: Any, kind: type[SourceError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(body, "coingecko_ohlc", days_back(0), status=status)
    assert type(caught.value) is kind


@pytest.mark.parametrize(("headers", "wait"), [({}, 60.0), ({"retry_after": "53"}, 53.0)])
def test_a_rate_limit_is_waited_out(ask: Any, headers: dict[str, str], wait: float) -> None:
    body = {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}
    with pytest.raises(Transient, match="rate limit") as caught:
        ask(body, "coingecko_ohlc", days_back(0), status=429, headers=headers)
    assert caught.value.wait_seconds == pytest.approx(wait, abs=1)


def test_more_than_a_year_back_needs_a_paid_plan(ask: Any) -> None:
    for stream in ("coingecko_ohlc", "coingecko_prices"):
        with pytest.raises(Permanent, match="choose a day from 2025-11-2"):
            ask([], stream, days_back(400))
    _, seen, _ = ask([], "coingecko_ohlc", days_back(400), pro_api_key="a-paid-key-1")
    assert query(seen[0])["days"] == "max"
    assert seen[0].headers["x-cg-pro-api-key"] == "a-paid-key-1"


def test_keys_travel_in_headers_and_choose_the_host(ask: Any) -> None:
    _, seen, _ = ask([], "coingecko_ohlc", days_back(0), api_key="a-demo-key-1")
    assert seen[0].headers["x-cg-demo-api-key"] == "a-demo-key-1"
    assert "a-demo-key-1" not in seen[0].path
    assert coingecko.CoinGeckoSettings(pro_api_key="a-paid-key-1").base_url == coingecko.PRO_URL
    assert coingecko.CoinGeckoSettings(api_key="a-demo-key-1").base_url is None


def test_a_coin_may_name_its_currency(ask: Any) -> None:
    records, seen, _ = ask([[ms(NOW), 1, 1, 1, 1]], "coingecko_ohlc", days_back(0), target="bitcoin/eur")
    assert query(seen[0])["vs_currency"] == "eur"
    assert records[0].record_id == "coingecko:bitcoin:eur:30m:2026-11-22T09:50Z"


def test_settings_refuse_what_is_no_coin() -> None:
    settings = coingecko.CoinGeckoSettings(coins=["Bitcoin", "bitcoin", "ethereum/EUR"], currency="USD")
    assert settings.coins == ["bitcoin", "ethereum/eur"]
    assert settings.currency == "usd"
    for wrong in ("", "bitcoin/", "/eur"):
        with pytest.raises(ValidationError, match="write an API id"):
            coingecko.CoinGeckoSettings(coins=[wrong])
