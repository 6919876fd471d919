"""A lake of documents of 90 days as the enrichment leaves them, made by chance and in columns, a day at a time.

What a day costs the aggregates lies in how names spread: keywords and entities follow a power law, as words do, so that
a few are in many documents and most in one or two; every document has some.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as arrow
import pyarrow.compute as pc
from deltalake import write_deltalake

from pipeline_platform.enrich.coins import COINS
from pipeline_platform.enrich.emotion import EMOTIONS
from pipeline_platform.enrich.named import asset_by_ticker
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.storage.lake import Lake, arrow_schema

FIRST = date(2026, 8, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(90)]
DOCUMENTS, COPIES = "enriched/documents", "deduplicated/documents"
ASSIGNMENTS, TOPICS = "enriched/document_topics", "enriched/topics"

SOURCES = {
    "bluesky": 0.10,
    "gdelt": 0.06,
    "github": 0.05,
    "hackernews": 0.12,
    "mastodon": 0.06,
    "newsapi": 0.06,
    "reddit": 0.32,
    "rss": 0.13,
    "x": 0.10,
}
CHANNELS_A_SOURCE = 25
TAXONOMY = ("business", "crypto", "markets", "politics", "science", "sports", "technology", "weather")
KEYWORDS = 1_000_000
KEYWORDS_A_DOCUMENT = (6, 8)
ENTITIES = {"HASHTAG": 20_000, "PERSON": 20_000, "DOMAIN": 5_000, "ORG": 5_000, "REPOSITORY": 5_000, "MENTION": 20_000}
ENTITIES_A_DOCUMENT = (0, 4)
PLACES = 200
DISCOVERED = 20
"""Topics that were discovered on a day."""
ASSIGNED = 0.5
"""Share of documents that have one of them."""
DAY_US = 86_400_000_000


def _phrases(count: int, seed: int) -> arrow.Array:
    """`count` different texts of two words."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = arrow.array(["".join(rng.choice(letters, size)) for size in rng.integers(3, 10, 2000)])
    marked = pc.binary_join_element_wise(words, arrow.array(range(len(words))).cast(arrow.string()), "")
    number = np.arange(count)
    return pc.binary_join_element_wise(
        marked.take(arrow.array(number % len(words))), words.take(arrow.array(number // len(words) % len(words))), " "
    )


def _entities() -> arrow.Array:
    """The names that documents may have, the assets first among them."""
    assets = [f"COIN:{coin.id}" for coin in COINS] + [f"TICKER:{coin.symbol}" for coin in COINS]
    for ticker, key in sorted(asset_by_ticker().items()):
        assets += [f"TICKER:{ticker}", f"ASSET:{key}"]
    assets += [f"TICKER:Q{number}" for number in range(200)]
    parts = [arrow.array(assets, arrow.string())]
    for number, (label, count) in enumerate(ENTITIES.items()):
        parts.append(pc.binary_join_element_wise(label, _phrases(count, number), ":"))
    names = arrow.concat_arrays(parts)
    mixed = len(assets) + np.random.default_rng(7).permutation(len(names) - len(assets))
    return names.take(arrow.array(np.concatenate([np.arange(len(assets)), mixed])))


def _lists(rng: np.random.Generator, names: arrow.Array, rows: int, lengths: tuple[int, int]) -> arrow.Array:
    """A list of different names for every row; the frequency of a name goes with one over its place."""
    sizes = rng.integers(lengths[0], lengths[1] + 1, rows)
    row = np.repeat(np.arange(rows), sizes)
    code = (len(names) ** rng.random(len(row))).astype(np.int64) - 1
    pairs = np.unique(row * len(names) + code)
    offsets = np.searchsorted(pairs // len(names), np.arange(rows + 1)).astype(np.int32)
    return arrow.ListArray.from_arrays(arrow.array(offsets), names.take(arrow.array(pairs % len(names))))


class Made:
    """Makes the rows of a day, the same for the same number of rows.

    Args:
        rows: documents of all days together.
    """

    def __init__(self, rows: int) -> None:
        self._of_day = [len(part) for part in np.array_split(np.empty(rows, np.int8), len(DAYS))]
        self._keywords = _phrases(KEYWORDS, 11)
        self._entities = _entities()
        self._texts = pc.binary_join_element_wise(_phrases(500, 12), _phrases(500, 13), _phrases(500, 14), " was ")

    def tables(self, number: int) -> Mapping[str, arrow.Table]:
        """The rows of day `number`, by table."""
        rows, day = self._of_day[number], DAYS[number]
        rng = np.random.default_rng([number, rows])
        documents = self._documents(rng, rows, day)
        labels = [f"{day}:{one}" for one in range(DISCOVERED)]
        has = np.flatnonzero(rng.random(rows) < ASSIGNED)
        topic = arrow.array(labels).take(arrow.array(rng.integers(0, DISCOVERED, len(has))))
        made = {
            DOCUMENTS: documents,
            COPIES: documents,
            ASSIGNMENTS: {
                "document_id": documents["document_id"].take(arrow.array(has)),
                "topic_id": topic,
                "weight": arrow.array(rng.random(len(has)).round(3)),
            },
            TOPICS: {
                "topic_id": arrow.array(labels),
                "label": arrow.array([f"label {one}" for one in range(DISCOVERED)]),
                "words": arrow.array([["word"]] * DISCOVERED),
                "weights": arrow.array([[1.0]] * DISCOVERED),
                "documents": arrow.array([1] * DISCOVERED),
                "sampled_documents": arrow.array([1] * DISCOVERED),
                "method": arrow.array(["lda"] * DISCOVERED),
                "model": arrow.array(["lda"] * DISCOVERED),
            },
        }
        return {path: _typed(path, columns, day) for path, columns in made.items()}

    def _documents(self, rng: np.random.Generator, rows: int, day: date) -> dict[str, arrow.Array]:
        def some(values: arrow.Array, known: float = 1.0) -> arrow.Array:
            """One of `values` for every row, null where nothing is known."""
            return arrow.array(values).take(
                arrow.array(rng.integers(0, len(values), rows), mask=rng.random(rows) >= known)
            )

        def numbers(values: np.ndarray, known: float) -> arrow.Array:
            return arrow.array(values, mask=rng.random(rows) >= known)

        sources = np.sort(rng.choice(len(SOURCES), rows, p=list(SOURCES.values())))
        names = arrow.array(list(SOURCES)).take(arrow.array(sources))
        channel = (rng.integers(0, CHANNELS_A_SOURCE, rows) * rng.random(rows)).astype(np.int64)
        channels = arrow.array([f"channel {n}" for n in range(len(SOURCES) * CHANNELS_A_SOURCE)])
        serial = pc.utf8_lpad(arrow.array(np.arange(rows)).cast(arrow.string()), 7, "0")
        ids = pc.binary_join_element_wise(names, day.isoformat(), serial, ":")
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
        # Half of the documents of a day come in its afternoon.
        moments = midnight + (rng.beta(3, 2, rows) * (DAY_US - 1)).astype(np.int64)
        created = arrow.array(moments).cast(arrow.timestamp("us", tz="UTC"))
        sentiment = np.clip(rng.normal(0.1, 0.4, rows), -1, 1).round(4)
        unscored = rng.random(rows) < 0.1
        label = arrow.array(["negative", "neutral", "positive"]).take(
            arrow.array(np.digitize(sentiment, [-0.05, 0.05]), mask=unscored)
        )
        canonical = rng.random(rows) < 0.94
        return {
            "document_id": ids,
            "kind": some(["post"]),
            "channel": channels.take(arrow.array(sources * CHANNELS_A_SOURCE + channel, mask=rng.random(rows) < 0.05)),
            "author_id": serial,
            "title": some(self._texts, 0.6),
            "text": some(self._texts),
            "url": pc.binary_join_element_wise("https://upstream.example/", ids, ""),
            "created_at": created,
            "score": numbers((rng.pareto(1.2, rows) * 5).astype(np.int64) - 2, 0.6),
            "replies": numbers(rng.geometric(0.2, rows) - 1, 0.5),
            "is_deleted": arrow.array(rng.random(rows) < 0.01),
            "is_adult": arrow.array(np.zeros(rows, bool)),
            "content_hash": pc.utf8_reverse(ids),
            "source": names,
            "stream": pc.binary_join_element_wise(names, "posts", "_"),
            "fetched_at": created,
            "cluster_id": ids,
            "is_canonical": arrow.array(canonical),
            "method": some(["none"]),
            "language": some(["en", "de", "es"]),
            "sentiment": arrow.array(sentiment, mask=unscored),
            "sentiment_label": label,
            "emotion": some(list(EMOTIONS), 0.88),
            "topic": some(list(TAXONOMY), 0.89),
            "entities": _lists(rng, self._entities, rows, ENTITIES_A_DOCUMENT),
            "keywords": _lists(rng, self._keywords, rows, KEYWORDS_A_DOCUMENT),
            "places": arrow.array([[]], arrow.list_(arrow.string())).take(arrow.array(np.zeros(rows, np.int64))),
            "place": some([f"place-{number}" for number in range(PLACES)], 0.5),
            "aspects": arrow.array([[]], arrow.list_(arrow.string())).take(arrow.array(np.zeros(rows, np.int64))),
            "model_versions": some(["{}"]),
        }


def _typed(path: str, columns: Mapping[str, arrow.Array], day: date) -> arrow.Table:
    """The columns of a table in its types; those that are not given are null, or empty lists."""
    schema = arrow_schema(tables()[path])
    rows = len(next(iter(columns.values())))
    given = {**columns, "event_date": arrow.repeat(arrow.scalar(day, arrow.date32()), rows)}
    return arrow.table(
        [
            given[field.name].cast(field.type) if field.name in given else arrow.nulls(rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def make_lake(location: str, rows: int) -> None:
    """Write the tables, a commit and so a file a day, as the platform does."""
    lake, made = Lake(location, mode="demo"), Made(rows)
    for number in range(len(DAYS)):
        for path, table in made.tables(number).items():
            write_deltalake(lake.address(tables()[path]), table, mode="append", partition_by=["event_date"])
