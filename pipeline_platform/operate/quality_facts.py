"""The quality report of a day: its facts from the stores, and the files they are written to.

Samples are read from the lake when a report is written and hold ids and reasons, never a whole payload: a report
outlives the records, and what was erased there must not stand here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from pipeline_platform.operate.overview import source_overview
from pipeline_platform.quality import outages
from pipeline_platform.quality.facts import Checked, DayFacts, Failure, Rejected
from pipeline_platform.quality.verdict import verdicts
from pipeline_platform.schemas.aggregated.sources import SOURCE_DAILY
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import ANOMALIES, PROFILES, SCORES
from pipeline_platform.settings import Settings
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.files import replace_whole
from pipeline_platform.storage.stores import Stores

TREND_DAYS = 28
SAMPLES = 3
SHOWN = 200
"""Characters of a reason that are shown."""
NEVER_BLOCKED = ("quarantine", "quality")
SOURCE_COLUMNS = (
    "source",
    "title",
    "status",
    "breaker",
    "last success",
    "last error",
    "newest event",
    "dead letters",
    "unmapped fields",
)


@dataclass(frozen=True)
class Written:
    """Where a report stands, and its verdict."""

    page: Path
    data: Path
    verdict: str


@dataclass(frozen=True)
class _Lineage:
    """What is made from what, and the rows that the tables hold of each source.

    Attributes:
        found: shortfalls of the days of the reports and of those shown before them.
        below: gives the tables that are made from a table, upstream first; exports hold the same and are left out.
        made_from: tables by the source that they are made from, upstream first.
    """

    found: pd.DataFrame
    below: Callable[[str], list[str]]
    made_from: dict[str, list[str]]


def facts_of_days(
    stores: Stores, days: Sequence[date], checks: Sequence[Checked], downstream: Callable[[str], list[str]]
) -> Iterator[DayFacts]:
    """The facts of each day.

    Args:
        stores: lake, warehouse and Redis.
        days: UTC days.
        checks: every check with its history.
        downstream: the paths of the assets that are made from an asset.
    """
    sources = [{name: row[name] for name in SOURCE_COLUMNS} for row in source_overview(stores)]
    lineage = _lineage(stores, days, downstream)
    for day in days:
        yield _facts(stores, day, [check.about(day) for check in checks], sources, downstream, lineage)


def _facts(
    stores: Stores,
    day: date,
    of_day: Sequence[Checked],
    sources: Sequence[dict[str, Any]],
    downstream: Callable[[str], list[str]],
    lineage: _Lineage,
) -> DayFacts:
    streams = _records(stores.lake.read(SOURCE_DAILY, day, day))
    unusual = stores.lake.read(ANOMALIES, day, day)
    failures = [_failure(stores, check, day, downstream) for check in of_day if check.is_bad]
    return DayFacts(
        day=day,
        made_at=datetime.now(UTC),
        mode=stores.settings.mode,
        checks=of_day,
        failures=failures,
        anomalies=_records(unusual.sort_values(["score", "table", "column"], ascending=[False, True, True])),
        scores=_scores(stores, day),
        quarantine=_quarantine(stores, day),
        sources=sources,
        streams=streams,
        outages=[
            {
                "source": row["source"],
                "stream": row["stream"],
                "error": _cut(row["last_error"]),
                "affected": _made(downstream(f"raw/{row['stream']}")),
            }
            for row in streams
            if row["failed_fetches"]
        ],
        effects=outages.effects(
            day,
            lineage.found,
            _signs(stores, day, streams),
            lineage.made_from,
            lineage.below,
            [path for failure in failures for path in failure.blocked],
        ),
    )


def _lineage(stores: Stores, days: Sequence[date], downstream: Callable[[str], list[str]]) -> _Lineage:
    first = days[0] - timedelta(days=outages.SHOWN_DAYS - 1)
    held = stores.lake.read(PROFILES, first - timedelta(days=outages.HISTORY_DAYS), days[-1], list(outages.COLUMNS))
    span = [first + timedelta(days=ahead) for ahead in range((days[-1] - first).days + 1)]
    place = {path: at for at, path in enumerate(tables())}

    @cache
    def below(path: str) -> list[str]:
        return sorted((one for one in _made(downstream(path)) if one in place), key=place.__getitem__)

    made_from = {}
    for source in SOURCES:
        raw = [f"raw/{stream.name}" for stream in source.streams]
        made_from[source.name] = sorted({one for path in raw for one in (path, *below(path))}, key=place.__getitem__)
    return _Lineage(outages.shortfalls(held, tables(), span, datetime.now(UTC)), below, made_from)


def _signs(stores: Stores, day: date, streams: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """What says that a source was down: fetches that failed on the day, and what of the day is owed."""
    signs: dict[str, list[str]] = {}
    failed: Counter[str] = Counter()
    fetches: Counter[str] = Counter()
    for row in streams:
        failed[row["source"]] += row["failed_fetches"]
        fetches[row["source"]] += row["fetches"]
    for source in +failed:
        signs.setdefault(source, []).append(f"{failed[source]} of {fetches[source]} fetches failed")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    owed = Counter(
        letter.source
        for letter in stores.warehouse.dead_letters()
        if letter.window.start < end and letter.window.end > start
    )
    for source, letters in sorted(owed.items()):
        signs.setdefault(source, []).append(f"{letters} dead letters owe records of the day")
    return signs


def write_report(settings: Settings, facts: DayFacts) -> Written:
    """Write the page and the JSON of a day; a reader never sees half a file.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    from pipeline_platform.quality.report import page

    folder = settings.reports_path
    html, data = (folder / f"quality-{facts.day}.{ending}" for ending in ("html", "json"))
    replace_whole(html, page(facts).encode())
    replace_whole(data, orjson.dumps(facts.as_json(), default=str, option=orjson.OPT_INDENT_2))
    return Written(html, data, facts.verdict)


def _failure(stores: Stores, check: Checked, day: date, downstream: Callable[[str], list[str]]) -> Failure:
    table = tables().get(check.table)
    samples: list[dict[str, str]] = []
    if table is not None and check.blocking and check.status == "failed":
        (verdict,) = verdicts(table, stores.lake.read(table, day, day), [day])
        samples = [{name: _cut(value) for name, value in sample.items()} for sample in verdict.samples]
    return Failure(check, samples, _made(downstream(check.table)) if check.blocking else [])


def _made(paths: Sequence[str]) -> list[str]:
    """What a failure keeps from being made; quarantine and quality are made all the same."""
    return [path for path in paths if not path.startswith(NEVER_BLOCKED)]


def _scores(stores: Stores, day: date) -> list[dict[str, Any]]:
    held = stores.lake.read(SCORES, day - timedelta(days=TREND_DAYS), day)
    known = held[held["score"].notna()].sort_values("event_date")
    trends = {str(table): group["score"].tolist() for table, group in known.groupby("table")}
    today = held[(held["event_date"] == day).to_numpy(dtype=bool)].sort_values(["score", "table"])
    return [row | {"trend": trends.get(row["table"], [])} for row in _records(today)]


def _quarantine(stores: Stores, day: date) -> list[Rejected]:
    found = []
    for table in (one for one in tables().values() if one.layer == "quarantine"):
        rows = stores.lake.read(table, day, day, ["record_id", "stream", "rule", "reason"])
        for rule, group in rows.groupby("rule", sort=True):
            some = group.sort_values(["stream", "record_id"]).head(SAMPLES)
            found.append(
                Rejected(
                    kind=table.name,
                    rule=str(rule),
                    rows=len(group),
                    streams=sorted(group["stream"].unique()),
                    samples=[
                        {name: _cut(row[name]) for name in ("stream", "record_id", "reason")}
                        for row in some.to_dict("records")
                    ],
                )
            )
    return sorted(found, key=lambda one: (-one.rows, one.kind, one.rule))


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for null."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _cut(value: Any) -> str:
    text = "" if value is None or value is pd.NA else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
