from datetime import date, timedelta

import pytest

D = date(2026, 11, 22)


def steady(channel="python", entity=None, per_hour=1, first_day=20, last_day=22, source="reddit"):
    return [
        {
            "at": f"{day:02}T{hour:02}:{minute:02}",
            "channel": channel,
            "source": source,
            "entities": [entity] if entity else [],
        }
        for day in range(first_day, last_day + 1)
        for hour in range(24)
        for minute in range(per_hour)
    ]


def test_a_busy_hour_of_a_channel_is_a_signal_with_its_widest_documents(aggregated, rows):
    burst = [{"at": "22T06:30", "channel": "python", "score": n, "document_id": f"burst{n}"} for n in range(8)]
    ignored = [
        {"at": "22T06:30", "channel": "python", "score": 99, "is_canonical": False},
        {"at": "22T06:30", "channel": "python", "score": 99, "is_deleted": True},
    ]
    documents = rows("enriched/documents", [*steady(per_hour=2), *burst, *ignored])
    (signal,) = aggregated("aggregated/trend_signals", [D], documents=documents).to_dict("records")
    assert signal["signal_id"] == "channel_volume:reddit/python:2026-11-22T06"
    # 54 hours since the channel's first document, 2 documents in each: median 2, MAD 0, so the root of 2 divides.
    assert (signal["value"], signal["baseline"], signal["baseline_size"]) == (10.0, 2.0, 54)
    assert signal["z_score"] == pytest.approx((10 - 2) / 2**0.5)
    assert list(signal["evidence"]) == ["burst7", "burst6", "burst5", "burst4", "burst3"]
    assert signal["event_date"] == D


def test_the_median_absolute_deviation_is_the_measure(aggregated, rows):
    # Hours alternate between 10 and 20 documents: median 15, MAD 5.
    usual = [
        {"at": f"{day:02}T{hour:02}:{minute:02}", "channel": "python"}
        for day in (20, 21)
        for hour in range(24)
        for minute in range(10 if hour % 2 else 20)
    ]
    burst = [{"at": f"22T00:{n % 60:02}", "channel": "python"} for n in range(41)]
    result = aggregated("aggregated/trend_signals", [D], documents=rows("enriched/documents", usual + burst))
    assert result["z_score"].tolist() == pytest.approx([(41 - 15) / (1.4826 * 5)])
    fewer = aggregated("aggregated/trend_signals", [D], documents=rows("enriched/documents", usual + burst[:40]))
    assert len(fewer) == 0


def test_a_new_entity_among_known_channels_is_a_signal(aggregated, rows):
    burst = [{"at": "22T06:30", "channel": None, "entities": ["HASHTAG:launch", "MENTION:x"]} for _ in range(6)]
    documents = rows("enriched/documents", [*steady(), *burst])
    (signal,) = aggregated("aggregated/trend_signals", [D], documents=documents).to_dict("records")
    assert (signal["kind"], signal["subject"], signal["baseline"]) == ("entity_volume", "HASHTAG:launch", 0.0)
    assert signal["z_score"] == 6.0


@pytest.mark.parametrize(("hours", "signals"), [(23, 0), (24, 1)])
def test_a_baseline_needs_a_day(aggregated, rows, hours, signals):
    before = [{"at": f"21T{hour:02}:00", "channel": "python"} for hour in range(24 - hours, 24)]
    burst = [{"at": "22T00:30", "channel": "python"} for _ in range(9)]
    result = aggregated("aggregated/trend_signals", [D], documents=rows("enriched/documents", before + burst))
    assert len(result) == signals


def market_row(day, daily_return):
    return {
        "source": "coingecko",
        "symbol": "bitcoin",
        "currency": "USD",
        "daily_return": daily_return,
        "event_date": day,
    }


@pytest.mark.parametrize(("known", "signals"), [(10, 1), (9, 0)])
def test_a_great_move_is_a_signal_with_the_documents_of_the_day(aggregated, rows, known, signals):
    # Returns alternate between 0.01 and 0.03: median 0.02, MAD 0.01.
    market = [market_row(D - timedelta(days=n), 0.01 if n % 2 else 0.03) for n in range(1, known + 1)]
    documents = rows(
        "enriched/documents",
        [
            {"at": "22T10:00", "entities": ["COIN:bitcoin"], "document_id": "low", "score": 1},
            {"at": "22T10:00", "entities": ["COIN:bitcoin", "TICKER:BITCOIN"], "document_id": "high", "score": 2},
            {"at": "21T10:00", "entities": ["COIN:bitcoin"], "document_id": "earlier"},
        ],
    )
    frame = rows("aggregated/market_daily", [*market, market_row(D, -0.08)])
    result = aggregated("aggregated/trend_signals", [D], documents=documents, market=frame)
    assert len(result) == signals
    if signals:
        (signal,) = result.to_dict("records")
        assert signal["signal_id"] == "daily_return:coingecko:bitcoin:USD:2026-11-22"
        assert signal["baseline"] == pytest.approx(0.02)
        assert signal["z_score"] == pytest.approx(-0.1 / 0.014826)
        assert list(signal["evidence"]) == ["high", "low"]
