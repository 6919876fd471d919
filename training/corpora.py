"""Readers of labelled texts. The texts stay where they are; what is learned may ship, with their names and licences.

Layout of the folder: `emotion/goemotions`, `emotion/tweeteval_emotion`, `sarcasm/tweeteval_irony`,
`sentiment/tweeteval_sentiment`, `sentiment/vader_tweets`, `sentiment/nltk_sentence_polarity`.
"""

import html
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Corpus:
    """Where labelled texts come from."""

    name: str
    licence: str
    origin: str


GOEMOTIONS = Corpus(
    "GoEmotions", "CC BY 4.0", "https://github.com/google-research/google-research/tree/master/goemotions"
)
TWEETEVAL = "https://github.com/cardiffnlp/tweeteval"
TWEETEVAL_LICENCE = "released without any restrictions; terms of the SemEval task and of Twitter apply to the texts"
TWEETEVAL_EMOTION = Corpus("TweetEval emotion (SemEval-2018 task 1)", TWEETEVAL_LICENCE, TWEETEVAL)
TWEETEVAL_IRONY = Corpus("TweetEval irony (SemEval-2018 task 3A)", TWEETEVAL_LICENCE, TWEETEVAL)
TWEETEVAL_SENTIMENT = Corpus("TweetEval sentiment (SemEval-2017 task 4A)", TWEETEVAL_LICENCE, TWEETEVAL)
VADER_TWEETS = Corpus("tweets rated for VADER", "MIT", "https://github.com/cjhutto/vaderSentiment")
SENTENCE_POLARITY = Corpus("sentence polarity (Pang & Lee 2005)", "CC BY 4.0", "https://github.com/nltk/nltk_data")


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled texts.

    Attributes:
        corpus: where they come from.
        texts: as they were written.
        labels: number of the class of each text.
        weights: what each text counts in training.
    """

    corpus: Corpus
    texts: Sequence[str]
    labels: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, wanted: np.ndarray) -> "Examples":
        """The examples at the true places of a mask."""
        places = np.flatnonzero(wanted)
        return Examples(self.corpus, [self.texts[place] for place in places], self.labels[places], self.weights[places])

    def weighing(self, weight: float) -> "Examples":
        """The same examples, each counting `weight` times as much."""
        return Examples(self.corpus, self.texts, self.labels, self.weights * weight)


def examples(corpus: Corpus, labelled: Sequence[tuple[str, int]]) -> Examples:
    """Examples from pairs of text and class."""
    labels = np.array([label for _, label in labelled], dtype=np.int64)
    return Examples(corpus, [html.unescape(text) for text, _ in labelled], labels, np.ones(len(labels)))


def goemotions(corpora: Path, split: str) -> list[tuple[str, tuple[str, ...]]]:
    """Reddit comments, each with the emotions (27 or neutral) its raters agreed on."""
    folder = corpora / "emotion/goemotions"
    names = (folder / "labels.txt").read_text("utf-8").split()
    lines = (line.split("\t") for line in (folder / f"{split}.tsv").read_text("utf-8").splitlines())
    return [(text, tuple(names[int(number)] for number in labels.split(","))) for text, labels, _ in lines]


def tweeteval(folder: Path, split: str) -> list[tuple[str, int]]:
    """Tweets of a TweetEval task and their classes."""
    texts = (folder / f"{split}_text.txt").read_text("utf-8").split("\n")
    labels = (folder / f"{split}_labels.txt").read_text("utf-8").split()
    return [(text, int(label)) for text, label in zip(texts, labels, strict=False)]


def vader_tweets(corpora: Path) -> list[tuple[str, float]]:
    """Tweets and their valence, -4 to 4, the mean of the raters."""
    lines = (corpora / "sentiment/vader_tweets/tweets_GroundTruth.txt").read_text("utf-8").splitlines()
    return [(text, float(valence)) for _, valence, text in (line.split("\t", 2) for line in lines)]


def sentence_polarity(corpora: Path) -> list[tuple[str, bool]]:
    """Sentences of film reviews, and whether the review is a good one."""
    with zipfile.ZipFile(corpora / "sentiment/nltk_sentence_polarity/sentence_polarity.zip") as archive:
        return [
            (line.strip(), name == "pos")
            for name in ("neg", "pos")
            for line in archive.read(f"sentence_polarity/rt-polarity.{name}").decode("latin-1").splitlines()
        ]
