"""What is said of texts, beside the usual way: vaderSentiment and langdetect row by row, near copies by datasketch.

The usual way finds copies, language and sentiment. Ours is raced with these three alone, with all that is said here
of texts, and with all of it known from before.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pandas as pd
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.documents import DAY, cleaned_documents
from benchmarks.measure import BenchmarkError, Figure, apart, compared, race
from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.language import Language
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.registry import configured
from pipeline_platform.enrich.sentiment import Sentiment
from pipeline_platform.enrich.transformer import SentimentModel
from pipeline_platform.settings import load_settings

SCALE = 20_000
TARGET_SPEED = 20
SAME, WHOLE, KNOWN, USUAL = "copies, language, sentiment", "all components", "all, known before", "the usual way"


def _usual(documents: pd.DataFrame) -> pd.DataFrame:
    """What one writes with pandas."""
    from datasketch import MinHash, MinHashLSH
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0
    near, analyzer = MinHashLSH(threshold=0.8, num_perm=128), SentimentIntensityAnalyzer()

    def language(words: str) -> str:
        try:
            return str(detect(words))
        except LangDetectException:
            return "unknown"

    def copy_of(row: Any) -> str | None:
        signature = MinHash(num_perm=128)
        signature.update_batch([row["words"][at : at + 5].encode() for at in range(max(1, len(row["words"]) - 4))])
        found = near.query(signature)
        near.insert(row.name, signature)
        return str(min(found)) if found else None

    said = pd.DataFrame({"words": (documents["title"].fillna("") + "\n" + documents["text"].fillna("")).astype(object)})
    said["duplicate_of"] = said.apply(copy_of, axis=1)
    said["language"] = said["words"].apply(language)
    said["sentiment"] = said["words"].apply(lambda words: analyzer.polarity_scores(words)["compound"])
    return said


def run(scale: int, rounds: int) -> list[Figure]:
    """Find copies among `scale` documents of a day, and say what there is to say of them."""
    if missing := [name for name in ("datasketch", "langdetect") if find_spec(name) is None]:
        raise BenchmarkError(f"install {' and '.join(missing)} to race: pip install -e '.[bench]'")
    with apart():
        settings, documents = load_settings(), cleaned_documents(scale)
        history = documents.head(0)[list(COMPARED_COLUMNS)]

        def deduplicated() -> pd.DataFrame:
            return dedup_documents(documents, history, [DAY], lookback_days=settings.dedup_lookback_days)

        def whole(earlier: Predictions | None = None) -> pd.DataFrame:
            return enrich(deduplicated(), configured(settings), earlier)

        told = whole()  # loads the models
        contestants: dict[str, Callable[[], object]] = {
            SAME: lambda: enrich(deduplicated(), (Language(settings), SentimentModel(settings), Sentiment(settings))),
            WHOLE: whole,
            KNOWN: lambda: whole(Predictions(told)),
            USUAL: lambda: _usual(documents),
        }
        seconds = race(contestants, rounds)
    figures = [
        compared(what, seconds, what, USUAL, per=len(documents), unit="documents/s") for what in (SAME, WHOLE, KNOWN)
    ]
    return [one.aimed(f">= {TARGET_SPEED}", (one.speed or 0) >= TARGET_SPEED) for one in figures]
