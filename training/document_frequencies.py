"""`python -m training.document_frequencies` counts how common English words are, for the keywords."""

import io
import zipfile
from pathlib import Path

from pipeline_platform.enrich.frequencies import FILE, Frequencies, counted
from pipeline_platform.enrich.keywords import WORD

ROOT = Path(__file__).parents[1]
CORPORA = ROOT / "../shared/corpora"


def documents() -> list[str]:
    """Comments of GoEmotions (training split) and sentences of film reviews."""
    comments = [line.split("\t")[0] for line in (CORPORA / "emotion/goemotions/train.tsv").read_text().splitlines()]
    reviews: list[str] = []
    with zipfile.ZipFile(CORPORA / "sentiment/nltk_sentence_polarity/sentence_polarity.zip") as archive:
        for name in sorted(one for one in archive.namelist() if one.endswith((".pos", ".neg"))):
            reviews += io.TextIOWrapper(archive.open(name), encoding="latin-1").read().splitlines()
    return comments + reviews


def frequencies() -> Frequencies:
    """The table, from the texts."""
    return counted(WORD.findall(text.lower()) for text in documents())


if __name__ == "__main__":
    frequencies().save(ROOT / "pipeline_platform/enrich/counts" / FILE)
