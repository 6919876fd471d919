"""What Dagster is told of a re-check: counts, and the days on which something changed, also those not asked for."""

from datetime import timedelta

import dagster as dg
import pytest

from pipeline_platform.defs.raw import raw_asset
from pipeline_platform.defs.resources import LakeIOManager, StoresResource
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.operate.test_recheck import (
    BEFORE,
    NOW,
    POSTS,
    REDDIT,
    fetch_before,
    raw_rows,
    sandbox,
)


def test_days_that_a_re_check_changed_are_reported(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_before(stores, monkeypatch)
    held = raw_rows(stores)
    resource = StoresResource()
    with sandbox(monkeypatch, NOW) as truth:
        removed = {row["record_id"] for row in truth()} & set(held.index)
        result = dg.materialize(
            [raw_asset(REDDIT, POSTS)],
            partition_key=NOW.date().isoformat(),
            resources={"stores": resource, "lake_io": LakeIOManager(stores=resource)},
        )
    assert result.success
    told = {
        event.partition: event.step_materialization_data.materialization
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    }
    changed = {held.loc[name, "event_date"].isoformat() for name in removed}
    assert changed
    assert changed <= set(told)
    assert (NOW - timedelta(days=30)).date().isoformat() not in told
    metadata = told[NOW.date().isoformat()].metadata
    assert metadata["rechecked"].value == len(held)
    assert metadata["removed upstream"].value == len(removed)
    assert metadata["waiting for a re-check"].value == 0
    assert BEFORE.date().isoformat() in changed
