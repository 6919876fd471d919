"""The main job: fetch to export over a span of days, in three Dagster runs in this process.

The first run fetches and cleans, source by source; the second does what joins sources; the third looks at all of it.
Between the first two it is known which sources failed: what failed to come leaves the tables as they were and does not
hold up the rest, what came before a failure is cleaned in a run of its own, what came but broke its contract stops
everything made from its kind. The third never waits for what failed, since it is there to tell.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from dagster._core.execution.api import execute_run_iterator
from dagster._core.utils import make_new_run_id
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import DBAPIError

from pipeline_platform.defs.alerts import tell
from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.defs.run_log import note_runs
from pipeline_platform.defs.runs import close_abandoned, kept_alive
from pipeline_platform.launch.instance import command_instance
from pipeline_platform.launch.location import job_recipe, loaded_definitions
from pipeline_platform.operate import tracing
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import Settings, missing_credentials, source_settings
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.run_log import RunLog
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

FETCHING_LAYERS = ("raw", "cleaned")
OBSERVING_LAYER = "quality"
JOB = "backfill_range"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Progress and report say on the terminal what matters; the UI keeps every event."""


@dataclass(frozen=True)
class Request:
    """What to run: days, some sources (all enabled ones by default), some assets (all by default)."""

    first: date
    last: date
    sources: tuple[str, ...] = ()
    select: str | None = None


@dataclass
class Report:
    """How it went."""

    request: Request
    seconds: float = 0.0
    run_ids: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    changed: dict[str, bool] = field(default_factory=dict)
    checks_passed: int = 0
    failed_checks: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    failed_steps: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    skipped_sources: dict[str, str] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    abandoned: list[str] = field(default_factory=list)
    alerts: dict[str, str] = field(default_factory=dict)
    lost: str | None = None
    interrupted: bool = False

    @property
    def succeeded(self) -> bool:
        """Everything that was asked for was done."""
        return not (
            self.failed_checks
            or self.failed_steps
            or self.blocked
            or self.skipped_sources
            or self.dead_letters
            or self.lost
            or self.interrupted
        )


@dataclass(frozen=True)
class Progress:
    """Told while the job runs: `done` of `total` assets, and what just happened to one of them.

    `event` is started, done, failed, skipped or retried.
    """

    done: int
    total: int
    step: str
    event: str
    rows: int | None = None
    problem: str | None = None


SELECTIONS = "write it as 'group:raw', 'key:\"cleaned/reddit_posts\"+' or 'tag:source=reddit'"


class UnknownSelectionError(ValueError):
    """The selection names no asset, or is not in Dagster's selection syntax."""


class MainJob:
    """Runs the main job and reports.

    Args:
        tell: told of progress.
        stopped: says whether the command was told to stop.
    """

    def __init__(self, tell: Callable[[Progress], None], stopped: Callable[[], bool] = lambda: False) -> None:
        self.definitions = loaded_definitions()
        self.tell = tell
        self.stopped = stopped
        self.job = self.definitions.resolve_job_def(JOB)
        self.graph = self.job.asset_layer.asset_graph

    def run(self, request: Request, settings: Settings) -> Report:
        """Run it; failures are in the report.

        Args:
            request: what to run.
            settings: with the servers named, as `platform_environment` gives them.

        Raises:
            LakeError: the lake holds data of the other mode.
        """
        started = time.monotonic()
        report = Report(request)
        stores = Stores(settings)
        _ = stores.lake  # a lake of the other mode is refused before anything is fetched for it
        wanted = self._wanted(request, report)
        watcher = _Watcher(report, self.tell, wanted)
        tracing.configure(settings)
        asked = {"pipeline.partition": f"{request.first}..{request.last}"}
        try:
            with tracing.span("main job", asked), command_instance(settings.home) as instance:
                report.abandoned = close_abandoned(instance, settings.home)
                run = _Run(self, instance, settings, report, watcher)
                run.execute(self._fetching(wanted))
                run.execute(self._received_before_failure(report))
                run.execute(self._unblocked(self._deriving(wanted), report))
                run.execute(self._observing(wanted))
                note_runs(instance, RunLog(stores.warehouse))
                told = tell(instance, stores, datetime.now(UTC))
                report.alerts = {f"{one.rule} {one.subject}": one.message for one in told.fired}
            self._count(stores, report)
        except (DBAPIError, DagsterPostgresException) as error:
            # Everything is noted in PostgreSQL; without it nothing more can be done, nor told of what was.
            report.lost = str(getattr(error, "orig", error)).strip().splitlines()[0]
        report.seconds = time.monotonic() - started
        return report

    def selected(self, select: str | None) -> set[dg.AssetKey]:
        """The assets of a selection, all for None.

        Raises:
            UnknownSelectionError: it cannot be read or selects nothing.
        """
        try:
            chosen = dg.AssetSelection.from_string(select) if select else dg.AssetSelection.all()
            keys = set(chosen.resolve(self.graph))
        except dg.DagsterInvalidSubsetError:
            raise UnknownSelectionError(f"{select!r} names an asset that does not exist; {SELECTIONS}") from None
        except dg.DagsterError as error:
            raise UnknownSelectionError(f"{select!r} is not a selection ({error}); {SELECTIONS}") from None
        if not keys:
            raise UnknownSelectionError(f"{select!r} selects no asset; {SELECTIONS}")
        return keys

    def _wanted(self, request: Request, report: Report) -> set[dg.AssetKey]:
        keys = self.selected(request.select)
        for source in SOURCES:
            asked = not request.sources or source.name in request.sources
            missing = missing_credentials(source)
            if not (asked and source_settings(source).enabled and not missing):
                keys -= {key for key in keys if self._source_of(key) == source.name}
            if asked and missing and source_settings(source).enabled:
                report.skipped_sources[source.name] = f"set {', '.join(missing)}"
        return keys

    def _source_of(self, key: dg.AssetKey) -> str | None:
        return self.graph.get(key).tags.get("source")

    def _fetching(self, wanted: set[dg.AssetKey]) -> set[dg.AssetKey]:
        return {key for key in wanted if key.path[0] in FETCHING_LAYERS}

    def _deriving(self, wanted: set[dg.AssetKey]) -> set[dg.AssetKey]:
        return {key for key in wanted if key.path[0] not in FETCHING_LAYERS} - self._observing(wanted)

    def _observing(self, wanted: set[dg.AssetKey]) -> set[dg.AssetKey]:
        """What looks at the other tables: it must say how they are above all when some of them could not be made."""
        return set(dg.AssetSelection.groups(OBSERVING_LAYER).downstream().resolve(self.graph)) & wanted

    def _received_before_failure(self, report: Report) -> set[dg.AssetKey]:
        """Cleaned tables whose fetch failed: Dagster skips them, though records may have come before the failure."""
        failed = {path.replace("raw/", "cleaned/", 1) for path in report.failed_steps if path.startswith("raw/")}
        skipped = [path for path in report.blocked if path in failed]
        report.blocked = [path for path in report.blocked if path not in skipped]
        return {dg.AssetKey(path.split("/")) for path in skipped}

    def _unblocked(self, keys: set[dg.AssetKey], report: Report) -> set[dg.AssetKey]:
        """`keys` without what would be made of a kind whose cleaned table broke its contract or was not made.

        A broken contract stops the kind but for its quarantine, which shows what broke. A cleaned table that could not
        be made stops the quarantine alone: it would list every record as missing.
        """
        bad = {_kind(path) for path in report.failed_checks if path.startswith("cleaned/")}
        unmade = {_kind(path) for path in report.failed_steps if path.startswith("cleaned/")}
        roots = [["deduplicated", kind] for kind in sorted(bad)]
        held = set(dg.AssetSelection.assets(*roots).downstream().resolve(self.graph)) if roots else set()
        held = (held | {dg.AssetKey(["quarantine", kind]) for kind in unmade}) & keys
        report.blocked += sorted("/".join(key.path) for key in held)
        return keys - held

    def _count(self, stores: Stores, report: Report) -> None:
        first, last = report.request.first, report.request.last
        every = list(tables().values())
        counted = stores.lake.summarise(every, first, last)
        for table in every:
            mine = counted[(counted["layer"] == table.layer) & (counted["name"] == table.name)]
            report.rows[table.path] = int(mine["rows"].sum())
            if table.layer == "quarantine":
                rules = stores.lake.read(table, first, last, ["rule"])["rule"].value_counts()
                for rule, rows in rules.items():
                    report.quarantined[str(rule)] = report.quarantined.get(str(rule), 0) + int(rows)
        report.dead_letters = [letter for letter in stores.warehouse.dead_letters() if letter.run_id in report.run_ids]


@dataclass(frozen=True)
class _Run:
    """Executes parts of a main job in this process."""

    job: MainJob
    instance: dg.DagsterInstance
    settings: Settings
    report: Report
    watcher: "_Watcher"

    def execute(self, keys: set[dg.AssetKey]) -> None:
        """Materialise `keys` in one Dagster run, unless the command was told to stop."""
        if not keys or self.report.interrupted:
            return
        run_id = make_new_run_id()
        self.report.run_ids.append(run_id)
        execute = self._in_this_process if self.settings.executor == "in_process" else self._by_other_processes
        with kept_alive(self.settings.home, run_id) as tags:
            try:
                days = range_tags(self.report.request.first, self.report.request.last)
                execute(run_id, keys, {**days, **tags, **tracing.parent_tags()})
            except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                self.report.interrupted = True
        self.report.interrupted = self.report.interrupted or self.job.stopped()

    def _in_this_process(self, run_id: str, keys: set[dg.AssetKey], tags: dict[str, str]) -> None:
        self.instance.add_event_listener(run_id, self._hear_entry)
        self.job.job.execute_in_process(
            instance=self.instance,
            run_id=run_id,
            asset_selection=sorted(keys),
            tags=tags,
            run_config=QUIET,
            raise_on_error=False,
        )

    def _hear_entry(self, entry: dg.EventLogEntry) -> None:
        if entry.dagster_event is not None:
            self.watcher.hear(entry.dagster_event)

    def _by_other_processes(self, run_id: str, keys: set[dg.AssetKey], tags: dict[str, str]) -> None:
        """By processes of this machine or by workers: they need to know where the job is written down."""
        recipe = job_recipe(JOB).get_subset(asset_selection=frozenset(keys))
        run = self.instance.create_run_for_job(
            recipe.get_definition(),
            run_id=run_id,
            run_config=QUIET,
            tags=tags,
            asset_selection=frozenset(keys),
            job_code_origin=recipe.get_python_origin(),
        )
        for event in execute_run_iterator(recipe, run, self.instance):
            self.watcher.hear(event)


def _kind(path: str) -> str:
    return tables()[path].tags["kind"]


class _Watcher:
    """Listens to the events of the runs."""

    def __init__(self, report: Report, tell: Callable[[Progress], None], wanted: set[dg.AssetKey]) -> None:
        self.report = report
        self.tell = tell
        self.assets = {"__".join(key.path): "/".join(key.path) for key in wanted}
        self.ended: set[str] = set()
        self.rows: dict[str, int] = {}

    def hear(self, event: dg.DagsterEvent) -> None:
        asset = self.assets.get(event.step_key or "")
        if event.is_step_materialization:
            self._materialised(event)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._checked(event.event_specific_data)
        elif event.is_step_failure:
            self._failed(asset or str(event.step_key), event)
        elif event.is_job_failure and event.job_failure_data.first_step_failure_event is None:
            # No step is to blame: the executor, or what it runs on.
            self.report.failed_steps["the run"] = (event.message or "it failed").strip()
        elif asset is not None:
            self._moved(asset, event)

    def _moved(self, asset: str, event: Any) -> None:
        if event.is_step_success:
            self._say(asset, "done", rows=self.rows.get(asset))
        elif event.is_step_start:
            self._say(asset, "started")
        elif event.is_step_up_for_retry:
            error = event.step_retry_data.error
            self._say(asset, "retried", problem=_words((error.cause or error).message))
        elif event.is_step_skipped:
            self.report.blocked.append(asset)
            self._say(asset, "skipped")

    def _materialised(self, event: Any) -> None:
        path = "/".join(event.asset_key.path)
        metadata = {
            name: given.value for name, given in event.step_materialization_data.materialization.metadata.items()
        }
        if "dagster/row_count" in metadata:
            self.rows[path] = int(metadata["dagster/row_count"])
        if "changed" in metadata:
            self.report.changed[path] = bool(metadata["changed"])
        elif "inserted" in metadata:
            self.report.changed[path] = bool(metadata["inserted"] or metadata["updated"])

    def _checked(self, evaluation: Any) -> None:
        # A run over a span of days reports each day and then all of them; only the whole counts here.
        if evaluation.partition is not None:
            return
        path = "/".join(evaluation.asset_key.path)
        named = path if evaluation.blocking else f"{path} {evaluation.check_name}"
        if evaluation.passed:
            self.report.checks_passed += 1
        elif evaluation.severity is dg.AssetCheckSeverity.WARN:
            self.report.warnings[named] = evaluation.description or "warns"
        else:
            self.report.failed_checks[named] = evaluation.description or "failed"

    def _failed(self, step: str, event: Any) -> None:
        error = event.step_failure_data.error
        name = error.cls_name if error is not None else None
        if name == dg.DagsterExecutionInterruptedError.__name__:
            self.report.interrupted = True
        elif name == "DagsterAssetCheckFailedError":
            # A blocking check fails its step too; it is told as a check.
            self._say(step, "failed", problem="contract broken")
        else:
            given = event.step_failure_data.user_failure_data
            cause = error.cause if error is not None and error.cause is not None else error
            said = given.description if given and given.description else (cause.message if cause else "unknown error")
            self.report.failed_steps[step] = said.strip()
            self._say(step, "failed", problem=_words(said))

    def _say(self, step: str, event: str, *, rows: int | None = None, problem: str | None = None) -> None:
        if event in ("done", "failed", "skipped") and step in self.assets.values():
            self.ended.add(step)
        self.tell(Progress(len(self.ended), len(self.assets), step, event, rows, problem))


def _words(message: str) -> str:
    """The first line of an error."""
    return message.strip().splitlines()[0] if message.strip() else "unknown error"
