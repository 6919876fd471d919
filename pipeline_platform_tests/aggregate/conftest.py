from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as arrow
import pytest

from pipeline_platform.aggregate.registry import AGGREGATES, FETCHES
from pipeline_platform.aggregate.sources import fetch_log
from pipeline_platform.schemas.aggregated import AGGREGATED
from pipeline_platform.schemas.columns import DAY, INTEGER, STAMP, TEXT
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.enriched import ENRICHED
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.quality import QUALITY

TABLES = {
    table.path: table for table in (*AGGREGATED, *QUALITY, *ENRICHED, *(deduplicated_table(kind) for kind in KINDS))
}
USUAL: dict[str, dict[str, Any]] = {
    "enriched/documents": {
        "source": "reddit",
        "is_deleted": False,
        "is_canonical": True,
        "entities": [],
        "keywords": [],
    },
    "enriched/topics": {"words": [], "weights": [], "documents": 1, "method": "lda"},
    "deduplicated/documents": {"source": "reddit", "stream": "reddit_posts", "is_canonical": True},
    "deduplicated/market_bars": {
        "source": "coingecko",
        "symbol": "bitcoin",
        "asset": "crypto:BTC",
        "asset_class": "crypto",
        "interval": "1h",
        "currency": "USD",
    },
    "deduplicated/weather_observations": {
        "source": "openweather",
        "place": "berlin-de",
        "location": "Berlin",
        "country": "DE",
    },
    "deduplicated/repositories": {"source": "github", "repository": "a/b"},
    "deduplicated/repo_events": {"source": "github", "repository": "a/b", "author_id": "p1"},
    "deduplicated/trending": {"source": "github", "list_name": "python", "name": "a/b", "rank": 1},
}
EVENT_TIMES = {
    "enriched/documents": "created_at",
    "deduplicated/market_bars": "opened_at",
    "deduplicated/weather_observations": "observed_at",
    "deduplicated/repositories": "observed_at",
    "deduplicated/repo_events": "occurred_at",
    "deduplicated/trending": "observed_at",
}


def moment(text: str) -> datetime:
    """`22T10:30` is half past ten on 22 November 2026, UTC."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def rows_of(path: str, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A frame of the table at `path`: `at` tells the event time, the rest of a row is filled in with what is usual."""
    filled = []
    for number, row in enumerate(rows):
        given = {**USUAL.get(path, {}), **row}
        if "at" in row:
            when = moment(given.pop("at"))
            given |= {EVENT_TIMES[path]: when, "event_date": when.date()}
        key = TABLES[path].key
        if len(key) == 1 and key[0] not in row:
            given[key[0]] = f"id{number:04}"
        filled.append(given)
    return TABLES[path].frame(filled)


def counts(*rows: tuple[str, date, int, datetime | None, datetime | None]) -> pd.DataFrame:
    """Counts of a layer: stream, day, rows, newest event, newest fetch."""
    columns = {"stream": TEXT, "event_date": DAY, "rows": INTEGER, "newest_event": STAMP, "newest_fetch": STAMP}
    frame = pd.DataFrame(
        {name: pd.array([row[i] for row in rows], dtype=of) for i, (name, of) in enumerate(columns.items())}
    )
    return frame.assign(source=pd.array([row[0].split("_")[0] for row in rows], dtype=TEXT))


def _nothing(path: str) -> pd.DataFrame:
    if path == FETCHES:
        return fetch_log([])
    return counts() if path.endswith("*") else TABLES[path].empty()


def compute(table: str, days: Sequence[date], **frames: pd.DataFrame) -> pd.DataFrame:
    """The aggregate at `table`, held against its schema; inputs that are not given are empty.

    What is kept of a table that is given is made of it.
    """
    (aggregate,) = [one for one in AGGREGATES if one.table == table]
    of_tables = {aggregate.inputs[name].table: frame for name, frame in frames.items()}
    given = {
        name: frames.get(name, of_tables.get(one.table) if one.kept else None) for name, one in aggregate.inputs.items()
    }
    given = {name: _nothing(aggregate.inputs[name].table) if frame is None else frame for name, frame in given.items()}
    for name, one in aggregate.inputs.items():
        if one.counted is not None:
            chosen = arrow.Table.from_pandas(given[name]).filter(one.counted).group_by(list(one.columns))
            counted = chosen.aggregate([([], "count_all")]).rename_columns({"count_all": "rows"})
            given[name] = counted.to_pandas(types_mapper=pd.ArrowDtype)
            continue
        given[name] = given[name][list(one.columns)] if one.columns else given[name]
        given[name] = one.kept(given[name]) if one.kept else given[name]
    result = aggregate.compute(list(days), **given)
    TABLES[table].schema.validate(result)
    assert list(result.columns) == TABLES[table].columns
    assert list(result.index) == list(range(len(result)))
    return result


@pytest.fixture
def aggregated() -> Callable[..., pd.DataFrame]:
    return compute


@pytest.fixture
def rows() -> Callable[[str, Sequence[dict[str, Any]]], pd.DataFrame]:
    return rows_of


@pytest.fixture
def layer_counts() -> Callable[..., pd.DataFrame]:
    return counts


@pytest.fixture
def at() -> Callable[[str], datetime]:
    return moment
