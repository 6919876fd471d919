"""Ids of topics that stay: a topic of a day is that of an earlier day whose words weigh most alike.

See docs/adr/0015-topic-ids.md for what the ids of a day depend on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

MEMORY_DAYS = 7
"""Days before a day whose topics can go on: one that pauses for less keeps its id."""

MIN_SIMILARITY = 0.6
"""Cosine below which a topic is a new one. Two topics of one day reach 0.52 with each other, and one that lasts 0.99
with itself on the next (`benchmarks/topics.py`)."""

NAMING_WORDS = 3

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Known:
    """A topic that has an id: its words as they were on `day`, the last time it was found."""

    topic_id: str
    day: date
    weights: Weights


@dataclass(frozen=True)
class Identity:
    """The id of a topic; the topic that it continues and how alike they are, None for a new one."""

    topic_id: str
    continues: Known | None = None
    similarity: float | None = None


def similarities(some: Sequence[Weights], others: Sequence[Weights]) -> np.ndarray:
    """Cosines of word weights, (some, others)."""
    columns = {word: place for place, word in enumerate(sorted({word for one in (*some, *others) for word in one}))}

    def unit(topics: Sequence[Weights]) -> np.ndarray:
        rows = np.zeros((len(topics), len(columns)))
        for row, topic in zip(rows, topics, strict=True):
            row[[columns[word] for word in topic]] = list(topic.values())
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)

    return np.clip(unit(some) @ unit(others).T, 0, 1)


def identified(day: date, topics: Sequence[Weights], known: Sequence[Known]) -> list[Identity]:
    """Ids of the topics of a day.

    As many as possible continue a known topic, in the pairing with the greatest sum of similarities (Kuhn 1955, the
    Hungarian method) among pairs of at least `MIN_SIMILARITY`. The others get a new id: the day and their first words,
    as many as it takes to tell them apart.

    Args:
        day: the day.
        topics: words of each topic with their weights, most telling first.
        known: topics of earlier days, each id once.
    """
    from scipy.optimize import linear_sum_assignment

    ordered = sorted(known, key=lambda one: one.topic_id)
    alike = similarities(topics, [one.weights for one in ordered])
    worth = np.where(alike >= MIN_SIMILARITY, alike, 0)
    pairs = {
        int(row): int(column)
        for row, column in zip(*linear_sum_assignment(worth, maximize=True), strict=True)
        if worth[row, column] > 0
    }
    taken: set[str] = set()
    found = []
    for row, topic in enumerate(topics):
        if row in pairs:
            continued = ordered[pairs[row]]
            found.append(Identity(continued.topic_id, continued, float(alike[row, pairs[row]])))
        else:
            found.append(Identity(_named(day, list(topic), taken)))
            taken.add(found[-1].topic_id)
    return found


def _named(day: date, words: Sequence[str], taken: set[str]) -> str:
    """The first name that is not taken: with three words, with more, with all and a number."""
    names = [f"{day}:{'-'.join(words[:length])}" for length in range(NAMING_WORDS, max(len(words), NAMING_WORDS) + 1)]
    numbered = [f"{names[-1]}-{number}" for number in range(2, len(taken) + 2)]
    return next(name for name in (*names, *numbered) if name not in taken)
