"""Re-checks from the sandbox to the deduplicated table: what is deleted upstream is deleted here, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pandas as pd
import pytest

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.dedup.documents import dedup_documents
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.operate import recheck
from pipeline_platform.operate.intake import Intake, take_in
from pipeline_platform.operate.recheck import RECHECK_TARGET
from pipeline_platform.operate.replay import replay
from pipeline_platform.sandbox.faults import FaultPlan
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources.base import Fetch, Known, Page, Window
from pipeline_platform.sources.errors import Permanent
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

REDDIT = source_named("reddit")
POSTS = next(stream for stream in REDDIT.streams if stream.name == "reddit_posts")
RAW, CLEANED = raw_table(REDDIT, POSTS), cleaned_table(REDDIT, POSTS)
NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(hours=46)
"""When the posts are fetched first: those of the hours before are taken away until now."""


@contextmanager
def sandbox(monkeypatch: pytest.MonkeyPatch, moment: datetime, faults: str = "") -> Iterator[Callable[[], Any]]:
    """A sandbox at `moment` that the settings point to; gives what it says was removed of the last days."""
    with running(
        build_app(World(scale=8, now=lambda: moment), faults=FaultPlan.parse(faults) if faults else None)
    ) as url:
        for name, value in httpx.get(f"{url}/watch").json()["reddit"].items():
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            monkeypatch.setenv(f"PIPELINE_REDDIT__{name.upper()}", text)
        span = {"from": str((BEFORE - timedelta(days=2)).date()), "to": str(NOW.date())}
        yield lambda: httpx.get(f"{url}/truth", params=span, timeout=60).json()["removed"]


def fetch(stores: Stores, moment: datetime, **more: Any) -> Intake:
    window = Window(moment - timedelta(days=1), moment + timedelta(hours=1))
    return take_in(stores, REDDIT, POSTS, window, run_id="run", now=moment, **more)


def fetch_before(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Intake:
    with sandbox(monkeypatch, BEFORE):
        intake = fetch(stores, BEFORE)
    assert intake.rechecked is not None
    assert intake.rechecked.collected.records == 0, "everything was received just now"
    return intake


def raw_rows(stores: Stores) -> pd.DataFrame:
    return stores.lake.read(RAW).set_index("record_id", drop=False)


def downstream(stores: Stores) -> pd.DataFrame:
    """The deduplicated rows that the raw table gives now."""
    raw = stores.lake.read(RAW)
    rows = clean(raw, POSTS, CLEANED, pseudonymiser(b"key")).rows
    days = sorted(set(raw["event_date"]))
    return dedup_documents(rows, rows.iloc[:0], days, lookback_days=3).set_index("document_id")


def test_what_is_deleted_upstream_is_deleted_in_every_layer(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fetch_before(stores, monkeypatch)
    before, shown = raw_rows(stores), downstream(stores)
    with sandbox(monkeypatch, NOW) as truth:
        removed = {row["record_id"] for row in truth()} & set(before.index)
        later = fetch(stores, NOW)
    assert removed
    assert all(shown.loc[name, "title"] for name in removed)
    assert later.failures == []
    assert later.rechecked is not None
    assert later.rechecked.removed == len(removed)
    assert later.rechecked.collected.records == first.merged.inserted
    assert set(later.rechecked.changed) >= {before.loc[name, "event_date"] for name in removed}

    after, rows = raw_rows(stores), downstream(stores)
    assert set(before.index) <= set(after.index)
    for name in removed:
        held = orjson.loads(before.loc[name, "payload"])
        for content in (held["title"], held["selftext"], held["permalink"], held["author"]):
            assert content not in after.loc[name, "payload"]
        assert after.loc[name, "event_time"] == before.loc[name, "event_time"]
        row = rows.loc[name]
        assert row["is_deleted"]
        assert row["event_date"] == shown.loc[name, "event_date"]
        assert row[["title", "text", "author_id", "image_url"]].isna().all()
    stayed = set(before.index) - removed
    assert (after.loc[sorted(stayed), "payload_hash"] == before.loc[sorted(stayed), "payload_hash"]).all()


def test_what_was_checked_is_left_alone_for_a_day(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the payload came unchanged, so that the raw table still has the old capture."""
    fetch_before(stores, monkeypatch)
    with sandbox(monkeypatch, NOW):
        fetch(stores, NOW)
        again = fetch(stores, NOW + timedelta(minutes=15))
    assert again.rechecked is not None
    assert (again.rechecked.collected.records, again.rechecked.waiting) == (0, 0)


def test_a_fetch_checks_a_batch_longest_unseen_first(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    total = fetch_before(stores, monkeypatch).merged.inserted
    monkeypatch.setattr(recheck, "RECHECK_BATCH", 200)
    waiting = []
    with sandbox(monkeypatch, NOW):
        for number in range(total // 200 + 1):
            intake = fetch(stores, NOW + timedelta(minutes=number))
            assert intake.rechecked is not None
            waiting.append(intake.rechecked.waiting)
    assert waiting == [max(total - 200 * (number + 1), 0) for number in range(len(waiting))]


def test_a_check_that_fails_is_owed_and_costs_the_fetch_nothing(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_before(stores, monkeypatch)
    known = set(raw_rows(stores).index)
    with sandbox(monkeypatch, NOW, "reddit/api/info:503"):
        intake = fetch(stores, NOW)
    assert [failure.target for failure in intake.failures] == [RECHECK_TARGET]
    assert intake.collected.failures == []
    assert set(raw_rows(stores).index) > known, "the posts of the fetch came"
    (letter,) = stores.warehouse.dead_letters()
    assert (letter.target, letter.error_class) == (RECHECK_TARGET, "Transient")
    with sandbox(monkeypatch, NOW) as truth:
        removed = {row["record_id"] for row in truth()} & known
        (outcome,) = replay(stores, run_id="again", progress=lambda _: None)
    assert (outcome.healed, outcome.error) == (True, None)
    assert outcome.records == len(known)
    rows = raw_rows(stores)
    assert all(POSTS.parse(orjson.loads(rows.loc[name, "payload"]))["is_deleted"] for name in removed)
    assert stores.warehouse.dead_letters() == []


def test_what_came_before_the_failure_counts_as_checked(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    total = fetch_before(stores, monkeypatch).merged.inserted

    def cut_off(fetch: Fetch[Any], known: Sequence[Known]) -> Iterator[Page]:
        assert POSTS.recheck is not None
        yield next(POSTS.recheck(fetch, known))
        raise Permanent("the second page does not come")

    with sandbox(monkeypatch, NOW):
        broken = replace(POSTS, recheck=cut_off)
        window = Window(NOW - timedelta(days=1), NOW + timedelta(hours=1))
        intake = take_in(stores, REDDIT, broken, window, run_id="run", now=NOW)
        assert intake.rechecked is not None
        assert intake.rechecked.collected.records == 300, "three parts that fail are enough"
        assert len(intake.failures) == intake.buried == 1
        rest = fetch(stores, NOW + timedelta(minutes=1))
    assert rest.rechecked is not None
    assert (rest.rechecked.collected.records, rest.rechecked.held_back) == (total - 300, 0)
    assert rest.healed == 1


def test_a_record_that_the_upstream_cannot_answer_for_holds_up_no_other(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told apart from the others in smaller and smaller parts, and stays owed."""
    total = fetch_before(stores, monkeypatch).merged.inserted
    poison = max(raw_rows(stores).index)
    asked: list[int] = []

    def stumbles(fetch: Fetch[Any], known: Sequence[Known]) -> Iterator[Page]:
        asked.append(len(known))
        if poison in {one.record_id for one in known}:
            raise Permanent("the upstream does not like one of these")
        yield from POSTS.recheck(fetch, known) if POSTS.recheck else ()

    broken, outcomes = replace(POSTS, recheck=stumbles), []
    with sandbox(monkeypatch, NOW):
        for later in (0, 0.5, 1, 2, 5, 10, 21):
            moment = NOW + timedelta(hours=later)
            window = Window(moment - timedelta(days=1), moment)
            intake = take_in(stores, REDDIT, broken, window, run_id="run", now=moment)
            assert intake.rechecked is not None
            found = intake.rechecked
            outcomes.append((found.collected.records, found.held_back, len(found.collected.failures), asked.copy()))
            asked.clear()
    rest = total % 100 or 100
    assert outcomes[0][:3] in {(total - 100, 0, 1), (total - rest, 0, 1)}
    missing = total - outcomes[0][0]
    assert outcomes[1] == (0, missing, 0, [])
    assert outcomes[2][0] >= missing - 10
    assert max(outcomes[2][3]) <= 10
    few = missing - outcomes[2][0]
    assert outcomes[3] == (0, few, 0, [])
    assert outcomes[4] == (few - 1, 0, 1, [1] * few), "now it stands alone"
    assert outcomes[5] == (0, 1, 0, [])
    assert outcomes[6] == (0, 0, 1, [1])
    assert {letter.target for letter in stores.warehouse.dead_letters()} == {RECHECK_TARGET}


def test_an_upstream_that_charges_is_asked_for_no_more_than_was_set(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = fetch_before(stores, monkeypatch).merged.inserted
    window = Window(NOW - timedelta(days=1), NOW + timedelta(hours=1))
    with sandbox(monkeypatch, NOW):
        for most in (30, 0):
            dear = replace(POSTS, recheck_most=lambda _, most=most: most)
            intake = take_in(stores, REDDIT, dear, window, run_id="run", now=NOW)
            assert intake.rechecked is not None
            assert intake.rechecked.collected.records == most
    assert intake.rechecked.waiting == total - 30


def test_an_upstream_that_answers_for_nothing_is_not_asked_for_everything(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_before(stores, monkeypatch)
    asked: list[int] = []

    def refuses(_fetch: Fetch[Any], known: Sequence[Known]) -> Iterator[Page]:
        asked.append(len(known))
        raise Permanent("not today")
        yield

    with sandbox(monkeypatch, NOW):
        window = Window(NOW - timedelta(days=1), NOW + timedelta(hours=1))
        take_in(stores, REDDIT, replace(POSTS, recheck=refuses), window, run_id="run", now=NOW)
    assert asked == [100] * 3


def test_an_upstream_that_gives_nothing_is_not_asked_to_check(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_before(stores, monkeypatch)
    with sandbox(monkeypatch, NOW, "reddit:403"):
        intake = fetch(stores, NOW)
    assert intake.rechecked is None
    assert RECHECK_TARGET not in {failure.target for failure in intake.failures}


def test_one_target_alone_is_fetched_without_a_check(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_before(stores, monkeypatch)
    with sandbox(monkeypatch, NOW):
        intake = fetch(stores, NOW, targets=["shipitfriday"])
    assert intake.collected.whole == ["shipitfriday"]
    assert intake.rechecked is None


def test_a_letter_of_a_stream_that_checks_no_more_says_so(stores: Stores) -> None:
    stores.warehouse.bury(
        [
            DeadLetter(
                source="openweather",
                stream="openweather_current",
                target=RECHECK_TARGET,
                window=Window(NOW - timedelta(days=1), NOW),
                request={},
                error_class="Transient",
                message="",
                attempts=1,
                traceback="",
                run_id="run",
                failed_at=NOW,
            )
        ]
    )
    (outcome,) = replay(stores, run_id="again", progress=lambda _: None)
    assert not outcome.healed
    assert "no longer checks its records again" in str(outcome.error)
