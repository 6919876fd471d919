"""Anomalies: what is planted is found, a steady world is quiet, and little history says nothing."""

from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pandas as pd
import pytest

from benchmarks.histories import LAST, PLANTED, found_in, outage, spike, world
from pipeline_platform.quality import detectors
from pipeline_platform.quality.drift import divergence_of
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import ANOMALIES

PATHS = [path for path in tables() if path.startswith("raw/")][:30]
DAYS = [LAST - timedelta(days=ago) for ago in range(8, -1, -1)]
QUIET_RATE = 0.005
"""Alarms per table and day in a steady world that are put up with."""


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_nothing_else(name: str) -> None:
    kind, plan = PLANTED[name]
    planted, steady = PATHS[:15], PATHS[15:]
    found = found_in(world(7, 40, PATHS, dict.fromkeys(planted, plan)), DAYS)
    ANOMALIES.schema.validate(found)
    of_kind = found[(found["kind"] == kind).to_numpy(dtype=bool)]
    assert set(of_kind["table"]) & set(steady) == set()
    assert len(set(of_kind["table"]) & set(planted)) >= 0.8 * len(planted)


def test_a_steady_world_is_quiet() -> None:
    days = [LAST - timedelta(days=ago) for ago in range(20)]
    found = found_in(world(11, 50, PATHS), days)
    assert len(found) <= QUIET_RATE * len(days) * len(PATHS)


@pytest.mark.parametrize("length", [1, 3, 13])
def test_little_history_says_nothing(length: int) -> None:
    found = found_in(world(1, length, PATHS, dict.fromkeys(PATHS, outage)), DAYS[-length:])
    assert found.empty


def test_no_profiles_and_no_days_are_no_rows() -> None:
    profiles = world(1, 3, PATHS[:1])
    assert found_in(profiles.head(0), DAYS).empty
    assert found_in(profiles, []).empty


def test_a_day_that_is_not_over_is_no_outage() -> None:
    profiles = world(3, 40, PATHS[:5], dict.fromkeys(PATHS[:5], outage))
    noon = datetime(LAST.year, LAST.month, LAST.day, 12, tzinfo=UTC)
    assert found_in(profiles, [LAST], noon).empty
    assert set(found_in(profiles, [LAST], noon + timedelta(days=3))["kind"]) == {"volume"}


def test_a_stream_that_begins_is_no_anomaly() -> None:
    def begins(made: object, ago: int) -> None:
        if ago > 3:
            made.rows = 0  # type: ignore[attr-defined]

    assert found_in(world(3, 40, PATHS[:5], dict.fromkeys(PATHS[:5], begins)), DAYS).empty


def test_any_order_and_any_range_give_the_same() -> None:
    profiles = world(5, 40, PATHS[:8], dict.fromkeys(PATHS[:4], spike))
    together = found_in(profiles, DAYS)
    assert len(together)
    shuffled = profiles.iloc[Random(1).sample(range(len(profiles)), len(profiles))]
    pd.testing.assert_frame_equal(together, found_in(shuffled, DAYS), check_exact=True)
    apart = pd.concat([found_in(profiles, [day]) for day in DAYS], ignore_index=True)
    pd.testing.assert_frame_equal(together, apart, check_exact=True)


def test_what_a_cleaned_table_shares_with_its_raw_one_is_told_once() -> None:
    both = ["raw/rss_articles", "cleaned/rss_articles"]
    found = found_in(world(3, 40, both, dict.fromkeys(both, outage)), [LAST])
    assert found["table"].tolist() == ["raw/rss_articles"]


def test_the_evidence_shows_the_history_and_the_day() -> None:
    (row,) = found_in(world(3, 40, PATHS[:1], {PATHS[0]: outage}), [LAST]).to_dict("records")
    assert (row["severity"], row["observed"], row["history_days"]) == ("error", 0, 28)
    assert row["labels"][-1] == str(LAST)
    assert row["values"][-1] == 0
    assert "usually has" in row["explanation"]


def test_counters_that_stand_for_three_days_are_told() -> None:
    random = np.random.default_rng(1)
    history = np.sort(random.normal(100, 5, (1, 28, 3)))[..., [0, 2, 1]]
    today = history[:, -1].copy()
    assert detectors.frozen(history, np.full((1, 28), 40.0), today)[0] == 0, "two days alike are chance"
    history[:, -2] = history[:, -1]
    assert detectors.frozen(history, np.full((1, 28), 40.0), today)[0] == 1
    constant = np.tile(today[:, None], (1, 28, 1))
    assert detectors.frozen(constant, np.full((1, 28), 40.0), today)[0] == 0, "what never moved is not stuck"


@pytest.mark.parametrize(("one", "other", "bits"), [([1, 0], [0, 1], 1), ([0.5, 0.5], [0.5, 0.5], 0)])
def test_divergence_goes_from_0_to_1_bit(one: list[float], other: list[float], bits: float) -> None:
    assert divergence_of(np.array(one, dtype=float), np.array(other, dtype=float)) == pytest.approx(bits)


def test_a_known_outage_does_not_excuse_the_next() -> None:
    history = np.random.default_rng(2).poisson(200, (1, 28)).astype(float)
    history[0, [20, 24]] = 0
    assert detectors.volume(history, np.array([0.0])).strength[0] >= 1
    assert not detectors.volume(history, np.array([200.0])).strength[0] >= 1
