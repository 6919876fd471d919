"""Stored band keys are found by hash as a dictionary would find them."""

import numpy as np
import pyarrow as arrow
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.dedup.minhash import BANDS
from pipeline_platform.dedup.stored_keys import KEY_BYTES, places_of, unpack

STRINGS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=50)


@given(STRINGS, STRINGS, st.integers(0, 3))
def test_a_string_is_found_where_it_first_stands(stored: list[str], asked: list[str], start: int) -> None:
    known = arrow.chunked_array(
        [arrow.array(stored[:start], arrow.string()), arrow.array(stored[start:], arrow.string())]
    )
    expected = [stored.index(string) if string in stored else -1 for string in asked]
    assert places_of(arrow.array(asked, arrow.string()), known).tolist() == expected


def test_a_part_of_an_array_is_its_own() -> None:
    strings = arrow.array(["a", "b", "c", "d"])
    assert places_of(strings.slice(1), strings.slice(2)).tolist() == [-1, 0, 1]


def test_keys_come_back_as_they_were_packed() -> None:
    packed = [np.full(BANDS, number, "<u4").tobytes() for number in range(4)]
    stored = arrow.array([packed[0], None, packed[2], packed[3]], arrow.binary()).slice(1)
    keys = np.full((BANDS, 4), 9, np.uint32)
    written = unpack(stored, np.array([2, -1, 0, 1]), keys)
    assert written.tolist() == [True, False, False, True]
    assert [set(column) for column in keys.T] == [{3}, {9}, {9}, {2}]
    assert len(packed[0]) == KEY_BYTES


def test_nothing_stored_gives_nothing() -> None:
    keys = np.zeros((BANDS, 2), np.uint32)
    assert places_of(arrow.array(["a", "b"]), arrow.array([], arrow.string())).tolist() == [-1, -1]
    assert not unpack(arrow.array([], arrow.binary()), np.array([-1, -1]), keys).any()
