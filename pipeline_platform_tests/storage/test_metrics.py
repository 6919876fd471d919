"""Counters and gauges of the warehouse: counters only grow, gauges are those of the newest moment."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_platform.storage.metrics import Measure, add, forget, note, stored
from pipeline_platform.storage.warehouse import Warehouse

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOWN = {"source": "town", "layer": "raw"}


def values(warehouse: Warehouse) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with warehouse.begin() as connection:
        every = [one for named in stored(connection).values() for one in named]
        return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in every}


def test_a_counter_adds_up_by_labels(warehouse: Warehouse) -> None:
    with warehouse.begin() as connection:
        add(
            connection, [Measure("rows", 2, TOWN), Measure("rows", 3, dict(reversed(TOWN.items()))), Measure("rows", 0)]
        )
    with warehouse.begin() as connection:
        add(connection, [Measure("rows", 1, TOWN)])
    assert values(warehouse) == {("rows", ()): 0, ("rows", (("layer", "raw"), ("source", "town"))): 6}


def test_a_counter_never_goes_down(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="never goes down"), warehouse.begin() as connection:
        add(connection, [Measure("rows", -1)])


def test_what_is_undone_was_not_counted(warehouse: Warehouse) -> None:
    with warehouse.begin() as connection:
        add(connection, [Measure("rows", 5)])
        connection.rollback()
    assert values(warehouse) == {}


def test_a_gauge_is_that_of_the_newest_moment(warehouse: Warehouse) -> None:
    for hours, value in ((1, 10), (3, 30), (2, 20)):
        with warehouse.begin() as connection:
            note(connection, [Measure("score", value, at=NOON + timedelta(hours=hours))])
    assert values(warehouse) == {("score", ()): 30}
    with warehouse.begin() as connection:
        forget(connection, "score", NOON + timedelta(hours=4))
    assert values(warehouse) == {}


def test_many_who_count_at_once_lose_nothing(warehouse: Warehouse) -> None:
    names = ["a", "b", "c"]

    def count(order: int) -> None:
        for _ in range(20):
            with warehouse.begin() as connection:
                add(connection, [Measure(name, 1) for name in names[::order]])

    threads = [threading.Thread(target=count, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(warehouse) == {(name, ()): 80 for name in names}
