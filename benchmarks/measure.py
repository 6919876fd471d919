"""How things are measured: contestants take turns, so that a busy machine slows all of them, and medians are told."""

import gc
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from pipeline_platform.settings import PREFIX

Work = Callable[[], object]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Figure:
    """One line of the result.

    Attributes:
        what: what was measured.
        ours: the value, in `unit`.
        unit: `s`, `documents/s`, `MB`, …
        reference: what it is compared with; empty for none.
        theirs: value of the reference, in `unit`.
        speed: times as fast as the reference; 1 is as fast, below 1 is slower.
        target: what was to be reached, in words; empty for none.
        reached: whether it was.
    """

    what: str
    ours: float
    unit: str
    reference: str = ""
    theirs: float | None = None
    speed: float | None = None
    target: str = ""
    reached: bool | None = None

    def aimed(self, target: str, reached: bool) -> "Figure":
        """The figure with its target."""
        return replace(self, target=target, reached=reached)


class BenchmarkError(Exception):
    """What was to be measured did not work, so there is nothing to tell."""


def race(contestants: Mapping[str, Work], rounds: int, *, before: Work | None = None) -> dict[str, list[float]]:
    """Seconds of every contestant in every round.

    Args:
        contestants: what to run, by name; they run one after the other in every round.
        rounds: how often.
        before: run before each turn, not measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            if before is not None:
                before()
            gc.collect()
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def speed(ours: list[float], theirs: list[float]) -> float:
    """Times as fast as the other: the median over the rounds, each of which had one load on the machine."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))


def compared(
    what: str,
    seconds: Mapping[str, list[float]],
    ours: str,
    theirs: str,
    *,
    per: int | None = None,
    unit: str = "s",
) -> Figure:
    """The figure of one contestant beside another; with `per`, as things per second instead of seconds."""
    mine, other = statistics.median(seconds[ours]), statistics.median(seconds[theirs])
    return Figure(
        what,
        per / mine if per else mine,
        unit,
        reference=theirs,
        theirs=per / other if per else other,
        speed=speed(seconds[ours], seconds[theirs]),
    )


def alone(work: Callable[..., Result], *arguments: object) -> Result:
    """What `work` gives in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def peak_megabytes() -> float:
    """Peak memory of this process; `getrusage` would tell that of the parent where it was larger."""
    return next(int(line.split()[1]) / 1024 for line in _lines("/proc/self/status") if line.startswith("VmHWM"))


@contextmanager
def apart() -> Iterator[Path]:
    """An empty folder to work in, without the settings of whoever measures: no benchmark may write to their lake."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name in before:
            if name.startswith(PREFIX):
                del os.environ[name]
        os.environ[f"{PREFIX}HOME"] = f"{folder}/home"
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


def machine() -> str:
    """The machine, the moment and the load, in one line."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    memory = next((int(line.split()[1]) / 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {cpu}, {os.cpu_count()} cores, {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, load {load}"
    )


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
