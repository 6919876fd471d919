"""A transformer on the CPU: torch, ONNX Runtime in full precision, ONNX Runtime in int8, in batches of several sizes.

Texts are sorted by length, except the usual way; ONNX Runtime works on a batch per core unless it says otherwise. The
classifier has the shape of DistilBERT (67 million weights) and random weights, which take as long as trained ones;
its tokenizer learns its words from the texts, so that they are cut as finely as usual. The usual way, batches of 32 as
the texts come, is `transformers.pipeline`. Needs torch, onnx and onnxscript, which the package does not.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.enrichment import distinct_texts_of
from benchmarks.measure import Figure, apart, compared, race
from pipeline_platform.enrich.classifier import Forward, TextClassifier, cores, onnx_forward, torch_forward

SCALE = 128
NEEDED = ("torch", "onnx", "onnxscript")
BATCHES = (1, 8, 32)
SHARED = 8
USUAL_BATCH = 32
USUAL = f"torch, unsorted batches of {USUAL_BATCH}"
LABELS = ("negative", "neutral", "positive")
VOCABULARY = 30_522
LONGEST = 128


def _tokenizer(texts: list[str]) -> Any:
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=3_000, special_tokens=special))
    ends = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=LONGEST,
        model_input_names=["input_ids", "attention_mask"],
    )


def _models(folder: Path, tokenizer: Any) -> tuple[Path, Path]:
    """The ONNX files of a random model, in full precision and int8; the folder gets its weights and tokenizer."""
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic

    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    config = transformers.DistilBertConfig(vocab_size=VOCABULARY, id2label=names, num_labels=len(names))
    model = transformers.DistilBertForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    full, small = folder / "full.onnx", folder / "int8.onnx"
    example = dict(tokenizer(["one text", "and one more"], padding=True, return_tensors="pt"))
    free = {0: torch.export.Dim("texts", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
    torch.onnx.export(
        model,
        kwargs=example,
        f=full,
        dynamo=True,
        external_data=False,
        dynamic_shapes=dict.fromkeys(example, free),
        input_names=list(example),
        output_names=["logits"],
        verbose=False,
    )
    quantize_dynamic(full, small, weight_type=QuantType.QInt8)
    return full, small


def run(scale: int, rounds: int) -> list[Figure]:
    """Classify `scale` texts; nothing, with a word why, where something is not installed."""
    missing = [name for name in NEEDED if not find_spec(name)]
    if missing:
        print(f"sentiment_model: {', '.join(missing)} not installed (pip install {' '.join(missing)}), so not measured",
              file=sys.stderr)  # fmt: skip
        return []
    import torch
    import transformers

    torch.set_num_threads(cores())
    with apart() as folder:
        texts = distinct_texts_of(scale * 2).sample(scale, random_state=0).tolist()
        tokenizer = _tokenizer(texts)
        full, small = _models(folder, tokenizer)
        classify = partial(TextClassifier, LABELS, "", tokenizer, limit=LONGEST)
        engines: dict[str, Callable[[int], Forward]] = {
            "ONNX Runtime": lambda threads: onnx_forward(full, threads),
            "ONNX Runtime int8": lambda threads: onnx_forward(small, threads),
        }
        forward = torch_forward(str(folder))
        work: dict[str, TextClassifier] = {
            f"torch, batches of {batch}": classify(forward, batch=batch) for batch in BATCHES
        }
        for name, engine in engines.items():
            own = engine(1)
            for batch in BATCHES:
                work[f"{name}, batches of {batch}"] = classify(own, batch=batch, workers=cores())
            work[f"{name}, batches of {SHARED}, all cores on each"] = classify(engine(cores()), batch=SHARED)
        usual = transformers.pipeline("text-classification", model=str(folder), tokenizer=tokenizer, top_k=None)
        contestants: dict[str, Callable[[], object]] = {
            USUAL: lambda: usual(texts, batch_size=USUAL_BATCH, truncation=True),
            **{name: partial(one.probabilities, texts) for name, one in work.items()},
        }
        seconds = race(contestants, rounds)
        apart_by = {name: _apart(one, texts) for name, one in work.items()}
    tokens = np.mean([len(ids) for ids in tokenizer(texts, truncation=True)["input_ids"]])
    return [
        *(
            compared(f"{name}, {tokens:.0f} tokens", seconds, name, USUAL, per=scale, unit="documents/s")
            for name in work
        ),
        *(Figure(f"{name}: what neighbours change", off, "") for name, off in apart_by.items()),
    ]


def _apart(classifier: TextClassifier, texts: list[str]) -> float:
    """How far the probabilities of some texts are from those that each has alone."""
    some = texts[:: max(1, len(texts) // 32)]
    together = classifier.probabilities(texts)[:: max(1, len(texts) // 32)]
    return float(np.abs(together - np.vstack([classifier.probabilities([text]) for text in some])).max())
