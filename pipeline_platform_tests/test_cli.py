"""The command as a newcomer meets it: help, wrong usage, wrong settings, and the demo it comes with."""

import csv
import io
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pyarrow.dataset as dataset
import pytest

from pipeline_platform.schemas.catalog import published_tables
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.lake import Lake
from pipeline_platform_tests.conftest import Demo, run_command

COMMANDS = (
    ("run",),
    ("up",),
    ("api",),
    ("worker",),
    ("cluster",),
    ("sources",),
    ("models",),
    ("doctor",),
    ("sandbox",),
    ("dead-letters",),
    ("dead-letters", "list"),
    ("dead-letters", "replay"),
    ("alerts",),
    ("alerts", "list"),
    ("alerts", "test"),
    ("alerts", "rules"),
    ("export",),
    ("verify",),
    ("quality",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_teaches(command: tuple[str, ...], tmp_path: Path) -> None:
    answer = run_command(tmp_path / "home", *command, "--help")
    assert answer.returncode == 0
    assert "Usage: " in answer.stdout
    assert not (tmp_path / "home").exists(), "help starts nothing"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--source", "redit"), "no source is called 'redit'"),
        (("run", "--from", "2026-02-02", "--to", "2026-02-01"), "lies after --to"),
        (("run", "--to", "2999-01-01"), "lies in the future"),
        (("run", "--from", "2001-01-01"), "PIPELINE_START_DATE=2001-01-01"),
        (("run", "--from", "yesterday"), "is not a day"),
        (("run", "--faults", "reddit:nonsense"), "nonsense"),
        (("run", "--recordings", "nowhere"), "nowhere is not a folder of recordings"),
        (("run", "--select", "key:nothing"), "group:raw"),
        (("export", "nothing", "--format", "csv"), "no table is called 'nothing'"),
        (("export", "documents"), "name a file"),
        (("verify", "nothing"), "no table is called 'nothing'"),
        (("verify",), "there is no export of any table"),
        (("verify", "documents"), "there is no export of documents"),
        (("worker", "--queue", "ingestion"), "no queue is called 'ingestion'; known: ingest, sentiment"),
        (("fetch",), "No such command 'fetch'"),
        (("quality",), "has no quality scores"),
        (("quality", "--day", "today"), "is not a day"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    answer = run_command(tmp_path / "home", *arguments)
    assert answer.returncode == 2
    assert words in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PIPELINE_MODE", "prod", "PIPELINE_MODE"),
        ("PIPELINE_START_DATE", "soon", "PIPELINE_START_DATE"),
        ("PIPELINE_RSS__LOOKBACK_DAYS", "0", "PIPELINE_RSS__LOOKBACK_DAYS"),
        ("PIPELINE_REDDIT__SUBREDDITS", "[python", "PIPELINE_REDDIT__SUBREDDITS"),
        ("PIPELINE_POSTGRES_URL", "postgresql://me:hidden@127.0.0.1:1/none", "PIPELINE_POSTGRES_URL"),
        ("PIPELINE_REDIS_URL", "redis://:hidden@127.0.0.1:1/0", "PIPELINE_REDIS_URL"),
        ("PIPELINE_SANDBOX_URL", "http://127.0.0.1:1", "PIPELINE_SANDBOX_URL"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str, words: str, tmp_path: Path) -> None:
    answer = run_command(tmp_path / "home", "run", **{variable: value})
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "hidden" not in answer.stderr


def test_the_doctor_finds_a_typo_and_what_was_meant(demo: Demo) -> None:
    answer = demo.run("doctor", "--json", PIPELINE_REDIT__SUBREDDITS="[]")
    assert answer.returncode == 1
    (finding,) = [one for one in orjson.loads(answer.stdout) if one["mark"] == "error"]
    assert finding["what"] == "PIPELINE_REDIT__SUBREDDITS"
    assert "PIPELINE_REDDIT__SUBREDDITS" in finding["finding"]


def test_the_demo_succeeds(demo: Demo) -> None:
    assert demo.completed.returncode == 0, demo.completed.stderr[-2000:]
    assert demo.report["succeeded"]
    assert demo.report["failed_checks"] == demo.report["failed_steps"] == {}
    assert "BetaWarning" not in demo.completed.stderr
    assert "DEBUG" not in demo.completed.stderr


def test_any_reader_reads_the_exports(demo: Demo) -> None:
    for table in published_tables():
        folder = demo.home / "exports" / table.name
        if not demo.report["rows"][table.path]:
            continue
        rows = dataset.dataset(folder, partitioning="hive", exclude_invalid_files=True).to_table()
        assert rows.num_rows == demo.report["rows"][table.path]
        package = orjson.loads((folder / "datapackage.json").read_bytes())
        (resource,) = package["resources"]
        assert {field["name"] for field in resource["schema"]["fields"]} == set(table.columns)
        assert all((folder / path).is_file() for path in resource["path"])


def test_export_writes_csv_and_json_lines(demo: Demo, tmp_path: Path) -> None:
    rows = demo.report["rows"]["deduplicated/market_bars"]
    written = list(csv.DictReader(io.StringIO(demo.run("export", "market_bars", "--format", "csv").stdout)))
    assert len(written) >= rows
    lines = demo.run("export", "market_bars", "--format", "json").stdout.splitlines()
    assert len(lines) == len(written)
    assert orjson.loads(lines[0])["bar_id"]
    answer = demo.run("export", "market_bars", "--output", str(tmp_path / "no" / "folder.parquet"))
    assert answer.returncode == 2
    assert "cannot be written" in " ".join(answer.stderr.split())


def test_verify_finds_what_happened_to_the_exports(demo: Demo, tmp_path: Path) -> None:
    answer = demo.run("verify")
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "tables are as described" in answer.stderr
    copy = tmp_path / "home" / "exports"
    shutil.copytree(demo.home / "exports", copy)
    assert run_command(copy.parent, "verify").returncode == 0, "a copy is as good"
    parts = sorted(copy.glob("market_bars/*/*.parquet"))
    os.truncate(parts[0], 10)
    parts[1].unlink()
    (copy / "my notes").touch()
    answer = run_command(copy.parent, "verify", "--json")
    assert answer.returncode == 1
    found = [(one["table"], one["problem"], one["path"]) for one in orjson.loads(answer.stdout)]
    assert found == [
        ("market_bars", "changed", str(parts[0].relative_to(copy / "market_bars"))),
        ("market_bars", "missing", str(parts[1].relative_to(copy / "market_bars"))),
        ("my notes", "surplus", ""),
    ]
    answer = run_command(copy.parent, "verify", "market_bars")
    assert answer.returncode == 1
    assert "10 bytes instead of" in answer.stdout
    assert run_command(copy.parent, "verify", "documents", "weather_daily").returncode == 0


def test_sources_tell_status_and_last_success(demo: Demo) -> None:
    rows = {row["source"]: row for row in orjson.loads(demo.run("sources", "--json").stdout)}
    assert rows["reddit"]["status"] == "demo"
    assert all(row["last success"] for row in rows.values())
    assert all(row["breaker"] == "closed" for row in rows.values())


def test_the_demo_ends_with_a_quality_report_of_each_day(demo: Demo) -> None:
    first, last = demo.report["from"], demo.report["to"]
    pages = sorted(path.name for path in (demo.home / "reports").glob("*.html"))
    assert len(pages) == 3
    assert (pages[0], pages[-1]) == (f"quality-{first}.html", f"quality-{last}.html")
    answer = demo.run("quality", "--json")
    assert answer.returncode == 0, answer.stderr[-2000:]
    report = orjson.loads(answer.stdout)
    assert report["day"] == last
    assert report["numbers"]["rows received"] > 0
    assert report["anomalies"] == [], "three days are no history"
    assert len(report["sources"]) == len(SOURCES)
    assert all(row["score"] is None or 0 <= row["score"] <= 1 for row in report["scores"])
    key = (demo.home / "pseudonym.key").read_text()
    assert all(key not in path.read_text() for path in (demo.home / "reports").iterdir())


def test_a_second_run_changes_only_what_changed_upstream(demo: Demo) -> None:
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    span = ("run", "--json", "--from", day, "--to", day, "--source", "github", "--select", "not key:raw/github_trend*")
    lake = demo.home / "lake"
    first = demo.run(*span)
    assert first.returncode == 0, first.stderr[-2000:]
    before = {path: path.stat().st_mtime_ns for path in (demo.home / "exports").rglob("*.parquet")}
    again = orjson.loads(demo.run(*span).stdout)
    assert [path for path, changed in again["changed"].items() if changed] == []
    after = {path: path.stat().st_mtime_ns for path in (demo.home / "exports").rglob("*.parquet")}
    assert after == before
    assert lake.is_dir()


def test_live_mode_on_the_lake_of_the_demo_is_refused_before_anything_is_fetched(demo: Demo) -> None:
    answer = demo.run("run", PIPELINE_MODE="live")
    assert answer.returncode == 2
    assert "sandbox rows and real rows never mix" in " ".join(answer.stderr.split())
    assert orjson.loads(demo.run("dead-letters", "list", "--json").stdout) == []


def test_live_mode_skips_what_lacks_a_credential_and_says_so(tmp_path: Path) -> None:
    needy = {source.name for source in SOURCES if any(credential.required for credential in source.credentials)}
    # The others would ask the real upstreams.
    off = {f"PIPELINE_{source.name.upper()}__ENABLED": "false" for source in SOURCES if source.name not in needy}
    answer = run_command(tmp_path / "home", "run", "--json", PIPELINE_MODE="live", **off)
    report = orjson.loads(answer.stdout)
    assert answer.returncode == 1
    assert set(report["skipped_sources"]) == needy
    assert "PIPELINE_REDDIT__CLIENT_ID" in report["skipped_sources"]["reddit"]
    assert report["failed_steps"] == {}


def test_a_fault_is_a_dead_letter_that_a_replay_heals(tmp_path: Path) -> None:
    home = tmp_path / "home"
    answer = run_command(home, "run", "--json", "--faults", "openweather:404x2", "--source", "openweather")
    report = orjson.loads(answer.stdout)
    assert answer.returncode == 1
    assert len(report["dead_letters"]) == 2
    assert report["rows"]["exports/weather_observations".replace("exports", "deduplicated")] > 0, "the rest completes"
    told = orjson.loads((home / "reports" / f"quality-{report['to']}.json").read_bytes())
    assert {row["source"] for row in told["outages"]} == {"openweather"}
    assert all("aggregated/weather_daily" in row["affected"] for row in told["outages"] if "current" in row["stream"])
    letters = orjson.loads(run_command(home, "dead-letters", "list", "--json").stdout)
    assert {letter["error_class"] for letter in letters} == {"Permanent"}
    assert run_command(home, "dead-letters", "replay").returncode == 0
    assert orjson.loads(run_command(home, "dead-letters", "list", "--json").stdout) == []


def test_planted_bad_rows_are_in_quarantine_and_copies_are_found(demo: Demo) -> None:
    """The sandbox says what it planted; the demo must have found it."""
    from pipeline_platform.sandbox.server import build_app, running
    from pipeline_platform.sandbox.world import World
    from pipeline_platform.schemas.catalog import tables

    first, last = demo.report["from"], demo.report["to"]
    with running(build_app(World(seed=1))) as url:
        truth = httpx.get(f"{url}/truth", params={"from": first, "to": last}, timeout=60).json()
    lake = Lake(str(demo.home / "lake"), mode="demo")
    rejected = set(lake.read(tables()["quarantine/documents"])["record_id"])
    documents = lake.read(tables()["deduplicated/documents"]).set_index("document_id")
    bad = {row["record_id"] for row in truth["bad_rows"]} & (rejected | set(documents.index))
    assert bad, "the truth and the tables must speak of the same ids"
    assert bad <= rejected
    pairs = [(row["document_id"], row["duplicate_of"]) for row in truth["duplicates"] if row["similarity"] == "exact"]
    arrived = [(copy, of) for copy, of in pairs if copy in documents.index and of in documents.index]
    assert arrived
    assert all(documents["cluster_id"][copy] == documents["cluster_id"][of] for copy, of in arrived)


def test_models_are_listed_and_a_missing_one_is_told(tmp_path: Path) -> None:
    listed = run_command(tmp_path / "home", "models", "--json")
    assert listed.returncode == 0
    rows = {row["name"]: row for row in orjson.loads(listed.stdout)}
    assert {"VADER", "sentiment", "emotion", "irony", "topic"} <= rows.keys()
    assert all(len(row["content_hash"]) == 64 and row["licence"] and row["metrics"] for row in rows.values())
    missing = run_command(tmp_path / "home", "models", PIPELINE_SPACY_MODEL="no_such_pipeline")
    assert missing.returncode == 1
    assert "no_such_pipeline is not there. Mend PIPELINE_SPACY_MODEL" in " ".join(missing.stderr.split())
    assert "VADER" in missing.stdout
