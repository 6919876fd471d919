"""Dashboards and rules ask for metrics that there are, and Prometheus can read what they ask."""

import re
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from prometheus_client.metrics_core import Metric

from pipeline_platform.operate.metrics import PlatformCollector
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.serve.conftest import program

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}


def board(path: Path) -> dict[str, Any]:
    return dict(orjson.loads(path.read_bytes()))


def _expressions(path: Path) -> list[str]:
    return [target["expr"] for panel in board(path)["panels"] for target in panel["targets"]]


def recorded() -> dict[str, str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return {rule["record"]: rule["expr"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}


def asked(text: str) -> set[str]:
    """Names of metrics in an expression of PromQL: ours begin like this, or have colons."""
    bare = re.sub(r'"[^"]*"', '""', text)
    return set(re.findall(r"\b(?:pipeline_\w+|data_quality_\w+|\w+:\w+:\w+)\b", bare)) - {"pipeline_platform"}


def offered(stores: Stores) -> set[str]:
    families: list[Metric] = list(PlatformCollector(stores).collect())
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}


def test_every_metric_of_a_dashboard_or_rule_is_there(stores: Stores) -> None:
    known = offered(stores) | recorded().keys()
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text()
    expressions = re.findall(r"expr:(?: \|\n((?: {10}.*\n)+)| (.*)\n)", rules)
    wanted = asked("\n".join(first or second for first, second in expressions))
    for path in BOARDS:
        wanted |= asked("\n".join(_expressions(path)))
    assert len(wanted) > 20
    assert wanted - known == set()


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    found = board(path)
    panels = found["panels"]
    assert found["uid"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    assert max(one["x"] + one["w"] for one in places) <= 24


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_prometheus_reads_what_a_dashboard_asks(path: Path, tmp_path: Path) -> None:
    promtool = program("promtool")
    rules = [
        {"record": f"board:panel:{number}", "expr": expression.replace("$source", ".*")}
        for number, expression in enumerate(_expressions(path))
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
