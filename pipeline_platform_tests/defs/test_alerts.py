"""The sensor of the alerts against a real instance, real stores and a receiver of HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from benchmarks.webhook import webhook
from pipeline_platform.defs.alerts import broken_checks, tell
from pipeline_platform.defs.checks import CHECK_NAME
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.run_log import note_runs
from pipeline_platform.settings import Settings, SettingsError
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.run_log import RunLog
from pipeline_platform.storage.stores import Stores

TABLE = "cleaned/rss_articles"
DAY = datetime.now(UTC).date().isoformat()


@dg.job
def crossing() -> None:
    @dg.op
    def cross() -> None:
        raise ConnectionError("the bridge is closed")

    cross()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as opened:
        yield opened


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Texts that a webhook received."""
    with webhook() as (url, texts):
        monkeypatch.setenv("PIPELINE_ALERTS__SLACK_WEBHOOK_URL", url)
        yield texts


def configured(stores: Stores) -> Stores:
    """The stores with the settings of the environment as they are now."""
    stores.settings = Settings(**(stores.settings.model_dump() | {"alerts": Settings(_env_file=None).alerts}))
    return stores


def fail(instance: dg.DagsterInstance, stores: Stores, times: int) -> None:
    for _ in range(times):
        crossing.execute_in_process(instance=instance, raise_on_error=False)
    note_runs(instance, RunLog(stores.warehouse))


def judged(instance: dg.DagsterInstance, day: str, *, passed: bool) -> None:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(TABLE.split("/")),
        check_name=CHECK_NAME,
        passed=passed,
        description=f"Broken on {day}",
        partition=day,
        blocking=True,
    )

    @dg.op
    def judge(context: dg.OpExecutionContext) -> None:
        context.log_event(evaluation)  # type: ignore[arg-type] # taken, yet not declared

    @dg.job
    def judging() -> None:
        judge()

    judging.execute_in_process(instance=instance)


def test_the_third_failure_in_a_row_is_told_once(
    instance: dg.DagsterInstance, stores: Stores, slack: list[str]
) -> None:
    stores = configured(stores)
    now = datetime.now(UTC)
    fail(instance, stores, 2)
    assert tell(instance, stores, now).fired == []
    fail(instance, stores, 1)
    (incident,) = tell(instance, stores, now + timedelta(minutes=1)).fired
    assert (incident.rule, incident.subject, incident.severity) == ("job_failing", "crossing", "critical")
    tell(instance, stores, now + timedelta(minutes=2))
    (text,) = slack
    assert "crossing failed 3 times in a row. Last: the bridge is closed" in text.replace("ConnectionError: ", "")


def test_a_channel_that_fails_fails_no_evaluation_and_is_told_of(
    instance: dg.DagsterInstance, stores: Stores, slack: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_ALERTS__PAGERDUTY_ROUTING_KEY", "R0UT1NGK3Y")
    monkeypatch.setenv("PIPELINE_ALERTS__PAGERDUTY_URL", "http://127.0.0.1:9/v2/enqueue")
    stores = configured(stores)
    now = datetime.now(UTC)
    fail(instance, stores, 3)
    outcomes = [tell(instance, stores, now + timedelta(minutes=5 * step)) for step in range(4)]
    assert outcomes[0].told == {"slack": 1, "pagerduty": None}
    assert any("alerts do not get through by pagerduty" in text for text in slack)
    (state,) = (one for one in IncidentLog(stores.warehouse).channels() if one.name == "pagerduty")
    assert state.failures >= 3


def test_without_a_channel_alerts_are_kept_and_nobody_is_told(instance: dg.DagsterInstance, stores: Stores) -> None:
    fail(instance, stores, 3)
    outcome = tell(instance, stores, datetime.now(UTC))
    assert outcome.told == {}
    assert [one.subject for one in IncidentLog(stores.warehouse).incidents()] == ["crossing"]


def test_a_contract_is_broken_for_the_days_of_which_the_newest_verdict_says_so(
    instance: dg.DagsterInstance, definitions: dg.Definitions
) -> None:
    now = datetime.now(UTC) + timedelta(minutes=1)
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    assert broken_checks(instance, now) == []
    judged(instance, yesterday, passed=False)
    judged(instance, DAY, passed=False)
    judged(instance, DAY, passed=True)
    (broken,) = broken_checks(instance, now)
    assert (broken.table, list(broken.days)) == (TABLE, [yesterday])
    judged(instance, yesterday, passed=True)
    assert broken_checks(instance, now) == []


def test_redis_that_does_not_answer_is_an_alert_and_not_an_error(instance: dg.DagsterInstance, stores: Stores) -> None:
    stores.settings = Settings(**(stores.settings.model_dump() | {"redis_url": "redis://127.0.0.1:9/0"}))
    outcome = tell(instance, stores, datetime.now(UTC))
    assert [(one.rule, one.subject) for one in outcome.fired] == [("store_unreachable", "Redis")]


def test_labelled_texts_in_the_inbox_are_told_until_they_are_moved_away(
    instance: dg.DagsterInstance, stores: Stores
) -> None:
    folder = stores.settings.home / "inbox" / "labels"
    folder.mkdir(parents=True)
    (folder / "town.tsv").write_text("positive\tfair winds")
    now = datetime.now(UTC)
    (incident,) = tell(instance, stores, now).fired
    assert (incident.rule, incident.severity) == ("labels_waiting", "info")
    assert "town.tsv" in incident.message
    (folder / "town.tsv").unlink()
    assert len(tell(instance, stores, now + timedelta(minutes=6)).resolved) == 1


def test_the_sensor_starts_nothing_and_says_what_it_did(
    instance: dg.DagsterInstance, stores: Stores, definitions: dg.Definitions
) -> None:
    sensor = definitions.resolve_sensor_def("alerts")
    with dg.build_sensor_context(instance=instance, resources={"stores": StoresResource()}) as context:
        answer = sensor.evaluate_tick(context)
    assert answer.run_requests == []
    assert "0 new, 0 resolved" in str(answer.skip_message)


def test_a_rule_that_does_not_exist_is_refused_when_definitions_load(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_platform.defs.alerts import alerting

    monkeypatch.setenv("PIPELINE_ALERTS__SEVERITIES", '{"no_rule": "off"}')
    with pytest.raises(SettingsError, match="no_rule"):
        alerting()
