"""One row per key: the newest capture."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline_platform.dedup.rows import dedup_rows
from pipeline_platform.schemas.columns import STAMP, TEXT

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def captures(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "bar_id": pd.array([key for key, _, _ in rows], dtype=TEXT),
            "fetched_at": pd.array([NOON + timedelta(minutes=minute) for _, minute, _ in rows], dtype=STAMP),
            "source": pd.array(["town"] * len(rows), dtype=TEXT),
            "stream": pd.array([stream for _, _, stream in rows], dtype=TEXT),
        },
        index=range(7, 7 + len(rows)),
    )


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([], []),
        ([("a", 0, "x"), ("b", 0, "x")], [0, 1]),
        ([("a", 1, "x"), ("b", 0, "x"), ("a", 0, "x")], [0, 1]),
        ([("b", 0, "x"), ("a", 0, "x"), ("b", 2, "x"), ("b", 1, "x")], [1, 2]),
        ([("a", 0, "y"), ("a", 0, "x")], [0]),
    ],
)
def test_newest_capture_stays_in_its_place(rows: list[tuple[str, int, str]], kept: list[int]) -> None:
    frame = captures(*rows)
    expected = frame.iloc[kept].reset_index(drop=True)
    pd.testing.assert_frame_equal(dedup_rows(frame, ("bar_id",)), expected)
