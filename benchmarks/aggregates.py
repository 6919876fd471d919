"""The aggregates of documents over 90 days, beside the same in DuckDB over the same Parquet files.

Every aggregate is computed from the lake as its asset does it, and by SQL with two threads. Each turn has a process of
its own, which tells its peak memory and its processor seconds, in which other work on the machine shows less than on
the clock; and the rows of both must agree. Of `source_daily` it is what documents tell.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from benchmarks.aggregates_lake import ASSIGNMENTS, COPIES, DAYS, DOCUMENTS, TOPICS, make_lake
from benchmarks.aggregates_sql import STATEMENTS, by_sql
from benchmarks.measure import BenchmarkError, Figure, alone, apart, peak_megabytes, speed
from pipeline_platform.aggregate.registry import AGGREGATES
from pipeline_platform.aggregate.sources import STREAM_DAY
from pipeline_platform.operate.aggregation import Inputs, computed
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import Settings
from pipeline_platform.storage.stores import Stores

SCALE = 500_000
MOST = 25_000_000
"""Documents whose lake takes about 5 GB."""
OURS, THEIRS = "platform", "DuckDB SQL"
TIMES = 1.5
TOLERANCE = 1e-6
"""Sentiment is added up in whole steps here and as floats there."""
FILES = {"documents": DOCUMENTS, "copies": COPIES, "document_topics": ASSIGNMENTS, "topics": TOPICS}


@dataclass(frozen=True)
class Turn:
    """What one run of a contestant took."""

    seconds: float
    processor: float
    megabytes: float


def _ours(name: str) -> pd.DataFrame:
    (aggregate,) = [one for one in AGGREGATES if one.table == f"aggregated/{name}"]
    stores = Stores(Settings())
    if name == "source_daily":
        return Inputs(stores, {"copies": aggregate.inputs["copies"]}).frames(DAYS)["copies"]
    return pd.concat(list(computed(stores, aggregate, DAYS, {})), ignore_index=True)


def _theirs(name: str) -> pd.DataFrame:
    lake = Stores(Settings()).lake
    opened = {view: lake.open(tables()[path]) for view, path in FILES.items()}
    files = {view: table.file_uris() for view, table in opened.items() if table}
    return by_sql(name, files).to_pandas(types_mapper=pd.ArrowDtype)


def _turn(contestant: str, name: str, file: Path) -> Turn:
    started, used = time.perf_counter(), time.process_time()
    rows = _ours(name) if contestant == OURS else _theirs(name)
    turn = Turn(time.perf_counter() - started, time.process_time() - used, peak_megabytes())
    parquet.write_table(arrow.Table.from_pandas(rows, preserve_index=False), file)
    return turn


def _agree(name: str, file: Path, other: Path) -> None:
    """Hold the rows of both against each other.

    Raises:
        BenchmarkError: they are not the same.
    """
    key = STREAM_DAY if name == "source_daily" else list(tables()[f"aggregated/{name}"].key)
    order = [(column, "ascending") for column in key]
    ours, theirs = (parquet.read_table(one).sort_by(order) for one in (file, other))
    if ours.num_rows != theirs.num_rows or not ours.num_rows:
        raise BenchmarkError(f"{name}: {ours.num_rows:,} rows, and {theirs.num_rows:,} by SQL")
    for column in ours.column_names:
        mine, others = ours[column].combine_chunks(), theirs[column].combine_chunks().cast(ours[column].type)
        if arrow.types.is_floating(mine.type):
            left, right = (one.to_numpy(zero_copy_only=False) for one in (mine, others))
            same = np.allclose(left, right, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        else:
            same = mine.equals(others)
        if not same:
            raise BenchmarkError(f"{name}: {column} is not the same by SQL")


def _figures(what: str, ours: Sequence[Turn], theirs: Sequence[Turn]) -> list[Figure]:
    mine, others = [one.seconds for one in ours], [one.seconds for one in theirs]
    times = speed(mine, others)
    took = Figure(what, median(mine), "s", THEIRS, median(others), times)
    used, used_there = ([one.processor for one in turns] for turns in (ours, theirs))
    held, held_there = (max(one.megabytes for one in turns) for turns in (ours, theirs))
    return [
        took.aimed(f"at most {TIMES:g} times the time", times >= 1 / TIMES),
        Figure(f"{what}: processor", median(used), "s", THEIRS, median(used_there), speed(used, used_there)),
        Figure(f"{what}: peak memory", held, "MB", THEIRS, held_there),
    ]


def run(scale: int, rounds: int) -> list[Figure]:
    """Aggregate `scale` documents."""
    if scale > MOST:
        raise BenchmarkError(f"the lake would take too much disk: at most {MOST:,} documents")
    turns: dict[tuple[str, str], list[Turn]] = {}
    with apart() as folder:
        make_lake(Settings().lake_location, scale)
        for name in STATEMENTS:
            files = {one: folder / f"{one} {name}.parquet" for one in (OURS, THEIRS)}
            for _ in range(rounds):
                for one, file in files.items():
                    turns.setdefault((one, name), []).append(alone(_turn, one, name, file))
            _agree(name, *files.values())
            for file in files.values():
                file.unlink()
    figures = []
    for name in STATEMENTS:
        figures += _figures(f"{name} of {scale:,} documents", turns[OURS, name], turns[THEIRS, name])
    whole = {
        one: [
            Turn(
                sum(turn.seconds for turn in row),
                sum(turn.processor for turn in row),
                max(turn.megabytes for turn in row),
            )
            for row in zip(*(turns[one, name] for name in STATEMENTS), strict=True)
        ]
        for one in (OURS, THEIRS)
    }
    return figures + _figures(f"all of them, {scale:,} documents", whole[OURS], whole[THEIRS])
