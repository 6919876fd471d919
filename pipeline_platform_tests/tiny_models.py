"""Models small enough to be made by a test: real files in the real formats, with weights that mean something."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import orjson
import spacy
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

LABELS = ("negative", "neutral", "positive")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "fine", "awful")
POLARITY = {"good": 2.0, "fine": 1.0, "bad": -2.0, "awful": -3.0}


def tiny_transformer(
    folder: Path, *, labels: Sequence[str] = LABELS, file: str = "model.onnx", scores: int | None = None
) -> Path:
    """A text classifier: tokenizer, `config.json` and an ONNX file of embedding, self-attention, mean and linear layer.

    It counts good words against bad ones. `scores` is how many it gives, as many as there are labels if not told.
    """
    tiny_tokenizer(folder)
    config = {
        "model_type": "distilbert",
        "vocab_size": len(VOCABULARY),
        "id2label": {str(at): label for at, label in enumerate(labels)},
        "label2id": {label: at for at, label in enumerate(labels)},
        "max_position_embeddings": 16,
    }
    (folder / "config.json").write_bytes(orjson.dumps(config))
    (folder / file).parent.mkdir(exist_ok=True)
    onnx.save(_network(scores or len(labels)), folder / file)
    return folder


def tiny_tokenizer(folder: Path) -> None:
    """The files of a tokenizer that knows the words of `VOCABULARY`."""
    folder.mkdir(parents=True, exist_ok=True)
    words = {word: at for at, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", words["[CLS]"]), ("[SEP]", words["[SEP]"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps(told | {"cls_token": "[CLS]", "sep_token": "[SEP]"}))


def _network(scores: int) -> onnx.ModelProto:
    size = 8
    random = np.random.default_rng(0)
    embedding = random.normal(0, 0.1, (len(VOCABULARY), size)).astype(np.float32)
    embedding[:, 0] = [POLARITY.get(word, 0) for word in VOCABULARY]
    linear = random.normal(0, 0.1, (size, scores)).astype(np.float32)
    linear[0] = np.linspace(-4, 4, scores)
    constants = {"embedding": embedding, "linear": linear, "bias": np.zeros(scores, np.float32)}
    constants |= {"one": np.float32(1), "far": np.float32(1e4), "root": np.float32(np.sqrt(size))}
    constants |= {"axis1": np.array([1]), "axis2": np.array([2])}
    nodes = [
        ("Gather", ["embedding", "input_ids"], "words", {}),
        ("Transpose", ["words"], "turned", {"perm": [0, 2, 1]}),
        ("MatMul", ["words", "turned"], "alike", {}),
        ("Div", ["alike", "root"], "scaled", {}),
        ("Cast", ["attention_mask"], "mask", {"to": TensorProto.FLOAT}),
        ("Sub", ["mask", "one"], "absent", {}),
        ("Mul", ["absent", "far"], "penalty", {}),
        ("Unsqueeze", ["penalty", "axis1"], "penalties", {}),
        ("Add", ["scaled", "penalties"], "masked", {}),
        ("Softmax", ["masked"], "attention", {"axis": -1}),
        ("MatMul", ["attention", "words"], "read", {}),
        ("Unsqueeze", ["mask", "axis2"], "there", {}),
        ("Mul", ["read", "there"], "kept", {}),
        ("ReduceSum", ["kept", "axis1"], "total", {"keepdims": 0}),
        ("ReduceSum", ["there", "axis1"], "length", {"keepdims": 0}),
        ("Div", ["total", "length"], "mean", {}),
        ("MatMul", ["mean", "linear"], "weighed", {}),
        ("Add", ["weighed", "bias"], "logits", {}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in nodes],
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", scores])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def tiny_spacy(folder: Path) -> Path:
    """A spaCy pipeline that knows an organisation and a product by rule, named `small` 1.2.3."""
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "ORG", "pattern": "Acme Works"}, {"label": "DATE", "pattern": "Monday"}])
    pipeline.meta["name"], pipeline.meta["version"], pipeline.meta["license"] = "small", "1.2.3", "MIT"
    pipeline.to_disk(folder)
    return folder
