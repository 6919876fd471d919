"""What days were about: keywords against the days before, and topics."""

from datetime import date
from math import log

import pytest

from pipeline_platform.aggregate.keywords import MAX_KEYWORDS

DAY, BEFORE = date(2026, 11, 22), date(2026, 11, 8)
KEYWORDS, TOPICS = "aggregated/keyword_daily", "aggregated/topic_daily"


def test_keywords_are_weighed_by_the_days_before(aggregated, rows):
    documents = rows(
        "enriched/documents",
        [
            {"at": "08T10", "keywords": ["storm", "market"]},
            {"at": "07T10", "keywords": ["rain"]},  # before the two weeks
            {"at": "21T10", "keywords": ["market"]},
            {"at": "21T11", "keywords": []},
            *({"at": "22T10", "keywords": ["market", "storm"], "sentiment": 0.5, "score": 2} for _ in range(3)),
            *({"at": "22T11", "keywords": ["rain"], "sentiment": -1.0, "source": source} for source in ("rss", "x")),
            {"at": "22T12", "keywords": ["rain"], "is_canonical": False, "source": "rss"},
            {"at": "22T12", "keywords": ["rain", "storm"], "is_deleted": True},
            {"at": "22T12", "keywords": ["once"]},
        ],
    )
    found = aggregated(KEYWORDS, [DAY], documents=documents).set_index("keyword")
    assert found.sort_values("rank").index.tolist() == ["rain", "storm", "market"]
    # Three documents in the two weeks before.
    assert found["tf_idf"].to_dict() == pytest.approx(
        {
            "storm": (1 + log(3)) * (log(4 / 2) + 1),
            "rain": (1 + log(2)) * (log(4 / 1) + 1),
            "market": (1 + log(3)) * (log(4 / 3) + 1),
        }
    )
    assert found["earlier_documents"].to_dict() == {"storm": 1, "rain": 0, "market": 2}
    assert found["is_new"].to_dict() == {"storm": False, "rain": True, "market": False}
    assert found["first_seen"].to_dict() == {"storm": BEFORE, "rain": DAY, "market": BEFORE}
    rain = found.loc["rain"]
    assert (rain["documents"], rain["canonical_documents"], rain["sources"]) == (3, 2, 2)
    assert rain["mean_sentiment"] == -1
    assert found.loc["storm", "reach_weighted_sentiment"] == 0.5


def test_on_the_first_day_nothing_is_called_new(aggregated, rows):
    documents = rows("enriched/documents", [{"at": "22T10", "keywords": ["storm"]}] * 2)
    (found,) = aggregated(KEYWORDS, [DAY], documents=documents).to_dict("records")
    assert found["is_new"] is None or found["is_new"] is not False
    assert found["tf_idf"] == pytest.approx(1 + log(2))
    assert found["first_seen"] == DAY


def test_a_day_has_a_bounded_number_of_keywords_and_ties_go_by_name(aggregated, rows):
    names = [f"keyword {n:04}" for n in range(500)]
    lists = [names[n : n + 5] for n in range(0, 500, 5)]
    documents = rows("enriched/documents", [{"at": "22T10", "keywords": given} for given in lists * 2])
    found = aggregated(KEYWORDS, [DAY], documents=documents.sample(frac=1, random_state=1))
    assert found["keyword"].tolist() == names[:MAX_KEYWORDS]
    assert found["rank"].tolist() == list(range(1, MAX_KEYWORDS + 1))


def test_unknown_keywords_are_passed_over(aggregated, rows):
    documents = rows("enriched/documents", [{"at": "22T10", "keywords": given} for given in (None, [None], [], ["a"])])
    assert aggregated(KEYWORDS, [DAY], documents=documents).empty


def test_topics_of_both_schemes_stand_side_by_side(aggregated, rows):
    documents = rows(
        "enriched/documents",
        [
            {"at": "22T10", "topic": "weather", "emotion": "joy", "sentiment": 0.8, "sentiment_label": "positive"},
            {"at": "22T11", "topic": "weather", "emotion": "fear", "sentiment": 0.2, "score": 3, "source": "rss"},
            {"at": "22T12", "topic": "weather"},
            {"at": "22T12", "topic": "weather", "is_canonical": False, "emotion": "joy"},
            {"at": "22T12", "topic": "weather", "is_deleted": True},
            {"at": "22T13", "topic": None},
        ],
    )
    assignments = rows(
        "enriched/document_topics",
        [
            {"document_id": f"id{n:04}", "topic_id": "2026-11-20:storm", "weight": 0.5, "event_date": DAY}
            for n in (0, 4, 5)
        ],
    )
    labels = rows("enriched/topics", [{"topic_id": "2026-11-20:storm", "label": "storm, rain", "event_date": DAY}])
    found = aggregated(TOPICS, [DAY], documents=documents, assignments=assignments, topics=labels)
    storm, weather = found.to_dict("records")
    assert (weather["scheme"], weather["topic"], weather["label"]) == ("taxonomy", "weather", "weather")
    assert (weather["documents"], weather["canonical_documents"], weather["scored_documents"]) == (4, 3, 2)
    assert weather["share_of_documents"] == 3 / 4
    assert weather["sources"] == 2
    assert weather["mean_sentiment"] == 0.5
    assert weather["reach_weighted_sentiment"] == pytest.approx((0.8 + 4 * 0.2) / 5)
    assert (weather["emotional_documents"], weather["joy_share"], weather["fear_share"]) == (2, 0.5, 0.5)
    assert weather["anger_share"] == 0
    assert (storm["scheme"], storm["topic"], storm["label"]) == ("discovered", "2026-11-20:storm", "storm, rain")
    assert (storm["documents"], storm["share_of_documents"], storm["joy_share"]) == (2, 2 / 4, 1)
