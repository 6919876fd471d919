"""The whole text path, raw records to Parquet: as Dagster runs it, as a straight script, and the usual way.

The script calls the same functions without an orchestrator, hands frames on in memory and checks no stored table. The
usual way is what one writes with pandas: `json.loads`, `hashlib`, vaderSentiment and langdetect row by row, and near
copies by datasketch. It does less: no rejects with reasons, no clusters across days, no emotion, entities, keywords,
places or aspects, and plain Parquet files in place of tables. It is raced up to 20,000 documents, where its packages
are installed.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as parquet
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.documents import DAY, STREAMS, raw_records, stream_named
from benchmarks.measure import BenchmarkError, Figure, apart, compared, race
from pipeline_platform.clean.cleaning import clean
from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.enrich.cores import Cores
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
TARGET_USUAL = 20
DEDUPLICATED, ENRICHED = "deduplicated/documents", "enriched/documents"
ASSETS = [*(f"cleaned/{name}" for name in STREAMS), DEDUPLICATED, ENRICHED, "exports/documents"]
OURS, SCRIPT, USUAL = "Dagster job", "straight script", "pandas row by row"


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
    components = configured(settings)
    with Cores(components) as cores:
        enriched = enrich(deduplicated, components, apply=cores.apply)[tables()[ENRICHED].columns]
    lake.replace(tables()[ENRICHED], enriched, DAY, DAY)
    export_days(lake, tables()[ENRICHED], exports, [DAY])


_FIELDS = {
    "reddit_posts": lambda item: (item.get("title"), item.get("selftext"), item.get("author")),
    "reddit_comments": lambda item: (None, item.get("body"), item.get("author")),
    "rss_articles": lambda item: (item["entry"]["title"], item["entry"].get("summary"), item["entry"]["author"]),
    "github_issue_documents": lambda item: (item.get("title"), item.get("body"), item["user"]["login"]),
}


def _usual(raw: Path, out: Path, key: bytes) -> None:
    """What one writes with pandas."""
    from datasketch import MinHash, MinHashLSH
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0

    def language(words: str) -> str:
        try:
            return str(detect(words))
        except LangDetectException:
            return "unknown"

    near = MinHashLSH(threshold=0.8, num_perm=128)

    def copy_of(row: Any) -> str | None:
        signature = MinHash(num_perm=128)
        signature.update_batch([row["words"][at : at + 5].encode() for at in range(max(1, len(row["words"]) - 4))])
        found = near.query(signature)
        near.insert(row.name, signature)
        return str(min(found)) if found else None

    frames = []
    for name, fields in _FIELDS.items():
        frame = pd.read_parquet(raw / f"{name}.parquet", columns=["record_id", "source", "event_time", "payload"])

        def read(payload: str, fields: Any = fields) -> Any:
            try:
                return fields(json.loads(payload))
            except (KeyError, TypeError):
                return (None, None, None)

        frame[["title", "text", "author"]] = frame["payload"].apply(read).tolist()
        frames.append(frame.drop(columns="payload"))
    documents = pd.concat(frames, ignore_index=True)
    documents["words"] = documents.apply(lambda row: f"{row['title'] or ''}\n{row['text'] or ''}".strip(), axis=1)
    documents = documents[documents["words"] != ""]
    documents["author_id"] = documents["author"].apply(
        lambda author: hashlib.sha256(key + str(author).encode()).hexdigest()
    )
    documents["content_hash"] = documents["words"].apply(
        lambda words: hashlib.sha256(" ".join(words.lower().split()).encode()).hexdigest()
    )
    documents = documents.drop_duplicates("content_hash").drop(columns="author")
    documents["duplicate_of"] = documents.apply(copy_of, axis=1)
    documents["language"] = documents["words"].apply(language)
    analyzer = SentimentIntensityAnalyzer()
    documents["sentiment"] = documents["words"].apply(lambda words: analyzer.polarity_scores(words)["compound"])
    documents.to_parquet(out)


def _job() -> dg.JobDefinition:
    from pipeline_platform.definitions import defs

    return defs().resolve_job_def(JOB)


def _fill(lake: Lake, raw: Path, records: dict[str, pd.DataFrame]) -> None:
    raw.mkdir(exist_ok=True)
    for name, frame in records.items():
        lake.merge(raw_table(*stream_named(name)), frame)
        parquet.write_table(lake.read_arrow(raw_table(*stream_named(name))), raw / f"{name}.parquet")


def run(scale: int, rounds: int) -> list[Figure]:
    """Take `scale` documents from raw to Parquet."""
    records = raw_records(scale)
    count = sum(map(len, records.values()))
    with apart() as folder, platform_environment(load_settings(), with_sandbox=False) as settings:
        stores = Stores(settings)
        script_lake, script_exports = Lake(str(folder / "lake"), mode="demo"), folder / "exports"
        raw, usual = folder / "raw", folder / "usual.parquet"
        for lake in (stores.lake, script_lake):
            _fill(lake, raw, records)

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
            if scale <= SCALE and all(find_spec(name) for name in ("datasketch", "langdetect")):
                contestants[USUAL] = lambda: _usual(raw, usual, stores.pseudonym_key)
            enrich(stores.lake.read(tables()[DEDUPLICATED]), configured(settings))  # loads the models
            seconds = race(contestants, rounds, before=forget)
            # The last turn was not that of either.
            as_dagster()
            contestants[SCRIPT]()
        _same(stores.lake, script_lake)
    beside_script = compared("text path, raw to Parquet", seconds, OURS, SCRIPT, per=count, unit="documents/s")
    reached = (beside_script.speed or 0) >= TARGET_SPEED
    figures = [beside_script.aimed(f"at least {TARGET_SPEED:g} times as fast", reached)]
    if USUAL in seconds:
        beside_usual = compared("text path, raw to Parquet", seconds, OURS, USUAL, per=count, unit="documents/s")
        figures.append(beside_usual.aimed(f">= {TARGET_USUAL}", (beside_usual.speed or 0) >= TARGET_USUAL))
    return figures


def _same(ours: Lake, theirs: Lake) -> None:
    mine, other = (lake.read(tables()[ENRICHED]) for lake in (ours, theirs))
    if mine.empty or not mine.equals(other):
        raise BenchmarkError("the job and the script did not make the same table")
