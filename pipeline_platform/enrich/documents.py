"""`enriched/documents`: every deduplicated document with the columns of the components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import orjson
import pandas as pd
import pyarrow as arrow

from pipeline_platform.enrich.code import code_digest
from pipeline_platform.enrich.component import Component
from pipeline_platform.enrich.cores import BATCH, in_batches
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.texts import distinct_texts
from pipeline_platform.schemas.columns import TEXT

Answers: TypeAlias = dict[str, arrow.Array]

CODE = "code"
"""Entry of `model_versions` that is no component: the code that ran them."""


def enrich(
    documents: pd.DataFrame,
    components: Sequence[Component],
    earlier: Predictions | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Documents with the columns of `components` and `model_versions`.

    Args:
        documents: rows of `deduplicated/documents`.
        components: as `configured` gives them; each may read the columns of those before it.
        earlier: what an earlier run said. It is taken for texts that it knows from the same versions of a component,
            of those whose columns that one reads, and of the code.
        threads: how many look at batches of texts; as many as there are cores by default.

    Returns:
        A frame with the rows and columns of `documents` in their order, the columns of the components, and
        `model_versions`.

    Raises:
        ValueError: a component reads a column that no earlier component gives.
    """
    texts, positions = distinct_texts(documents)
    reads = _reads(components)
    if earlier is not None or len(texts) > BATCH:
        # Loads the models, once and not in every thread; and a component tells its version once it has been at work,
        # since a model may turn out to be unavailable.
        _answers(components, texts.iloc[:1], {})
    reused = _reused(components, texts, reads, earlier) if earlier is not None and len(texts) else {}
    parts = in_batches(
        lambda batch: _answers(components, texts.iloc[batch], {name: one.of(batch) for name, one in reused.items()}),
        len(texts),
        threads,
    )
    told = orjson.dumps(_versions(components), option=orjson.OPT_SORT_KEYS).decode()
    columns = {
        name: pd.Series(values.take(positions), index=documents.index, dtype=pd.ArrowDtype(values.type))
        for name in parts[0]
        for values in [arrow.concat_arrays([part[name] for part in parts])]
    }
    columns["model_versions"] = pd.Series(told, index=documents.index, dtype=TEXT)
    return pd.concat([documents, pd.DataFrame(columns, index=documents.index)], axis=1)


def _versions(components: Sequence[Component]) -> dict[str, str]:
    return {CODE: code_digest()} | {component.name: component.version for component in components}


def _reads(components: Sequence[Component]) -> dict[str, frozenset[str]]:
    """The entries of `model_versions` that what a component says depends on, by its name."""
    of_column: dict[str, frozenset[str]] = {}
    reads: dict[str, frozenset[str]] = {}
    for component in components:
        missing = [name for name in component.inputs if name not in of_column]
        if missing:
            raise ValueError(
                f"component {component.name} reads {', '.join(missing)}: list the component that gives it earlier"
            )
        reads[component.name] = frozenset({CODE, component.name}).union(*(of_column[name] for name in component.inputs))
        of_column |= dict.fromkeys(component.outputs, reads[component.name])
    return reads


@dataclass(frozen=True)
class _Reused:
    """What an earlier run said of texts: for each the row that has it, -1 where there is none."""

    earlier: Predictions
    rows: np.ndarray

    def of(self, batch: slice) -> "_Reused":
        return replace(self, rows=self.rows[batch])


def _reused(
    components: Sequence[Component], texts: pd.Series, reads: Mapping[str, frozenset[str]], earlier: Predictions
) -> dict[str, _Reused]:
    versions = _versions(components)
    return {
        name: _Reused(earlier, earlier.rows(texts, name, {one: versions[one] for one in needed}))
        for name, needed in reads.items()
    }


def _answers(components: Sequence[Component], texts: pd.Series, reused: Mapping[str, _Reused]) -> Answers:
    """The columns of all components."""
    texts = texts.reset_index(drop=True)
    found: Answers = {}
    for component in components:
        known = pd.DataFrame(
            {name: pd.Series(found[name], dtype=pd.ArrowDtype(found[name].type)) for name in component.inputs},
            index=texts.index,
        )
        found |= _answer(component, texts, known, reused.get(component.name))
    return found


def _answer(component: Component, texts: pd.Series, known: pd.DataFrame, reused: _Reused | None) -> Answers:
    """The columns of a component: of what an earlier run said from there, the rest from the component."""
    rows = np.full(len(texts), -1) if reused is None else reused.rows
    old, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    if reused is None or not old.size:
        return applied(component, texts, known)
    order = np.empty(len(texts), np.int64)
    order[np.concatenate([old, new])] = np.arange(len(texts))
    found = applied(component, texts.iloc[new].reset_index(drop=True), known.iloc[new].reset_index(drop=True))
    return {
        name: arrow.concat_arrays([reused.earlier.values(name, rows[old], values.type), values]).take(order)
        for name, values in found.items()
    }


def applied(component: Component, texts: pd.Series, known: pd.DataFrame) -> Answers:
    """What a component says, in the types of its columns."""
    found = component.apply(texts, known)
    return {name: _column(found[name], column.dtype.type.pyarrow_dtype) for name, column in component.outputs.items()}


def _column(values: pd.Series, kind: arrow.DataType) -> arrow.Array:
    plain = values if isinstance(values.dtype, pd.ArrowDtype) else values.to_numpy()
    held = arrow.array(plain, type=kind, from_pandas=True)
    return held.combine_chunks() if isinstance(held, arrow.ChunkedArray) else held
