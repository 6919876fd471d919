"""The kernel gives what `normalised_content` gives, whatever the text."""

import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.clean.content import normalised_content
from pipeline_platform.dedup.normalised import normalised_contents

PIECES = st.sampled_from(
    ["A", "word", " ", "\n", "\t\x0b\x1c\x1f", "\0", "\x7f", "http", "://", ":", "www", ".", "WWW.", "é", "日本", "😀"]
)
STRINGS = st.none() | st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30)


@given(st.lists(st.tuples(STRINGS, STRINGS), max_size=20))
def test_every_text_is_normalised_as_one_by_one(rows: list[tuple[str | None, str | None]]) -> None:
    titles, texts = (arrow.array([row[at] for row in rows], arrow.string()) for at in (0, 1))
    found = normalised_contents(titles, texts)
    found.validate(full=True)
    assert found.to_pylist() == [normalised_content(*row) for row in rows]


@pytest.mark.parametrize("rows", [0, 1, 20_000])
def test_any_number_of_rows_and_any_slice_of_an_array(rows: int) -> None:
    words = [None if row % 7 == 0 else f"Title {row}\n  é" if row % 3 else f"TITLE   {row}" for row in range(rows + 5)]
    texts = arrow.chunked_array([words[:2], words[2:]], arrow.string()).slice(5)
    assert normalised_contents(texts, texts).to_pylist() == [normalised_content(one, one) for one in words[5:]]
