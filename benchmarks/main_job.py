"""The main job as a user runs it: a cold home, a quiet second run, and the rows and memory of a large one."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import psutil

from benchmarks.measure import BenchmarkError, Figure, apart

SCALE = 1
SAMPLE_SECONDS = 0.5
COMMAND = [sys.executable, "-m", "pipeline_platform.cli", "run", "--json"]


@dataclass(frozen=True)
class Measured:
    """A run: wall seconds, the report it printed, and the most memory its processes held together, in MB."""

    seconds: float
    report: dict[str, object]
    peak_mb: float

    @property
    def rows(self) -> int:
        """Rows in every table of every layer."""
        return sum(dict(self.report["rows"]).values())  # type: ignore[call-overload]


class Memory(threading.Thread):
    """Watches how much memory a process and its children hold; shared pages count once for each of them."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.tree = psutil.Process(pid)
        self.peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Sample until `ended` is set."""
        while not self.ended.wait(SAMPLE_SECONDS):
            held = 0
            try:
                for process in [self.tree, *self.tree.children(recursive=True)]:
                    held += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self.peak = max(self.peak, held)


def _job(scale: int) -> Measured:
    started = time.perf_counter()
    with subprocess.Popen(
        [*COMMAND, "--scale", str(scale)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        memory = Memory(process.pid)
        memory.start()
        out, err = process.communicate()
        memory.ended.set()
    if process.returncode != 0:
        raise BenchmarkError(f"the main job ended with {process.returncode}: {err.strip()[-500:]}")
    return Measured(time.perf_counter() - started, json.loads(out), memory.peak / 2**20)


def run(scale: int, rounds: int) -> list[Figure]:
    """A cold run and a second one, `rounds` times each; the last ones are told.

    The sandbox's clock goes on: at a large scale the second run has new posts to take in.
    """
    for _ in range(rounds):
        with apart():
            cold, quiet = _job(scale), _job(scale)
    rows = dict(cold.report["rows"])  # type: ignore[call-overload]
    documents = rows["enriched/documents"]
    first = Figure(f"cold run, {documents:,} documents", cold.seconds, "s")
    return [
        first.aimed("< 60 s", cold.seconds < 60) if scale == SCALE else first,
        Figure("second run", quiet.seconds, "s", "cold run", cold.seconds, cold.seconds / quiet.seconds),
        Figure("tables the second run changes", sum(dict(quiet.report["changed"]).values()), "tables"),  # type: ignore[call-overload]
        Figure("documents through the whole path", documents / cold.seconds, "documents/s"),
        Figure("rows of all tables", cold.rows / cold.seconds, "rows/s"),
        Figure("peak memory, all processes", cold.peak_mb, "MB"),
    ]
