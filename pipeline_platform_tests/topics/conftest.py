"""Documents of known themes, and a small embedding model on disk."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import tokenizers
import transformers
from onnx import TensorProto, helper, numpy_helper

from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS

FIRST = date(2026, 11, 1)
_WORDS = {
    "sea": "harbour ferry tide sailor anchor lighthouse fishing deck island wave captain mast",
    "kitchen": "recipe oven butter flour garlic onion simmer dough pepper knife roast sauce",
    "orbit": "rocket orbit capsule astronaut launch booster satellite lunar payload thruster probe comet",
    "garden": "tulip hedge compost seedling mower lawn orchard pruning soil beetle shed greenhouse",
    "new": "volcano eruption lava ash crater magma evacuation plume basalt seismic tremor caldera",
}
THEMES = {name: words.split() for name, words in _WORDS.items()}
NEW_THEME = THEMES.pop("new")


def day_of(number: int) -> date:
    return FIRST + timedelta(days=number)


def frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `enriched/documents` from a few columns each."""
    usual = {"source": "reddit", "language": "en", "is_canonical": True, "is_deleted": False}
    return ENRICHED_DOCUMENTS.frame(
        [
            {"document_id": f"reddit:{n}", "created_at": datetime(2026, 11, 1, tzinfo=UTC), "event_date": FIRST}
            | usual
            | row
            for n, row in enumerate(rows)
        ]
    )


def written(rng: random.Random, words: Sequence[str]) -> str:
    return " ".join(rng.choices(words, k=8))


def themed(days: int, a_day: int = 100, new_from: int | None = None) -> pd.DataFrame:
    """As many documents of each theme a day, and from a day on of a new one; ids begin with their theme."""
    rng = random.Random(1)
    rows = [
        {"document_id": f"{name}:{day}-{number}", "text": written(rng, words), "event_date": day_of(day)}
        for day in range(days)
        for name, words in THEMES.items()
        for number in range(a_day)
    ]
    if new_from is not None:
        rows += [
            {"document_id": f"new:{day}-{number}", "text": written(rng, NEW_THEME), "event_date": day_of(day)}
            for day in range(new_from, days)
            for number in range(2 * a_day)
        ]
    return frame(rows)


@pytest.fixture
def documents() -> Callable[[Sequence[dict[str, Any]]], pd.DataFrame]:
    return frame


@pytest.fixture(scope="session")
def embedding_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer and `model.onnx`, which gives each word of a theme nearly the vector of its theme."""
    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(1)
    themes = [*THEMES.values(), NEW_THEME]
    words = ["[PAD]", "[UNK]", *(word for theme in themes for word in theme)]
    centres = np.eye(len(themes), 8)
    vectors = np.concatenate(
        [rng.normal(size=(2, 8)), *(np.repeat(centres[[n]], 12, axis=0) for n in range(len(themes)))]
    )
    vectors = (vectors + rng.normal(scale=0.05, size=vectors.shape)).astype(np.float32)
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=32
    ).save_pretrained(folder)
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    hidden = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", 8])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["vectors", "input_ids"], ["last_hidden_state"])],
        "lookup",
        [tokens],
        [hidden],
        [numpy_helper.from_array(vectors, "vectors")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    return folder
