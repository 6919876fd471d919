"""Columns of parsed values: what is converted, what is a misfit, and that one misfit costs one row."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.clean.cells import read_column

TEXT, INTEGER, REAL, FLAG = arrow.string(), arrow.int64(), arrow.float64(), arrow.bool_()
MOMENT, TEXTS = arrow.timestamp("us", tz="UTC"), arrow.list_(arrow.string())
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "dtype", "read"),
    [
        (7.0, INTEGER, 7),
        (-(2**63), INTEGER, -(2**63)),
        (3, REAL, 3.0),
        (2**60 + 1, REAL, float(2**60)),
        (NOON.astimezone(timezone(timedelta(hours=5))), MOMENT, NOON),
        ("a\0b", TEXT, "ab"),
        ("half \ud83d", TEXT, "half \ufffd"),
        ("whole \ud83d\ude00", TEXT, "whole 😀"),
        (("a", "b"), TEXTS, ["a", "b"]),
        ([], TEXTS, []),
        (None, INTEGER, None),
    ],
)
def test_converted_on_purpose(value: Any, dtype: arrow.DataType, read: Any) -> None:
    column, misfits = read_column([value], dtype)
    assert (column.to_pylist(), misfits) == ([read], {})


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((value, INTEGER) for value in (True, 1.5, "1", 2**63, -(2**63) - 1, 1e30, math.inf, math.nan, [1], NOON)),
        *((value, REAL) for value in (True, "1.5", math.nan, -math.inf, 10**400, {"a": 1}, b"1")),
        *((value, FLAG) for value in (0, 1, "true", 1.0)),
        *((value, TEXT) for value in (1, 1.5, True, b"x", ["a"], {"a": "b"})),
        *((value, MOMENT) for value in (1_700_000_000, "2026-11-22T12:00:00Z", NOON.replace(tzinfo=None), True)),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), MOMENT),
        *((value, TEXTS) for value in ("abc", ["a", 1], [None], {"a": 1}, 3)),
    ],
)
def test_misfits_name_type_and_value(value: Any, dtype: arrow.DataType) -> None:
    column, misfits = read_column([None, value], dtype)
    assert column.null_count == 2
    assert list(misfits) == [1]
    assert misfits[1].startswith(type(value).__name__) or dtype == TEXTS


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.characters(categories=["Cs"]), st.binary(),
    st.datetimes(), st.datetimes(timezones=st.just(UTC)), st.lists(st.text(), max_size=3),
    st.dictionaries(st.text(), st.none()),
)  # fmt: skip


@given(st.lists(ANYTHING, max_size=8), st.sampled_from([TEXT, INTEGER, REAL, FLAG, MOMENT, TEXTS]))
def test_a_value_reads_the_same_alone_and_among_others(values: list[Any], dtype: arrow.DataType) -> None:
    column, misfits = read_column(values, dtype)
    column.validate(full=True)
    for position, value in enumerate(values):
        alone, wrong = read_column([value], dtype)
        assert alone[0] == column[position]
        assert (0 in wrong) == (position in misfits)
