"""The compiled loop of `gazetteer.py`: names of a list in the words of texts, the longest first."""

import numpy as np
from numba import njit

NONE = -1

compiled = njit(cache=True, nogil=True)


@compiled
def _child(keys, nodes, node, word, words):  # type: ignore[no-untyped-def]
    key = node * words + word
    place = np.searchsorted(keys, key)
    return nodes[place] if place < len(keys) and keys[place] == key else NONE


@compiled
def _gap(data, begin, end, gaps):  # type: ignore[no-untyped-def]
    """Whether these bytes may stand between the words of a name."""
    if end - begin > 3:
        return False
    packed = np.int64(0)
    for at in range(begin, end):
        packed = packed << 8 | np.int64(data[at])
    place = np.searchsorted(gaps, packed)
    return place < len(gaps) and gaps[place] == packed


@compiled
def find(data, begins, ends, stops, ids, keys, nodes, values, words, gaps, found):  # type: ignore[no-untyped-def]
    """Fills in the names of texts, from left to right, none within another; how many there are.

    Args:
        data: UTF-8 of the texts.
        begins: first byte of each word.
        ends: the byte behind each word.
        stops: where the words of each text end.
        ids: number of each word, `NONE` for one that no name has.
        keys: the steps in the tree of names: node * words + number of a word, sorted. 0 is the root.
        nodes: the node that each step leads to.
        values: of each node the position of the name that ends there, or `NONE`.
        words: how many words names have.
        gaps: what may stand between the words of a name, up to three bytes as a number, sorted.
        found: (words of the texts, 4), takes text, name, first and last word.
    """
    count, first = 0, 0
    for text in range(len(stops)):
        word = first
        while word < stops[text]:
            node, value, last, at = 0, NONE, word, word
            while at < stops[text] and ids[at] != NONE:
                if at > word and not _gap(data, ends[at - 1], begins[at], gaps):
                    break
                node = _child(keys, nodes, node, ids[at], words)
                if node == NONE:
                    break
                if values[node] != NONE:
                    value, last = values[node], at
                at += 1
            if value != NONE:
                found[count, 0], found[count, 1], found[count, 2], found[count, 3] = text, value, word, last
                count += 1
            word = last + 1
        first = stops[text]
    return count
