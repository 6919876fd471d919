"""Sensors: what an operator must hear of: failed runs, sources that went stale, letters that wait to be replayed."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.operate.replay import replay
from pipeline_platform.operate.staleness import stale_streams

REPLAY_PAUSE = timedelta(hours=1)


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Logs every failed run with the steps that failed, and keeps it as an alert.",
)
def failed_runs(context: dg.RunFailureSensorContext, stores: StoresResource) -> None:
    """One alert per failed run."""
    steps = [event.step_key or "" for event in context.get_step_failure_events()]
    message = (
        f"{context.dagster_run.job_name}: {context.failure_event.message} Failed steps: {', '.join(steps) or 'none'}"
    )
    context.log.error(message)
    stores.open.warehouse.alert("run_failed", context.dagster_run.run_id, message)


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Alerts when a stream had no successful fetch for three times its cadence.",
)
def stale_sources(context: dg.SensorEvaluationContext, stores: StoresResource) -> dg.SkipReason:
    """One alert per stream and last success; it starts no run."""
    stale = stale_streams(stores.open, datetime.now(UTC))
    for stream in stale:
        stores.open.warehouse.alert("stale", f"{stream.name}@{stream.succeeded_at}", stream.message)
        context.log.warning(stream.message)
    return dg.SkipReason(f"{len(stale)} stale streams" if stale else "every stream is fresh")


@dg.op(
    config_schema={
        "source": dg.Field(str, is_required=False, description="Letters of this source only."),
        "ids": dg.Field([int], is_required=False, description="These letters only."),
    },
    description="Fetches again what open dead letters owe.",
    tags=step_tags("raw"),
)
def replay_letters(context: dg.OpExecutionContext, stores: StoresResource) -> None:
    """Replay and tell each outcome."""
    outcomes = replay(
        stores.open,
        run_id=context.run_id,
        source=context.op_config.get("source"),
        ids=context.op_config.get("ids"),
        progress=lambda outcome: context.log.info(
            f"{outcome.letter.stream} {outcome.letter.target}: {'healed' if outcome.healed else outcome.error}"
        ),
    )
    for stream, day in sorted({(outcome.letter.stream, day) for outcome in outcomes for day in outcome.days}):
        context.log_event(dg.AssetMaterialization(asset_key=["raw", stream], partition=day.isoformat()))
    context.add_output_metadata({"healed": sum(o.healed for o in outcomes), "letters": len(outcomes)})


@dg.job(
    description="Replays open dead letters; start it from the launchpad, for one source or some letters if you like."
)
def replay_dead_letters() -> None:
    """Replay from the UI."""
    replay_letters()


@dg.sensor(
    job=replay_dead_letters,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a replay when letters have waited an hour since they last failed.",
)
def waiting_letters(stores: StoresResource) -> dg.RunRequest | dg.SkipReason:
    """One replay an hour at most, and none for what cannot heal by itself."""
    letters = stores.open.warehouse.dead_letters()
    ripe = [
        letter
        for letter in letters
        if letter.error_class != "Permanent" and letter.failed_at < datetime.now(UTC) - REPLAY_PAUSE
    ]
    if not ripe:
        return dg.SkipReason(f"{len(letters)} open dead letters, none ripe")
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    ids = [letter.id for letter in ripe]
    return dg.RunRequest(run_key=f"replay-{hour}", run_config={"ops": {"replay_letters": {"config": {"ids": ids}}}})
