"""Training, on sentences of our own: the same examples give the same bytes, and what is learned is what ships."""

import hashlib
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipeline_platform.enrich import linear
from pipeline_platform.enrich.hashing import BUCKETS
from pipeline_platform.enrich.linear import WEIGHTS, LinearModel

pytest.importorskip("sklearn")

from training.corpora import Corpus, examples
from training.fit import Fit, fit, matrix, save
from training.metrics import macro_f1, macro_recall, measured
from training.recipes import RECIPES, held_back

CORPUS = Corpus("sentences", "ours", "here")
GOOD = ("lovely", "great", "wonderful", "kind", "brilliant")
BAD = ("awful", "bad", "horrible", "cruel", "stupid")
PLAIN = ("green", "long", "round", "wooden", "quiet")
THINGS = ("film", "cake", "train", "song", "walk", "book", "meal", "talk")


def sentences(*kinds):
    said = [
        (f"a {word} {thing}, said number {place}", label)
        for label, words in enumerate(kinds)
        for place, thing in enumerate(THINGS)
        for word in words
    ]
    return examples(CORPUS, sorted(said, key=lambda one: hashlib.sha256(one[0].encode()).digest()))


@pytest.mark.parametrize("kinds", [(BAD, PLAIN, GOOD), (BAD, GOOD)])
def test_the_same_examples_give_the_same_bytes_and_a_model_that_loads(tmp_path, monkeypatch, kinds):
    classes = ("negative", "neutral", "positive") if len(kinds) == 3 else ("negative", "positive")
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        model = fit([sentences(*kinds)], classes, Fit(regularisation=1))
        save(model, {"name": "model", "version": "1"}, tmp_path / name)
        written.append((tmp_path / name / "model.npz").read_bytes())
    assert written[0] == written[1]
    monkeypatch.setattr(linear, "WEIGHTS", tmp_path / "one")
    loaded = LinearModel.load("model")
    said = loaded.probabilities(["a wonderful walk", "a horrible meal"]).argmax(axis=1)
    assert [loaded.classes[one] for one in said] == ["positive", "negative"]


def test_training_and_shipped_model_read_the_same_features():
    texts = ["I don't like it AT ALL!!! 😂 #no", "", "a b", "so goooood @you www.example.com"]
    weights = np.random.default_rng(1).integers(-127, 128, (BUCKETS, 2)).astype(np.int8)
    model = LinearModel({"classes": ["a", "b"]}, weights, np.full(2, 0.01), np.zeros(2))
    scores = matrix(texts) @ weights * 0.01
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.probabilities(texts), expected)


def test_measures_and_their_intervals():
    truth = np.array([0] * 50 + [1] * 50)
    said = np.array([0] * 40 + [1] * 60)
    found = measured("macro_recall", truth, said)
    assert found.value == macro_recall(truth, said) == pytest.approx(0.9)
    assert found.low < 0.9 < found.high
    assert macro_f1(truth, truth) == 1
    f1 = measured("macro_f1", truth, said)
    assert f1.low < macro_f1(truth, said) < f1.high


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.name)
def test_shipped_models_are_as_good_as_their_cards_say(recipe):
    corpora = Path(__file__).parents[3] / "shared/corpora"
    if not corpora.is_dir():
        pytest.skip(f"the labelled texts are not in {corpora}")
    card = orjson.loads((WEIGHTS / f"{recipe.name}.json").read_bytes())
    assert card["version"] == recipe.version
    _, development = recipe.split(corpora)
    said = LinearModel.load(recipe.name).probabilities(development.texts).argmax(axis=1)
    found = measured(recipe.measure, development.labels, said)
    if recipe.refit:
        assert found.value > card["metrics"]["value"]
    else:
        assert found.as_card() == {name: card["metrics"][name] for name in ("value", "low", "high")}


def test_what_is_measured_on_is_not_learned_from():
    assert held_back(6).tolist() == [False, False, True, False, False, True]
