"""What near copies are sought by: the band keys of every distinct content, stored by day so that each is made once.

A signature follows from the content alone and is found by its hash, so a stored one is right whatever became of the
documents since: an edited document has another hash, and finds no signature until one is made.
"""

from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.dedup.clusters import Positions
from pipeline_platform.dedup.minhash import BANDS, Keys, band_keys
from pipeline_platform.dedup.near import TELLING, Flags
from pipeline_platform.dedup.normalised import normalised_contents
from pipeline_platform.dedup.stored_keys import KEY_BYTES, places_of, unpack
from pipeline_platform.schemas.deduplicated import SIGNATURES

VERSION = "1"
"""To be changed with anything that changes keys: the normalisation, the kernel, `TELLING`."""


class Contents:
    """The distinct contents of some documents, numbered.

    Args:
        documents: has `title` and `text`.
        rows: by number, the row of a document that has the content.
        hashes: by number, the content hash.
        signatures: rows of `SIGNATURES`, of these contents and others; what is not among them is made.
    """

    def __init__(
        self, documents: arrow.Table, rows: Positions, hashes: arrow.Array, signatures: arrow.Table | None = None
    ) -> None:
        self._documents = documents
        self._rows = rows
        self._hashes = hashes
        self._stored = signatures

    def normalised(self, numbers: Positions) -> arrow.Array:
        """The normalised contents of these numbers."""
        rows = self._documents.select(["title", "text"]).take(arrow.array(self._rows[numbers]))
        return normalised_contents(rows["title"], rows["text"])

    @cached_property
    def _signed(self) -> tuple[Keys, Flags]:
        keys = np.zeros((BANDS, len(self._rows)), np.uint32)
        comparable = np.zeros(len(self._rows), bool)
        missing = np.arange(len(self._rows))
        if self._stored is not None:
            current = self._stored.filter(pc.equal(self._stored["version"], VERSION))
            places = places_of(self._hashes, current["content_hash"])
            comparable = unpack(current["band_keys"], places, keys)
            missing = np.flatnonzero(places < 0)
        contents = self.normalised(missing)
        keys[:, missing] = band_keys(contents)
        comparable[missing] = pc.greater_equal(pc.utf8_length(contents), TELLING).to_numpy(zero_copy_only=False)
        return keys, comparable

    @property
    def keys(self) -> Keys:
        """Band keys of every content; those of contents that are not comparable mean nothing."""
        return self._signed[0]

    @property
    def comparable(self) -> Flags:
        """Contents with at least `TELLING` characters."""
        return self._signed[1]


def document_signatures(documents: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Rows of `SIGNATURES` for the contents of `documents`.

    Args:
        documents: has `title`, `text`, `content_hash` and `event_date`.
        stored: rows of `SIGNATURES` of any day, which are not made again.

    Returns:
        One row per day and content, ordered by them.
    """
    days = documents[["event_date", "content_hash"]].drop_duplicates().sort_values(["event_date", "content_hash"])
    table = arrow.Table.from_pandas(documents[["title", "text", "content_hash"]], preserve_index=False)
    encoded = table["content_hash"].combine_chunks().dictionary_encode()
    known = arrow.Table.from_pandas(stored.drop_duplicates("content_hash"), preserve_index=False)
    _, rows = np.unique(encoded.indices, return_index=True)
    contents = Contents(table, rows, encoded.dictionary, known)
    at = pc.index_in(arrow.array(days["content_hash"]), value_set=encoded.dictionary)
    packed = _packed(contents.keys, contents.comparable).take(at)
    return (
        days.assign(band_keys=pd.array(packed, dtype=SIGNATURES["band_keys"].dtype.type), version=VERSION)
        .astype({"version": SIGNATURES["version"].dtype.type})[list(SIGNATURES)]
        .reset_index(drop=True)
    )


def _packed(keys: Keys, comparable: Flags) -> arrow.Array:
    """The keys of each content as bytes, null where it is not comparable."""
    whole = np.ascontiguousarray(keys.T, dtype="<u4")
    rows = arrow.FixedSizeBinaryArray.from_buffers(arrow.binary(KEY_BYTES), len(whole), [None, arrow.py_buffer(whole)])
    return rows.cast(arrow.binary()).take(arrow.array(np.arange(len(whole)), mask=~comparable))
