"""What earlier runs said of texts, so that a run computes only what is new.

The cache is `enriched/documents` itself: its rows hold texts, values, and the versions that gave them. There is no
second copy of what people wrote, and what is erased there is gone. Texts are compared as they stand and not by
`content_hash`, for which capitals, addresses and invisible characters make no difference, but for models they do.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.enrich.texts import distinct_texts


class Predictions:
    """Values of texts by an earlier run.

    Args:
        rows: rows of `enriched/documents`, of any days: `title`, `text`, `model_versions` and the columns of the
            components. A column or a version may be null.

    Attributes:
        asked: how many texts were looked for, by component.
        found: how many of them were there.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows
        self.asked: dict[str, int] = {}
        self.found: dict[str, int] = {}

    @cached_property
    def _texts(self) -> tuple[arrow.Array, np.ndarray]:
        texts, positions = distinct_texts(self._rows)
        return arrow.array(texts, arrow.string()), positions.to_numpy()

    @cached_property
    def _versions(self) -> tuple[list[Mapping[str, Any]], np.ndarray]:
        """The different entries of `model_versions`, and which of them each row has."""
        told = arrow.Table.from_pandas(self._rows[["model_versions"]], preserve_index=False)["model_versions"]
        encoded = pc.fill_null(told.cast(arrow.string()), "{}").combine_chunks().dictionary_encode()
        return [orjson.loads(one) for one in encoded.dictionary.to_pylist()], encoded.indices.to_numpy()

    def rows(self, texts: pd.Series, component: str, versions: Mapping[str, str]) -> np.ndarray:
        """For each text a row that has its values, -1 where there is none.

        Args:
            texts: distinct texts.
            component: whose values are wanted; for the count.
            versions: entries that `model_versions` must have: of the component and of those that it reads.
        """
        known, text_of_row = self._texts
        told, version_of_row = self._versions
        fit = np.array([versions.items() <= one.items() for one in told], dtype=bool)
        fitting = np.flatnonzero(fit[version_of_row]) if len(told) else np.empty(0, np.int64)
        row_of_text = np.full(len(known) + 1, -1)
        row_of_text[text_of_row[fitting]] = fitting
        places = pc.index_in(arrow.array(texts, arrow.string()), value_set=known)
        rows = row_of_text[pc.fill_null(places, len(known)).to_numpy()]
        self.asked[component] = len(texts)
        self.found[component] = int((rows >= 0).sum())
        return rows

    def values(self, name: str, rows: np.ndarray, kind: arrow.DataType) -> arrow.Array:
        """The values of a column in these rows."""
        column = arrow.Table.from_pandas(self._rows[[name]], preserve_index=False)[name]
        return column.cast(kind).take(arrow.array(rows)).combine_chunks()

    @property
    def hit_rates(self) -> dict[str, float]:
        """Share of the texts whose values were there, by component; 0 without texts."""
        return {name: self.found[name] / asked if asked else 0.0 for name, asked in self.asked.items()}
