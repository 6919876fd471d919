"""Near copies as the libraries find them, each in its quickest way, where they are installed.

rensa and datasketch: same shingles, 125 values in 25 bands; a candidate counts where the library estimates a similarity
of at least 0.8. text-dedup is a command over a file, with shingles of its own (here single words), as many values and
bands; whatever shares a band with something is in a cluster with it.
"""

import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

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


def text_dedup(file: Path, folder: Path) -> tuple[Found, float]:
    """text-dedup on the column `text` of a Parquet file, on all cores.

    Returns:
        Every text of a cluster paired with the earliest one, and the seconds of hashing and clustering by its own
        clock, without reading, filtering and saving.
    """
    options = {
        "path": "parquet", "data_files": file, "split": "train", "cache_dir": folder / "cache", "column": "text",
        "output": folder / "output", "ngram": 1, "min_length": 0, "num_perm": BANDS * ROWS, "b": BANDS, "r": ROWS,
        "hash_func": "xxh3", "hash_bits": 32,
    }  # fmt: skip
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "text_dedup.minhash", "--debug", *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    clock = dict(re.findall(r"(MinHashing|Clustering) +: ([0-9.]+)s", said.stdout + said.stderr))
    # Written by the command above.
    parents = pickle.loads((folder / "output" / "uf.pkl").read_bytes())
    first: dict[int, int] = {}
    pairs = [(first.setdefault(parents.find(at), at), at) for at in sorted(parents.parent)]
    return [pair for pair in pairs if pair[0] != pair[1]], sum(map(float, clock.values()))


PEERS = {name: peer for name, peer in (("rensa", rensa), ("datasketch", datasketch)) if find_spec(name)}
COMMANDS = {"text-dedup": text_dedup} if find_spec("text_dedup") else {}
MISSING = sorted({"rensa", "datasketch", "text-dedup"} - set(PEERS) - set(COMMANDS))
