"""Discovered topics: how well topics agree with known classes, how long ids last, and how fast it is.

Classes are where texts of `../shared/corpora` are from (restaurant and film reviews, science, Reddit, tweets; training
splits), and the subjects of the sandbox's posts. Agreement is normalised mutual information: 0 by chance, 1 the same.
"""

import io
import random
import zipfile
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import defusedxml.ElementTree
import numpy as np
import pandas as pd

from benchmarks.measure import BenchmarkError, Figure, compared, race
from pipeline_platform.sandbox.texts import write
from pipeline_platform.schemas.columns import DAY, FLAG, TEXT
from pipeline_platform.schemas.topics import TOPICS
from pipeline_platform.topics import lda
from pipeline_platform.topics.corpus import Words, counted
from pipeline_platform.topics.discovery import WINDOW_DAYS, assigned, discovered
from pipeline_platform.topics.fits import MAX_TOPICS, SEED
from pipeline_platform.topics.identity import Known, identified, similarities

CORPORA = Path(__file__).parents[1] / "../shared/corpora"
SCALE = 20_000
TEXTS_A_CLASS = 2_800
SUBJECTS = ("coins", "markets", "weather", "programming", "news")
KINDS = ("post", "article", "tweet", "comment")
FIRST = date(2026, 11, 1)
STEADY_DAYS = 6


def labelled() -> tuple[list[str], list[str]]:
    """Texts of five origins in a fixed order by chance, and where each is from."""
    archive = zipfile.ZipFile(io.BytesIO(_bytes("keyphrase/SemEval2017.zip")))
    abstracts = [archive.read(one).decode() for one in sorted(archive.namelist()) if one.endswith(".txt")]
    films = zipfile.ZipFile(io.BytesIO(_bytes("sentiment/nltk_sentence_polarity/sentence_polarity.zip")))
    kinds = {
        "restaurant": [
            one.findtext("text", "") for one in defusedxml.ElementTree.fromstring(_bytes("aspect/MAMS/train.xml"))
        ],
        "science": [part for text in abstracts for part in text.split(". ") if len(part) > 40],
        "film": [
            line
            for one in sorted(films.namelist())
            if "rt-polarity" in one
            for line in films.read(one).decode("latin-1").splitlines()
        ],
        "reddit": [line.split("\t")[0] for line in _bytes("emotion/goemotions/train.tsv").decode().splitlines()],
        "tweets": _bytes("sarcasm/tweeteval_irony/train_text.txt").decode().splitlines(),
    }
    rng = random.Random(1)
    chosen = [
        (text, kind) for kind, texts in kinds.items() for text in rng.sample(texts, min(TEXTS_A_CLASS, len(texts)))
    ]
    rng.shuffle(chosen)
    return [text for text, _ in chosen], [kind for _, kind in chosen]


def _bytes(path: str) -> bytes:
    try:
        return (CORPORA / path).read_bytes()
    except OSError as error:
        raise BenchmarkError(f"no labelled text: {error}") from error


def steady(days: int, a_day: int) -> pd.DataFrame:
    """English posts of the sandbox's grammars, day after day of the same mixture, with their `subject`."""
    rng = random.Random(1)
    rows = []
    for day in range(days):
        for number in range(a_day):
            subject, kind = rng.choice(SUBJECTS), rng.choice(KINDS)
            made = write(rng, subject, kind, titled=kind == "article")
            if made.language == "en":
                rows.append((f"{day}-{number}", made.title, made.text, subject, FIRST + timedelta(days=day)))
    names = ("document_id", "title", "text", "subject", "event_date")
    types = (TEXT, TEXT, TEXT, TEXT, DAY)
    columns = zip(names, types, zip(*rows, strict=True), strict=True)
    frame = pd.DataFrame({name: pd.array(values, dtype=of) for name, of, values in columns})
    return frame.assign(
        language=pd.array(["en"] * len(rows), dtype=TEXT),
        is_canonical=pd.array([True] * len(rows), dtype=FLAG),
        is_deleted=pd.array([False] * len(rows), dtype=FLAG),
    )


def agreement(texts: list[str], classes: list[str]) -> dict[str, float]:
    """Agreement with the classes by LDA as the platform fits it, by k-means on TF-IDF, and by chance."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.metrics import normalized_mutual_info_score

    words = counted(texts)
    if words is None:
        raise BenchmarkError("the labelled texts have no words")
    found = lda.shares(words.counts, lda.fit(words, MAX_TOPICS).weights).argmax(axis=1)
    weighed = TfidfTransformer(sublinear_tf=True).fit_transform(words.counts)
    clusters = MiniBatchKMeans(MAX_TOPICS, random_state=SEED, n_init=3).fit_predict(weighed)
    guesses = np.random.default_rng(SEED).integers(0, MAX_TOPICS, len(texts))
    parts = {"LDA": found, "k-means on TF-IDF": clusters, "chance": guesses}
    return {name: float(normalized_mutual_info_score(classes, part)) for name, part in parts.items()}


def first_topic_kept(texts: list[str]) -> dict[int, float]:
    """Share of texts whose first topic is the same by the first 50 or 200 words of the topics as by all."""
    words = counted(texts)
    if words is None:
        raise BenchmarkError("the labelled texts have no words")
    weights = lda.fit(words, MAX_TOPICS).weights
    whole = lda.shares(words.counts, weights).argmax(axis=1)
    kept = {}
    for length in (50, 200):
        topics = [{words.vocabulary[one]: row[one] for one in np.argsort(-row)[:length]} for row in weights]
        used = np.flatnonzero(np.isin(words.vocabulary, sorted({word for topic in topics for word in topic})))
        known = Words(words.vocabulary[used], words.counts[:, used].tocsr())
        shares = lda.shares(known.counts, lda.probabilities(known.vocabulary.tolist(), topics))
        kept[length] = float((shares.argmax(axis=1) == whole).mean())
    return kept


def _weights(rows: pd.DataFrame) -> list[Mapping[str, float]]:
    return [
        dict(zip(words, weights, strict=True)) for words, weights in zip(rows["words"], rows["weights"], strict=True)
    ]


def lasting(documents: pd.DataFrame, days: list[date]) -> dict[str, float]:
    """Share of the topics of a day that go on from the day before, and how alike they are; and without a start."""
    topics = discovered(days, documents, TOPICS.empty())
    later = topics[(topics["event_date"] != days[0]).to_numpy(dtype=bool)]
    alone = {day: discovered([day], documents, TOPICS.empty()) for day in days}
    shares = []
    for before, day in pairwise(days):
        known = [
            Known(name, before, one)
            for name, one in zip(alone[before]["topic_id"], _weights(alone[before]), strict=True)
        ]
        found = identified(day, _weights(alone[day]), known)
        shares.append(np.mean([one.continues is not None for one in found]))
    unlike = [
        float(np.triu(similarities(given, given), 1).max())
        for _, rows in topics.groupby("event_date")
        for given in [_weights(rows)]
    ]
    return {
        "kept": float(later["matched_day"].notna().mean()),
        "kept, from chance": float(np.mean(shares)),
        "alike": float(later["similarity"].mean()),
        "unlike": max(unlike),
    }


def run(scale: int, rounds: int) -> list[Figure]:
    """Agreement, lasting of ids, and seconds; `scale` is the number of documents of a week."""
    from sklearn.decomposition import LatentDirichletAllocation

    texts, classes = labelled()
    days = [FIRST + timedelta(days=WINDOW_DAYS - 1 + number) for number in range(STEADY_DAYS)]
    world = steady(WINDOW_DAYS + STEADY_DAYS - 1, scale // WINDOW_DAYS)
    week = world[(world["event_date"] <= days[0]).to_numpy(dtype=bool)]
    found = discovered(days[:1], week, TOPICS.empty())

    def whole() -> object:
        words = counted((week["title"].fillna("") + "\n" + week["text"]).tolist())
        return LatentDirichletAllocation(MAX_TOPICS, random_state=SEED).fit(words.counts) if words else None

    seconds = race(
        {"ours": lambda: discovered(days[:1], week, TOPICS.empty()), "LDA of all documents, defaults": whole}, rounds
    )
    telling = race(
        {"ours": lambda: assigned(days[:1], week.assign(event_date=found["event_date"].iloc[0]), found)}, rounds
    )
    lasts, kept = lasting(world, days), first_topic_kept(texts)
    subjects = (week["title"].fillna("") + "\n" + week["text"]).tolist(), week["subject"].tolist()
    agreed = {"texts of five origins": agreement(texts, classes), "subjects of the sandbox": agreement(*subjects)}
    return [
        *(
            Figure(f"agreement of topics with {what}, NMI", one["LDA"], "", reference=name, theirs=one[name])
            for what, one in agreed.items()
            for name in ("k-means on TF-IDF", "chance")
        ),
        Figure(
            "topics that keep their id the next day",
            100 * lasts["kept"],
            "%",
            "fits from chance",
            100 * lasts["kept, from chance"],
        ),
        Figure(
            "cosine of a topic with itself the next day", lasts["alike"], "", "most alike two of a day", lasts["unlike"]
        ),
        Figure("first topic by 200 words as by all", 100 * kept[200], "%", "by 50 words", 100 * kept[50]),
        compared(f"topics of a week of {len(week):,} documents", seconds, "ours", "LDA of all documents, defaults"),
        Figure(f"topics told of {len(week):,} documents", len(week) / float(np.median(telling["ours"])), "documents/s"),
    ]
