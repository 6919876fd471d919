"""`enriched/documents`: every deduplicated document with the columns of the components."""

from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import pandas as pd
import pyarrow as arrow

from pipeline_platform.enrich.code import code_digest
from pipeline_platform.enrich.component import Component
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.texts import distinct_texts
from pipeline_platform.schemas.columns import TEXT

CODE = "code"
"""Entry of `model_versions` that is no component: the code that ran them."""


def enrich(
    documents: pd.DataFrame, components: Sequence[Component], earlier: Predictions | None = None
) -> pd.DataFrame:
    """Documents with the columns of `components` and `model_versions`.

    Args:
        documents: rows of `deduplicated/documents`.
        components: as `configured` gives them; each may read the columns of those before it.
        earlier: what an earlier run said. It is taken for texts that it knows from the same versions of a component,
            of those whose columns that one reads, and of the code.

    Returns:
        A frame with the rows and columns of `documents` in their order, the columns of the components, and
        `model_versions`.

    Raises:
        ValueError: a component reads a column that no earlier component gives.
    """
    texts, positions = distinct_texts(documents)
    known = pd.DataFrame(index=texts.index)
    versions = {CODE: code_digest()}
    needs: dict[str, frozenset[str]] = {}
    for component in components:
        missing = [name for name in component.inputs if name not in known]
        if missing:
            raise ValueError(
                f"component {component.name} reads {', '.join(missing)}: list the component that gives it earlier"
            )
        read = frozenset({CODE}).union(*(needs[name] for name in component.inputs))
        found = _answers(component, texts, known, {name: versions[name] for name in read}, earlier)
        for name, values in found.items():
            known[name] = pd.Series(values, dtype=pd.ArrowDtype(values.type))
        versions[component.name] = component.version
        needs |= dict.fromkeys(component.outputs, read | {component.name})
    told = orjson.dumps(versions, option=orjson.OPT_SORT_KEYS).decode()
    enriched = known.take(positions.to_numpy()).set_axis(documents.index)
    enriched["model_versions"] = pd.Series(told, index=documents.index, dtype=TEXT)
    return pd.concat([documents, enriched], axis=1)


def _answers(
    component: Component,
    texts: pd.Series,
    known: pd.DataFrame,
    versions: Mapping[str, str],
    earlier: Predictions | None,
) -> Mapping[str, arrow.Array]:
    """The columns of a component: of what `earlier` knows from there, the rest from the component."""
    if earlier is None or texts.empty:
        return _applied(component, texts, known)
    # A component tells its version once it has been at work: a model may turn out to be unavailable.
    _applied(component, texts.iloc[:1], known.iloc[:1])
    version = component.version
    rows = earlier.rows(texts, component.name, {**versions, component.name: version})
    old, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    if not old.size:
        return _applied(component, texts, known)
    order = np.empty(len(texts), np.int64)
    order[np.concatenate([old, new])] = np.arange(len(texts))
    found = _applied(component, texts.iloc[new], known.iloc[new])
    return {
        name: arrow.concat_arrays([earlier.values(name, rows[old], values.type), values]).take(order)
        for name, values in found.items()
    }


def _applied(component: Component, texts: pd.Series, known: pd.DataFrame) -> dict[str, arrow.Array]:
    """The columns of a component in their types; none of the texts may be none at all."""
    found = component.apply(texts.reset_index(drop=True), known[list(component.inputs)].reset_index(drop=True))
    return {
        name: arrow.array(pd.array(found[name].tolist(), dtype=column.dtype.type))
        for name, column in component.outputs.items()
    }
