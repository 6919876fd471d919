"""Text classifiers from disk and from Hugging Face's cache, through the code that loads the real ones."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import orjson
import pandas as pd
import pytest

from pipeline_platform.enrich import classifier as room
from pipeline_platform.enrich.classifier import (
    BATCH,
    ONNX_FILES,
    ClassifierUnavailableError,
    load_classifier,
)
from pipeline_platform.enrich.transformer import SentimentModel
from pipeline_platform_tests.tiny_models import LABELS, tiny_tokenizer, tiny_transformer

NEITHER = "torch cannot load" if find_spec("torch") else r"none of model.onnx, .* pip install .*\[models\]"
NOTHING = pd.DataFrame()
SAID = ["good", "bad bad and awful", "it is fine", "the train leaves at nine", "", "GOOD? bad!", "good " * 40]


def test_an_onnx_classifier_reads_texts(tmp_path):
    classifier = load_classifier(str(tiny_transformer(tmp_path / "model")))
    found = classifier.probabilities(SAID)
    assert classifier.labels == LABELS
    assert found.sum(axis=1) == pytest.approx(np.ones(len(SAID)))
    assert [LABELS[at] for at in found[:3].argmax(axis=1)] == ["positive", "negative", "positive"]
    assert found[3, 0] == pytest.approx(found[3, 2], abs=0.2)


def test_the_order_and_number_of_texts_change_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "CHUNK", 16)
    classifier = load_classifier(str(tiny_transformer(tmp_path / "model")))
    texts = [f"{text} {'word ' * (n % 5)}" for n, text in enumerate(SAID * 9)]
    found = classifier.probabilities(texts)
    assert classifier.batch == BATCH
    np.testing.assert_allclose(classifier.probabilities(texts[::-1])[::-1], found, atol=1e-6)
    np.testing.assert_allclose(np.vstack([classifier.probabilities([text]) for text in texts]), found, atol=1e-6)
    assert classifier.probabilities([]).shape == (0, 3)


def test_int8_reads_texts_one_by_one_since_neighbours_would_have_a_say(tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder = tiny_transformer(tmp_path / "model")
    full = load_classifier(str(folder)).probabilities(SAID)
    (folder / "onnx").mkdir()
    quantize_dynamic(folder / "model.onnx", folder / ONNX_FILES[2], weight_type=QuantType.QInt8)
    (folder / "model.onnx").unlink()
    classifier = load_classifier(str(folder))
    found = classifier.probabilities(SAID)
    assert "onnx/model_quantized.onnx" in classifier.version
    assert classifier.batch == 1
    np.testing.assert_allclose(found, full, atol=0.1)
    np.testing.assert_array_equal(np.vstack([classifier.probabilities([text]) for text in SAID]), found)


def test_the_first_onnx_file_is_taken_or_the_one_that_is_named(tmp_path):
    folder = str(tiny_transformer(tmp_path / "model", file="onnx/other.onnx"))
    with pytest.raises(ClassifierUnavailableError, match=NEITHER):
        load_classifier(folder)
    assert "(onnx/other.onnx, onnxruntime" in load_classifier(folder, "onnx/other.onnx").version
    with pytest.raises(ClassifierUnavailableError, match=r"no file gone.onnx: mend PIPELINE_SENTIMENT_MODEL_FILE"):
        load_classifier(folder, "gone.onnx")
    for name in reversed(ONNX_FILES):
        tiny_transformer(tmp_path / "model", file=name)
        assert f"({name}, onnxruntime" in load_classifier(folder).version


def test_another_content_makes_another_version(tmp_path):
    first = load_classifier(str(tiny_transformer(tmp_path / "one", labels=("neg", "pos")))).version
    second = load_classifier(str(tiny_transformer(tmp_path / "two", labels=("pos", "neg")))).version
    assert first.partition("@")[2] != second.partition("@")[2]


def _configure(folder, **more):
    file = folder / "config.json"
    file.write_bytes(orjson.dumps(orjson.loads(file.read_bytes()) | more))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: shutil.rmtree(folder), "config.json or tokenizer cannot be read"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer cannot be read"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"no model"), "ONNX Runtime .* cannot run"),
        (lambda folder: _configure(folder, problem_type="multi_label_classification"), "do not exclude one another"),
        (lambda folder: tiny_transformer(folder, scores=5), r"scores of shape \(1, 5\) where config.json names 3"),
    ],
    ids=["no folder", "no tokenizer", "damaged", "many labels", "other labels"],
)
def test_what_is_wrong_with_a_model_is_told(tmp_path, break_it, words):
    folder = tiny_transformer(tmp_path / "model")
    break_it(folder)
    with pytest.raises(ClassifierUnavailableError, match=words):
        load_classifier(str(folder))


def test_the_component_scores_by_the_labels_and_leaves_blanks(settings, texts, tmp_path):
    folder = tiny_transformer(tmp_path / "model", labels=("1 star", "2 stars", "3 stars", "4 stars", "5 stars"))
    component = SentimentModel(settings.model_copy(update={"sentiment_model": str(folder)}))
    scores = component.apply(texts("good", "", "bad", "\ud83d".encode("utf-8", "replace").decode()), NOTHING)
    first, blank, last, unknown = scores["sentiment_model_score"]
    assert first > 0.2
    assert last < -0.2
    assert np.isnan(blank)
    assert abs(unknown) < 0.2
    assert component.version.startswith(f"{folder}@local-")


@pytest.mark.parametrize("name", ["labels", "file"])
def test_an_unfit_model_is_said_and_leaves_null(settings, texts, tmp_path, caplog, name):
    folder = tiny_transformer(tmp_path / "model", labels=("joy", "anger") if name == "labels" else LABELS)
    told = {"sentiment_model": str(folder), "sentiment_model_file": "gone.onnx" if name == "file" else None}
    component = SentimentModel(settings.model_copy(update=told))
    assert component.apply(texts("good"), NOTHING)["sentiment_model_score"].isna().all()
    assert component.version == f"{folder} unavailable"
    assert ("joy" if name == "labels" else "gone.onnx") in caplog.text


def test_a_model_of_the_hub_is_read_from_the_cache_without_a_network(tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "hub" / "models--some--model"
    tiny_transformer(kept / "snapshots" / commit, file="onnx/model.onnx")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    code = (
        "from pipeline_platform.enrich.classifier import load_classifier;"
        "from pipeline_platform.enrich.models import models_in_use;"
        "from pipeline_platform.settings import load_settings;"
        "one = load_classifier('some/model'); print(one.version, one.probabilities(['good']).argmax());"
        "print(next(m.version for m in models_in_use(load_settings()) if m.name == 'some/model'))"
    )
    variables = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PIPELINE_SENTIMENT_MODEL": "some/model"}
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **variables}
    ).stdout.splitlines()
    assert shown[0].startswith(f"some/model@{commit} (onnx/model.onnx, onnxruntime")
    assert shown[0].endswith(" 2")
    assert shown[1] == commit


def test_torch_and_onnx_say_the_same_of_a_text(tmp_path, settings, texts):
    torch = pytest.importorskip("torch", reason="needs the extra `models`")
    pytest.importorskip("onnxscript", reason="exports to ONNX")
    import transformers

    tiny_tokenizer(tmp_path)
    torch.manual_seed(0)
    config = transformers.DistilBertConfig(
        vocab_size=8, dim=16, n_layers=1, n_heads=2, hidden_dim=16, id2label=dict(enumerate(LABELS))
    )
    model = transformers.DistilBertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    by_torch = load_classifier(str(tmp_path))
    example = {"input_ids": torch.ones(2, 5, dtype=torch.int64), "attention_mask": torch.ones(2, 5, dtype=torch.int64)}
    free = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", min=2, max=512)}
    torch.onnx.export(
        model, kwargs=example, f=tmp_path / "model.onnx", dynamo=True, dynamic_shapes=dict.fromkeys(example, free)
    )
    by_onnx = load_classifier(str(tmp_path))
    assert "(torch 2" in by_torch.version
    assert "(model.onnx, onnxruntime" in by_onnx.version
    np.testing.assert_allclose(by_torch.probabilities(SAID), by_onnx.probabilities(SAID), atol=1e-5)
