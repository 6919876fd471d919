import hashlib
import shutil

import numpy as np
import orjson
import pyarrow as arrow
import pytest

from pipeline_platform.enrich import linear
from pipeline_platform.enrich.linear import WEIGHTS, LinearModel, ModelUnavailableError

SHIPPED = sorted(path.stem for path in WEIGHTS.glob("*.npz"))

ODD = [
    "I don't LOVE this sooo much!!! 😂👍🏽 #fail @bob https://example.com/abc",
    "",
    None,
    "   \n\t ",
    "a" * 1_000_000,
    "\x00\x01\x7f\u202e",
    "שלום עולם مرحبا",
    "Z͑ͫ̓a̡͓l̝͔g͕o͍" * 100,
    "😂" * 5_000,
    "\U0010ffff\ufffd\ufeff",
    "http",
    "@ # ' . @@ ##",
]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_those_of_their_card(name):
    card = orjson.loads((WEIGHTS / f"{name}.json").read_bytes())
    assert hashlib.sha256((WEIGHTS / f"{name}.npz").read_bytes()).hexdigest() == card["sha256"]
    for key in ("version", "kind", "origin", "licence", "languages", "data", "metrics", "limits", "classes", "scheme"):
        assert card[key], key
    assert card["metrics"]["low"] <= card["metrics"]["value"] <= card["metrics"]["high"]
    assert all(source["licence"] and source["texts"] for source in card["data"])


def test_shipped_weights_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 12_000_000


@pytest.mark.parametrize("name", SHIPPED)
def test_odd_texts_get_probabilities_whatever_their_order_and_company(name):
    model = LinearModel.load(name)
    found = model.probabilities(ODD)
    assert found.shape == (len(ODD), len(model.classes))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.array_equal(model.probabilities(ODD[::-1])[::-1], found)
    for place, text in enumerate(ODD):
        assert np.array_equal(model.probabilities([text])[0], found[place])
    assert model.probabilities([]).shape == (0, len(model.classes))


def test_slices_of_arrays_are_read_where_they_lie():
    model = LinearModel.load("sentiment")
    texts = arrow.array(["I hate it", None, "it is lovely", ""])
    assert np.array_equal(model.probabilities(texts[1:3]), model.probabilities(texts)[1:3])


def test_sentiment_tells_the_obvious():
    model = LinearModel.load("sentiment")
    said = model.probabilities(["This is wonderful, I love it", "This is awful, I hate it"]).argmax(axis=1)
    assert [model.classes[one] for one in said] == ["positive", "negative"]


def test_damaged_and_missing_models_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(linear, "WEIGHTS", tmp_path)
    with pytest.raises(ModelUnavailableError, match="sentiment"):
        LinearModel.load("sentiment")
    shutil.copy(WEIGHTS / "sentiment.json", tmp_path)
    (tmp_path / "sentiment.npz").write_bytes(b"other weights")
    with pytest.raises(ModelUnavailableError, match="not those its card names"):
        LinearModel.load("sentiment")
