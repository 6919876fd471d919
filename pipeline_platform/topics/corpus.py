"""The texts that topics are looked for in, and how often which words stand in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipeline_platform.enrich.keywords import stop_words
from pipeline_platform.enrich.language import NOT_LANGUAGE
from pipeline_platform.enrich.texts import distinct_texts
from pipeline_platform.schemas.columns import TEXT

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LANGUAGE = "en"
"""Topics of several languages at once would be languages; most documents are English."""

MAX_DOCUMENTS = 10_000
"""Documents that topics are looked for in: seconds on two cores, and more do not change the topics much."""

MAX_CHARACTERS = 2_000

MAX_WORDS = 2_000
"""Size of the vocabulary: the most frequent words."""

MIN_DOCUMENTS_OF_WORD = 5
MAX_SHARE_OF_WORD = 0.25
"""A word in more documents than this says nothing about what sets them apart."""

WORD = r"(?u)\b[^\W\d_]{2}\w{0,28}\b"
"""Longer words are keys, hashes or a stuck keyboard, as for keywords."""

DOCUMENT_COLUMNS = ("document_id", "title", "text", "language", "is_canonical", "is_deleted", "event_date")
"""Columns of `enriched/documents` that this room reads."""


def readable(documents: pd.DataFrame) -> pd.DataFrame:
    """Canonical English documents that the upstream does not say are removed."""
    kept = documents["is_canonical"] & ~documents["is_deleted"] & (documents["language"] == LANGUAGE)
    return documents[kept.to_numpy(dtype=bool, na_value=False)]


def sample(documents: pd.DataFrame, limit: int = MAX_DOCUMENTS) -> pd.DataFrame:
    """At most `limit` documents, by the hash of their ids and in its order.

    So a day takes nearly the same documents as the day before, whatever the order of the rows.
    """
    ids = documents["document_id"].to_numpy(dtype=object)
    hashes = pd.util.hash_array(ids, categorize=False)
    return documents.iloc[np.lexsort((ids, hashes))[:limit]]


def texts_of(documents: pd.DataFrame) -> list[str]:
    """The text of each document without addresses, mentions and code."""
    distinct, positions = distinct_texts(documents)
    words = distinct.str.slice(0, MAX_CHARACTERS).str.replace(NOT_LANGUAGE, " ", regex=True)
    return words.astype(TEXT).take(positions.to_numpy()).tolist()


@dataclass(frozen=True)
class Words:
    """How often words stand in texts.

    Attributes:
        vocabulary: the words, sorted, (words,).
        counts: (texts, words).
    """

    vocabulary: np.ndarray
    counts: "csr_matrix"


@cache
def _stop_words() -> list[str]:
    # Of `don't` the tokens are `don` and `t`; what an apostrophe cuts off is no word either.
    whole = stop_words(LANGUAGE)
    parts = {part for word in whole for part in word.replace("’", "'").split("'")}
    return sorted(whole | parts | {"don", "doesn", "didn", "isn", "wasn", "couldn", "wouldn", "ain"})


def counted(texts: Sequence[str], vocabulary: Sequence[str] | None = None) -> Words | None:
    """The words of texts: of `vocabulary`, or those that are neither rare nor everywhere; None if there are none."""
    from sklearn.feature_extraction.text import CountVectorizer

    rules = (
        {"vocabulary": vocabulary}
        if vocabulary is not None
        else {"stop_words": _stop_words(), "max_features": MAX_WORDS, "max_df": MAX_SHARE_OF_WORD}
        | {"min_df": MIN_DOCUMENTS_OF_WORD}
    )
    vectorizer = CountVectorizer(token_pattern=WORD, dtype=np.float64, **rules)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no word is left: sklearn has no other way to say so
        return None
    return Words(vectorizer.get_feature_names_out(), counts.tocsr())


def coherence(words: Words, tops: Sequence[np.ndarray]) -> np.ndarray:
    """Mean NPMI of the pairs of each list of words, over whole documents.

    NPMI is ln(p(a, b) / (p(a) p(b))) / -ln p(a, b), -1 for words that never meet (Bouma, Normalized Pointwise Mutual
    Information in Collocation Extraction, 2009); as a measure of topics: Aletras & Stevenson 2013.

    Args:
        words: counts of the documents.
        tops: positions of the words of each list in the vocabulary.

    Returns:
        Shape (lists,); NaN for lists of less than two words.
    """
    found = np.full(len(tops), np.nan)
    documents = words.counts.shape[0]
    for place, top in enumerate(tops):
        if len(top) < 2:
            continue
        present = (words.counts[:, top] > 0).astype(np.float64)
        together = (present.T @ present).toarray() / documents
        alone = together.diagonal()
        upper = np.triu_indices(len(top), 1)
        joint, chance = together[upper], np.outer(alone, alone)[upper]
        met = (joint > 0) & (joint < 1)
        npmi = np.where(joint >= 1, 1.0, -1.0)
        npmi[met] = np.log(joint[met] / chance[met]) / -np.log(joint[met])
        found[place] = npmi.mean()
    return np.clip(found, -1, 1)
