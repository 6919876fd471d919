"""The texts of documents: what components look at."""

from collections.abc import Sequence
from typing import TypeAlias

import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.schemas.columns import TEXT

Texts: TypeAlias = pd.Series | arrow.Array | Sequence[str | None]

MAX_CHARACTERS = 10_000
"""Characters of a document that components look at."""


def as_array(texts: Texts) -> arrow.Array:
    """The texts as one array of strings."""
    found = arrow.array(texts, type=arrow.string())
    return found.combine_chunks() if isinstance(found, arrow.ChunkedArray) else found


def distinct_texts(documents: pd.DataFrame) -> tuple[pd.Series, arrow.Array]:
    """The distinct texts of documents, and which of them each document has.

    Args:
        documents: frame with `title` and `text`.

    Returns:
        The distinct texts (title and text joined by a line break, trimmed, cut to `MAX_CHARACTERS`), and for each
        document the position of its text among them.
    """
    table = arrow.Table.from_pandas(documents[["title", "text"]], preserve_index=False)
    # Not null_handling="skip": it loses the rows in which both are null (pyarrow 26).
    title, text = (pc.fill_null(column.cast(arrow.string()), "").combine_chunks() for column in table.itercolumns())
    joined = pc.binary_join_element_wise(title, text, "\n")
    cut = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(joined), 0, MAX_CHARACTERS))
    encoded = cut.dictionary_encode()
    return pd.Series(encoded.dictionary, dtype=TEXT), encoded.indices
