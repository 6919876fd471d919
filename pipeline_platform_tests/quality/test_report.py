"""The report: one file that opens anywhere, says what needs attention, and shows nothing as it came."""

import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest

from pipeline_platform.quality.charts import evidence, png, sparkline, svg
from pipeline_platform.quality.facts import Checked, DayFacts, Evaluation, Failure, Rejected
from pipeline_platform.quality.outages import Affected, Effect
from pipeline_platform.quality.report import page

DAY = date(2026, 11, 20)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} \u202e"


def evaluation(status: str, first: date | None = DAY, last: date | None = None, words: str = "said") -> Evaluation:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return Evaluation(at, first and str(first), str(last or first) if first else None, status, "error", words)


def check(status: str = "passed", *, blocking: bool = True, words: str = "said") -> Checked:
    return Checked(
        "cleaned/rss_articles", "contract", "It keeps its rules.", blocking, [evaluation(status, words=words)]
    )


def anomaly(**more: Any) -> dict[str, Any]:
    return {
        "table": "raw/rss_articles",
        "column": "*",
        "source": "rss",
        "kind": "volume",
        "severity": "warn",
        "observed": 0.0,
        "expected": 10.0,
        "score": 1.5,
        "explanation": "0 rows, where a Friday usually has 10.",
        "labels": [str(DAY - timedelta(days=1)), str(DAY)],
        "values": [10.0, 0.0],
        "usual": [],
        "history_days": 28,
        "event_date": DAY,
        **more,
    }


def score(value: float | None = 0.5, **more: Any) -> dict[str, Any]:
    parts = dict.fromkeys(("completeness", "uniqueness", "consistency", "validity", "timeliness"), value)
    return {
        "table": "cleaned/rss_articles",
        "source": "rss",
        "rows": 3,
        "score": value,
        **parts,
        "weakest": "validity",
        "explanation": "0.500 = …",
        "threshold": 0.9,
        "is_enough": value is None or value >= 0.9,
        "event_date": DAY,
        "trend": [1.0, 0.5],
        **more,
    }


def effect(**more: Any) -> Effect:
    given: dict[str, Any] = {
        "source": "rss",
        "signs": ["1 of 2 fetches failed"],
        "received": 0,
        "usual": 100.0,
        "history": [(DAY - timedelta(days=1), 1.0), (DAY, 0.0)],
        "tables": [
            Affected("cleaned/rss_articles", 1.0, measured=True, held_back=False),
            Affected("enriched/documents", 0.25, measured=True, held_back=False),
            Affected("aggregated/entity_daily", 0.25, measured=False, held_back=True),
            Affected("aggregated/forecasts", None, measured=False, held_back=False),
        ],
    }
    return Effect(**{**given, **more})


def facts(**more: Any) -> DayFacts:
    lists = ("checks", "failures", "anomalies", "scores", "quarantine", "sources", "streams", "outages", "effects")
    given = {name: more.get(name, []) for name in lists}
    return DayFacts(day=DAY, made_at=datetime(2026, 11, 21, tzinfo=UTC), mode="demo", **given)


def hostile() -> DayFacts:
    source = {
        "title": HOSTILE,
        "status": "demo",
        "breaker": "open",
        "last success": None,
        "newest event": None,
        "dead letters": 1,
        "last error": HOSTILE,
    }
    failed = check("failed", words=HOSTILE)
    return facts(
        checks=[failed],
        failures=[Failure(failed, [{"document_id": HOSTILE, "reason": HOSTILE}], ["deduplicated/documents"])],
        anomalies=[anomaly(labels=[HOSTILE, "b"], explanation=HOSTILE, column=HOSTILE)],
        scores=[score()],
        quarantine=[Rejected("documents", HOSTILE, 1, [HOSTILE], [{"record_id": HOSTILE, "reason": HOSTILE}])],
        sources=[source],
        outages=[{"source": "rss", "stream": "rss_articles", "error": HOSTILE, "affected": ["cleaned/rss_articles"]}],
        effects=[effect(signs=[HOSTILE])],
    )


class Tags(HTMLParser):
    """The elements of a page and the addresses they name."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)


@pytest.mark.parametrize("day", [facts(), hostile()], ids=["empty", "hostile"])
def test_the_page_runs_nothing_and_asks_for_nothing(day: DayFacts) -> None:
    written = page(day)
    tags = Tags()
    tags.feed(written)
    assert tags.seen.isdisjoint({"script", "img", "iframe", "link", "object", "form"})
    assert all(address.startswith("#") for address in tags.addresses)
    assert "default-src 'none'" in written
    assert not re.search(r"https?://(?!www\.w3\.org)", written)


def test_what_strangers_wrote_is_text() -> None:
    written = page(hostile())
    assert "<script>" not in written
    assert "&lt;script&gt;" in written
    assert "{{ 7 * 7 }}" in written, "it is no template"


def test_a_failure_shows_its_samples_and_what_it_held_back() -> None:
    failed = check("failed", words="Broken on one day.")
    written = page(facts(checks=[failed], failures=[Failure(failed, [{"id": "rss:1"}], ["enriched/documents"])]))
    assert "Broken on one day." in written
    assert "rss:1" in written
    assert "Held back by it: 1 assets" in written
    assert "enriched/documents" in written


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, "empty"),
        ({"scores": [score(1.0)]}, "good"),
        ({"scores": [score(0.5)]}, "look"),
        ({"anomalies": [anomaly()]}, "look"),
        ({"anomalies": [anomaly(severity="error")]}, "broken"),
        ({"failures": [Failure(check("failed"), [], [])]}, "broken"),
        ({"failures": [Failure(check("failed", blocking=False), [], [])]}, "look"),
        ({"outages": [{"stream": "x", "error": "503", "affected": []}]}, "look"),
        ({"effects": [effect()]}, "look"),
    ],
)
def test_the_verdict_follows_from_the_facts(more: dict[str, Any], verdict: str) -> None:
    assert facts(**more).verdict == verdict
    assert len(facts(**more).alarms) == (verdict in ("look", "broken"))


def test_an_outage_is_a_matrix_of_sources_and_tables() -> None:
    other = effect(source="reddit", usual=None, history=[(DAY - timedelta(days=1), None), (DAY, None)], tables=[])
    written = " ".join(page(facts(effects=[effect(), other])).split())
    assert re.search(
        r'<td>enriched/documents</td> ?<td class="n lack2"> ?25 % ?</td> ?<td class="n soft">·</td>', written
    )
    assert '<i>25 %</i> <span class="mark broken">held back</span>' in written
    assert '<span class="soft">?</span>' in written
    assert written.index("cleaned/rss_articles</td>") < written.index("aggregated/forecasts</td>")
    told = orjson.loads(orjson.dumps(facts(effects=[effect()]).as_json(), default=str))
    assert told["effects"][0]["tables"][1] == {
        "table": "enriched/documents",
        "missing": 0.25,
        "measured": True,
        "held_back": False,
    }


def test_the_json_is_json() -> None:
    told = orjson.loads(orjson.dumps(hostile().as_json(), default=str))
    assert told["verdict"] == "broken"
    assert told["failures"][0]["blocked"] == ["deduplicated/documents"]
    assert told["checks"][0]["history"][0]["status"] == "failed"


def test_a_check_tells_of_a_day_what_it_said_about_it() -> None:
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    span = evaluation("failed", before, after)
    own, passed = evaluation("passed"), evaluation("passed", before, after)
    unknown = evaluation("failed", None)

    def about(*history: Evaluation) -> str:
        return Checked("raw/x", "y", "", True, list(history)).about(DAY).status

    assert about(span, own) == "passed", "a span that failed did so on another day"
    assert about(passed, evaluation("failed")) == "passed", "a span that passed, passed on each day"
    assert about(evaluation("failed", after)) == "never evaluated"
    assert about(unknown) == "failed"
    assert about(unknown, own) == "passed"


def test_charts_are_drawn_of_anything() -> None:
    for labels, values, usual in (([], [], []), (["2026-11-20"], [0.0], []), (["a", "b"], [0.2, 0.8], [0.5, 0.5])):
        shown = evidence(labels, values, usual, 1.0)
        assert svg(shown, "a & b").startswith("<svg")
        assert png(shown, "$ and _").startswith(b"\x89PNG")
    assert sparkline([1.0]) == ""
    assert "polyline" in sparkline([1.0, 0.5])
