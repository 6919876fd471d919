"""Throughput of each enrichment component over distinct texts, models loaded; and of scikit-learn's way to do one."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.pipeline import make_union

from benchmarks.documents import cleaned_documents
from benchmarks.measure import Figure, apart, compared, race
from pipeline_platform.enrich.hashing import BUCKETS
from pipeline_platform.enrich.linear import LinearModel
from pipeline_platform.enrich.registry import configured
from pipeline_platform.enrich.texts import distinct_texts
from pipeline_platform.settings import load_settings

SCALE = 20_000
TARGET_SPEED = 5
LINEAR, USUAL = "linear model over hashed features", "scikit-learn HashingVectorizer"


def distinct_texts_of(count: int) -> pd.Series:
    """Distinct texts of `count` documents of the sandbox's world."""
    return distinct_texts(cleaned_documents(count))[0]


def _usual(model: LinearModel, texts: list[str]) -> Callable[[], object]:
    vectors = make_union(
        HashingVectorizer(ngram_range=(1, 2), n_features=BUCKETS, alternate_sign=False),
        HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), n_features=BUCKETS, alternate_sign=False),
    )
    weights = model.weights * model.scale
    # Words and characters stand side by side there, in ranges of buckets of their own.
    return lambda: vectors.transform(texts) @ np.vstack([weights, weights])


def run(scale: int, rounds: int) -> list[Figure]:
    """Read the distinct texts of `scale` documents with every component."""
    with apart():
        texts = distinct_texts_of(scale)
        known = pd.DataFrame(index=texts.index)
        work: dict[str, Callable[[], object]] = {}
        for component in configured(load_settings()):
            inputs = known[list(component.inputs)]
            found = component.apply(texts, inputs)
            known = known.join(found)
            work[component.name] = lambda component=component, inputs=inputs: component.apply(texts, inputs)
        model, listed = LinearModel.load("emotion"), texts.tolist()
        contestants = {LINEAR: lambda: model.probabilities(texts), USUAL: _usual(model, listed)}
        seconds = race({**work, **contestants}, rounds)
    per = len(texts)
    figures = [
        Figure(f"component {name}, distinct texts", per / sorted(seconds[name])[rounds // 2], "documents/s")
        for name in work
    ]
    beside = compared(LINEAR, seconds, LINEAR, USUAL, per=per, unit="documents/s")
    reached = (beside.speed or 0) >= TARGET_SPEED
    return [*figures, beside.aimed(f"at least {TARGET_SPEED} times as fast", reached)]
