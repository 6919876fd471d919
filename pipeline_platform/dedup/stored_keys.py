"""Looks up what is stored of contents: their band keys by content hash, for a day against its week, with a kernel.

Of the usual way with Arrow (`index_in`, `take`, a cast, a transposition) each step passes over all the keys of a week;
together they took longer than the search itself. Importing this module loads Numba.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as arrow
from numba import njit

from pipeline_platform.dedup.minhash import BANDS, Bytes, Keys, Offsets, in_parts, mix, utf8

KEY_BYTES = 4 * BANDS
"""Of the packed keys of one content: little-endian 32 bit numbers."""

Places = npt.NDArray[np.int64]
_Slots = npt.NDArray[np.int32]
_Fingerprints = npt.NDArray[np.uint64]

_PRIME = np.uint64(0x100000001B3)


def places_of(asked: arrow.Array, stored: arrow.Array | arrow.ChunkedArray) -> Places:
    """Where each string of `asked` stands in `stored`, -1 where it does not; neither has nulls.

    Strings count as equal if 64 bits of a hash are. Among a million contents two are taken for each other once in ten
    million searches, and then one may miss its near copy; what is called a copy is compared in full.
    """
    known, wanted = _fingerprints(stored), _fingerprints(asked)
    slots = np.full(1 << (2 * len(known) + 1).bit_length(), -1, np.int32)
    _index(known, slots)
    places = np.empty(len(wanted), np.int64)
    in_parts(len(wanted), lambda first, last: _find(wanted, known, slots, first, last, places))
    return places


def _fingerprints(strings: arrow.Array | arrow.ChunkedArray) -> _Fingerprints:
    data, offsets = utf8(strings)
    hashed = np.empty(len(strings), np.uint64)
    in_parts(len(strings), lambda first, last: _hash(data, offsets, first, last, hashed))
    return hashed


def unpack(packed: arrow.Array | arrow.ChunkedArray, places: Places, keys: Keys) -> npt.NDArray[np.bool_]:
    """Write the keys that stand at `places` of `packed` into the columns of `keys`.

    Args:
        packed: keys of stored contents, `KEY_BYTES` each; null where a content is too short to compare.
        places: by column of `keys`, a place in `packed`, or -1.
        keys: shape (`BANDS`, places); columns of which there is nothing are left as they are.

    Returns:
        The columns that were written.
    """
    whole = packed.combine_chunks() if isinstance(packed, arrow.ChunkedArray) else packed
    written = np.zeros(len(places), bool)
    if len(whole):
        _, starts, data = whole.cast(arrow.large_binary()).buffers()
        offsets = np.frombuffer(starts, np.int64)[whole.offset : whole.offset + len(whole) + 1]
        values = np.empty(0, np.uint32) if data is None else np.frombuffer(data, "<u4", data.size // 4)
        in_parts(len(places), lambda first, last: _unpack(values, offsets, places, first, last, keys, written))
    return written


@njit(nogil=True, cache=True)
def _hash(data: Bytes, offsets: Offsets, first: int, last: int, hashed: _Fingerprints) -> None:
    for row in range(first, last):
        value = np.uint64(offsets[row + 1] - offsets[row])
        for at in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[at])) * _PRIME
        hashed[row] = mix(value)


@njit(nogil=True, cache=True)
def _index(known: _Fingerprints, slots: _Slots) -> None:
    """Put every row into the first free slot from its own on."""
    last = np.uint64(len(slots) - 1)
    for row in range(len(known)):
        slot = known[row] & last
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = row


@njit(nogil=True, cache=True)
def _find(wanted: _Fingerprints, known: _Fingerprints, slots: _Slots, first: int, last: int, places: Places) -> None:
    end = np.uint64(len(slots) - 1)
    for row in range(first, last):
        places[row] = -1
        slot = wanted[row] & end
        while slots[slot] >= 0:
            if known[slots[slot]] == wanted[row]:
                places[row] = slots[slot]
                break
            slot = (slot + np.uint64(1)) & end


@njit(nogil=True, cache=True)
def _unpack(
    values: npt.NDArray[np.uint32],
    offsets: Offsets,
    places: Places,
    first: int,
    last: int,
    keys: Keys,
    written: npt.NDArray[np.bool_],
) -> None:
    for row in range(first, last):
        place = places[row]
        if place >= 0 and offsets[place + 1] - offsets[place] == KEY_BYTES:
            start = offsets[place] // 4
            for band in range(BANDS):
                keys[band, row] = values[start + band]
            written[row] = True
