from datetime import date

import pytest

D = date(2026, 11, 22)


def test_sentiment_per_hour_channel_source_and_all(aggregated, rows):
    documents = rows(
        "enriched/documents",
        [
            # reach 1 + 9 + 0 = 10
            {"at": "22T10:05", "channel": "python", "sentiment": 0.5, "sentiment_label": "positive", "score": 9},
            # reach 1 + 0 (negative score) + 4 = 5
            {
                "at": "22T10:59:59.999999",
                "channel": "python",
                "sentiment": -0.25,
                "sentiment_label": "negative",
                "score": -7,
                "replies": 4,
            },
            {"at": "22T10:30", "channel": "python", "sentiment": None},
            {
                "at": "22T10:30",
                "channel": "python",
                "sentiment": 1.0,
                "sentiment_label": "positive",
                "is_canonical": False,
            },
            {
                "at": "22T10:30",
                "channel": "python",
                "sentiment": 1.0,
                "sentiment_label": "positive",
                "is_deleted": True,
            },
            {
                "at": "22T10:30",
                "channel": None,
                "sentiment": 0.0,
                "sentiment_label": "neutral",
                "score": 2,
                "replies": 2,
            },
            {"at": "22T10:00", "channel": "news", "source": "rss", "sentiment": 0.5, "sentiment_label": "positive"},
            {"at": "22T11:00", "channel": "news", "source": "rss", "sentiment": None},
            {"at": "23T10:00", "channel": "python", "sentiment": 1.0},
        ],
    )
    result = aggregated("aggregated/sentiment_hourly", [D], documents=documents)
    found = {(hour.hour, source, channel): row for hour, source, channel, *row in result.itertuples(index=False)}
    assert list(found) == sorted(found)
    assert set(found) == {
        (10, "*", "*"),
        (10, "reddit", "*"),
        (10, "reddit", "python"),
        (10, "rss", "*"),
        (10, "rss", "news"),
        (11, "*", "*"),
        (11, "rss", "*"),
        (11, "rss", "news"),
    }
    # documents, canonical, scored, mean, positive share, negative share, reach, weighted mean
    weighted = pytest.approx((10 * 0.5 - 5 * 0.25) / 15)
    assert found[10, "reddit", "python"][:-1] == [4, 3, 2, 0.125, 0.5, 0.5, 16, weighted]
    assert found[10, "reddit", "*"][:3] == [5, 4, 3]
    assert found[10, "reddit", "*"][3:8] == pytest.approx([0.25 / 3, 1 / 3, 1 / 3, 21, 3.75 / 20])
    assert found[10, "*", "*"][:3] == [6, 5, 4]
    assert found[10, "*", "*"][3:8] == pytest.approx([0.75 / 4, 0.5, 0.25, 22, 4.25 / 21])
    assert found[11, "rss", "news"][:3] == [1, 1, 0]
    assert result[result["scored_documents"] == 0]["mean_sentiment"].isna().all()
    assert result[result["scored_documents"] == 0]["reach_weighted_sentiment"].isna().all()


def test_entities_per_day(aggregated, rows):
    documents = rows(
        "enriched/documents",
        [
            {
                "at": "22T01:00",
                "sentiment": 0.5,
                "sentiment_label": "positive",
                "entities": ["COIN:bitcoin", "MENTION:ann"],
            },
            {
                "at": "22T02:00",
                "sentiment": -0.1,
                "sentiment_label": "negative",
                "entities": ["COIN:bitcoin"],
                "source": "rss",
            },
            {"at": "22T03:00", "sentiment": 0.9, "entities": ["COIN:bitcoin", "ORG:a:b"], "is_canonical": False},
            {"at": "22T03:00", "sentiment": 0.9, "entities": ["COIN:bitcoin"], "is_deleted": True},
            {"at": "22T03:00", "sentiment": 0.9, "entities": []},
            {"at": "21T23:59", "sentiment": 0.9, "entities": ["COIN:bitcoin"]},
        ],
    )
    result = aggregated("aggregated/entity_daily", [D], documents=documents)
    assert result[["entity_type", "entity"]].to_numpy().tolist() == [["COIN", "bitcoin"], ["ORG", "a:b"]]
    bitcoin, other = result.to_dict("records")
    assert (bitcoin["documents"], bitcoin["canonical_documents"], bitcoin["scored_documents"]) == (3, 2, 2)
    assert bitcoin["mean_sentiment"] == pytest.approx(0.2)
    assert (bitcoin["positive_share"], bitcoin["negative_share"], bitcoin["sources"]) == (0.5, 0.5, 2)
    assert (other["documents"], other["canonical_documents"], other["event_date"]) == (1, 0, D)


def test_one_mention_is_one_row_of_its_kind(aggregated, rows):
    documents = rows(
        "enriched/documents",
        [{"at": "22T01:00", "entities": ["ASSET:equity:AAPL", "ORG:Apple", "PRODUCT:iPhone"]}],
    )
    result = aggregated("aggregated/entity_daily", [D], documents=documents)
    assert result[["entity_type", "entity"]].to_numpy().tolist() == [["ORG", "Apple"], ["PRODUCT", "iPhone"]]


def test_a_document_counts_once_per_subject_however_it_names_it(aggregated, rows):
    documents = rows(
        "enriched/documents",
        [
            # The company, its ticker and the asset behind both.
            {
                "at": "22T01:00",
                "entities": ["ASSET:equity:AAPL", "ORG:Apple", "TICKER:AAPL"],
                "sentiment": 0.5,
                "score": 2,
            },
            # A coin by name and ticker; a ticker that only prices can tell of.
            {"at": "22T02:00", "entities": ["COIN:bitcoin", "TICKER:BTC", "TICKER:ZZQX"], "place": "berlin-de"},
            {"at": "22T03:00", "entities": ["COIN:some-new-coin", "REPOSITORY:a/b"], "place": "DE"},
            {"at": "22T04:00", "entities": ["COIN:bitcoin"], "is_canonical": False, "source": "rss"},
            {"at": "22T04:00", "entities": ["COIN:ethereum"], "is_deleted": True, "place": "paris-fr"},
            {"at": "21T04:00", "entities": ["COIN:ethereum"]},
        ],
    )
    result = aggregated("aggregated/subject_daily", [D], documents=documents)
    counts = result[["kind", "subject", "documents", "canonical_documents", "sources"]].to_numpy().tolist()
    assert counts == [
        ["asset", "crypto:BTC", 2, 1, 2],
        ["asset", "crypto:SOME-NEW-COIN", 1, 1, 1],
        ["asset", "equity:AAPL", 1, 1, 1],
        ["asset", "ticker:ZZQX", 1, 1, 1],
        ["place", "DE", 1, 1, 1],
        ["place", "berlin-de", 1, 1, 1],
        ["repository", "a/b", 1, 1, 1],
    ]
    apple = result.iloc[2]
    assert (apple["reach"], apple["reach_weighted_sentiment"]) == (3, pytest.approx(0.5))
