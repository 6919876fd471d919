"""The whole text path, raw records to Parquet: as Dagster runs it, and as a straight script.

The script calls the same functions without an orchestrator, hands frames on in memory and checks no stored table.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd

from benchmarks.documents import DAY, STREAMS, raw_records, stream_named
from benchmarks.measure import BenchmarkError, Figure, apart, compared, race
from pipeline_platform.clean.cleaning import clean
from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import configured
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.launch.environment import platform_environment
from pipeline_platform.launch.main_job import JOB, QUIET
from pipeline_platform.schemas.catalog import cleaned_table, raw_table, tables
from pipeline_platform.settings import Settings, load_settings
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.stores import Stores

SCALE = 20_000
TARGET_SPEED = 0.7
DEDUPLICATED, ENRICHED = "deduplicated/documents", "enriched/documents"
ASSETS = [*(f"cleaned/{name}" for name in STREAMS), DEDUPLICATED, ENRICHED, "exports/documents"]
OURS, SCRIPT = "Dagster job", "straight script"


def _script(lake: Lake, exports: Path, settings: Settings, key: bytes) -> None:
    """The same rooms, called one after the other."""
    pseudonym = pseudonymiser(key)
    cleaned = []
    for name in STREAMS:
        source, stream = stream_named(name)
        table = cleaned_table(source, stream)
        rows = clean(lake.read(raw_table(source, stream), DAY, DAY), stream, table, pseudonym).rows
        lake.replace(table, rows, DAY, DAY)
        cleaned.append(rows)
    documents = pd.concat(cleaned, ignore_index=True)
    history = documents.head(0)[list(COMPARED_COLUMNS)]
    deduplicated = dedup_documents(documents, history, [DAY], lookback_days=settings.dedup_lookback_days)
    lake.replace(tables()[DEDUPLICATED], deduplicated, DAY, DAY)
    enriched = enrich(deduplicated, configured(settings))[tables()[ENRICHED].columns]
    lake.replace(tables()[ENRICHED], enriched, DAY, DAY)
    export_days(lake, tables()[ENRICHED], exports, [DAY])


def _job() -> dg.JobDefinition:
    from pipeline_platform.definitions import defs

    return defs().resolve_job_def(JOB)


def _fill(lake: Lake, records: dict[str, pd.DataFrame]) -> None:
    for name, frame in records.items():
        lake.merge(raw_table(*stream_named(name)), frame)


def run(scale: int, rounds: int) -> list[Figure]:
    """Take `scale` documents from raw to Parquet."""
    records = raw_records(scale)
    count = sum(map(len, records.values()))
    with apart() as folder, platform_environment(load_settings(), with_sandbox=False) as settings:
        stores = Stores(settings)
        script_lake, script_exports = Lake(str(folder / "lake"), mode="demo"), folder / "exports"
        for lake in (stores.lake, script_lake):
            _fill(lake, records)

        job = _job()
        with dg.DagsterInstance.get() as instance:

            def as_dagster() -> None:
                job.execute_in_process(
                    instance=instance,
                    asset_selection=[dg.AssetKey(path.split("/")) for path in ASSETS],
                    tags=range_tags(DAY, DAY),
                    run_config=QUIET,
                )

            def forget() -> None:
                for lake in (stores.lake, script_lake):
                    for layer in ("cleaned", "deduplicated", "enriched"):
                        shutil.rmtree(Path(lake.location) / layer, ignore_errors=True)
                for exports in (settings.exports_path, script_exports):
                    shutil.rmtree(exports, ignore_errors=True)

            contestants: dict[str, Callable[[], None]] = {
                OURS: as_dagster,
                SCRIPT: lambda: _script(script_lake, script_exports, settings, stores.pseudonym_key),
            }
            enrich(stores.lake.read(tables()[DEDUPLICATED]), configured(settings))  # loads the models
            seconds = race(contestants, rounds, before=forget)
            # The last turn was not that of either.
            as_dagster()
            contestants[SCRIPT]()
        _same(stores.lake, script_lake)
    beside_script = compared("text path, raw to Parquet", seconds, OURS, SCRIPT, per=count, unit="documents/s")
    reached = (beside_script.speed or 0) >= TARGET_SPEED
    return [beside_script.aimed(f"at least {TARGET_SPEED:g} times as fast", reached)]


def _same(ours: Lake, theirs: Lake) -> None:
    # In the order of the key: a day of several files is read in any order of these.
    key = list(tables()[ENRICHED].key)
    mine, other = (lake.read(tables()[ENRICHED]).sort_values(key, ignore_index=True) for lake in (ours, theirs))
    if mine.empty or not mine.equals(other):
        raise BenchmarkError("the job and the script did not make the same table")
