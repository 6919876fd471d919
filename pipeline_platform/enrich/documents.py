"""`enriched/documents`: every deduplicated document with the columns of the components."""

from collections.abc import Sequence

import orjson
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.enrich.component import Component
from pipeline_platform.schemas.columns import TEXT

MAX_CHARACTERS = 10_000
"""Characters of a document that components look at."""


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


def enrich(documents: pd.DataFrame, components: Sequence[Component]) -> pd.DataFrame:
    """Documents with the columns of `components` and `model_versions`.

    Args:
        documents: rows of `deduplicated/documents`.
        components: as `configured` gives them; each may read the columns of those before it.

    Returns:
        A frame with the rows and columns of `documents` in their order, the columns of the components, and
        `model_versions`.

    Raises:
        ValueError: a component reads a column that no earlier component gives.
    """
    texts, positions = distinct_texts(documents)
    known = pd.DataFrame(index=texts.index)
    for component in components:
        missing = [name for name in component.inputs if name not in known]
        if missing:
            raise ValueError(
                f"component {component.name} reads {', '.join(missing)}: list the component that gives it earlier"
            )
        found = component.apply(texts, known[list(component.inputs)])
        for name, column in component.outputs.items():
            known[name] = pd.array(found[name].tolist(), dtype=column.dtype.type)
    versions = orjson.dumps({one.name: one.version for one in components}, option=orjson.OPT_SORT_KEYS).decode()
    enriched = known.take(positions.to_numpy()).set_axis(documents.index)
    enriched["model_versions"] = pd.Series(versions, index=documents.index, dtype=TEXT)
    return pd.concat([documents, enriched], axis=1)
