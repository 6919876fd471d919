"""Every aggregate has a plot, and it is a small picture whatever the table holds."""

import base64
import io
import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from PIL import Image

from pipeline_platform.aggregate.registry import AGGREGATES, Input
from pipeline_platform.defs import plots
from pipeline_platform.defs.aggregate_plots import PLOTS
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.table import Table

LAST = date(2026, 11, 20)
DAYS = [LAST - timedelta(days=ago) for ago in range(59, -1, -1)]
LARGEST = 60_000
"""Bytes of a plot in the event log."""
PICTURE = re.compile(r"!\[[^\]\n]*\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")

every_plot = pytest.mark.parametrize("path", [aggregate.table for aggregate in AGGREGATES])

NAMED: dict[str, list[Any]] = {
    "channel": ["*", "a"],
    "source": ["*", "rss", "reddit", "日本語", "$x_{$"],
    "scheme": ["taxonomy", "discovered"],
    "direction": ["up", "down"],
    "measure": ["canonical_documents", "close", "temperature_mean_c"],
    "step": ["1h", "1d"],
    "model": ["ets"],
    "subject": ["*", "rss", "crypto:BTC", "<script>alert(1)</script> " + "long " * 30],
}


def made(table: Table, length: int) -> pd.DataFrame:
    """Rows of any values that the types allow with unique keys, over all days, the last one first."""
    dice = random.Random(table.path)

    def value(name: str, of: str, day: date) -> Any:
        if name == "event_date":
            return day
        if name in NAMED:
            return dice.choice(NAMED[name])
        if of.startswith("timestamp"):
            return datetime(day.year, day.month, day.day, dice.randrange(24), tzinfo=UTC)
        if of == "string":
            return f"{name} {dice.randrange(200)}"
        if of.startswith("list"):
            return []
        if of == "bool":
            return dice.random() < 0.5
        if of.startswith("date"):
            return day
        number = dice.uniform(-1, 1) * 10 ** dice.randrange(6)
        return dice.randrange(100_000) if of == "int64" else number

    types = {name: str(column.dtype.type.pyarrow_dtype) for name, column in table.schema.columns.items()}
    rows = [{name: value(name, of, DAYS[-1 - at % len(DAYS)]) for name, of in types.items()} for at in range(length)]
    return table.frame(rows).drop_duplicates(list(table.key), ignore_index=True)


def nulls(table: Table, length: int) -> pd.DataFrame:
    return table.frame([{"event_date": LAST}] * length)


def drawn(path: str, rows: Callable[[Table], pd.DataFrame], days: list[date]) -> str:
    def read(one: Input) -> pd.DataFrame:
        held = rows(tables()[one.table])
        return held[list(one.columns)] if one.columns else held

    whole = rows(tables()[path])
    ours = whole[whole["event_date"].isin(days).to_numpy(dtype=bool)]
    return str(PLOTS[path].of(path, ours, days, read).md_str)


def test_every_aggregate_has_a_plot_and_nothing_else_has() -> None:
    assert list(PLOTS) == [aggregate.table for aggregate in AGGREGATES]


@every_plot
def test_a_plot_names_columns_of_its_tables(path: str) -> None:
    plot = PLOTS[path]
    assert set(plot.columns) < set(tables()[path].columns)
    for one in plot.frames.values():
        assert set(one.columns or ()) <= set(tables()[one.table].columns)


@every_plot
@pytest.mark.parametrize(
    "rows",
    [
        lambda table: table.empty(),
        lambda table: made(table, 1),
        lambda table: nulls(table, 1),
        lambda table: nulls(table, 30),
        lambda table: made(table, 3_000),
    ],
    ids=["empty", "one row", "one null", "nulls", "many"],
)
def test_a_plot_is_small_pictures_of_whatever_there_is(path: str, rows: Callable[[Table], pd.DataFrame]) -> None:
    for days in (DAYS, DAYS[-1:]):
        told = drawn(path, rows, days)
        assert PICTURE.sub("", told).strip() == "", "pictures and nothing else"
        assert len(told) < LARGEST
        for found in PICTURE.finditer(told):
            picture = Image.open(io.BytesIO(base64.b64decode(found[1])))
            assert 500 <= picture.width <= 660
            assert picture.height <= 600


@every_plot
def test_a_plot_is_the_same_whatever_the_order_of_rows(path: str) -> None:
    def shuffled(table: Table) -> pd.DataFrame:
        return made(table, 300).sample(frac=1, random_state=1, ignore_index=True)

    def ordered(table: Table) -> pd.DataFrame:
        return shuffled(table).sort_values(list(table.key), ignore_index=True)

    assert drawn(path, shuffled, DAYS) == drawn(path, ordered, DAYS)


@every_plot
def test_what_was_stored_of_earlier_days_is_drawn_too(path: str) -> None:
    """A run of one day shows what a run of all days shows: the days that it did not make are read."""
    rows = made(tables()[path], 600)
    is_last = (rows["event_date"] == LAST).to_numpy(dtype=bool)

    def read(one: Input) -> pd.DataFrame:
        held = rows if one.table == path else made(tables()[one.table], 300)
        return held[list(one.columns)] if one.columns else held

    whole = PLOTS[path].of(path, rows, DAYS, read)
    alone = PLOTS[path].of(path, rows[is_last], [LAST], read)
    first = LAST - timedelta(days=PLOTS[path].days_before)
    assert len(rows[(rows["event_date"] >= first).to_numpy(dtype=bool)]) > PLOTS[path].days_before
    assert alone == whole


@pytest.mark.parametrize("length", [1, 60])
def test_a_run_draws_once(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: list[str] = []
    real = plots.picture
    monkeypatch.setattr(plots, "picture", lambda *given, **more: pictures.append("one") or real(*given, **more))
    drawn("aggregated/entity_daily", lambda table: made(table, 300), DAYS[-length:])
    assert len(pictures) == 1


def test_the_plot_stands_in_the_metadata_of_the_asset(definitions: dg.Definitions, stores: Any) -> None:
    key = dg.AssetKey(["aggregated", "cross_domain_daily"])
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("backfill_range").execute_in_process(
            instance=instance,
            asset_selection=[key],
            tags={
                "dagster/asset_partition_range_start": str(LAST),
                "dagster/asset_partition_range_end": str(LAST),
            },
        )
    (event,) = result.asset_materializations_for_node("aggregated__cross_domain_daily")
    assert PICTURE.search(str(event.metadata["plot"].value))
