from datetime import date, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, pearsonr, spearmanr

from pipeline_platform.aggregate.correlations import SIGNIFICANT, SPAN_DAYS, corrected, correlate

LAST = date(2026, 11, 20)
DAYS = [LAST - timedelta(days=back) for back in range(SPAN_DAYS, -1, -1)]
BITCOIN = {"kind": "asset", "subject": "crypto:BTC"}


def test_coefficients_are_those_of_scipy_over_the_common_days():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(40, 5)).round(1), random.normal(size=(40, 5))
    first[3:9, 2] = np.nan
    made = correlate(first, second)
    for column in range(5):
        known = ~np.isnan(first[:, column])
        x, y = first[known, column], second[known, column]
        np.testing.assert_allclose(made["spearman"][column], spearmanr(x, y).statistic)
        np.testing.assert_allclose(made["pearson"][column], pearsonr(x, y).statistic)
        assert made["n"][column] == known.sum()
        assert 0 < made["effective_n"][column] <= known.sum()


def test_constant_and_short_series_have_no_coefficient():
    first = np.arange(40.0)[:, None] * [1.0, 0.0]
    first[:21, 0] = np.nan
    made = correlate(first, np.random.default_rng(2).normal(size=(40, 2)))
    assert made[["spearman", "pearson", "p_value"]].isna().all(axis=None)
    assert list(made["n"]) == [19, 40]


def series(rows, values, **subject):
    """Rows of `subject_daily` of the last days up to `LAST`, none where the number is 0."""
    return rows(
        "aggregated/subject_daily",
        [
            {**subject, "documents": value, "canonical_documents": value, "event_date": day}
            for day, value in zip(DAYS, values, strict=True)
            if value
        ],
    )


def prices(rows, values):
    bitcoin = {"source": "coingecko", "symbol": "bitcoin", "currency": "USD", "asset": "crypto:BTC"}
    return rows(
        "aggregated/market_daily",
        [{**bitcoin, "daily_return": value, "event_date": day} for day, value in zip(DAYS, values, strict=True)],
    )


def test_of_pairs_with_one_test_each_the_correction_is_that_of_benjamini_and_hochberg_for_what_they_find():
    p = pd.Series(np.random.default_rng(7).uniform(size=40) ** 4)
    made = corrected(p, pd.Series(range(40)))
    of_scipy = false_discovery_control(p)
    assert ((made <= SIGNIFICANT) == (of_scipy <= SIGNIFICANT)).all()
    assert (made >= of_scipy - 1e-12).all()


@given(st.lists(st.tuples(st.integers(0, 8), st.none() | st.floats(0, 1)), max_size=60))
def test_every_selected_pair_has_a_significant_test_and_more_tests_of_a_pair_find_no_other(tests):
    pair, p = (pd.Series([one[at] for one in tests], dtype="float64") for at in (0, 1))
    made = corrected(p, pair)
    assert (made.isna() == p.isna()).all()
    assert (made.dropna() >= p.dropna()).all()
    inside = p.dropna().groupby(pair).apply(lambda one: false_discovery_control(one).min())
    selected = inside[false_discovery_control(inside) <= SIGNIFICANT] if len(inside) else inside
    assert set(pair[made <= SIGNIFICANT]) == set(selected.index)


def wide_of(rows, days, **columns):
    told = [{name: float(values[at]) for name, values in columns.items()} for at in range(len(days))]
    return rows(
        "aggregated/cross_domain_daily",
        [{"documents": 9, "event_date": day} | one for day, one in zip(days, told, strict=True)],
    )


def on(frame, days):
    return frame[frame["event_date"].isin(days).to_numpy(dtype=bool)]


def volumes(table):
    """Rows of the volume of bitcoin over 30 days, by lag."""
    of_volume = (table["first"] == "canonical_documents") & (table["window_days"] == 30)
    return table[of_volume.to_numpy(dtype=bool)].set_index("lag_days")


def test_a_silent_day_has_no_mentions_if_documents_were_read(aggregated, rows):
    random = np.random.default_rng(3)
    mentions = random.poisson(0.9, len(DAYS))
    returns = np.r_[0, mentions[:-1]] * 0.01 + random.normal(0, 0.001, len(DAYS))
    bitcoin = series(rows, mentions, **BITCOIN)
    told = {"market": prices(rows, returns), "wide": wide_of(rows, DAYS)}
    made = volumes(aggregated("aggregated/correlations", [LAST], subjects=bitcoin, **told))
    assert list(made["n"]) == [30] * 7
    assert made["spearman"].idxmax() == 1
    np.testing.assert_allclose(made.loc[1, "spearman"], spearmanr(mentions[-31:-1], returns[-30:]).statistic)
    assert made.loc[1, "is_significant"]
    # Nothing was read on the last ten days: nobody knows who was silent.
    told["wide"] = wide_of(rows, DAYS[:-10])
    made = volumes(aggregated("aggregated/correlations", [LAST], subjects=on(bitcoin, DAYS[:-10]), **told))
    assert made.loc[0, "n"] == 20


def test_a_subject_that_is_hardly_named_has_no_coefficient(aggregated, rows):
    mentions = np.arange(len(DAYS)) % 4 == 0
    returns = np.random.default_rng(4).normal(size=len(DAYS)) / 100
    given = {"market": prices(rows, returns), "wide": wide_of(rows, DAYS)}
    made = aggregated("aggregated/correlations", [LAST], subjects=series(rows, mentions, **BITCOIN), **given)
    assert list(volumes(made)["n"]) == [30] * 7
    assert volumes(made)[["spearman", "pearson", "effective_n", "p_value", "p_corrected"]].isna().all(axis=None)
    over_90 = made[((made["first"] == "canonical_documents") & (made["window_days"] == 90)).to_numpy(dtype=bool)]
    assert over_90["spearman"].notna().all()


def test_nothing_of_a_later_day_is_looked_at(aggregated, rows):
    random = np.random.default_rng(5)
    given = {
        "subjects": series(rows, random.poisson(5, len(DAYS)), **BITCOIN),
        "market": prices(rows, random.normal(size=len(DAYS)) / 100),
        "wide": wide_of(rows, DAYS),
    }
    day = DAYS[-8]
    known = {name: on(frame, DAYS[:-7]) for name, frame in given.items()}
    then, later = (aggregated("aggregated/correlations", [day], **frames) for frames in (known, given))
    assert then["spearman"].notna().any()
    pd.testing.assert_frame_equal(then, later)


def test_sentiment_of_everything_is_held_against_the_rain_of_all_places(aggregated, rows):
    random = np.random.default_rng(6)
    rain = random.exponential(5, len(DAYS))
    mood = np.r_[0, -rain[:-1]] / 100 + random.normal(0, 0.01, len(DAYS))
    wide = wide_of(rows, DAYS, mean_sentiment=mood, mean_rain_mm=rain)
    made = aggregated("aggregated/correlations", [LAST], wide=wide)
    found = made[made["is_significant"].to_numpy(dtype=bool)]
    assert set(zip(found["kind"], found["second"], found["lag_days"], strict=True)) == {("overall", "mean_rain_mm", -1)}
    assert (found["spearman"] < -0.9).all()
