import threading

import pandas as pd
import pytest

from pipeline_platform.enrich.cores import BATCH, in_batches
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import configured
from pipeline_platform.schemas.columns import TEXT
from pipeline_platform.settings import load_settings


@pytest.fixture(scope="module")
def documents():
    said = ["Bitcoin is great in Berlin", "What a terrible day, $AAPL fell", "日本語の文章です", "", "🙂", "a" * 50_000]
    texts = [f"{said[n % len(said)]} {n}" if n % len(said) != 3 else "" for n in range(3 * BATCH)]
    return pd.DataFrame({"title": pd.Series([None] * len(texts), dtype=TEXT), "text": pd.Series(texts, dtype=TEXT)})


def test_several_threads_say_what_one_says(documents):
    alone = enrich(documents, configured(load_settings()), threads=1)
    assert enrich(documents, configured(load_settings()), threads=2).equals(alone)
    few = documents.iloc[BATCH - 10 : BATCH + 10]
    assert enrich(few, configured(load_settings())).equals(alone.loc[few.index])


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (BATCH, [BATCH]), (2 * BATCH + 1, [BATCH, BATCH, 1])])
def test_batches_come_in_order(count, sizes):
    found = in_batches(lambda batch: range(count)[batch], count, threads=2)
    assert [len(batch) for batch in found] == sizes
    assert [one for batch in found for one in batch] == list(range(count))


def test_batches_are_read_side_by_side_and_errors_come_through():
    both = threading.Barrier(2, timeout=60)
    in_batches(lambda batch: both.wait(), 2 * BATCH, threads=2)

    def fail(batch):
        raise OSError(f"no disk at {batch.start}")

    with pytest.raises(OSError, match="no disk at 0"):
        in_batches(fail, 2 * BATCH, threads=2)
