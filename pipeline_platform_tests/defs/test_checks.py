"""Contract checks in Dagster: a verdict per day, and what it means for what follows."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import orjson
import pytest

from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.storage.stores import Stores

STREAM = "coingecko_trending"
RAW, CLEANED = f"raw/{STREAM}", f"cleaned/{STREAM}"
FIRST = date(2026, 11, 20)
SECOND = FIRST + timedelta(days=1)
CHECK = dg.AssetCheckKey(dg.AssetKey(["cleaned", STREAM]), "contract")


def envelope(number: int, day: date, payload: object) -> dict[str, Any]:
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return {
        "record_id": f"coingecko:nonsense:{day}:{number}",
        "source": "coingecko",
        "stream": STREAM,
        "event_time": moment,
        "fetched_at": moment,
        "run_id": "test",
        "request": "{}",
        "payload": orjson.dumps(payload).decode(),
        "payload_hash": f"{day}{number}",
        "is_sandbox": True,
        "event_date": day,
    }


def store(stores: Stores, day: date, records: int) -> None:
    """Raw records of which no row can be made."""
    table = tables()[RAW]
    stores.lake.merge(table, table.frame([envelope(number, day, "nonsense") for number in range(records)]))


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, assets: list[str], first: date, last: date
) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def("backfill_range").execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(path.split("/")) for path in assets],
        tags=range_tags(first, last),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def status_of_days(instance: dg.DagsterInstance) -> dict[str | None, str]:
    history = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=20)
    return {record.partition: record.status.value for record in reversed(history)}


@pytest.fixture
def instance(stores: Stores) -> Any:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_a_run_over_several_days_tells_each_day(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    store(stores, SECOND, records=6)
    result = run(definitions, instance, [CLEANED, "deduplicated/trending"], FIRST, SECOND)
    assert not result.success
    assert status_of_days(instance) == {FIRST.isoformat(): "SUCCEEDED", SECOND.isoformat(): "FAILED", None: "FAILED"}
    made = {event.asset_key for event in result.all_events if event.is_step_materialization}
    assert made == {CHECK.asset_key}, "what follows a failed check must not be made"


def test_a_failed_check_says_what_was_rejected_and_why(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    store(stores, FIRST, records=6)
    result = run(definitions, instance, [CLEANED], FIRST, SECOND)
    (evaluation,) = [one for one in result.get_asset_check_evaluations() if one.partition is None]
    assert not evaluation.passed
    assert evaluation.blocking
    assert "wholly_rejected" in str(evaluation.description)
    assert evaluation.metadata["quarantined"].value == 6
    (sample, *_) = evaluation.metadata["quarantined, some"].records  # type: ignore[union-attr]
    assert sample.data["rule"] == "malformed"


@pytest.mark.parametrize(("records", "status"), [(0, "SUCCEEDED"), (6, "FAILED")])
def test_a_span_of_one_day_tells_its_day(
    records: int, status: str, stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    # Its check once stayed planned for ever, and with it everything downstream.
    store(stores, FIRST, records)
    run(definitions, instance, [CLEANED], FIRST, FIRST)
    assert status_of_days(instance)[FIRST.isoformat()] == status


def requested(definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: Any) -> Any:
    selection = dg.AssetSelection.assets(["deduplicated", "trending"])
    return dg.evaluate_automation_conditions(
        definitions,
        instance,
        asset_selection=selection,
        cursor=cursor,
    )


@pytest.mark.parametrize(("records", "follows"), [(0, True), (6, False)])
def test_what_follows_waits_for_the_check_and_not_for_other_sources(
    records: int, follows: bool, stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    # cleaned/github_trending, the other input, was never made: a source may be switched off.
    today = datetime.now(UTC).date()
    first = requested(definitions, instance, None)
    store(stores, today, records)
    run(definitions, instance, [CLEANED], today, today)
    second = requested(definitions, instance, first.cursor)
    days = second.get_requested_partitions(dg.AssetKey(["deduplicated", "trending"]))
    assert (today.isoformat() in days) is follows
