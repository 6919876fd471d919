"""The embedded servers on folders that make it hard for them."""

from pathlib import Path

import psutil
import pytest

from pipeline_platform.storage.embedded import EmbeddedPostgres


@pytest.fixture
def postgres(tmp_path: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(tmp_path / "postgres")


def at_work(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and Path(process.cwd()) == folder:
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_it_stops_although_its_parent_folder_was_closed_to_other_users(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert at_work(postgres.folder)
    postgres.folder.parent.chmod(0o700)
    postgres.stop()
    assert at_work(postgres.folder) == []
    postgres.stop()


def test_it_starts_again_where_it_was_stopped(postgres: EmbeddedPostgres) -> None:
    first = postgres.start()
    assert postgres.start() == first, "it runs already"
    postgres.stop()
    assert postgres.start() == first
    postgres.stop()
