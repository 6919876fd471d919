"""What is read out of text, against labelled text of others in `../shared/corpora`: development splits only."""

import io
import random
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import defusedxml.ElementTree
import numpy as np
import pandas as pd
import pyarrow as arrow

from benchmarks.measure import BenchmarkError, Figure
from pipeline_platform.enrich import keywords as keyword_component
from pipeline_platform.enrich.aspects import MIN_SENTIMENT, clauses, compound_scores
from pipeline_platform.enrich.language import NOT_LANGUAGE, UNDETERMINED, Language
from pipeline_platform.enrich.named import named
from pipeline_platform.enrich.persons import persons
from pipeline_platform.enrich.places import Finder
from pipeline_platform.schemas.columns import TEXT
from pipeline_platform.settings import Settings

CORPORA = Path(__file__).parents[1] / "../shared/corpora"
SCALE = 100
SHORTEST, LONGEST = 10, 25

_FILES = (
    "afr:af als:sq arb:ar azj_latn:az ben:bn bul:bg cat:ca ces:cs cmn_hans:zh cym:cy dan:da deu:de ell_monotonic:el "
    "eng:en epo:eo est:et eus:eu fin:fi fra:fr gle:ga glg:gl heb:he hin:hi hrv:hr hun:hu hye:hy ind:id isl:is ita:it "
    "jpn:ja kat:ka kaz:kk kor:ko lat:la lav:lv lit:lt mar:mr mkd:mk nld:nl nob:no pes_1:fa pol:pl por_PT:pt ron:ro "
    "rus:ru slk:sk slv:sl spa:es srp_cyrl:sr swe:sv swh:sw tam:ta tgl:tl tha:th tur:tr ukr:uk urd:ur vie:vi"
)
LANGUAGES: dict[str, str] = dict(pair.split(":") for pair in _FILES.split())
"""Texts of the Universal Declaration of Human Rights, and the code of their language."""


@dataclass(frozen=True)
class Answers:
    """How many of the answers were right, and how many questions were answered; both shares."""

    right: float
    answered: float


def settings() -> Settings:
    """The defaults."""
    return Settings(_env_file=None)


def series(values: list[str]) -> pd.Series:
    """Texts as components get them."""
    return pd.Series(values, dtype=TEXT)


def fragments(text: str, count: int, rng: random.Random) -> list[str]:
    """Runs of whole words of 10 to 25 characters; of characters where words are not set apart."""
    spread = text.count(" ") > len(text) / 20
    found = []
    while len(found) < count:
        begin = rng.randrange(len(text) - 2 * LONGEST)
        end = begin + rng.randint(SHORTEST, LONGEST)
        if spread:
            begin, end = text.find(" ", begin) + 1, text.rfind(" ", 0, end)
        if SHORTEST <= end - begin <= LONGEST:
            found.append(text[begin:end])
    return found


def language(count: int = SCALE) -> Answers:
    """Language of `count` fragments of 10 to 25 characters in each of 58 languages."""
    rng = random.Random(1)
    asked = [
        (fragment, code)
        for name, code in LANGUAGES.items()
        for fragment in fragments(" ".join(_read(f"language_id/udhr2/{name}.txt").split()), count, rng)
    ]
    codes = pd.Series([code for _, code in asked])
    told = Language(settings()).apply(series([fragment for fragment, _ in asked]), pd.DataFrame())["language"]
    answered = told != UNDETERMINED
    return Answers(right=float((told == codes)[answered].mean()), answered=float(answered.mean()))


@dataclass(frozen=True)
class Found:
    """Precision, recall and their harmonic mean; shares."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """2 p r / (p + r); 0 when nothing was right."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def keywords(limit: int = 10, *, by_degree: bool = False) -> float:
    """F1 of the first 10 phrases of the abstracts of SemEval-2017 task 10, equal in lower case; mean of the texts.

    They are weighed as English ones are, or by degree as in RAKE.
    """
    try:
        archive = zipfile.ZipFile(CORPORA / "keyphrase/SemEval2017.zip")
    except OSError as error:
        raise BenchmarkError(f"no labelled text: {error}") from error
    scores = []
    with archive:
        for name in sorted(one for one in archive.namelist() if one.endswith(".key")):
            told = io.TextIOWrapper(archive.open(name), encoding="utf-8").read().lower().splitlines()
            gold = {" ".join(keyword_component.WORD.findall(line)) for line in told if line.strip()}
            text = archive.read(name.replace("/keys/", "/docsutf8/").replace(".key", ".txt")).decode()
            phrases = keyword_component.candidates(arrow.array([text]), ["en"])
            found = keyword_component.best(phrases, np.array([by_degree]), limit).joined().to_pylist()
            right = len(gold.intersection(found))
            scores.append(Found(right / max(len(found), 1), right / len(gold)).f1)
    return sum(scores) / len(scores)


def tagged(labels: Collection[str]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Texts of WNUT-17 (training and development) with the characters `[begin, end)` of every entity of `labels`."""
    found = []
    for name in ("wnut17train.conll", "emerging.dev.conll"):
        for block in re.split(r"\n\s*\n", _read(f"ner/WNUT17/{name}").strip()):
            words: list[str] = []
            spans: list[tuple[int, int]] = []
            position = 0
            for line in block.splitlines():
                word, _, tag = line.rpartition("\t")
                part, _, label = tag.partition("-")
                if part == "B" and label in labels:
                    spans.append((position, position + len(word)))
                elif part == "I" and label in labels and spans:
                    spans[-1] = (spans[-1][0], position + len(word))
                words.append(word)
                position += len(word) + 1
            found.append((" ".join(words), spans))
    return found


def spans_found(labels: Collection[str], find: Callable[[str], Iterable[tuple[int, int]]]) -> Found:
    """How many of the spans that `find` gives overlap one of `labels` in WNUT-17, and how many of those it meets."""
    given = right = gold = met = 0
    for text, wanted in tagged(labels):
        # As components see it: addresses and mentions are not read, and keep their length here.
        spans = list(find(re.sub(NOT_LANGUAGE, lambda found: "\n" * len(found[0]), text)))
        given += len(spans)
        right += sum(any(a < d and c < b for c, d in wanted) for a, b in spans)
        gold += len(wanted)
        met += sum(any(a < d and c < b for a, b in spans) for c, d in wanted)
    return Found(right / max(given, 1), met / gold)


def places() -> Found:
    """Places of the gazetteer against the locations of WNUT-17, which are streets and buildings too."""
    finder = Finder()
    return spans_found({"location"}, lambda text: [(one.begin, one.end) for one in finder.find(text)])


def of_label(label: str) -> Callable[[str], list[tuple[int, int]]]:
    """Spans of the entities of the gazetteer with a label."""
    return lambda text: [(one.begin, one.end) for one in named(text) if one.label == label]


def entities() -> dict[str, Found]:
    """Persons, organisations and products without a spaCy pipeline, against WNUT-17."""
    return {
        "persons": spans_found({"person"}, lambda text: [(begin, end) for _, begin, end in persons(text)]),
        "organisations": spans_found({"corporation", "group"}, of_label("ORG")),
        "products": spans_found({"product"}, of_label("PRODUCT")),
    }


def aspects() -> dict[str, float]:
    """Share of the aspects of MAMS (development) whose polarity is told right: by clause, by text, by the commonest."""
    asked = [
        (sentence.findtext("text", ""), term.attrib["term"], term.attrib["polarity"])
        for sentence in defusedxml.ElementTree.fromstring(_read("aspect/MAMS/val.xml"))
        for term in sentence.iter("aspectTerm")
    ]
    texts = arrow.array([text for text, _, _ in asked])
    of, parts = clauses(texts)
    said: dict[int, str] = {}
    for position, part in zip(of, parts.to_pylist(), strict=True):
        if asked[position][1] in part:
            said.setdefault(position, part)
    chosen = arrow.array([said.get(position, text) for position, (text, _, _) in enumerate(asked)])
    polarity = np.array([polarity for _, _, polarity in asked])

    def right(read: arrow.Array) -> float:
        scores = compound_scores(read)
        decided = [scores >= MIN_SENTIMENT, scores <= -MIN_SENTIMENT]
        return float((np.select(decided, ["positive", "negative"], "neutral") == polarity).mean())

    commonest = max(Counter(polarity.tolist()).values()) / len(polarity)
    return {"clause": right(chosen), "text": right(texts), "commonest": commonest}


def _read(path: str) -> str:
    try:
        return (CORPORA / path).read_text()
    except OSError as error:
        raise BenchmarkError(f"no labelled text: {error}") from error


def run(scale: int, rounds: int) -> list[Figure]:  # noqa: ARG001
    """Quality on development splits, in percent; `scale` is the number of fragments for each language."""
    languages = language(scale)
    found, told = {"places": places(), **entities()}, aspects()
    return [
        Figure("language of 10 to 25 characters, 58 languages: right answers", 100 * languages.right, "%"),
        Figure("language of 10 to 25 characters, 58 languages: answered", 100 * languages.answered, "%"),
        Figure(
            "keywords of abstracts, mean F1 of the first 10",
            100 * keywords(),
            "%",
            reference="RAKE",
            theirs=100 * keywords(by_degree=True),
        ),
        *(
            Figure(f"{what} in tweets and comments: {measure}", 100 * getattr(one, measure), "%")
            for what, one in found.items()
            for measure in ("precision", "recall")
        ),
        *(
            Figure("polarity of aspects: right", 100 * told["clause"], "%", reference=name, theirs=100 * told[by])
            for name, by in (("VADER of the whole text", "text"), ("always the commonest", "commonest"))
        ),
    ]
