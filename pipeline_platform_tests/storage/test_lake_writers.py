"""Writers of the lake that meet, that are killed and that run out of room: real processes, on a real disk."""

import contextlib
import errno
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow.dataset as dataset
import pyarrow.parquet as parquet
import pytest
from deltalake.exceptions import DeltaError

from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.lake import Lake, Merged
from pipeline_platform.storage.verification import mismatches
from pipeline_platform_tests.storage.conftest import DAY, NEXT, RAW, VISITS, raw_frame, record, visits

SPAWN = multiprocessing.get_context("spawn")
ROUNDS = 4
SHARED = range(20)


def merge_beside_another(place: str, barrier: Barrier, writer: int) -> None:
    lake = Lake(place, mode="demo")
    for turn in range(ROUNDS):
        mine = range(1000 * (writer + 1) + 10 * turn, 1000 * (writer + 1) + 10 * turn + 10)
        rows = raw_frame(
            *(record(number, text=f"turn {turn}", fetched=turn) for number in SHARED),
            *(record(number, NEXT) for number in mine),
        )
        barrier.wait(60)
        lake.merge(RAW, rows)


def test_two_processes_that_merge_the_same_records_lose_and_double_none(
    tmp_path: Path, stored: Callable[..., dict[str, Any]], lake: Lake
) -> None:
    barrier = SPAWN.Barrier(2)
    writers = [SPAWN.Process(target=merge_beside_another, args=(lake.location, barrier, writer)) for writer in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert stored(DAY) == {f"town:{number}": f"turn {ROUNDS - 1}" for number in SHARED}
    assert len(stored(NEXT)) == 2 * 10 * ROUNDS


def replace_beside_another(place: str, barrier: Barrier) -> None:
    lake = Lake(place, mode="demo")
    for turn in range(ROUNDS):
        barrier.wait(60)
        lake.replace(VISITS, visits(*((f"place {number}", turn, DAY) for number in range(50))), DAY, DAY)


def test_a_step_that_two_workers_execute_at_once_changes_what_it_changes_once(tmp_path: Path, lake: Lake) -> None:
    barrier = SPAWN.Barrier(2)
    writers = [SPAWN.Process(target=replace_beside_another, args=(lake.location, barrier)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    held = lake.read(VISITS)
    assert held["place"].is_unique
    assert held["visits"].tolist() == 50 * [ROUNDS - 1]
    assert lake.version(VISITS) == ROUNDS, "the other one found its rows there already"


def merge_without_end(place: str, told: Connection) -> None:
    lake, turn = Lake(place, mode="demo"), 0
    while True:
        told.send(turn)
        lake.merge(RAW, raw_frame(*(record(number, text=f"turn {turn}", fetched=turn) for number in range(50))))
        turn += 1


@pytest.mark.parametrize("turns", [1, 4])
def test_a_writer_that_is_killed_leaves_a_table_that_can_be_read_and_written(
    turns: int, lake: Lake, stored: Callable[..., dict[str, Any]]
) -> None:
    hears, told = SPAWN.Pipe(duplex=False)
    writer = SPAWN.Process(target=merge_without_end, args=(lake.location, told))
    writer.start()
    told.close()
    last = hears.recv()
    while last < turns:
        last = hears.recv()
    # That turn has begun and is nowhere near its end.
    writer.kill()
    with contextlib.suppress(EOFError):
        while True:
            last = hears.recv()
    writer.join(30)
    seen = stored()
    assert len(seen) == 50
    assert len(set(seen.values())) == 1, "a merge is there whole or not at all"
    assert seen["town:0"] in {f"turn {turn}" for turn in range(turns - 1, last + 1)}
    rerun = raw_frame(*(record(number, text="rerun", fetched=last + 1) for number in range(50)))
    assert lake.merge(RAW, rerun) == Merged(inserted=0, updated=50, unchanged=0)
    assert set(stored().values()) == {"rerun"}


def write_with_little_room(what: str, place: str, folder: Path, told: Connection) -> None:
    lake = Lake(place, mode="demo")
    # A write beyond the limit fails like one on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.dont_write_bytecode = True  # it would be cut off, for every process that comes after
    most = 3_000 if what == "export" else 600
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        if what == "merge":
            lake.merge(RAW, raw_frame(*(record(number, text=f"new {number}", fetched=9) for number in range(500))))
        elif what == "replace":
            lake.replace(VISITS, visits(*((f"place {number}", number, DAY) for number in range(500))), DAY, DAY)
        else:
            export_days(lake, VISITS, folder, [DAY, NEXT])
    except (OSError, DeltaError) as error:
        told.send(str(error))
    else:
        told.send("")


def refused(what: str, lake: Lake, folder: Path) -> str:
    """What a writer said that had no room."""
    hears, told = SPAWN.Pipe(duplex=False)
    writer = SPAWN.Process(target=write_with_little_room, args=(what, lake.location, folder, told))
    writer.start()
    told.close()
    words: str = hears.recv()
    writer.join(60)
    assert writer.exitcode == 0
    return words


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system has no limit for the size of files")
def test_a_full_disk_leaves_the_old_version(lake: Lake, stored: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    lake.merge(RAW, raw_frame(record(1), record(2)))
    lake.replace(VISITS, visits(("pier", 3, DAY)), DAY, DAY)
    versions = lake.version(RAW), lake.version(VISITS)
    assert os.strerror(errno.EFBIG) in refused("merge", lake, tmp_path)
    assert os.strerror(errno.EFBIG) in refused("replace", lake, tmp_path)
    assert (lake.version(RAW), lake.version(VISITS)) == versions
    assert stored() == {"town:1": "fair", "town:2": "fair"}
    assert lake.read(VISITS)["visits"].tolist() == [3]
    rerun = raw_frame(*(record(number, text="rerun", fetched=9) for number in range(500)))
    assert lake.merge(RAW, rerun) == Merged(inserted=498, updated=2, unchanged=0)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system has no limit for the size of files")
def test_a_full_disk_leaves_the_old_export(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 3, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY, NEXT])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # The first day still fits.
    many = visits(("pier", 4, DAY), *((f"place {number}", number, NEXT) for number in range(500)))
    lake.replace(VISITS, many, DAY, NEXT)
    assert os.strerror(errno.EFBIG) in refused("export", lake, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert export_days(lake, VISITS, folder, [DAY, NEXT]).changed == 2
    assert mismatches(folder / VISITS.name, VISITS, "demo") == []


def export_without_end(place: str, folder: Path, told: Connection) -> None:
    lake, turn = Lake(place, mode="demo"), 0
    while True:
        lake.replace(VISITS, visits(*((f"place {number}", turn, DAY) for number in range(40 + turn % 2))), DAY, DAY)
        told.send(turn)
        export_days(lake, VISITS, folder, [DAY], file_rows=2)
        turn += 1


@pytest.mark.parametrize("turns", [1, 3])
def test_an_export_that_is_killed_is_mended_by_the_next(turns: int, lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    hears, told = SPAWN.Pipe(duplex=False)
    writer = SPAWN.Process(target=export_without_end, args=(lake.location, folder, told))
    writer.start()
    told.close()
    while hears.recv() < turns:
        pass
    # Some of the twenty files of that turn are written, or none is yet.
    writer.kill()
    writer.join(30)
    target = folder / VISITS.name
    for path in target.rglob("*.parquet"):
        assert parquet.read_metadata(path).num_rows in (1, 2), "every file is whole"
    lake.replace(VISITS, visits(("pier", 3, DAY), ("tower", 4, DAY), ("gate", 5, DAY)), DAY, DAY)
    draft = target / f"event_date={DAY}" / ".part-7.parquet.1"
    draft.touch()
    assert export_days(lake, VISITS, folder, [DAY], file_rows=2).files == 2
    assert mismatches(target, VISITS, "demo") == []
    read = dataset.dataset(target, partitioning="hive", exclude_invalid_files=True).to_table()
    assert read["place"].to_pylist() == ["gate", "pier", "tower"]
    lake.replace(VISITS, VISITS.empty(), DAY, DAY)
    draft.touch()
    export_days(lake, VISITS, folder, [DAY])
    assert [path.name for path in target.iterdir()] == ["datapackage.json"]


def export_beside_another(place: str, folder: Path, barrier: Barrier, day: date) -> None:
    lake = Lake(place, mode="demo")
    for _ in range(ROUNDS):
        barrier.wait(60)
        export_days(lake, VISITS, folder, [day])
        barrier.wait(60)


def test_exports_of_two_days_at_once_are_both_described(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    barrier = SPAWN.Barrier(3)
    writers = [
        SPAWN.Process(target=export_beside_another, args=(lake.location, folder, barrier, day)) for day in (DAY, NEXT)
    ]
    for writer in writers:
        writer.start()
    for turn in range(ROUNDS):
        barrier.wait(60)
        barrier.wait(60)
        assert mismatches(folder / VISITS.name, VISITS, "demo") == []
        assert len(list(folder.rglob("*.parquet"))) == 2
        if turn < ROUNDS - 1:
            shutil.rmtree(folder)
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
