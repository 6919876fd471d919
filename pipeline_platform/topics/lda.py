"""Topics by latent Dirichlet allocation (Blei, Ng & Jordan 2003): texts are mixtures of topics, topics of words.

Fitted by online variational Bayes (Hoffman, Blei & Bach 2010), scikit-learn's implementation.
"""

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline_platform.topics.corpus import Words
from pipeline_platform.topics.fits import SEED, Fit
from pipeline_platform.topics.identity import Known, Weights

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import LatentDirichletAllocation

PASSES = 10
BATCH = 2048
"""Texts between two corrections of the topics. On short texts few great steps find better topics than many small ones:
agreement with the origins of texts in `benchmarks/topics.py` is 0.26 against 0.12 for batches of 128."""

SETTLED = 0.01
"""Change of a text's topics at which they count as settled; scikit-learn's 0.001 takes twice as long for the same."""

FOLDS = 20
"""Rounds in which the shares of the topics of a text settle; after 20 the first topic of 1 text in 500 still moves."""

CHUNK = 20_000


def fit(words: Words, topics: int, known: Sequence[Known] = ()) -> Fit:
    """Topics of texts.

    Args:
        words: counts of the words of the texts.
        topics: how many to look for.
        known: topics that the search starts from, as far as there are; the rest starts from chance. Without them two
            fits of nearly the same texts agree on four fifths of their topics at best (`benchmarks/topics.py`).
    """
    model = _started(words, topics, known[:topics])
    first = model.fit_transform(words.counts).argmax(axis=1)
    used = words.counts.getnnz(axis=1) > 0
    return Fit(
        model=f"LDA (scikit-learn {installed('scikit-learn')})",
        vocabulary=words.vocabulary,
        weights=model.components_ / model.components_.sum(axis=1, keepdims=True),
        documents=np.bincount(first[used], minlength=topics),
    )


def _started(words: Words, topics: int, known: Sequence[Known]) -> "LatentDirichletAllocation":
    """A model that is not fitted yet, and will start from `known`."""
    from scipy.special import psi
    from sklearn.decomposition import LatentDirichletAllocation

    class Started(LatentDirichletAllocation):
        """Starts from given topics: scikit-learn has no parameter for that."""

        def _init_latent_vars(self, *args: Any, **kwargs: Any) -> None:
            super()._init_latent_vars(*args, **kwargs)
            self.components_[: len(known)] = start
            totals = self.components_.sum(axis=1, keepdims=True)
            self.exp_dirichlet_component_ = np.exp(psi(self.components_) - psi(totals))

    start = (
        probabilities(words.vocabulary.tolist(), [one.weights for one in known]) * words.counts.sum() / topics
        + 1 / topics
    )
    return Started(
        topics,
        learning_method="online",
        max_iter=PASSES,
        batch_size=BATCH,
        mean_change_tol=SETTLED,
        random_state=SEED,
    )


def probabilities(vocabulary: Sequence[str], topics: Sequence[Weights]) -> np.ndarray:
    """Probability of each word in topics of which the first words are kept, (topics, words).

    What those leave to 1 goes to the other words in equal parts.
    """
    place = {word: number for number, word in enumerate(vocabulary)}
    found = np.zeros((len(topics), len(place)))
    for row, topic in zip(found, topics, strict=True):
        there = [word for word in topic if word in place]
        row[[place[word] for word in there]] = [topic[word] for word in there]
        rest = row == 0
        row[rest] = max(1 - sum(topic.values()), 0) / max(rest.sum(), 1)
    return found


def shares(counts: "csr_matrix", weights: np.ndarray) -> np.ndarray:
    """Shares of the topics in texts whose topics are given, by folding in (Hofmann, Probabilistic LSI, 1999).

    The shares are those that make the words of a text most probable, with LDA's prior of 1 / topics on each.

    Args:
        counts: (texts, words).
        weights: (topics, words), the probability of each word in each topic; a word needs one that is not 0.

    Returns:
        (texts, topics), rows add up to 1; zeros for texts without words.
    """
    found = np.zeros((counts.shape[0], len(weights)))
    for begin in range(0, counts.shape[0], CHUNK):
        part = counts[begin : begin + CHUNK]
        read = np.flatnonzero(np.diff(part.indptr))
        if not read.size:
            continue
        part = part[read]
        sizes = np.diff(part.indptr)
        chances = weights.T[part.indices]
        theta = np.full((len(read), len(weights)), 1 / len(weights))
        for _ in range(FOLDS):
            owed = chances * np.repeat(theta, sizes, axis=0)
            owed *= (part.data / owed.sum(axis=1))[:, None]
            theta = np.add.reduceat(owed, part.indptr[:-1], axis=0) + 1 / len(weights)
            theta /= theta.sum(axis=1, keepdims=True)
        found[begin + read] = theta
    return found
