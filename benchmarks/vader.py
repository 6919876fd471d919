"""VADER's scores beside the package `vaderSentiment`, on the posts of the sandbox and on tweets when they are at hand.

Both must give the same scores. The tweets are other people's and not in the repository: `../shared/corpora`.
"""

from pathlib import Path

import numpy as np
import orjson
import pyarrow as arrow
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.documents import raw_records
from benchmarks.measure import BenchmarkError, Figure, compared, race
from pipeline_platform.enrich import vader

SCALE = 20_000
TARGET_SPEED = 15.0
OURS, THEIRS = "compiled", "vaderSentiment"
TWEETS = Path(__file__).parents[2] / "shared/corpora/sentiment/vader_tweets/tweets_GroundTruth.txt"


def _posts(scale: int) -> list[str]:
    """Bodies of Reddit posts and comments of the sandbox."""
    records = raw_records(2 * scale)
    payloads = map(orjson.loads, [*records["reddit_posts"]["payload"], *records["reddit_comments"]["payload"]])
    return [str(one.get("selftext") or one.get("body") or one.get("title") or "") for one in payloads][:scale]


def _tweets(scale: int) -> list[str]:
    tweets = [line.split("\t")[2] for line in TWEETS.read_text().split("\n") if line] if TWEETS.exists() else []
    return (tweets * (scale // len(tweets) + 1))[:scale] if tweets else []


def run(scale: int, rounds: int) -> list[Figure]:
    """Score `scale` texts."""
    analyzer = SentimentIntensityAnalyzer()
    figures = []
    for what, texts in (("posts of the sandbox", _posts(scale)), ("tweets rated for VADER", _tweets(scale))):
        if not texts:
            continue
        column = arrow.array(texts)
        expected = [analyzer.polarity_scores(text)["compound"] for text in texts]
        off = int((vader.scores(column)[:, 0] != np.array(expected)).sum())
        if off:
            raise BenchmarkError(f"{off} of {len(texts)} {what} have another compound score than {THEIRS} gives")
        seconds = race(
            {
                OURS: lambda column=column: vader.scores(column),
                THEIRS: lambda texts=texts: [analyzer.polarity_scores(text) for text in texts],
            },
            rounds,
        )
        figure = compared(f"VADER, {what}", seconds, OURS, THEIRS, per=len(texts), unit="documents/s")
        figures.append(figure.aimed(f">= {TARGET_SPEED:.0f} times", (figure.speed or 0) >= TARGET_SPEED))
    return figures
