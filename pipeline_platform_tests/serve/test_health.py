"""The health page: what an operator asks first, with nothing of what came from outside taken for markup."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipeline_platform.operate.measures import note_daemon, note_failure, note_scores
from pipeline_platform.schemas.quality import SCORES
from pipeline_platform.serve.app import create_app
from pipeline_platform.serve.health_facts import health_facts
from pipeline_platform.serve.health_view import _duration
from pipeline_platform.settings import Settings
from pipeline_platform.sources.base import Window
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.run_log import JobRun, RunLog
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

NOW = datetime.now(UTC)
EVIL = "<script>alert('town')</script>"


def incident(stores: Stores, rule: str, message: str) -> None:
    with IncidentLog(stores.warehouse).changing() as changes:
        moments = dict.fromkeys(("began_at", "fired_at", "seen_at", "told_at"), NOW)
        changes.open(rule=rule, subject="rss", severity="warning", message=message, **moments)


class Reader(HTMLParser):
    """Tags and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def run(number: int, status: str, minutes: int = 5, **fields: object) -> JobRun:
    at = NOW - timedelta(minutes=minutes)
    return JobRun(f"run-{number}", "fetch_rss", "rss", "manual", status, at, at, at + timedelta(seconds=30), **fields)  # type: ignore[arg-type]


def fetched(stores: Stores, records: int, minutes: int = 5) -> None:
    at = NOW - timedelta(minutes=minutes)
    stores.warehouse.record_fetch(
        source="rss", stream="rss_articles", run_id="run-1", started_at=at, ended_at=at, records=records, inserted=0,
        updated=0, targets=1, failed_targets=0, requests=2, error=None,
    )  # fmt: skip


def letter(text: str) -> DeadLetter:
    return DeadLetter(
        source="rss",
        stream="rss_articles",
        target=text,
        window=Window(NOW - timedelta(days=1), NOW),
        request={},
        error_class="Malformed",
        message=f"no feed: {text}",
        attempts=3,
        traceback=f"Traceback (most recent call last): {text}",
        run_id="run-1",
        failed_at=NOW,
    )


def test_a_platform_that_did_nothing_yet_says_what_to_do(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    page = Reader(answer.text)
    assert "pipeline-platform run" in page.text
    assert "No error was ever counted." in page.text


def test_the_page_shows_runs_records_scores_and_errors(client: TestClient, stores: Stores) -> None:
    RunLog(stores.warehouse).note(
        [run(1, "success"), run(2, "failure", error="the bridge is closed", failed_steps=("raw__rss_articles",))]
    )
    RunLog(stores.warehouse).note([run(3, "success", minutes=60 * 30)])
    fetched(stores, 480)
    note_failure(stores, "rss", KeyError("x"))
    note_daemon(stores)
    note_scores(stores, SCORES.frame([{"table": "cleaned/rss_articles", "score": 0.82, "event_date": NOW.date()}]))
    stores.warehouse.bury([letter("https://town.example/feed")])
    incident(stores, "no_data", "nothing came")
    facts = health_facts(stores)
    assert facts.of_day == {"success": 1, "failure": 1, "canceled": 0}, "the run of yesterday is not of these hours"
    assert facts.totals == {"success": 2, "failure": 1}
    assert facts.error_rate == 0.5
    assert sum(facts.records) == 480
    assert [(one.name, one.runs, one.failed, one.seconds, one.letters) for one in facts.sources] == [
        ("rss", 2, 1, 30.0, 1)
    ]
    text = Reader(client.get("/").text).text
    for words in (
        "many runs fail",
        "the bridge is closed",
        "raw__rss_articles",
        "cleaned/rss_articles 0.820",
        "rss KeyError 1",
        "Traceback (most recent call last)",
        "nothing came",
        "50.0% of the jobs failed",
        "20 records per hour",
    ):
        assert words in text


def test_nothing_from_outside_is_markup_and_nothing_is_fetched(client: TestClient, stores: Stores) -> None:
    RunLog(stores.warehouse).note([JobRun("run-1", EVIL, EVIL, EVIL, "failure", NOW, NOW, NOW, error=EVIL)])
    stores.warehouse.bury([letter(EVIL)])
    incident(stores, EVIL, EVIL)
    note_failure(stores, EVIL, KeyError("x"))
    answer = client.get("/")
    page = Reader(answer.text)
    assert "script" not in page.tags
    assert page.text.count(EVIL) >= 7
    assert not [address for address in page.addresses if "//" in address]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_silent_daemon_is_said_first(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    note_daemon(stores)
    assert health_facts(stores).verdict == "good"
    monkeypatch.setattr("pipeline_platform.serve.health_facts.DAEMON_SILENT", timedelta(0))
    assert health_facts(stores).in_words == "the daemon is silent"


def test_without_postgres_the_page_says_so(tmp_path: Path) -> None:
    gone = Settings(
        home=tmp_path,
        postgres_url="postgresql://nobody:hidden@127.0.0.1:1/none",  # type: ignore[arg-type]
        redis_url="redis://127.0.0.1:1/0",  # type: ignore[arg-type]
        _env_file=None,
    )
    with TestClient(create_app(Stores(gone))) as client:
        answer, health = client.get("/"), client.get("/healthz")
    assert (answer.status_code, health.status_code) == (503, 503)
    assert "PostgreSQL does not answer" in answer.text
    assert "hidden" not in answer.text + health.text


def test_every_answer_bears_an_id_that_the_client_may_choose(client: TestClient) -> None:
    assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    given = client.get("/healthz", headers={"x-request-id": "two\twords"}).headers["x-request-id"]
    assert len(given) == 32


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (2.345, "2.3 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, words: str) -> None:
    assert _duration(seconds) == words
