"""How common English words are: a table of hashed document frequencies, for the inverse ones of TF-IDF.

The table holds counts and no words. `counts/english_df.md` says what was counted; `training/document_frequencies.py`
counts it.
"""

import math
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

VERSION = "1"
BUCKETS = 1 << 17
"""With 10,000 words in the table, 7 % of the unknown words share the bucket of a known one."""

MIN_DOCUMENTS = 3
"""Words in fewer documents are not kept: they count as unknown."""

FILE = "english_df.npz"


def bucket(word: str) -> int:
    """Where a word in lower case is counted; the same on every machine."""
    return zlib.crc32(word.encode()) % BUCKETS


@dataclass(frozen=True)
class Frequencies:
    """Documents in which words occur.

    Attributes:
        documents: how many were counted.
        counts: documents by bucket, shape `(BUCKETS,)`; 0 for words in none or nearly none.
    """

    documents: int
    counts: np.ndarray

    def rarity(self, word: str) -> float:
        """ln((documents + 1) / documents with the word), smoothed inverse document frequency (Spärck Jones 1972)."""
        return math.log((self.documents + 1) / max(int(self.counts[bucket(word)]), 1))

    def save(self, path: Path) -> None:
        """Write the buckets that are not empty."""
        filled = np.flatnonzero(self.counts)
        np.savez_compressed(
            path,
            documents=np.array(self.documents, dtype=np.uint32),
            buckets=filled.astype(np.uint32),
            counts=self.counts[filled].astype(np.uint32),
        )


def counted(documents: Iterable[Iterable[str]]) -> Frequencies:
    """Frequencies of documents given as their words in lower case."""
    total, seen = 0, Counter[str]()
    for words in documents:
        total += 1
        seen.update(set(words))
    counts = np.zeros(BUCKETS, dtype=np.int64)
    for word, count in seen.items():
        if count >= MIN_DOCUMENTS:
            counts[bucket(word)] += count
    return Frequencies(total, counts)


@cache
def english() -> Frequencies:
    """The table that is shipped."""
    with as_file(files("pipeline_platform.enrich") / "counts" / FILE) as path, np.load(path) as table:
        counts = np.zeros(BUCKETS, dtype=np.int64)
        counts[table["buckets"]] = table["counts"]
        return Frequencies(int(table["documents"]), counts)
