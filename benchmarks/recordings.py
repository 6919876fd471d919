"""The main job on recorded answers of the real upstreams, every record accounted for.

    python -m benchmarks.recordings DIR

The sandbox serves DIR; every stream of every source then goes through the rooms, over all days at once, into stores
that are thrown away. Servers, sandbox, rooms and stores are those of the main job. Dagster alone is left out: it
writes events per table and day, which for recordings of twenty years takes longer than all of the work.

It prints Markdown, and ends with an error if a record is neither in a table nor in the account of what was left out.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pandas as pd

from pipeline_platform.aggregate.registry import AGGREGATES
from pipeline_platform.clean.cleaning import clean, quarantine
from pipeline_platform.dedup.documents import dedup_documents
from pipeline_platform.dedup.resolve import resolve
from pipeline_platform.dedup.rows import dedup_rows
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import configured
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.launch.environment import platform_environment
from pipeline_platform.launch.sandbox_process import SandboxOptions
from pipeline_platform.operate.aggregation import computed
from pipeline_platform.operate.intake import take_in
from pipeline_platform.quality.verdict import WHOLLY_REJECTED, verdicts, without_survivors
from pipeline_platform.sandbox.recordings import load
from pipeline_platform.schemas.catalog import (
    cleaned_table,
    kinds_in_use,
    published_tables,
    quarantine_table,
    raw_table,
    tables,
)
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.table import Table
from pipeline_platform.settings import Settings, source_settings
from pipeline_platform.sources.base import Source, Stream, Window
from pipeline_platform.sources.registry import SOURCES, all_streams
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.stores import Stores


class HurriedClock:
    """The clock of the machine, put forward instead of waiting."""

    def __init__(self) -> None:
        self.waits = 0
        self.skipped = timedelta()

    def now(self) -> datetime:
        """The moment now, as if everything had been waited for."""
        return datetime.now(UTC) + self.skipped

    def sleep(self, seconds: float) -> None:
        """Put the clock forward."""
        self.waits += 1
        self.skipped += timedelta(seconds=seconds)


FAR_SIGHTED = {f"aggregated/{name}" for name in ("correlations", "forecasts", "trend_signals", "volume_trends")}
"""They go back weeks for each day: twenty years of them take hours, and say nothing about the recordings."""

LAST_DAYS = 30


@dataclass
class Account:
    """What became of the records of one stream, and which targets failed."""

    stream: str
    whole: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    found: int = 0
    before_start: int = 0
    inserted: int = 0
    raw: int = 0
    cleaned: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)

    @property
    def again(self) -> int:
        """Captures of a record that another target or page had shown already: merged by record id."""
        return self.found - self.before_start - self.raw

    def check(self) -> None:
        """Every record is in one place.

        Raises:
            SystemExit: records are missing or doubled.
        """
        if self.again < 0 or self.raw != self.inserted or self.raw != self.cleaned + self.quarantined.total():
            raise SystemExit(f"{self.stream}: records do not add up: {self}")


class Run:
    """One run of every room over all days.

    Args:
        stores: empty stores.
        days: every day from the first to the last.
        tell: told of details: failed targets and reasons of the quarantine.
    """

    def __init__(self, stores: Stores, days: Sequence[date], tell: Callable[[str], None]) -> None:
        self.stores = stores
        self.lake = stores.lake
        self.days = days
        self.tell = tell
        self.clock = HurriedClock()
        self.pseudonym = pseudonymiser(stores.pseudonym_key)
        self.accounts = {stream.name: Account(stream.name) for _, stream in all_streams()}
        self.copies: dict[str, Counter[str]] = {}
        self.languages: Counter[str] = Counter()
        self.seen_on: Counter[date] = Counter()
        self.held: dict[str, int] = {}
        self.broken: dict[str, Counter[str]] = {}
        self.seconds: dict[str, float] = {}

    def all_rooms(self) -> None:
        """Every room, one after the other."""
        rooms = {
            "fetch": self.fetch,
            "clean": self.clean,
            "quarantine": self.quarantine,
            "deduplicate": self.deduplicate,
            "enrich": self.enrich,
            "aggregate": self.aggregate,
            "check": self.check,
            "export": self.export,
        }
        for name, room in rooms.items():
            started = time.perf_counter()
            room()
            self.seconds[name] = time.perf_counter() - started

    def fetch(self) -> None:
        """Every target of every stream into the raw tables."""
        first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (self.days[0], self.days[-1]))
        window = Window(first, last + timedelta(days=1))
        for source, stream in all_streams():
            if not source_settings(source).enabled:
                continue
            account = self.accounts[stream.name]
            intake = take_in(self.stores, source, stream, window, run_id="recordings", clock=self.clock)
            account.whole = len(intake.collected.whole)
            account.failed = Counter(type(failure.error).__name__ for failure in intake.failures)
            account.found = intake.collected.records + intake.collected.before_start
            account.before_start = intake.collected.before_start
            account.inserted = intake.merged.inserted
            self.seen_on += intake.collected.days
            for failure in intake.failures:
                self.tell(f"{stream.name} {failure.target}: {type(failure.error).__name__}: {failure.error}")

    def clean(self) -> None:
        """Raw records to rows."""
        for source, stream in all_streams():
            records = self._read(raw_table(source, stream))
            table = cleaned_table(source, stream)
            result = clean(records, stream, table, self.pseudonym)
            self._replace(table, result.rows)
            account = self.accounts[stream.name]
            account.raw, account.cleaned = len(records), len(result.rows)

    def quarantine(self) -> None:
        """What is in raw and not in cleaned."""
        for kind in kinds_in_use():
            table = quarantine_table(kind)
            parts = [self._rejected(source, stream) for source, stream in _streams_of(kind)]
            self._replace(table, pd.concat([table.empty(), *parts], ignore_index=True))

    def _rejected(self, source: Source, stream: Stream) -> pd.DataFrame:
        table = cleaned_table(source, stream)
        keys = self._read(table, list(table.key))[table.key[0]]
        rows = quarantine(self._read(raw_table(source, stream)), keys, stream, table, self.pseudonym)
        account = self.accounts[stream.name]
        account.quarantined.update(rows["rule"].tolist())
        account.check()
        for row in rows.to_dict("records"):
            self.tell(f"{row['stream']} {row['record_id']}: {row['rule']}: {row['reason']}")
        return rows

    def deduplicate(self) -> None:
        """The streams of a kind together."""
        for kind in kinds_in_use():
            table = deduplicated_table(kind)
            upstream = [self._read(cleaned_table(source, stream)) for source, stream in _streams_of(kind)]
            rows = pd.concat(upstream, ignore_index=True)
            if kind == "documents":
                lookback = self.stores.settings.dedup_lookback_days
                result = dedup_documents(rows, rows.iloc[:0], self.days, lookback_days=lookback)
                found = Counter(result["method"].tolist())
                found.pop("none", None)
            else:
                result = resolve(kind, dedup_rows(rows, table.key), self.stores.settings)
                found = Counter()
            if merged := len(rows) - len(result):
                found["same key"] = merged
            self.copies[kind] = found
            self._replace(table, result)

    def enrich(self) -> None:
        """Language, sentiment and entities of the documents."""
        table = tables()["enriched/documents"]
        documents = self._read(deduplicated_table("documents"))
        result = enrich(documents, configured(self.stores.settings))[table.columns]
        self.languages.update(result["language"].fillna("unknown").tolist())
        self._replace(table, result)

    def aggregate(self) -> None:
        """Every aggregate; those that look far back on every day, of the last days alone."""
        for aggregate in AGGREGATES:
            days = self.days[-LAST_DAYS:] if aggregate.table in FAR_SIGHTED else self.days
            options = {name: getattr(self.stores.settings, name) for name in aggregate.options}
            table = tables()[aggregate.table]
            rows = pd.concat(computed(self.stores, aggregate, days, options), ignore_index=True)
            self._replace(table, rows[table.columns])

    def check(self) -> None:
        """The contract of every table, day by day."""
        for table in tables().values():
            rows = self._read(table)
            self.held[table.path] = len(rows)
            judged = verdicts(table, rows, self.days)
            if table.layer == "cleaned":
                received = self._read(tables()[f"raw/{table.name}"], ["event_date"])["event_date"].value_counts()
                without_survivors(judged, dict(zip(received.index.tolist(), received.tolist(), strict=True)))
            self.broken[table.path] = sum((one.broken for one in judged), Counter())
            for one in judged:
                if not one.passed:
                    self.tell(f"{table.path} on {one.day}: {_counted(one.broken)}")

    def export(self) -> None:
        """Parquet files of the published tables."""
        for table in published_tables():
            export_days(self.lake, table, self.stores.settings.exports_path, self.days)

    def _read(self, table: Table, columns: list[str] | None = None) -> pd.DataFrame:
        return self.lake.read(table, self.days[0], self.days[-1], columns)

    def _replace(self, table: Table, rows: pd.DataFrame) -> None:
        self.lake.replace(table, rows, self.days[0], self.days[-1])


def _streams_of(kind: str) -> list[tuple[Source, Stream]]:
    return [(source, stream) for source, stream in all_streams() if stream.kind == kind]


def _counted(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered) or "-"


def _markdown(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    print(f"\n{title}\n")
    for line in (columns, ["---"] * len(columns), *cells):
        print(f"| {' | '.join(line)} |")


def print_files(folder: Path, unused: Mapping[str, str]) -> None:
    """Payload files: how many there are, how many are served, why the others are not."""
    rows = []
    for source in SOURCES:
        files = [recording.file for recording in load(folder, source.name)]
        reasons = Counter(unused[file].partition(":")[0] for file in files if file in unused)
        rows.append([source.name, len(files), len(files) - reasons.total(), _counted(reasons)])
    _markdown("Payload files", ["source", "in the folder", "served", "not served"], rows)


def print_run(run: Run) -> None:
    """The account of every stream, what was found in it, and the time it took."""
    every = list(run.accounts.values())
    total = Account("all")
    for one in every:
        total.failed += one.failed
        total.quarantined += one.quarantined
        for name in ("whole", "found", "before_start", "raw", "cleaned"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    _markdown(
        "Records",
        ["stream", "targets whole", "failed", "found", "before the first day", "seen again", "raw", "cleaned",
         "quarantined"],
        [
            [one.stream, one.whole, _counted(one.failed), one.found, one.before_start, one.again, one.raw,
             one.cleaned, _counted(one.quarantined)]
            for one in (*every, total)
        ],
    )  # fmt: skip
    _markdown("Copies", ["kind", "found by method"], [[kind, _counted(found)] for kind, found in run.copies.items()])
    _markdown("Languages", ["language", "documents"], run.languages.most_common())
    _markdown(
        "Tables",
        ["table", "rows", "contract"],
        [
            [path, rows, f"days {_counted(broken)}" if (broken := run.broken[path]) else "kept"]
            for path, rows in run.held.items()
        ],
    )
    today = run.seen_on[run.days[-1]]
    print(f"\n{len(run.seen_on):,} days from {min(run.seen_on)} to {max(run.seen_on)} have records, today {today:,}.")
    _markdown("Seconds", ["room", "seconds"], [[room, f"{seconds:.1f}"] for room, seconds in run.seconds.items()])
    seconds = sum(run.seconds.values())
    print(f"\n{total.found:,} records in {seconds:.1f} s, {total.found / seconds:,.0f} records/s;", end=" ")
    print(f"{run.clock.waits} waits of retries, {run.clock.skipped.total_seconds():.0f} s, were not waited for.")


@contextmanager
def recorded(folder: Path, first: date) -> Iterator[Stores]:
    """Empty stores whose sources watch what the sandbox serves from `folder`; the partitions begin with `first`."""
    with tempfile.TemporaryDirectory() as home:
        given = Settings(home=Path(home), mode="demo", start_date=first, sandbox_url=None)
        with platform_environment(given, SandboxOptions(recordings=folder)) as ready:
            yield Stores(ready.model_copy(update={"start_date": first, "mode": "demo", "lake_url": None}))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path, metavar="DIR", help="folder of recordings, with its INDEX.json")
    arguments.add_argument(
        "--first-day", type=date.fromisoformat, default=date(2000, 1, 1), help="first partition (default 2000-01-01)"
    )
    arguments.add_argument("--details", action="store_true", help="list every failed target and quarantined record")
    given = arguments.parse_args()
    today = datetime.now(UTC).date()
    days = [given.first_day + timedelta(days=number) for number in range((today - given.first_day).days + 1)]
    with recorded(given.folder, given.first_day) as stores:
        run = Run(stores, days, print if given.details else lambda _: None)
        run.all_rooms()
        sandbox = stores.settings.sandbox_url
        unused = orjson.loads(httpx.get(f"{sandbox}/unused", trust_env=False).content)
    print_files(given.folder, unused)
    print_run(run)
    # A day of which nothing passed stops a real run, rightly; any other breach is a row that cleaning let through.
    if any(broken.keys() - {WHOLLY_REJECTED} for broken in run.broken.values()):
        raise SystemExit("a table breaks its contract")


if __name__ == "__main__":
    main()
