"""Log lines: one JSON object each with what is known of where they come from, and no secret in any of them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from structlog.contextvars import bound_contextvars

from pipeline_platform.operate import logs
from pipeline_platform.settings import Settings
from pipeline_platform.storage import queries
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.conftest import run_command

log = logging.getLogger("pipeline_platform.sample")
KEY = "tell+tale/key=="


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    before, levels = list(logging.getLogger().handlers), {name: logging.getLogger(name).level for name in logs.OURS}
    logs._redactor.cache_clear()
    yield
    logging.getLogger().handlers = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logs._redactor.cache_clear()


def settings(log_format: str = "json", level: str = "INFO") -> Settings:
    return Settings(log_format=log_format, log_level=level, _env_file=None)  # type: ignore[arg-type]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings())
    with bound_contextvars(run_id="run-1", asset="raw/town_posts", partition="2026-11-20", source="town"):
        log.info("fetched %d", 7, extra={"records": 7})
    (line,) = lines(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "fetched 7",
        "level": "info",
        "logger": "pipeline_platform.sample",
        "run_id": "run-1",
        "asset": "raw/town_posts",
        "partition": "2026-11-20",
        "source": "town",
        "records": 7,
    }


def test_an_error_brings_its_traceback_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings())
    try:
        raise KeyError("the bridge")
    except KeyError:
        log.exception("step failed")
    (line,) = lines(capsys)
    assert line["level"] == "error"
    assert "KeyError: 'the bridge'" in str(line["exception"])


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written(
    log_format: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_NEWSAPI__API_KEY", KEY)
    monkeypatch.setenv("PIPELINE_POSTGRES_URL", "postgresql://me:hidden-word@db/pipeline")
    logs.configure(settings(log_format))
    log.info("asked with %s", KEY, extra={"url": f"https://town/?apiKey={KEY}", "token": "abcdefgh"})
    try:
        raise ValueError(f"postgresql://me:hidden-word@db/pipeline refused {KEY}")
    except ValueError:
        log.exception("failed")
    written = capsys.readouterr().err
    assert "asked with" in written
    assert KEY not in written
    assert "hidden-word" not in written
    assert "abcdefgh" not in written


def test_levels_are_those_of_the_settings_and_others_speak_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(level="DEBUG"))
    logs.configure(settings(level="INFO"))
    log.debug("a step")
    log.info("a start")
    logging.getLogger("elsewhere").info("chatter")
    logging.getLogger("elsewhere").warning("trouble")
    assert [line["event"] for line in lines(capsys)] == ["a start", "trouble"], "set up twice, each line is told once"


def test_a_command_tells_people_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings("console"), quiet=True)
    log.info("a start")
    log.warning("once more")
    written = capsys.readouterr().err
    assert "a start" not in written
    assert "once more" in written
    assert not written.startswith("{")


def test_what_dagster_tells_of_a_run_has_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    import dagster as dg

    from pipeline_platform.defs.logs import console

    @dg.op
    def cross(context: dg.OpExecutionContext) -> None:
        context.log.info("halfway")
        raise ConnectionError("the bridge is closed")

    @dg.job(logger_defs={"console": console}, tags={"source": "town"})
    def crossing() -> None:
        cross()

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIPELINE_LOG_FORMAT", "json")
        result = crossing.execute_in_process(raise_on_error=False)
    told = lines(capsys)
    (halfway,) = [line for line in told if line["event"] == "halfway"]
    assert (halfway["run_id"], halfway["job"], halfway["step"], halfway["source"]) == (
        result.run_id,
        "crossing",
        "cross",
        "town",
    )
    (failure,) = [line for line in told if line.get("dagster_event") == "STEP_FAILURE"]
    assert failure["level"] == "error"
    assert "the bridge is closed" in str(failure["exception"])


def test_a_slow_query_is_told_without_its_values(
    stores: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "SLOW_SECONDS", 0.0)
    with caplog.at_level(logging.WARNING, "pipeline_platform"):
        stores.warehouse.note_fields("rss_articles", {"what somebody wrote": 1})
    told = [record for record in caplog.records if record.message.startswith("slow query")]
    assert any("INSERT INTO upstream_fields" in record.query for record in told)  # type: ignore[attr-defined]
    assert "what somebody wrote" not in "".join(str(record.__dict__) for record in told)


def test_a_run_in_json_writes_nothing_else_to_stderr(tmp_path: Path) -> None:
    answer = run_command(
        tmp_path / "home",
        "run", "--json", "--source", "rss", "--select", "tag:source=rss", "--faults", "rss:500x1",
        PIPELINE_LOG_FORMAT="json",
    )  # fmt: skip
    told = [orjson.loads(line) for line in answer.stderr.splitlines()]
    assert orjson.loads(answer.stdout)["run_ids"]
    steps = [line for line in told if line["event"] == "step ended"]
    assert {"raw/rss_articles", "cleaned/rss_articles"} <= {line["asset"] for line in steps}
    assert all({"run_id", "partition", "source", "level", "timestamp"} <= line.keys() for line in steps)
    (retry,) = [line for line in told if line["event"].startswith("attempt 1 of 3 failed")]
    assert retry["level"] == "warning"
    assert {"request_id", "run_id", "asset", "source"} <= retry.keys()
