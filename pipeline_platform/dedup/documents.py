"""Copies of documents, inside and across sources, within a window of days.

The rules, on the safe side since a wrong merge hides a voice and a missed one only counts it twice:

- Equal content hash: copies (`exact`, similarity 1.0). Contents shorter than `SHORT` characters after normalisation
  ("thanks!") are copies only from the same author, empty ones (a bare link) never.
- Articles of the same canonical address: copies (`url`, similarity not measured). An address without a path is a site
  and no article; an address under which one channel shows several contents is a page of many items (a changelog, a
  live blog). Both say nothing.
- Contents that have at least 0.8 of their shingles in common: copies (`near`, similarity measured). Each was compared
  with the content it is called a copy of, never by way of a third. Contents of fewer than 20 characters, or of few
  different ones (laughter, rows of emoji), are never near copies. See `near.py`.
- Deleted documents are copies of nothing: what is left of them ("[deleted]") is not what was said.

Equal titles alone say nothing: "Daily discussion thread" is the title of a thousand different posts.

A row of day D is compared with the rows of [D - look-back, D] and no others, so its result does not depend on which
days are computed together. The canonical row of a cluster is the earliest (partition, then creation), then the one
with the most content, then the lowest id; partition first, so that a row that was canonical on its own day stays so
for the days after. Behind the window a copy counts as new.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.clean.content import normalised_content
from pipeline_platform.dedup.clusters import Clusters, Evidence, Positions, clusters, groups
from pipeline_platform.dedup.rows import dedup_rows
from pipeline_platform.schemas.kinds import DOCUMENTS

if TYPE_CHECKING:
    from pipeline_platform.dedup.signatures import Contents

SHORT = 12
"""Characters of normalised content below which equality says little."""

COMPARED_COLUMNS = (
    "document_id",
    "source",
    "stream",
    "kind",
    "channel",
    "author_id",
    "title",
    "text",
    "canonical_url",
    "created_at",
    "fetched_at",
    "is_deleted",
    "content_hash",
    "event_date",
)
"""What is needed of the documents of the look-back days."""

_SITE = r"^https?://[^/?]+/?$"


@dataclass(frozen=True)
class _Rows:
    """Documents that were not deleted, in order of precedence; codes are equal for equal values.

    A negative `content` or `address` code takes part in no comparison; `hash` codes are the numbers of `Contents`.
    """

    position: Positions
    day: Positions
    document: Positions
    channel: Positions
    hash: Positions
    content: Positions
    address: Positions

    def at(self, which: npt.NDArray[Any]) -> "_Rows":
        """The rows of a mask or of indices in ascending order."""
        return _Rows(*(getattr(self, field.name)[which] for field in fields(self)))

    def within(self, first: int, last: int) -> "_Rows":
        """The rows of the days `first` to `last`, each document in its newest partition."""
        window = self.at((self.day >= first) & (self.day <= last))
        _, newest = np.unique(window.document[::-1], return_index=True)
        return window.at(np.sort(len(window.document) - 1 - newest))

    def clusters(self, today: int, contents: "Contents") -> Clusters:
        """Connect these rows, those of the day `today` and before, by content, by address and by similarity."""
        content = groups(self.content)
        address = groups(np.where(np.isin(self.address, self._pages_of_many()), -1, self.address))
        strong = [
            Evidence("exact", *content, np.ones(len(content[0]))),
            Evidence("url", *address, np.full(len(address[0]), np.nan)),
        ]
        found = clusters(len(self.position), strong)
        joined = np.zeros(len(self.position), bool)
        joined[found.canonical[self.day == today]] = True
        near = self._near(joined[found.canonical], contents)
        return clusters(len(self.position), [*strong, near]) if len(near.left) else found

    def _near(self, asked: npt.NDArray[np.bool_], contents: "Contents") -> Evidence:
        """Near copies among the contents of the rows `asked`, each with what comes before it."""
        from pipeline_platform.dedup.near import near_copies

        numbers, first, of_row = np.unique(self.hash, return_index=True, return_inverse=True)
        kept = contents.comparable[numbers]
        order = np.flatnonzero(kept)[np.argsort(first[kept])]
        numbers, first = numbers[order], first[order]
        place = np.full(len(kept), -1)
        place[order] = np.arange(len(order))
        place = place[of_row]
        wanted = np.zeros(len(order), bool)
        wanted[place[asked & (place >= 0)]] = True
        pairs = near_copies(contents.keys[:, numbers], wanted, lambda places: contents.normalised(numbers[places]))
        # One more than there are contents: place -1, of what is too short, has no original.
        original, similarity = np.full(len(order) + 1, -1), np.full(len(order) + 1, np.nan)
        original[pairs.right], similarity[pairs.right] = pairs.left, pairs.similarity
        copies = np.flatnonzero(original[place] >= 0)
        return Evidence("near", first[original[place[copies]]], copies, similarity[place[copies]])

    def _pages_of_many(self) -> Positions:
        """Addresses under which one channel shows more than one content."""
        addressed = np.stack([self.address, self.channel, self.hash])[:, self.address >= 0]
        shown = np.unique(addressed, axis=1)
        pairs, contents = np.unique(shown[:2], axis=1, return_counts=True)
        return pairs[0, contents > 1]


def dedup_documents(
    documents: pd.DataFrame,
    history: pd.DataFrame,
    days: Collection[date],
    *,
    lookback_days: int,
    signatures: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The documents of `days` with their clusters.

    Args:
        documents: cleaned documents of all streams; rows of other days than `days` count as history.
        history: cleaned documents, at least `COMPARED_COLUMNS`, of the look-back days before each of `days`; rows of
            `days` themselves and of days out of reach make no difference.
        days: UTC days to give a result for.
        lookback_days: how many days before its own a document is compared with.
        signatures: rows of `deduplicated/document_signatures`; they save time and change nothing.

    Returns:
        One row per document and day, the newest capture, in the columns of `deduplicated/documents`, ordered by day,
        creation and id.
    """
    asked = arrow.array(sorted(set(days)), arrow.date32())
    rows = _newest(documents, asked, inside=True)
    compared_with = pd.concat([history[list(COMPARED_COLUMNS)], documents[list(COMPARED_COLUMNS)]], ignore_index=True)
    earlier = _newest(compared_with, asked, inside=False)
    order = ("event_date", "created_at", "document_id")
    rows = rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in order]))
    compared = arrow.concat_tables([rows.select(COMPARED_COLUMNS), earlier])
    alive, contents = _alive(compared, signatures)

    canonical = np.arange(rows.num_rows)
    method = np.full(rows.num_rows, "none", dtype=object)
    similarity = np.full(rows.num_rows, np.nan)
    for day in asked.cast(arrow.int32()).to_pylist():
        window = alive.within(day - lookback_days, day)
        found = window.clusters(day, contents)
        today = window.day == day
        here = window.position[today]
        canonical[here] = window.position[found.canonical[today]]
        method[here] = found.method[today]
        similarity[here] = found.similarity[today]
    return _with_clusters(rows, compared["document_id"].take(arrow.array(canonical)), method, similarity)


def _newest(documents: pd.DataFrame, days: arrow.Array, *, inside: bool) -> arrow.Table:
    """The newest capture of every document in every partition inside, or outside, of `days`."""
    chosen = pc.is_in(arrow.array(documents["event_date"], arrow.date32()), value_set=days)
    mask = np.asarray(chosen.to_numpy(zero_copy_only=False), dtype=bool)
    newest = dedup_rows(documents[mask if inside else ~mask], ("document_id", "event_date"))
    types = [(name, DOCUMENTS[name].dtype.type.pyarrow_dtype) for name in newest.columns]
    return arrow.Table.from_pandas(newest, schema=arrow.schema(types), preserve_index=False)


def _alive(documents: arrow.Table, signatures: pd.DataFrame | None) -> tuple[_Rows, "Contents"]:
    # Loads Numba, which takes longer than all else that the definitions import.
    from pipeline_platform.dedup.signatures import Contents

    length = pc.add(*(pc.fill_null(pc.utf8_length(documents[name]), 0) for name in ("title", "text")))
    alive = np.flatnonzero(~documents["is_deleted"].to_numpy().astype(bool))
    # Without the texts, which are many times as large as all else.
    rows = documents.drop_columns(["title", "text"]).append_column("length", length).combine_chunks()
    rows = rows.take(arrow.array(alive))
    precedence = pc.sort_indices(
        rows,
        sort_keys=[
            ("event_date", "ascending"),
            ("created_at", "ascending"),
            ("length", "descending"),
            ("document_id", "ascending"),
        ],
    )
    rows, alive = rows.take(precedence), alive[precedence.to_numpy()]
    hashes = rows["content_hash"].combine_chunks().dictionary_encode()
    codes = hashes.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    _, first = np.unique(codes, return_index=True)
    stored = None if signatures is None else arrow.Table.from_pandas(signatures, preserve_index=False)
    return _Rows(
        position=alive,
        day=rows["event_date"].cast(arrow.int32()).to_numpy().astype(np.int64),
        document=_codes(rows["document_id"]),
        channel=_codes(pc.binary_join_element_wise(rows["source"], pc.fill_null(rows["channel"], ""), "\n")),
        hash=codes,
        content=_content_codes(documents, alive, codes),
        address=_address_codes(rows),
    ), Contents(documents, alive[first], hashes.dictionary, stored)


def _address_codes(documents: arrow.Table) -> Positions:
    """A number per address of an article, none for a site."""
    article = pc.equal(documents["kind"], "article")
    site = pc.match_substring_regex(documents["canonical_url"], _SITE)
    return _codes(pc.if_else(pc.and_(article, pc.invert(site)), documents["canonical_url"], None))


def _codes(values: arrow.ChunkedArray) -> Positions:
    """A number per value, equal for equal values, negative for null."""
    encoded = values.combine_chunks().dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _content_codes(documents: arrow.Table, positions: Positions, hashes: Positions) -> Positions:
    """By position, a number per content that may be called the same: with its author where short, none where empty."""
    shared = np.flatnonzero((np.bincount(hashes) > 1)[hashes])
    rows = documents.select(["content_hash", "author_id", "title", "text"]).take(arrow.array(positions[shared]))
    lengths: dict[str, int] = {}
    keys: list[str | None] = []
    for content, author, title, text in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        if content not in lengths:
            lengths[content] = len(normalised_content(title, text))
        if lengths[content] >= SHORT:
            keys.append(content)
        else:
            keys.append(f"{content} {author}" if lengths[content] and author else None)
    codes = np.full(len(positions), -1)
    codes[shared] = _codes(arrow.chunked_array([arrow.array(keys, arrow.string())]))
    return codes


def _with_clusters(
    rows: arrow.Table,
    cluster_id: arrow.ChunkedArray,
    method: npt.NDArray[np.object_],
    similarity: npt.NDArray[np.float64],
) -> pd.DataFrame:
    methods = arrow.array(method, arrow.string())
    is_canonical = pc.equal(methods, "none")
    added = {
        "cluster_id": cluster_id,
        "is_canonical": is_canonical,
        "duplicate_of": pc.if_else(is_canonical, None, cluster_id),
        "similarity": arrow.array(similarity, arrow.float64(), from_pandas=True),
        "method": methods,
    }
    for name, values in added.items():
        rows = rows.append_column(name, values)
    return rows.to_pandas(types_mapper=pd.ArrowDtype)
