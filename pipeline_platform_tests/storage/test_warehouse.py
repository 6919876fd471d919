"""The warehouse in a real PostgreSQL: dead letters are owed until they are healed; fetches are kept."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_platform.sources.base import Window
from pipeline_platform.storage.servers import ServerUrls
from pipeline_platform.storage.warehouse import DeadLetter, Warehouse

START = datetime(2026, 11, 20, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(START, START + DAY)
LETTER = DeadLetter(
    source="town",
    stream="town_posts",
    target="pier",
    window=WINDOW,
    request={"method": "GET", "url": "https://town.example/posts", "params": {"page": 2}},
    error_class="Transient",
    message="town.example answered 503",
    attempts=3,
    traceback="Traceback …",
    run_id="run-1",
    failed_at=START + timedelta(hours=30),
)


def fetch(stream: str = "town_posts", **fields: Any) -> dict[str, Any]:
    return {
        "source": stream.partition("_")[0],
        "stream": stream,
        "run_id": "run",
        "started_at": START,
        "ended_at": START + timedelta(minutes=1),
        "records": 5,
        "inserted": 3,
        "updated": 1,
        "targets": 2,
        "failed_targets": 0,
        "error": None,
        **fields,
    }


def test_an_empty_warehouse_has_nothing_to_tell(warehouse: Warehouse) -> None:
    assert warehouse.dead_letters() == []
    assert warehouse.last_fetches() == []
    assert warehouse.bury([]) == 0


def test_a_letter_comes_back_as_it_was_buried(warehouse: Warehouse) -> None:
    assert warehouse.bury([LETTER]) == 1
    (found,) = warehouse.dead_letters()
    assert found.id is not None
    assert replace(found, id=None) == LETTER


def test_the_same_debt_is_one_letter_with_its_newest_error(warehouse: Warehouse) -> None:
    warehouse.bury([LETTER])
    again = replace(LETTER, error_class="Permanent", message="gone", attempts=1, run_id="run-2")
    warehouse.bury([again, replace(LETTER, target="tower"), replace(LETTER, window=Window(START, START + 2 * DAY))])
    found = {(letter.target, letter.window.end): letter for letter in warehouse.dead_letters()}
    assert len(found) == 3
    brought_up = found["pier", START + DAY]
    assert (brought_up.error_class, brought_up.message, brought_up.run_id) == ("Permanent", "gone", "run-2")
    assert brought_up.attempts == 4


def test_a_fetch_that_came_half_way_leaves_the_other_half_owed(warehouse: Warehouse) -> None:
    first, second, both = WINDOW, Window(START + DAY, START + 2 * DAY), Window(START, START + 2 * DAY)
    longer = Window(START - DAY, START + 2 * DAY)
    warehouse.bury([replace(LETTER, window=window) for window in (first, second, both, longer)])
    warehouse.bury([replace(LETTER, target="tower")])
    left = Window(START + 1.5 * DAY, START + 2 * DAY)
    assert warehouse.narrow("town", "town_posts", "pier", both, left) == 1
    found = {(letter.target, letter.window) for letter in warehouse.dead_letters()}
    assert found == {("pier", left), ("pier", longer), ("tower", WINDOW)}


def test_a_letter_is_looked_up_as_it_stands_now(warehouse: Warehouse) -> None:
    warehouse.bury([LETTER])
    (letter,) = warehouse.dead_letters()
    warehouse.narrow("town", "town_posts", "pier", WINDOW, Window(START + DAY / 2, START + DAY))
    assert warehouse.open_letter(letter) == replace(letter, window=Window(START + DAY / 2, START + DAY))
    warehouse.heal("town", "town_posts", "pier", WINDOW)
    assert warehouse.open_letter(letter) is None


def test_letters_are_healed_by_a_fetch_that_covers_them(warehouse: Warehouse) -> None:
    days = [Window(START + number * DAY, START + (number + 1) * DAY) for number in range(3)]
    warehouse.bury([replace(LETTER, window=window) for window in days])
    warehouse.bury([replace(LETTER, target="tower"), replace(LETTER, stream="town_comments")])
    assert warehouse.heal("town", "town_posts", "pier", Window(START, START + DAY / 2)) == 0
    assert warehouse.heal("town", "town_posts", "pier", Window(days[0].start, days[1].end)) == 2
    assert warehouse.heal("town", "town_posts", "pier", Window(days[0].start, days[1].end)) == 0
    still = {(letter.stream, letter.target, letter.window.start) for letter in warehouse.dead_letters()}
    assert still == {
        ("town_posts", "pier", days[2].start),
        ("town_posts", "tower", START),
        ("town_comments", "pier", START),
    }
    healed = warehouse.dead_letters(status="healed")
    assert {letter.window for letter in healed} == set(days[:2])
    assert {letter.status for letter in warehouse.dead_letters(status=None)} == {"open", "healed"}


def test_a_healed_debt_that_fails_again_is_a_new_letter(warehouse: Warehouse) -> None:
    warehouse.bury([LETTER])
    warehouse.heal("town", "town_posts", "pier", WINDOW)
    warehouse.bury([LETTER])
    assert [letter.attempts for letter in warehouse.dead_letters()] == [3]
    assert len(warehouse.dead_letters(status=None)) == 2


def test_letters_are_listed_newest_first_by_source_and_up_to_a_limit(warehouse: Warehouse) -> None:
    warehouse.bury([replace(LETTER, target=str(number)) for number in range(4)])
    warehouse.bury([replace(LETTER, source="harbour")])
    assert [letter.target for letter in warehouse.dead_letters(source="town")] == ["3", "2", "1", "0"]
    assert [letter.source for letter in warehouse.dead_letters(source="harbour")] == ["harbour"]
    assert len(warehouse.dead_letters(limit=2)) == 2


def test_the_last_fetch_and_the_last_success_of_each_stream(warehouse: Warehouse) -> None:
    warehouse.record_fetch(**fetch())
    warehouse.record_fetch(**fetch(ended_at=START + timedelta(hours=1), error="503", failed_targets=2))
    warehouse.record_fetch(**fetch("harbour_ships", error="404"))
    found = {row["stream"]: row for row in warehouse.last_fetches()}
    assert set(found) == {"town_posts", "harbour_ships"}
    assert found["town_posts"]["error"] == "503"
    assert found["town_posts"]["succeeded_at"] == START + timedelta(minutes=1)
    assert found["harbour_ships"]["succeeded_at"] is None


def test_two_first_uses_at_once_make_the_tables_once(fresh_servers: ServerUrls) -> None:
    opened = [Warehouse(fresh_servers.postgres) for _ in range(4)]
    barrier, failed = threading.Barrier(len(opened)), []

    def use(warehouse: Warehouse) -> None:
        barrier.wait(30)
        try:
            warehouse.bury([LETTER])
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=use, args=(warehouse,)) for warehouse in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert len(opened[0].dead_letters()) >= 1
    for warehouse in opened:
        warehouse.close()


@pytest.mark.parametrize("text", ["it's; drop table dead_letters; --", "%s %(x)s {}", "naïve ☂ \U0001f409", "a\nb\tc"])
def test_any_text_is_kept(warehouse: Warehouse, text: str) -> None:
    warehouse.bury([replace(LETTER, message=text, target=text, request={text: text})])
    (found,) = warehouse.dead_letters()
    assert (found.message, found.target, found.request) == (text, text, {text: text})


def test_fields_of_the_first_fetch_are_not_new_and_later_ones_are(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    span = now - timedelta(days=1), now + timedelta(days=1)
    warehouse.note_fields("rss_articles", {"a": 1, "b": 2})
    assert warehouse.fields_first_seen(*span) == {}
    warehouse.note_fields("rss_articles", {"a": 1, "d": 1, "c": 1})
    assert [fields for days in warehouse.fields_first_seen(*span).values() for fields in days.values()] == [["c", "d"]]
    assert warehouse.fields_first_seen(now + timedelta(days=1), now + timedelta(days=2)) == {}
