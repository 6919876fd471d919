from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline_platform.schemas.catalog import RAW_COLUMNS
from pipeline_platform.schemas.columns import (
    between,
    day,
    flag,
    integer,
    not_blank,
    one_of,
    packed,
    real,
    reals,
    stamp,
    text,
    texts,
)
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

EVERY_TYPE = Table(
    layer="aggregated",
    name="every_type",
    description="A column of every type, with values that are easily lost.",
    schema=schema_of(
        "aggregated/every_type",
        {
            "name": text("Name.", not_blank()),
            "number": integer("Number.", unit="pieces"),
            "share": real("Share.", between(-1, 1, "share"), unit="share"),
            "grade": text("Grade.", one_of(("good", "bad"), "known_grade"), nullable=True),
            "is_new": flag("New.", nullable=True),
            "seen_at": stamp("When.", nullable=True),
            "tags": texts("Tags.", nullable=True),
            "weights": reals("Weights.", unit="kg", nullable=True),
            "event_date": day(),
        },
        key=("name",),
    ),
    key=("name",),
    published=True,
)
EVERY_TYPE_ROWS: list[dict[str, Any]] = [
    {
        "name": 'a, "quoted"\nand two lines | 🌧',
        "number": 2**53 + 1,
        "share": 0.1 + 0.2,
        "grade": "good",
        "is_new": True,
        "seen_at": datetime(2026, 11, 20, 23, 59, 59, 999_999, UTC),
        "tags": ["one|two", 'say "so"', "", "null"],
        "weights": [5e-324, -0.0, 1.7976931348623157e308],
        "event_date": DAY,
    },
    {
        "name": "b",
        "number": None,
        "share": None,
        "grade": None,
        "is_new": None,
        "seen_at": None,
        "tags": None,
        "weights": None,
        "event_date": DAY,
    },
    {
        "name": "c",
        "number": -(2**63),
        "share": 1 / 3,
        "grade": "",
        "is_new": False,
        "seen_at": datetime(2026, 11, 21, tzinfo=UTC),
        "tags": [],
        "weights": [2.5],
        "event_date": NEXT,
    },
]
"""In the order of the key; nulls are among them in every column that may have some."""

PACKED = Table(
    layer="deduplicated",
    name="packed",
    description="Bytes.",
    schema=schema_of("deduplicated/packed", {"content": packed("Bytes."), "event_date": day()}, key=("content",)),
    key=("content",),
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
