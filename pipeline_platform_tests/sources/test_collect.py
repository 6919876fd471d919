"""Collecting: targets side by side within bounds, failures set aside, unmapped fields counted."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_platform.sources.base import Fetch, Page, Record, Window
from pipeline_platform.sources.collect import LOOKED_AT, Collected, Collector, Envelope
from pipeline_platform.sources.errors import NotDue, Transient
from pipeline_platform.sources.fields import FieldTable, leaves, paths_of
from pipeline_platform.sources.rss import SOURCE

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Ask = Callable[[Fetch[Any], str], Iterator[Page]]


def collected(ask: Ask, targets: list[str], *, concurrency: int = 1, **stream: Any) -> tuple[Collected, list[Envelope]]:
    rows: list[Envelope] = []
    fetch = Fetch(
        client=SimpleNamespace(secrets=()),  # type: ignore[arg-type] # nothing is asked for
        settings=SOURCE.settings(),
        window=Window(NOW - timedelta(days=1), NOW),
        now=NOW,
    )
    collector = Collector(
        replace(SOURCE, concurrency=concurrency),
        replace(SOURCE.streams[0], fetch=ask, **stream),
        fetch,
        run_id="run",
        first_moment=NOW - timedelta(days=9),
        sandbox=True,
        store=rows.extend,
    )
    return collector.collect(targets), rows


def page(*payloads: Any) -> Page:
    return Page([Record(f"rss:{payload}", NOW, payload) for payload in payloads], from_sandbox=True)


def test_targets_are_asked_side_by_side() -> None:
    together = threading.Barrier(3, timeout=30)

    def ask(_fetch: Fetch[Any], target: str) -> Iterator[Page]:
        together.wait()
        yield page(target)

    result, rows = collected(ask, ["c", "a", "b"], concurrency=3)
    assert result.whole == ["c", "a", "b"], "in the order of the watch list"
    assert result.records == len(rows) == 3


def test_never_more_at_a_time_than_the_source_allows() -> None:
    active, most, lock = 0, 0, threading.Lock()

    def ask(_fetch: Fetch[Any], target: str) -> Iterator[Page]:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        yield page(target)
        with lock:
            active -= 1

    result, _ = collected(ask, [str(number) for number in range(40)], concurrency=4)
    assert len(result.whole) == 40
    assert most <= 4


def test_a_failed_target_does_not_stop_its_neighbours() -> None:
    def ask(_fetch: Fetch[Any], target: str) -> Iterator[Page]:
        yield page(target)
        if target in "bd":
            raise Transient(f"{target} is away")

    result, rows = collected(ask, list("abcd"), concurrency=2)
    assert result.whole == ["a", "c"]
    assert [(failure.target, str(failure.error)) for failure in result.failures] == [
        ("b", "b is away"),
        ("d", "d is away"),
    ]
    assert len(rows) == 4, "what came before the failure is kept"


def test_a_defect_is_raised_and_ends_the_others() -> None:
    broken = threading.Event()

    def ask(_fetch: Fetch[Any], target: str) -> Iterator[Page]:
        if target == "broken":
            broken.set()
            raise RuntimeError("a defect")
        broken.wait(30)
        while True:
            yield page(target)

    with pytest.raises(RuntimeError, match="a defect"):
        collected(ask, ["broken", "endless"], concurrency=2, max_pages=10**9)


def test_a_long_window_may_have_more_pages() -> None:
    def hours(fetch: Fetch[Any]) -> int:
        return int((fetch.window.end - fetch.window.start) / timedelta(hours=1))

    def ask(fetch: Fetch[Any], target: str) -> Iterator[Page]:
        for number in range(hours(fetch) + (target == "endless")):
            yield page(f"{target}{number}")

    result, rows = collected(ask, ["day", "endless"], max_pages=hours)
    assert result.whole == ["day"]
    assert [str(failure.error) for failure in result.failures] == [
        "rss_articles endless: the pages do not end; stopped after 24"
    ]
    assert len(rows) == 48


def test_a_failure_knows_what_is_left() -> None:
    left = Window(NOW - timedelta(hours=1), NOW)

    def ask(_fetch: Fetch[Any], target: str) -> Iterator[Page]:
        if target == "late":
            yield replace(page("a"), left=left)
        raise Transient("away")

    result, _ = collected(ask, ["late", "at once"])
    assert [failure.left for failure in result.failures] == [left, None]


def test_a_target_without_a_turn_is_skipped_and_no_failure() -> None:
    def ask(_fetch: Fetch[Any], target: str) -> Iterator[Page]:
        if target == "b":
            raise NotDue("b has its turn tomorrow")
        yield page(target)

    result, rows = collected(ask, list("abc"), concurrency=2)
    assert (result.whole, result.failures, result.skipped) == (["a", "c"], [], {"b": "b has its turn tomorrow"})
    assert len(rows) == 2


def test_fields_that_no_column_comes_from_are_counted() -> None:
    payload = {"title": "A", "data": {"text": "B", "extra": [{"x": 1}, {"x": 2}], "none": None}, "tags": []}

    def ask(_fetch: Fetch[Any], _target: str) -> Iterator[Page]:
        yield page(*[payload] * 3)

    fields = {"title": "title | headline", "text": "data.text (without markup)", "kind": "(always article)"}
    result, _ = collected(ask, ["a"], fields=fields)
    assert result.looked_at == 3
    assert result.unmapped == {"data.extra[].x": 3, "data.none": 3, "tags": 3}


def test_of_many_payloads_some_are_looked_at() -> None:
    def ask(_fetch: Fetch[Any], _target: str) -> Iterator[Page]:
        yield page(*[{"new": number} for number in range(LOOKED_AT * 3)])

    result, _ = collected(ask, ["a"], fields={})
    assert result.looked_at == result.unmapped["new"] == LOOKED_AT + 2


@pytest.mark.parametrize(
    ("origin", "paths"),
    [
        ("data.title", ["data.title"]),
        ("url | links[].href (the first)", ["url", "links[].href"]),
        ("(always article)", []),
    ],
)
def test_paths_of_an_origin(origin: str, paths: list[str]) -> None:
    assert paths_of(origin) == paths


def test_a_path_stands_for_all_below_it() -> None:
    table = FieldTable({"image_url": "media", "text": "body.parts[].text"})
    assert set(leaves({"media": [{"a": {"b": 1}}], "body": {"parts": [{"text": "x"}]}})) == {
        "media[].a.b",
        "body.parts[].text",
    }
    assert all(map(table.covers, ("media", "media[].a.b", "body.parts[].text")))
    assert not any(map(table.covers, ("mediatype", "body", "body.parts[].texts")))
