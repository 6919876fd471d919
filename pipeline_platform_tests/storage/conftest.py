from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline_platform.schemas.catalog import RAW_COLUMNS
from pipeline_platform.schemas.columns import day, integer, not_blank, text, texts
from pipeline_platform.schemas.table import Table, schema_of
from pipeline_platform.storage.lake import Lake

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)

RAW = Table(
    layer="raw",
    name="town_posts",
    description="Posts of a town.",
    schema=schema_of("raw/town_posts", RAW_COLUMNS, key=("record_id",)),
    key=("record_id",),
)
VISITS = Table(
    layer="aggregated",
    name="visits",
    description="Visits per place and day.",
    schema=schema_of(
        "aggregated/visits",
        {
            "place": text("Place.", not_blank()),
            "visits": integer("Visits.", unit="visits"),
            "guides": texts("Guides on duty.", nullable=True),
            "event_date": day(),
        },
        key=("event_date", "place"),
    ),
    key=("event_date", "place"),
    published=True,
)


def noon(of: date) -> datetime:
    return datetime(of.year, of.month, of.day, 12, tzinfo=UTC)


def record(number: int, on: date = DAY, text: str = "fair", fetched: int = 0, **fields: Any) -> dict[str, Any]:
    """A raw row; `fetched` are hours after noon of the day after `on`, `text` decides the payload."""
    return {
        "record_id": f"town:{number}",
        "source": "town",
        "stream": "town_posts",
        "event_time": noon(on),
        "fetched_at": noon(on) + timedelta(days=1, hours=fetched),
        "run_id": "run",
        "request": "{}",
        "payload": f'{{"text": "{text}"}}',
        "payload_hash": text,
        "is_sandbox": True,
        "event_date": on,
        **fields,
    }


def raw_frame(*records: dict[str, Any]) -> pd.DataFrame:
    return RAW.frame(list(records))


def visits(*rows: tuple[str, int, date]) -> pd.DataFrame:
    return VISITS.frame(
        [{"place": place, "visits": count, "guides": ["Ada", "Bo"], "event_date": on} for place, count, on in rows]
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), mode="demo")


@pytest.fixture
def stored(lake: Lake) -> Callable[..., dict[str, Any]]:
    """Payload hash by record id of what is stored in the raw table."""

    def read(*days: date) -> dict[str, Any]:
        between: Sequence[date | None] = days or (None, None)
        frame = lake.read(RAW, between[0], between[-1])
        assert frame["record_id"].is_unique
        return dict(zip(frame["record_id"], frame["payload_hash"], strict=True))

    return read
