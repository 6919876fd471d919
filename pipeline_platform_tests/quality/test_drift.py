from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from pipeline_platform.quality.drift import NO_LABEL, by_chance, divergence_of, drifts

DAY = date(2026, 11, 17)

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=8).filter(
    lambda rows: all(map(sum, zip(*rows, strict=True)))
)


@given(counts)
def test_the_divergence_is_that_of_scipy_and_the_same_both_ways(rows):
    one, other = (np.array(side, float) / sum(side) for side in zip(*rows, strict=True))
    assert divergence_of(one, other) == pytest.approx(jensenshannon(one, other, base=2) ** 2, abs=1e-9)
    assert divergence_of(one, other) == divergence_of(other, one)
    assert 0 <= divergence_of(one, other) <= 1


def test_ends_of_the_scale():
    assert divergence_of(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert divergence_of(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


def test_chance_alone_is_hardly_ever_a_drift():
    random, shares = np.random.default_rng(0), np.array([0.4, 0.3, 0.2, 0.05, 0.05])
    limit = by_chance(5, 150, 1_000)
    found = [
        divergence_of(random.multinomial(150, shares) / 150, random.multinomial(1_000, shares) / 1_000)
        for _ in range(2_000)
    ]
    assert np.mean(np.array(found) > limit) < 0.01
    assert max(found) > limit / 2, "nor is the limit beyond reach"


def _days(*days):
    """Labels of days that end at `DAY`."""
    rows = [
        (DAY - timedelta(days=len(days) - 1 - at), label)
        for at, counted in enumerate(days)
        for label, count in counted.items()
        for _ in range(count)
    ]
    return pd.DataFrame(rows, columns=["event_date", "topic"])


def test_a_label_that_is_gone_or_missing_counts():
    usual = {"a": 100, "b": 100}
    (gone,) = drifts(_days(usual, {"a": 200}), [DAY], ["topic"], 0.05)
    (missing,) = drifts(_days(usual, {None: 200}), [DAY], ["topic"], 0.05)
    (quiet,) = drifts(_days(usual, {"a": 95, "b": 105}), [DAY], ["topic"], 0.05)
    assert (gone.drifted, missing.drifted, quiet.drifted) == (True, True, False)
    assert missing.divergence == 1
    assert missing.shares.loc[NO_LABEL, "today"] == 1
    assert gone.shares.sum().tolist() == [1, 1]


def test_a_day_is_held_against_the_seven_before_it_only():
    days = _days({"b": 500}, *[{"a": 100}] * 8)
    (found,) = drifts(days, [DAY], ["topic"], 0)
    assert (found.before, found.divergence) == (700, 0)
    backwards = drifts(days.iloc[::-1], [DAY - timedelta(days=1), DAY], ["topic"], 0)
    assert backwards[1].divergence == 0
    assert backwards[0].drifted


def test_too_few_documents_are_not_judged():
    assert drifts(_days({"a": 99}, {"b": 500}), [DAY], ["topic"], 0) == []
    assert drifts(_days({"a": 500}, {"b": 99}), [DAY], ["topic"], 0) == []
    assert drifts(_days(), [DAY], ["topic"], 0) == []
