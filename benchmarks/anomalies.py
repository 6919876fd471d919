"""Anomalies in seeded histories: precision and recall of what is planted, and alarms in a steady world."""

import time
from datetime import timedelta

from benchmarks.histories import LAST, PLANTED, found_in, world
from benchmarks.measure import Figure
from pipeline_platform.schemas.catalog import tables

SCALE = 60
SEEDS = (101, 102, 103)
HISTORY = 45
QUIET_DAYS = 30
LEAST_RECALL = 0.8
LEAST_PRECISION = 0.9
QUIET_RATE = 0.005


def run(scale: int, rounds: int) -> list[Figure]:  # noqa: ARG001 - nothing here depends on the machine but one figure
    """Plant every event into half of `scale` tables, thrice; leave as many alone."""
    paths = [path for path in tables() if path.startswith("raw/")]
    paths = (paths + [path for path in tables() if path.startswith("cleaned/")])[:scale]
    planted = paths[: len(paths) // 2]
    figures = [_planted(name, paths, planted) for name in PLANTED]
    days = [LAST - timedelta(days=ago) for ago in range(QUIET_DAYS)]
    alarms, started = 0, time.perf_counter()
    for seed in SEEDS:
        alarms += len(found_in(world(seed, HISTORY + QUIET_DAYS, paths), days))
    seconds = (time.perf_counter() - started) / len(SEEDS) / len(days)
    rate = alarms / (len(SEEDS) * len(days) * len(paths))
    quiet = Figure("alarms per table and day in a steady world", rate, "alarms")
    return [
        *figures,
        quiet.aimed(f"<= {QUIET_RATE:g}", rate <= QUIET_RATE),
        Figure(f"a day of {len(paths)} tables, history made and judged", seconds, "s"),
    ]


def _planted(name: str, paths: list[str], planted: list[str]) -> Figure:
    """Recall over the planted tables; precision over all alarms of the days on which it may be told."""
    kind, plan = PLANTED[name]
    found = hits = alarms = 0
    for seed in SEEDS:
        days = [LAST - timedelta(days=ago) for ago in range(9 if kind == "shift" else 1)]
        told = found_in(world(seed, HISTORY, paths, dict.fromkeys(planted, plan)), days)
        right = told[told["table"].isin(planted).to_numpy(dtype=bool) & (told["kind"] == kind).to_numpy(dtype=bool)]
        found += right["table"].nunique()
        hits += int(told["table"].isin(planted).sum())
        alarms += len(told)
    recall, precision = found / (len(planted) * len(SEEDS)), hits / max(alarms, 1)
    figure = Figure(f"recall of {name} (as {kind}), precision {precision:.2f}", recall, "of the planted")
    return figure.aimed(
        f"recall >= {LEAST_RECALL:g}, precision >= {LEAST_PRECISION:g}",
        recall >= LEAST_RECALL and precision >= LEAST_PRECISION,
    )
