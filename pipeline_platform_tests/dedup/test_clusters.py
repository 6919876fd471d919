"""Union-find over pairs: the earliest row of a component is canonical, the weakest needed pair is the method."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.dedup.clusters import Evidence, clusters, groups

Pairs = list[tuple[int, int]]


def evidence(method: str, pairs: Pairs, similarity: float) -> Evidence:
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Evidence(method, left, right, np.full(len(pairs), similarity))


def test_no_evidence_leaves_every_row_alone() -> None:
    found = clusters(3, [])
    assert found.canonical.tolist() == [0, 1, 2]
    assert found.method.tolist() == ["none"] * 3


def test_method_is_the_weakest_needed_and_similarity_only_where_measured() -> None:
    exact = evidence("exact", [(4, 3), (0, 1)], 1.0)
    near = evidence("near", [(1, 0), (1, 3), (0, 5)], 0.9)
    found = clusters(6, [exact, near])
    assert found.canonical.tolist() == [0, 0, 2, 0, 0, 0]
    assert found.method.tolist() == ["none", "exact", "none", "near", "near", "near"]
    np.testing.assert_array_equal(found.similarity, [np.nan, 1.0, np.nan, np.nan, np.nan, 0.9])


PAIRS = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=20)


@given(PAIRS, PAIRS)
def test_components_are_those_of_a_plain_search(strong: Pairs, weak: Pairs) -> None:
    found = clusters(15, [evidence("exact", strong, 1.0), evidence("url", weak, np.nan)])

    def reached(row: int, pairs: Pairs) -> int:
        seen = {row}
        while more := {b for a, b in [*pairs, *((b, a) for a, b in pairs)] if a in seen} - seen:
            seen |= more
        return min(seen)

    for row in range(15):
        canonical = reached(row, strong + weak)
        assert found.canonical[row] == canonical
        expected = "none" if canonical == row else "exact" if reached(row, strong) == canonical else "url"
        assert found.method[row] == expected


@given(st.lists(st.integers(-2, 4), max_size=12))
def test_groups_pair_every_row_with_the_first_of_its_code(codes: list[int]) -> None:
    first, other = groups(np.array(codes, dtype=np.int64))
    expected = {(codes.index(code), row) for row, code in enumerate(codes) if code >= 0 and codes.index(code) != row}
    assert set(zip(first.tolist(), other.tolist(), strict=True)) == expected
