import os
import signal
from concurrent.futures import wait

import pandas as pd
import pytest

from pipeline_platform.enrich.cores import BATCH, Cores
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.registry import configured
from pipeline_platform.schemas.columns import TEXT
from pipeline_platform.settings import load_settings

PROCESSES = 2


@pytest.fixture(scope="module")
def documents():
    said = ["Bitcoin is great in Berlin", "What a terrible day, $AAPL fell", "日本語の文章です", "", "🙂", "a" * 50_000]
    texts = [f"{said[n % len(said)]} {n}" if n % len(said) != 3 else "" for n in range(3 * BATCH)]
    return pd.DataFrame({"title": pd.Series([None] * len(texts), dtype=TEXT), "text": pd.Series(texts, dtype=TEXT)})


@pytest.fixture(scope="module")
def alone(documents):
    return enrich(documents, configured(load_settings()))


def helpers_of(cores):
    return list(cores._pool._processes)


def test_helpers_say_what_one_process_says_and_are_gone_afterwards(documents, alone):
    components = configured(load_settings())
    with Cores(components, PROCESSES, worth_helpers=1) as cores:
        cores._start()
        wait([cores._ready])
        pids = helpers_of(cores)
        assert enrich(documents, components, apply=cores.apply).equals(alone)
    assert len(pids) == PROCESSES - 1
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_killed_helper_costs_nothing_but_time(documents, alone):
    components = configured(load_settings())
    with Cores(components, PROCESSES, worth_helpers=1) as cores:
        cores._start()
        wait([cores._ready])
        for pid in helpers_of(cores):
            os.kill(pid, signal.SIGKILL)
        assert enrich(documents, components, apply=cores.apply).equals(alone)


def test_few_texts_start_no_helper(documents, alone):
    components = configured(load_settings())
    with Cores(components, PROCESSES) as cores:
        few = documents.head(20)
        assert enrich(few, components, apply=cores.apply).equals(alone.head(20))
        assert cores._pool is None
