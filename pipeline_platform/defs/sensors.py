"""Sensors that start work by themselves, and the jobs that they start."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.operate.replay import replay

REPLAY_PAUSE = timedelta(hours=1)


@dg.op(
    config_schema={
        "source": dg.Field(str, is_required=False, description="Letters of this source only."),
        "ids": dg.Field([int], is_required=False, description="These letters only."),
    },
    description="Fetches again what open dead letters owe.",
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
