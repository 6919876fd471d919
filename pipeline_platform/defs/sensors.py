"""Sensors that start work by themselves, and the jobs that they start."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.schedules import fetch_jobs
from pipeline_platform.defs.steps import observed
from pipeline_platform.operate.cadence import cadences, days_to_fetch, is_fetched
from pipeline_platform.operate.replay import replay
from pipeline_platform.settings import source_settings
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.errors import Permanent, QuotaExhausted
from pipeline_platform.sources.limits import usages
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.sources.rss import SOURCE as RSS
from pipeline_platform.sources.rss import feeds_of_inbox, inbox_files
from pipeline_platform.storage.fetch_facts import stream_facts
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

REPLAY_PAUSE = timedelta(hours=1)
MOST_LETTERS = 200
"""Letters of one replay, the oldest ones; the rest follows."""
MOST_REPAIRS = 3
"""Sources whose missing days are fetched at once."""
SETTLED_SECONDS = 5
"""A file that changed later may still be written."""


@dg.op(
    config_schema={
        "source": dg.Field(str, is_required=False, description="Letters of this source only."),
        "ids": dg.Field([int], is_required=False, description="These letters only."),
    },
    description="Fetches again what open dead letters owe.",
    tags=step_tags("raw"),
)
@observed
def replay_letters(context: dg.OpExecutionContext, stores: StoresResource) -> None:
    """Replay and tell each outcome."""
    source = context.op_config.get("source")
    if source is not None and source not in {known.name for known in SOURCES}:
        raise dg.Failure(f"there is no source {source}", allow_retries=False)
    outcomes = replay(
        stores.open,
        run_id=context.run_id,
        source=source,
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
    description="Starts a replay when letters have waited an hour, or the quota that they lacked is there again.",
)
def waiting_letters(stores: StoresResource) -> dg.RunRequest | dg.SkipReason:
    """One replay an hour and reset at most, and none for what cannot heal by itself."""
    letters = stores.open.warehouse.dead_letters()
    ripe = ripe_letters(stores.open, letters, datetime.now(UTC))
    if not ripe:
        return dg.SkipReason(f"{len(letters)} open dead letters, none ripe")
    hour = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    ids = sorted(letter.id for letter in ripe if letter.id is not None)[:MOST_LETTERS]
    return dg.RunRequest(run_key=f"replay-{hour}", run_config={"ops": {"replay_letters": {"config": {"ids": ids}}}})


def ripe_letters(stores: Stores, letters: Sequence[DeadLetter], now: datetime) -> list[DeadLetter]:
    """Letters that may heal now: not what is permanent, and what lacked a quota only once there is some left.

    A daily quota is there again after midnight UTC, without waiting for the hour.
    """
    ripe = []
    used = usages([(source, source_settings(source)) for source in SOURCES], stores.redis)
    left = {source.name: one.remaining for source, one in zip(SOURCES, used, strict=True)}
    for letter in letters:
        waited = letter.failed_at < now - REPLAY_PAUSE
        if letter.error_class == QuotaExhausted.__name__:
            daily = left.get(letter.source)
            reset = daily is not None and letter.failed_at.date() < now.date()
            if daily != 0 and (waited or reset):
                ripe.append(letter)
        elif waited and letter.error_class != Permanent.__name__:
            ripe.append(letter)
    return ripe


@dg.sensor(
    jobs=list(fetch_jobs().values()),
    minimum_interval_seconds=1800,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fetches days of the last week that were never fetched, where the upstream still has them.",
)
def missing_days(context: dg.SensorEvaluationContext, stores: StoresResource) -> list[dg.RunRequest] | dg.SkipReason:
    """A run per source and day of trying at most, for a few sources at once, none while the source is fetched."""
    requests: list[dg.RunRequest] = []
    today = datetime.now(UTC).date()
    for source in SOURCES:
        if len(requests) == MOST_REPAIRS:
            break
        missing = _missing(context.instance, stores.open, source, today)
        if not missing or _is_fetched_now(context.instance, source):
            continue
        days = sorted({day for missed in missing.values() for day in missed})
        requests.append(
            dg.RunRequest(
                run_key=f"repair-{source.name}-{days[0]}-{days[-1]}-{today}",
                job_name=f"fetch_{source.name}",
                tags={**range_tags(days[0], days[-1]), "pipeline_platform/repair": "missing days"},
                asset_selection=[dg.AssetKey([layer, name]) for name in missing for layer in ("raw", "cleaned")],
            )
        )
    return requests or dg.SkipReason("no day is missing that an upstream still has")


def _missing(instance: dg.DagsterInstance, stores: Stores, source: Source, today: date) -> dict[str, list[date]]:
    """Whole days without a successful fetch of the replayable streams of a source, since it was first fetched."""
    if not is_fetched(source, stores.settings):
        return {}
    settings = source_settings(source)
    streams = [one for one in source.streams if one.history == "replayable" and one.targets(settings)]
    known = stream_facts(stores.warehouse, [(source.name, stream.name) for stream in streams])
    earliest = max(today - timedelta(days=stores.settings.repair_days), stores.settings.start_date)
    missing = {}
    for facts in known:
        first = max(earliest, facts.first_at.date())
        made = instance.get_materialized_partitions(dg.AssetKey(["raw", facts.stream]))
        days = [first + timedelta(days=number) for number in range((today - first).days)]
        if missed := [day for day in days if day.isoformat() not in made]:
            missing[facts.stream] = missed
    return missing


def _is_fetched_now(instance: dg.DagsterInstance, source: Source) -> bool:
    unfinished = dg.RunsFilter(job_name=f"fetch_{source.name}", statuses=list(NOT_FINISHED_STATUSES))
    return bool(instance.get_run_ids(unfinished, limit=1))


@dg.sensor(
    job=fetch_jobs()[RSS.name],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fetches the feeds at once when an OPML file or a list of addresses is put into the inbox.",
)
def feed_lists(context: dg.SensorEvaluationContext, stores: StoresResource) -> dg.RunRequest | dg.SkipReason:
    """A run for every new state of the folder; files that cannot be read are told in the log, and change nothing."""
    inbox = source_settings(RSS).inbox
    if not inbox:
        return dg.SkipReason("PIPELINE_RSS__INBOX is not set")
    folder = Path(inbox)
    now = datetime.now(UTC)
    files = [(path.name, path.stat()) for path in inbox_files(folder)]
    if any(now.timestamp() - stat.st_mtime < SETTLED_SECONDS for _, stat in files):
        return dg.SkipReason("a file is still being written")
    state = hashlib.sha256(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]).encode()).hexdigest()
    if state == context.cursor or (not files and context.cursor is None):
        return dg.SkipReason(f"{len(files)} files in {folder}, nothing new")
    context.update_cursor(state)
    feeds, problems = feeds_of_inbox(folder)
    for path, problem in problems.items():
        context.log.warning(f"{path.name}: {problem}")
    if not is_fetched(RSS, stores.open.settings) or not any(feeds.values()):
        return dg.SkipReason(f"no feed in {folder}, or RSS is switched off")
    (cadence, *_) = cadences(RSS, stores.open.settings)
    return dg.RunRequest(
        run_key=f"inbox-{state}", tags=range_tags(*days_to_fetch(cadence, [], stores.open.settings, now))
    )
