"""Near copies as the libraries find them, each in its quickest way: rensa and datasketch, where they are installed.

Same shingles, 125 values in 25 bands; a candidate counts where the library estimates a similarity of at least 0.8.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec

SHINGLE = 5
BANDS, ROWS = 25, 5
SIMILAR = 0.8
CHUNK = 1_000

Found = list[tuple[int, int]]
"""Pairs of positions, the earlier first."""


def shingles(text: str) -> set[bytes]:
    """Runs of five bytes."""
    data = text.encode()
    return {data[at : at + SHINGLE] for at in range(max(1, len(data) - SHINGLE + 1))}


def rensa(texts: list[str]) -> Callable[[Iterable[int]], Found]:
    """A search of rensa: puts the texts of some positions into its index and tells the pairs with what was there."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=SIMILAR, num_perm=BANDS * ROWS, num_bands=BANDS)
    known: list[RMinHash] = []

    def add(positions: Iterable[int]) -> Found:
        pairs = []
        ordered = list(positions)
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK]
            hashes = RMinHash.from_token_sets([shingles(texts[at]) for at in chunk], BANDS * ROWS, 42)
            index.insert_many(hashes, chunk[0])
            known.extend(hashes)
            for at, others in zip(chunk, index.query_all(hashes), strict=True):
                pairs += [(other, at) for other in others if other < at and known[other].jaccard(known[at]) >= SIMILAR]
        return pairs

    return add


def datasketch(texts: list[str]) -> Callable[[Iterable[int]], Found]:
    """A search of datasketch, as `rensa`."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    known: list[MinHash] = []

    def add(positions: Iterable[int]) -> Found:
        pairs = []
        ordered = list(positions)
        sets = (shingles(texts[at]) for at in ordered)
        for at, hashed in zip(ordered, MinHash.generator(sets, num_perm=BANDS * ROWS), strict=True):
            pairs += [(other, at) for other in index.query(hashed) if known[other].jaccard(hashed) >= SIMILAR]
            index.insert(at, hashed, check_duplication=False)
            known.append(hashed)
        return pairs

    return add


PEERS = {name: peer for name, peer in (("rensa", rensa), ("datasketch", datasketch)) if find_spec(name)}
MISSING = sorted({"rensa", "datasketch"} - set(PEERS))
