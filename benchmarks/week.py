"""A week in a quarter of an hour: is every tick accounted for, do the right alerts fire, do processes and tables grow?

Everything is real and no clock is set: `pipeline-platform up` with its daemon, whose schedules tick every minute, the
finest that cron knows; two minutes count as a day. So a source is fetched 14 times in the week, as often as one with a
cadence of twelve hours is. What the alerts measure in hours is set to minutes. The sandbox breaks 5 of 100 requests all
week, and three things are planted:

- days 3 to 5: one source is down;
- day 6: one of the feeds of RSS is gone, which is more than 10 % of its targets;
- all week: the threshold of one table is above any score, which the scores of day 2 tell first.

One more source is paused, so that its ticks have a reason to be skipped.
"""

import os
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
import orjson
import psutil
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.measure import BenchmarkError, Figure, apart
from benchmarks.running_platform import RunningPlatform, running_platform
from benchmarks.webhook import webhook
from pipeline_platform.launch.environment import platform_environment
from pipeline_platform.launch.instance import command_instance
from pipeline_platform.sandbox.faults import FaultPlan
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.settings import PREFIX, load_settings
from pipeline_platform.sources.registry import SOURCES

SCALE = 7
DAY_SECONDS = 120
FETCHED = ("rss", "coingecko", "openweather", "hackernews")
PAUSED = "yahoo"
DOWN, DOWN_DAYS = "openweather", (3, 4, 5)
GONE, GONE_DAYS = "rss", (6,)
POOR_TABLE, SCORED_DAY = "cleaned/rss_articles", 2
EVERYDAY = "*:503=1@0.03,*:429=1@0.01,*:truncate@0.005,*:malformed@0.005"
QUIET_DAYS = 2
"""After the week, without ticks, for what is over to be told so."""
SAMPLE_SECONDS = 5
WARM_DAY = 2
"""By which every process has loaded what it needs."""
MOST_GROWTH = 1.1
EXPECTED = {
    ("job_failing", f"fetch_{DOWN}"),
    ("breaker_open", DOWN),
    ("source_errors", DOWN),
    ("no_data", DOWN),
    ("source_errors", GONE),
    ("quality_low", POOR_TABLE),
}
_TOLD = re.compile(r"^(\w+) (.+), (?:info|warning|critical), since [^,\n]+(, over)?", re.MULTILINE)


class _Weather:
    """The sandbox, broken as the day has it."""

    def __init__(self, world: World) -> None:
        gone = f"{GONE}/feeds/{next(iter(world.feeds))}.xml:404"
        broken = dict.fromkeys(DOWN_DAYS, f"{DOWN}:503=1") | dict.fromkeys(GONE_DAYS, gone)
        self.usual: ASGIApp = build_app(world, faults=FaultPlan.parse(EVERYDAY))
        self.special = {
            day: build_app(world, faults=FaultPlan.parse(f"{spec},{EVERYDAY}")) for day, spec in broken.items()
        }
        self.day = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.special.get(self.day, self.usual)(scope, receive, send)


@dataclass
class _Watch(threading.Thread):
    """Watches, per day, what memory the processes of the platform hold, and how large its database is."""

    up: RunningPlatform
    engine: sa.Engine
    day: int = 0
    memory: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Look until `ended` is set."""
        while not self.ended.wait(SAMPLE_SECONDS):
            for name, pid in self.up.processes().items():
                if name not in ("PostgreSQL", "Redis"):
                    self.memory.setdefault(name, {}).setdefault(self.day, []).append(_held(name, pid))
            with self.engine.connect() as connection:
                self.sizes[self.day] = int(
                    connection.scalar(sa.text("select pg_database_size(current_database())")) or 0
                )


def _held(name: str, pid: int) -> int:
    """Bytes that a process holds; the code server has the definitions in a child, and runs come and go beside it."""
    process = psutil.Process(pid)
    servers = process.children() if name == "code server" else []
    return int(process.memory_info().rss) + sum(server.memory_info().rss for server in servers)


def _settings(sandbox: str, hook: str) -> dict[str, str]:
    def of(source: str, name: str) -> str:
        return f"{PREFIX}{source.upper()}__{name}"

    scheduled = (*FETCHED, PAUSED)
    return {
        f"{PREFIX}SANDBOX_URL": sandbox,
        f"{PREFIX}ALERTS__SLACK_WEBHOOK_URL": hook,
        # Two hours without data are four and a half minutes here, as many ticks.
        f"{PREFIX}ALERTS__SILENT_HOURS": "0.075",
        f"{PREFIX}ALERTS__CLEAR_MINUTES": "1",
        f"{PREFIX}ALERTS__ERROR_RATE_MINUTES": "0.75",
        f"{PREFIX}QUALITY_THRESHOLDS": orjson.dumps({POOR_TABLE: 1}).decode(),
        **{of(source, "CADENCE"): "* * * * *" for source in scheduled},
        **{of(source.name, "ENABLED"): "false" for source in SOURCES if source.name not in scheduled},
        of(PAUSED, "PAUSED"): "true",
    }


def _live(up: RunningPlatform, weather: _Weather, watch: _Watch, days: int) -> tuple[datetime, datetime]:
    """Let the week pass; gives when it began and ended."""
    began = datetime.now(UTC)
    for day in range(1, days + 1):
        weather.day = watch.day = day
        if day == SCORED_DAY:
            up.launch("backfill_range", began.date(), assets=("quality/profiles", "quality/scores"))
        time.sleep(max(0.0, day * DAY_SECONDS - (datetime.now(UTC) - began).total_seconds()))
    ended = datetime.now(UTC)
    up.pause_schedules()
    weather.day = days + 1
    time.sleep(QUIET_DAYS * DAY_SECONDS)
    return began, ended


def _unaccounted(instance: dg.DagsterInstance, began: datetime, ended: datetime) -> Counter[str]:
    """Ticks by what became of them: `run`, `skipped`, or `unaccounted` where there is neither a run nor a reason."""
    first = began.replace(second=0, microsecond=0) + timedelta(minutes=1)
    due = [first + timedelta(minutes=at) for at in range(int((ended - first).total_seconds() // 60) + 1)]
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    by_name = {state.instigator_name: state for state in states}
    found = Counter[str]()
    for source in (*FETCHED, PAUSED):
        state = by_name[f"{source}_cadence"]
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        told: dict[datetime, list[str]] = {}
        for tick in ticks:
            what = "run" if tick.status is TickStatus.SUCCESS and tick.run_ids else "unaccounted"
            if tick.status is TickStatus.SKIPPED and tick.skip_reason:
                what = "skipped"
            told.setdefault(datetime.fromtimestamp(tick.timestamp, UTC), []).append(what)
        for moment in due:
            (what, *twice) = told.get(moment, ["unaccounted"])
            found["unaccounted" if twice else what] += 1
    return found


def _successes(instance: dg.DagsterInstance, began: datetime) -> tuple[dict[str, list[bool]], int]:
    """Whether the runs that schedules started succeeded, by source, and how many have not ended."""
    found: dict[str, list[bool]] = {source: [] for source in FETCHED}
    unfinished = 0
    for record in instance.get_run_records(dg.RunsFilter(created_after=began)):
        run = record.dagster_run
        if "dagster/schedule_name" not in run.tags:
            continue
        if run.is_finished:
            found[run.tags["source"]].append(run.status is dg.DagsterRunStatus.SUCCESS)
        else:
            unfinished += 1
    return found, unfinished


def told(texts: Sequence[str]) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """How often each alert was told to fire, and to be over."""
    fired, resolved = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for text in texts:
        for rule, subject, over in _TOLD.findall(text):
            (resolved if over else fired)[rule, subject] += 1
    return fired, resolved


def _figures_of_alerts(texts: Sequence[str]) -> list[Figure]:
    fired, resolved = told(texts)
    missing, surplus = EXPECTED - set(fired), set(fired) - EXPECTED
    twice = sum(count - 1 for count in fired.values())
    lasting = {alert for alert in fired if not resolved[alert]} - {("quality_low", POOR_TABLE)}
    words = ", ".join(sorted(" ".join(alert) for alert in missing | surplus)) or "all as planted"
    return [
        Figure(f"alerts that should have fired and did ({words})", len(EXPECTED & set(fired)), "alerts").aimed(
            f"{len(EXPECTED)}", not missing
        ),
        Figure("alerts that fired and should not have", len(surplus), "alerts").aimed("0", not surplus),
        Figure("alerts that were told twice", twice, "alerts").aimed("0", twice == 0),
        Figure("alerts not told to be over, though they were", len(lasting), "alerts").aimed("0", not lasting),
    ]


def _figures_of_growth(watch: _Watch, days: int, runs: int) -> list[Figure]:
    figures = []
    for name, by_day in sorted(watch.memory.items()):
        first, last = (statistics.median(by_day[day]) / 2**20 for day in (WARM_DAY, days))
        growth = last / first
        figures.append(
            Figure(f"memory of the {name} on the last day", last, "MB", f"on day {WARM_DAY}", first).aimed(
                f"<= {MOST_GROWTH:g} times", growth <= MOST_GROWTH
            )
        )
    grown = (watch.sizes[days] - watch.sizes[WARM_DAY]) / 2**20
    past = days - WARM_DAY
    return [
        *figures,
        Figure("PostgreSQL grew in a day", grown / past, "MB"),
        Figure("PostgreSQL grew for a run", grown * 2**10 * days / past / runs, "kB"),
    ]


def run(scale: int, rounds: int) -> list[Figure]:  # noqa: ARG001 - a week has no rounds
    """`scale` days."""
    if scale < max(*DOWN_DAYS, *GONE_DAYS):
        raise BenchmarkError(f"what is planted takes {max(*DOWN_DAYS, *GONE_DAYS)} days")
    weather = _Weather(World())
    with apart(), running(weather) as sandbox, webhook() as (hook, texts):
        os.environ.update(_settings(sandbox, hook))
        with platform_environment(load_settings()) as settings, running_platform(settings.home) as up:
            assert settings.postgres_url is not None
            engine = sa.create_engine(settings.postgres_url.get_secret_value())
            watch = _Watch(up, engine)
            watch.start()
            began, ended = _live(up, weather, watch, scale)
            watch.ended.set()
            watch.join()
            engine.dispose()
            with command_instance(settings.home) as instance:
                ticks = _unaccounted(instance, began, ended)
                runs, unfinished = _successes(instance, began)
                of_all = instance.get_runs_count()
    others = [ok for source, found in runs.items() for ok in found if source != DOWN]
    return [
        Figure("ticks that became a run", ticks["run"], f"of {ticks.total()}"),
        Figure("ticks that were skipped and say why", ticks["skipped"], f"of {ticks.total()}"),
        Figure("ticks unaccounted for", ticks["unaccounted"], f"of {ticks.total()}").aimed(
            "0", not ticks["unaccounted"]
        ),
        Figure(f"scheduled runs that succeeded, {DOWN} left out", sum(others), f"of {len(others)}"),
        Figure(f"the same, of {DOWN}, down on {len(DOWN_DAYS)} days", sum(runs[DOWN]), f"of {len(runs[DOWN])}"),
        Figure("scheduled runs that had not ended two days later", unfinished, "runs").aimed("0", not unfinished),
        *_figures_of_alerts(texts),
        *_figures_of_growth(watch, scale, of_all),
    ]
