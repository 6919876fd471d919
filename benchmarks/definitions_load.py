"""Seconds that a fresh process takes to load the definitions, as every Dagster process does when it starts."""

import subprocess
import sys

from benchmarks.measure import BenchmarkError, Figure, apart, compared, race

TARGET_SECONDS = 5.0

LOAD = "from pipeline_platform.definitions import defs; defs()"
LIBRARIES = "import dagster, pandas"


def run(scale: int, rounds: int) -> list[Figure]:  # noqa: ARG001 - there is one size
    """Import and build everything, against importing Dagster and pandas and nothing else."""

    def fresh_process(code: str) -> None:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            raise BenchmarkError(done.stderr)

    with apart():
        fresh_process(LOAD)  # compiles what was not compiled yet
        ours, theirs = "load definitions", LIBRARIES
        seconds = race({ours: lambda: fresh_process(LOAD), theirs: lambda: fresh_process(LIBRARIES)}, rounds)
    figure = compared("load the definitions in a fresh process", seconds, ours, theirs)
    return [figure.aimed(f"< {TARGET_SECONDS:g} s", figure.ours < TARGET_SECONDS)]
