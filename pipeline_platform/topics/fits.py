"""What a search for topics gives, whatever the method."""

from dataclasses import dataclass

import numpy as np

MAX_TOPICS = 20
DOCUMENTS_A_TOPIC = 100
"""Topics of fewer documents are accidents of wording; with 2,000 documents and more there are `MAX_TOPICS`."""

SEED = 20_261_122
"""Any number does, as long as it stays."""


@dataclass(frozen=True)
class Fit:
    """Topics of a sample.

    Attributes:
        model: model and version.
        vocabulary: words, (words,).
        weights: how telling each word is for each topic, (topics, words); rows add up to 1.
        documents: documents of the sample by topic, (topics,).
        centroids: mean vectors of the documents, (topics, dimensions); None for LDA.
    """

    model: str
    vocabulary: np.ndarray
    weights: np.ndarray
    documents: np.ndarray
    centroids: np.ndarray | None = None


def topics_for(documents: int) -> int:
    """How many topics to look for in a number of documents; 0 if they are too few for two."""
    number = min(documents // DOCUMENTS_A_TOPIC, MAX_TOPICS)
    return number if number >= 2 else 0
