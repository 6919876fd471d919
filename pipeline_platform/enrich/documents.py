"""`enriched/documents`: every deduplicated document with the columns of the components."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import orjson
import pandas as pd
import pyarrow as arrow

from pipeline_platform.enrich.code import code_digest
from pipeline_platform.enrich.component import Component
from pipeline_platform.enrich.cores import Answers, applied
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.texts import distinct_texts
from pipeline_platform.schemas.columns import TEXT

Apply: TypeAlias = Callable[[Component, pd.Series, pd.DataFrame], Answers]

CODE = "code"
"""Entry of `model_versions` that is no component: the code that ran them."""


def enrich(
    documents: pd.DataFrame,
    components: Sequence[Component],
    earlier: Predictions | None = None,
    apply: Apply = applied,
) -> pd.DataFrame:
    """Documents with the columns of `components` and `model_versions`.

    Args:
        documents: rows of `deduplicated/documents`.
        components: as `configured` gives them; each may read the columns of those before it.
        earlier: what an earlier run said. It is taken for texts that it knows from the same versions of a component,
            of those whose columns that one reads, and of the code.
        apply: how a component is applied: here, or on `Cores`.

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
        found = _answers(component, texts, known, {name: versions[name] for name in read}, earlier, apply)
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
    apply: Apply,
) -> Answers:
    """The columns of a component: of what `earlier` knows from there, the rest from the component."""
    if earlier is None or texts.empty:
        return apply(component, texts, known)
    # A component tells its version once it has been at work: a model may turn out to be unavailable.
    applied(component, texts.iloc[:1], known.iloc[:1])
    version = component.version
    rows = earlier.rows(texts, component.name, {**versions, component.name: version})
    old, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    if not old.size:
        return apply(component, texts, known)
    order = np.empty(len(texts), np.int64)
    order[np.concatenate([old, new])] = np.arange(len(texts))
    found = apply(component, texts.iloc[new], known.iloc[new])
    return {
        name: arrow.concat_arrays([earlier.values(name, rows[old], values.type), values]).take(order)
        for name, values in found.items()
    }
