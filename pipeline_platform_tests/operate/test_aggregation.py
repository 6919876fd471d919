"""Aggregates from the lake: turns side by side give what all days at once give."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline_platform.aggregate.registry import AGGREGATES
from pipeline_platform.operate.aggregation import Inputs, computed
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.settings import Settings
from pipeline_platform.storage.stores import Stores

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(6)]
BY_TABLE = {one.table.removeprefix("aggregated/"): one for one in AGGREGATES}
IN_TURNS = [name for name, one in BY_TABLE.items() if one.in_turns]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(Settings(home=tmp_path))


def _document(number: int, day: date) -> dict[str, object]:
    return {
        "document_id": f"x:{number:03}",
        "source": ("reddit", "rss")[number % 2],
        "stream": ("reddit_posts", "rss_articles")[number % 2],
        "channel": "a",
        "created_at": datetime(day.year, day.month, day.day, number % 24, tzinfo=UTC),
        "score": number % 7,
        "is_deleted": number % 11 == 0,
        "is_canonical": number % 5 > 0,
        "sentiment": (number % 9 - 4) / 4,
        "sentiment_label": "positive",
        "topic": "weather",
        "emotion": "joy",
        "entities": ["COIN:bitcoin", "REPOSITORY:a/b"],
        "keywords": ["storm", "rain"] if number % 3 else ["rain", f"word {number % 8}"],
        "event_date": day,
    }


@pytest.fixture
def lake(stores: Stores) -> Stores:
    # The third day has no documents.
    rows = [_document(number, DAYS[number % 6]) for number in range(120) if number % 6 != 2]
    for table in (ENRICHED_DOCUMENTS, deduplicated_table("documents")):
        stores.lake.replace(table, table.frame(rows), DAYS[0], DAYS[-1])
    return stores


@pytest.mark.parametrize(("at_once", "turns"), [(1, [1] * 6), (48, [3, 2, 1]), (1_000, [6])])
@pytest.mark.parametrize("name", IN_TURNS)
def test_turns_of_any_size_give_what_the_days_give_alone_in_their_order(lake, monkeypatch, name, at_once, turns):
    aggregate = BY_TABLE[name]
    monkeypatch.setattr("pipeline_platform.operate.aggregation.ROWS_AT_ONCE", at_once)
    assert [len(turn) for turn in Inputs(lake, aggregate.inputs).turns(DAYS)] == turns
    together = pd.concat(list(computed(lake, aggregate, DAYS, {})), ignore_index=True)
    alone = [rows for day in DAYS for rows in computed(lake, aggregate, [day], {})]
    assert len(together)
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))


@pytest.mark.parametrize("at_once", [1, 48, 1_000])
def test_what_is_kept_of_a_day_is_made_once(lake, monkeypatch, at_once):
    corpus = BY_TABLE["keyword_daily"].inputs["corpus"]
    monkeypatch.setattr("pipeline_platform.operate.aggregation.ROWS_AT_ONCE", at_once)
    seen = []

    def kept(rows):
        seen.extend(sorted(set(rows["event_date"])))
        return corpus.kept(rows)

    one = type(corpus)(corpus.table, days_before=2, columns=corpus.columns, kept=kept)
    inputs = Inputs(lake, {"corpus": one})
    spans = [set(inputs.frames(turn)["corpus"]["event_date"]) for turn in (DAYS[:3], DAYS[3:4], DAYS[4:])]
    assert seen == [day for day in DAYS if day != DAYS[2]]
    assert spans == [{DAYS[0], DAYS[1]}, {DAYS[1], DAYS[3]}, {DAYS[3], DAYS[4], DAYS[5]}]


def test_all_turns_see_one_version_of_a_table(lake):
    inputs = Inputs(lake, {"copies": BY_TABLE["source_daily"].inputs["copies"]})
    before = inputs.frames(DAYS[:1])["copies"]
    table = deduplicated_table("documents")
    lake.lake.replace(table, table.empty(), DAYS[0], DAYS[-1])
    assert len(before)
    assert len(inputs.frames(DAYS[1:2])["copies"])
    assert not len(Inputs(lake, {"copies": BY_TABLE["source_daily"].inputs["copies"]}).frames(DAYS)["copies"])
