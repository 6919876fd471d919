"""The main job on bad days: interrupted, killed, twice at once, without its database, on a full disk."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest

from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import PREFIX
from pipeline_platform.storage.lake import Lake
from pipeline_platform_tests.conftest import run_command, without_settings

RUN = ("run", "--json", "--source", "coingecko")
SHORT = (*RUN, "--select", 'tag:source=coingecko or key:"quarantine/*" or key:"deduplicated/market_bars"')
"""Ends before the aggregates, which take most of the time of a run."""
PATIENCE_SECONDS = 120


@contextmanager
def started(home: Path, *arguments: str, prepare: Callable[[], None] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command that runs; killed at the end if it still does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline_platform.cli", *arguments],
        # A process that may not write long files would leave cut-off byte code for all that come after it.
        env={**without_settings(dict(os.environ)), f"{PREFIX}HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until_it_says(process: subprocess.Popen[str], words: str) -> None:
    """Read what the command tells until a line has `words`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    assert process.stderr is not None
    while time.monotonic() < deadline:
        line = process.stderr.readline()
        if words in line:
            return
        assert line or process.poll() is None, f"ended before it said {words!r}"
    raise AssertionError(f"never said {words!r}")


def at_work(home: Path) -> list[str]:
    """Servers of the platform that run on a home."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] in ("postgres", "redis-server") and Path(process.cwd()).is_relative_to(home):
                found.append(process.info["name"])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def assert_whole(home: Path, job: Sequence[str] = SHORT) -> None:
    """A further run succeeds, every table is readable, and nothing is doubled or lost between raw and cleaned."""
    answer = run_command(home, *job)
    assert answer.returncode == 0, answer.stderr[-2000:]
    lake = Lake(str(home / "lake"), mode="demo")
    for table in tables().values():
        frame = lake.read(table)
        assert not frame.duplicated(list(table.key)).any(), table.path
    report = orjson.loads(answer.stdout)
    rows = report["rows"]
    assert rows["raw/coingecko_prices"] > 0
    layers = {layer: sum(n for path, n in rows.items() if path.startswith(f"{layer}/")) for layer in ("raw", "cleaned")}
    assert layers["raw"] == layers["cleaned"] + sum(report["quarantined"].values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_ends_orderly_when_it_is_told_to(number: signal.Signals, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, *SHORT) as process:
        until_it_says(process, "raw/coingecko_prices")
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert at_work(home) == []
    assert_whole(home)


def test_a_kill_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, *RUN) as process:
        until_it_says(process, "cleaned/coingecko_ohlc")
        os.killpg(process.pid, signal.SIGKILL)
    assert_whole(home, RUN)
    assert at_work(home) == []


def test_two_runs_at_once_double_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, *SHORT) as first, started(home, *SHORT) as second:
        for process in (first, second):
            _, said = process.communicate(timeout=2 * PATIENCE_SECONDS)
            assert process.returncode == 0, said[-2000:]
    assert_whole(home)


def test_a_database_that_dies_ends_the_run_with_a_clear_error(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, *SHORT) as process:
        until_it_says(process, "raw/coingecko_prices")
        postmaster = int((home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(postmaster, signal.SIGKILL)
        answer, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert orjson.loads(answer)["lost"], "it says that the database stopped answering"
    assert_whole(home)


def test_a_full_disk_leaves_the_tables_readable(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run_command(home, *SHORT).returncode == 0
    before = {path: Lake(str(home / "lake"), mode="demo").version(table) for path, table in tables().items()}

    def small_files() -> None:
        # No file may grow over 2 kB: what the kernel says is not "disk full" but to a writer it is the same.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    target = tmp_path / "bars.parquet"
    with started(home, "export", "market_bars", "--output", str(target), prepare=small_files) as process:
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    assert "cannot be written" in " ".join(said.split())
    assert not target.exists()
    after = {path: Lake(str(home / "lake"), mode="demo").version(table) for path, table in tables().items()}
    assert after == before
    assert_whole(home)
