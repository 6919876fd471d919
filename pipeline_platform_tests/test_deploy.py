"""What `deploy/` ships, as far as it can be judged without a Docker host or a Kubernetes cluster.

Compose and systemd themselves are asked where they are installed; Helm, whose chart comes over the network, is not.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from pipeline_platform.cli import app
from pipeline_platform.operate.queues import QUEUES
from pipeline_platform.settings import known_variables
from pipeline_platform.sources.registry import SOURCES

DEPLOY = Path(__file__).parents[1] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
VALUES = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
WORKERS = list(yaml.safe_load_all((DEPLOY / "helm" / "workers.yaml").read_text()))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def commands() -> Iterator[list[str]]:
    """Every command line of ours that anything under `deploy/` starts."""
    for service in COMPOSE["services"].values():
        yield list(service.get("command") or [])
    for one in WORKERS:
        if one["kind"] == "Deployment":
            yield list(one["spec"]["template"]["spec"]["containers"][0]["args"])
    for unit in UNITS:
        line = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        assert line, unit
        program, *arguments = line[1].replace("%i", "ingest").split()
        yield [Path(program).name, *arguments]


OURS = [line[1:] for line in commands() if line[:1] == ["pipeline-platform"]]


@pytest.mark.parametrize("line", OURS, ids=" ".join)
def test_commands_exist_with_these_options(line: list[str]) -> None:
    known: Any = typer.main.get_command(app)
    name, *arguments = line
    known.commands[name].make_context(name, arguments)


def test_every_queue_has_its_workers() -> None:
    served = [line[line.index("--queue") + 1] for line in OURS if line[0] == "worker"]
    assert {queue: served.count(queue) for queue in QUEUES} == {**dict.fromkeys(QUEUES, 2), "ingest": 3}


@pytest.mark.parametrize("path", ["compose.yaml", "compose.env.example", "helm/values.yaml", "helm/workers.yaml"])
def test_settings_exist(path: str) -> None:
    lines = [line for line in (DEPLOY / path).read_text().splitlines() if not line.lstrip().startswith("#")]
    named = set(re.findall(r"PIPELINE_[A-Z0-9_]+", "\n".join(lines)))
    assert named <= known_variables(SOURCES) | {"PIPELINE_HOME"}


def test_variables_of_compose_are_explained() -> None:
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", (DEPLOY / "compose.yaml").read_text()))
    told = set(re.findall(r"^([A-Z0-9_]+)=", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE))
    assert asked == told


def test_nothing_without_a_login_is_open_to_the_network() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_chart_runs_steps_by_workers() -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    assert deployment["env"]["PIPELINE_EXECUTOR"] == "celery"
    assert VALUES["runLauncher"]["config"]["customRunLauncher"]["class"] == "DefaultRunLauncher"
    assert deployment["image"] == VALUES["dagsterWebserver"]["image"] == VALUES["dagsterDaemon"]["image"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_units_are_what_systemd_understands(tmp_path: Path) -> None:
    for unit in [*UNITS, DEPLOY / "systemd" / "pipeline.target"]:
        # The programs are not installed where this is tested.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    answer = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in answer.stderr.splitlines() if "pipeline" in line]
    assert ours == []


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,
    reason="docker compose is not installed",
)
def test_compose_accepts_its_file() -> None:
    filled = dict.fromkeys(re.findall(r"\$\{([A-Z0-9_]+)", (DEPLOY / "compose.yaml").read_text()), "filled in")
    command = ["docker", "compose", "-f", "compose.yaml", "config", "--quiet"]
    subprocess.run(command, cwd=DEPLOY, env={**os.environ, **filled}, check=True)
