import pandas as pd
import pyarrow as arrow
import pytest

from pipeline_platform.enrich.frequencies import counted
from pipeline_platform.enrich.keywords import MAX_KEYWORDS, Keywords, candidates


@pytest.mark.parametrize(
    ("text", "language", "phrases"),
    [
        ("the ethereum upgrade was a success", "en", [("ethereum", "upgrade"), ("success",)]),
        ("solar panels, solar\npanels", "en", [("solar", "panels"), ("solar",), ("panels",)]),
        ("don't panic, it's Ann's book; state-of-the-art", "en", [("panic",), ("ann", "book"), ("state-of-the-art",)]),
        ("l'accord sur le budget", "fr", [("accord",), ("budget",)]),
        ("one two three four five 2024 6th", "en", []),
        ("red green blue black white", "en", []),
        ("x " * 50 + "a" * 31, "en", []),
    ],
)
def test_candidates_are_runs_between_stop_words(text, language, phrases):
    found = candidates(arrow.array([text]), [language]).joined().to_pylist()
    assert found == [" ".join(phrase) for phrase in phrases]


def test_rare_words_come_first_and_equal_ones_in_the_order_of_the_text(settings, texts):
    def keywords(text, language):
        frame = pd.DataFrame({"language": [language]})
        return Keywords(settings).apply(texts(text), frame)["keywords"].tolist()[0]

    found = keywords("I think people should watch the magnetohydrodynamics lecture and the movie", "en")
    assert found[0] == "magnetohydrodynamics lecture"
    assert found[-1] in ("think people", "movie", "watch")
    assert keywords("gromla, brilbu, aarvon", "en") == ["gromla", "brilbu", "aarvon"]
    assert len(keywords(", ".join(f"word{chr(97 + n)}" for n in range(20)), "en")) == MAX_KEYWORDS


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("die Gewerkschaft und der Wetterdienst", "de", ["gewerkschaft", "wetterdienst"]),
        ("die Gewerkschaft und der Wetterdienst", "ja", []),
        ("the weather", "und", ["weather"]),
        ("the weather", "xx", []),
        ("the https://example.org/wind and @ann weather", "en", ["weather"]),
        ("", "und", []),
    ],
)
def test_what_is_read_depends_on_the_language(settings, texts, text, language, found):
    assert Keywords(settings).apply(texts(text), pd.DataFrame({"language": [language]}))["keywords"].tolist() == [found]


def test_frequencies_count_documents_and_drop_rare_words():
    table = counted([["rare", "common", "common"], ["common"], ["common"]])
    assert table.documents == 3
    assert table.rarity("common") == pytest.approx(0.28768, abs=1e-4)
    assert table.rarity("rare") == pytest.approx(1.38629, abs=1e-4)
