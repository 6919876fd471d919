"""Near copies: rate, memory, precision and recall on planted copies, beside the libraries; and a day beside its week.

Texts are rows of made-up words, of which every tenth is followed somewhere by a copy with one to three words changed.
What is a near copy is told by the exact Jaccard similarity of the planted pairs. Each contestant runs in a process of
its own, which tells its peak memory; the texts are counted, as all must hold them. Libraries work on fewer texts when
they would take minutes; the figures say on how many.
"""

import random
import resource
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from benchmarks.measure import BenchmarkError, Figure, alone, apart, compared, peak_megabytes, race
from benchmarks.near_peers import COMMANDS, MISSING, PEERS, Found, shingles
from pipeline_platform.clean.content import content_hash
from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.dedup.minhash import band_keys
from pipeline_platform.dedup.near import SIMILAR, near_copies
from pipeline_platform.dedup.signatures import Contents, document_signatures
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.deduplicated import signatures_table
from pipeline_platform.storage.lake import Lake

SCALE = 100_000
POSTS, ARTICLES = (8, 30), (300, 500)
"""Words of a text, at least and at most."""
CHARACTERS = {"rensa": 150_000_000, "datasketch": 6_000_000, "text-dedup": 6_000_000}
"""How much text each library is given at most."""
FASTER = {"rensa": 10, "datasketch": 60}
RECALL = 0.999
WEEK = 7
OURS = "platform"
CLEANED = "cleaned/reddit_posts"
TODAY = date(2026, 1, 15)


@dataclass(frozen=True)
class Planted:
    """Texts, all different, and the positions of what is planted: similar originals and copies, the original first."""

    texts: list[str]
    similar: set[tuple[int, int]]


@dataclass(frozen=True)
class Turn:
    """What one run of a contestant took and found."""

    texts: int
    seconds: float
    megabytes: float
    pairs: Found


def planted(count: int, words: tuple[int, int], seed: int = 1) -> Planted:
    """About `count` texts; a copy stands somewhere behind what it is a copy of."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    places: dict[str, float] = {}
    copies = []
    while len(places) < count:
        chosen = rng.choices(vocabulary, k=rng.randint(*words))
        text, place = " ".join(chosen), rng.random()
        places.setdefault(text, place)
        if rng.random() < 0.1:
            for _ in range(rng.randint(1, max(3, len(chosen) // 12))):
                chosen[rng.randrange(len(chosen))] = rng.choice(vocabulary)
            if (copy := " ".join(chosen)) not in places:
                places[copy] = rng.uniform(place, 1)
                copies.append((text, copy))
    texts = sorted(places, key=places.__getitem__)
    position = {text: at for at, text in enumerate(texts)}
    similar = {(position[one], position[other]) for one, other in copies if _similarity(one, other) >= SIMILAR}
    return Planted(texts, similar)


def _similarity(one: str, other: str) -> float:
    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right)


def _ours(texts: list[str]) -> Found:
    array = arrow.array(texts, arrow.large_string())
    pairs = near_copies(band_keys(array), np.ones(len(array), bool), lambda at: array.take(arrow.array(at)))
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def _compile() -> None:
    """Compile and load the kernels, which is no part of what is measured."""
    documents = _documents(planted(100, POSTS).texts)
    stored = document_signatures(documents, signatures_table().empty())
    dedup_documents(documents, documents, [TODAY], lookback_days=WEEK, signatures=stored)


def _turn(name: str, file: Path, most: int) -> Turn:
    table = parquet.read_table(file).slice(0, most)
    if name in COMMANDS:
        with apart() as folder:
            parquet.write_table(table, folder / "texts.parquet")
            pairs, seconds = COMMANDS[name](folder / "texts.parquet", folder)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return Turn(len(table), seconds, peak, pairs)
    texts = table["text"].to_pylist()
    if name == OURS:
        _compile()
    started = time.perf_counter()
    pairs = _ours(texts) if name == OURS else PEERS[name](texts)(range(len(texts)))
    seconds = time.perf_counter() - started
    return Turn(len(texts), seconds, peak_megabytes(), pairs)


def _todays_turn(name: str, file: Path, lake: str) -> Turn:
    """The search for near copies of the last day alone; an index of the week is on disk, or in memory for others."""
    documents = parquet.read_table(file)
    texts = documents["text"].to_pylist()
    first = int(pc.sum(pc.less(documents["event_date"], TODAY)).as_py())
    if name == OURS:
        _compile()
        week = Lake(lake, mode="demo")
        started = time.perf_counter()
        stored = week.read_arrow(signatures_table(), TODAY - timedelta(days=WEEK), TODAY - timedelta(days=1))
        hashes = documents["content_hash"].combine_chunks()
        contents = Contents(documents, np.arange(len(texts)), hashes, stored)
        pairs = near_copies(contents.keys, np.arange(len(texts)) >= first, contents.normalised)
        found = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    else:
        add = PEERS[name](texts)
        add(range(first))
        started = time.perf_counter()
        found = add(range(first, len(texts)))
    seconds = time.perf_counter() - started
    return Turn(len(texts) - first, seconds, peak_megabytes(), found)


def _quality(data: Planted, turn: Turn) -> tuple[float, float]:
    """Precision of all pairs that were found, and recall of the similar pairs that were planted."""
    found = set(turn.pairs)
    right = sum(_similarity(data.texts[one], data.texts[other]) >= SIMILAR for one, other in found)
    expected = {pair for pair in data.similar if pair[1] < turn.texts}
    return right / max(1, len(found)), len(found & expected) / max(1, len(expected))


def _beside(what: str, data: Planted, rounds: int) -> list[Figure]:
    others = (*PEERS, *COMMANDS)
    most = {OURS: len(data.texts), **{name: _affordable(name, data.texts) for name in others}}
    with apart() as folder:
        file = folder / "texts.parquet"
        parquet.write_table(arrow.table({"text": data.texts}), file)
        turns = {name: [alone(_turn, name, file, most[name]) for _ in range(rounds)] for name in (OURS, *others)}
    ours = turns[OURS][0]
    precision, recall = _quality(data, ours)
    rate = median(turn.texts / turn.seconds for turn in turns[OURS])
    figures = [
        Figure(f"{what}: precision", precision, "").aimed("1", precision == 1),
        Figure(f"{what}: recall", recall, "").aimed(f"at least {RECALL}", recall >= RECALL),
        Figure(f"{what}: peak memory", ours.megabytes, "MB"),
    ]
    for name in others:
        turn = turns[name][0]
        theirs = median(turn.texts / turn.seconds for turn in turns[name])
        reference = f"{name}, {turn.texts:,} texts"
        times = rate / theirs
        rates = Figure(f"{what}: near copies sought", rate, "documents/s", reference, theirs, times)
        aim = FASTER.get(name)
        figures.insert(0, rates.aimed(f"at least {aim} times", times >= aim) if aim else rates)
        for quality, mine, other in zip(
            ("precision", "recall"), (precision, recall), _quality(data, turn), strict=True
        ):
            figures.append(Figure(f"{what}: {quality}", mine, "", reference, other))
        figures.append(Figure(f"{what}: peak memory", ours.megabytes, "MB", reference, turn.megabytes))
    if not others:
        figures.insert(0, Figure(f"{what}: near copies sought", rate, "documents/s"))
    return figures


def _affordable(name: str, texts: list[str]) -> int:
    characters = sum(map(len, texts)) / len(texts)
    return min(len(texts), int(CHARACTERS[name] / characters))


def _documents(texts: list[str]) -> pd.DataFrame:
    """Cleaned documents of a week and the day after it, in the order of `texts`."""
    days = [TODAY - timedelta(days=ago) for ago in range(WEEK, -1, -1)]
    rows = []
    for at, text in enumerate(texts):
        day = days[at * len(days) // len(texts)]
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        rows.append(
            {
                "document_id": f"town:{at}",
                "kind": "post",
                "channel": "square",
                "text": text,
                "created_at": moment,
                "is_deleted": False,
                "is_adult": False,
                "source": "town",
                "stream": "reddit_posts",
                "fetched_at": moment,
                "event_date": day,
                "content_hash": content_hash(None, text),
            }
        )
    return tables()[CLEANED].frame(rows)


def _day_beside_its_week(a_day: int, rounds: int) -> list[Figure]:
    """A day against its week as the asset does it, from the lake: with the signatures of the week, and without."""
    cleaned, signed = tables()[CLEANED], signatures_table()
    data = planted(a_day * (WEEK + 1), POSTS)
    documents = _documents(data.texts)
    first, yesterday = TODAY - timedelta(days=WEEK), TODAY - timedelta(days=1)
    with apart() as folder:
        lake = Lake(str(folder / "lake"), mode="demo")
        lake.replace(cleaned, documents, first, TODAY)
        before = document_signatures(documents[documents["event_date"] < TODAY], signed.empty())
        lake.replace(signed, before, first, yesterday)
        results: dict[str, pd.DataFrame] = {}

        def day(name: str, stored: bool) -> None:
            today = lake.read(cleaned, TODAY, TODAY)
            history = lake.read(cleaned, first, yesterday, list(COMPARED_COLUMNS))
            known = lake.read(signed, first, yesterday) if stored else None
            results[name] = dedup_documents(today, history, [TODAY], lookback_days=WEEK, signatures=known)

        contestants = {
            "index": lambda: day("index", True),
            "no index": lambda: day("no index", False),
        }
        _compile()
        seconds = race(contestants, rounds)
        file = folder / "documents.parquet"
        columns = ["title", "text", "content_hash", "event_date"]
        parquet.write_table(arrow.Table.from_pandas(documents[columns], preserve_index=False), file)
        names = [OURS, *(name for name in PEERS if _affordable(name, data.texts) == len(data.texts))]
        turns = {name: [alone(_todays_turn, name, file, lake.location) for _ in range(rounds)] for name in names}
    if not results["index"].equals(results["no index"]):
        raise BenchmarkError("the stored signatures changed the result")
    what = f"a day of {len(results['index']):,} documents against {WEEK} days from the lake, all methods"
    return [
        compared(what, seconds, "index", "no index", per=len(results["index"]), unit="documents/s"),
        *_todays_figures(data, turns),
    ]


def _todays_figures(data: Planted, turns: dict[str, list[Turn]]) -> list[Figure]:
    ours = turns[OURS][0]
    what = f"near copies of {ours.texts:,} documents against {WEEK} days on disk"
    rates = {name: median(turn.texts / turn.seconds for turn in taken) for name, taken in turns.items()}
    found, today = set(ours.pairs), len(data.texts) - ours.texts
    expected = {pair for pair in data.similar if pair[1] >= today}
    recall = len(found & expected) / max(1, len(expected))
    figures = [
        Figure(f"{what}: recall", recall, "").aimed(f"at least {RECALL}", recall >= RECALL),
        Figure(f"{what}: peak memory", ours.megabytes, "MB"),
    ]
    for name in turns.keys() - {OURS}:
        times = rates[OURS] / rates[name]
        reference = f"{name}, index in memory"
        rate = Figure(what, rates[OURS], "documents/s", reference, rates[name], times)
        figures.insert(0, rate.aimed("at least 3 times", times >= 3))
        figures.append(Figure(f"{what}: peak memory", ours.megabytes, "MB", reference, turns[name][0].megabytes))
    return figures if len(turns) > 1 else [Figure(what, rates[OURS], "documents/s"), *figures]


def run(scale: int, rounds: int) -> list[Figure]:
    """`scale` posts, half as many articles but at most 50,000, and a day of a tenth of them beside its week."""
    if MISSING:
        print(f"near_duplicates: {', '.join(MISSING)} not installed (extra `bench`), so not measured", file=sys.stderr)
    articles = min(scale // 2, 50_000)
    return [
        *_beside(f"{scale:,} posts", planted(scale, POSTS), rounds),
        *_beside(f"{articles:,} articles", planted(articles, ARTICLES), rounds),
        *_day_beside_its_week(scale // 10, rounds),
    ]
