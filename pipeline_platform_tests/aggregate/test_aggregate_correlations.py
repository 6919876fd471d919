import numpy as np
from scipy.stats import pearsonr, spearmanr

from pipeline_platform.aggregate.correlations import correlate


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
