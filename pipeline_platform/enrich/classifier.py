"""Text classifiers of Hugging Face, by hub name or folder: through ONNX Runtime from an ONNX file, else through torch.

ONNX Runtime comes with the package and is the faster one on a CPU; torch is an extra of some hundred megabytes (ADR
0016). Nothing else differs: both read the tokens of the model's own tokenizer and its labels from `config.json`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from pipeline_platform.enrich.fingerprints import content_hash, files_of

ONNX_FILES = ("model.onnx", "onnx/model.onnx", "onnx/model_quantized.onnx")
"""Where Optimum and the hub put an ONNX file, the first that is there is taken: full precision before int8, because it
gives the scores that the authors of a model measured."""

LONGEST = 512
"""Tokens of a text that are read, or fewer if the model says so: the length of BERT and its kin."""

BATCH = 8
"""Texts at a time, of like length, padded to the longest of them: larger batches take longer a text."""

NEIGHBOURLY = 1e-5
"""How far the scores of a text may move with the texts beside it. In full precision they move by less than 1e-6; int8
takes the range of its activations from the whole batch, so that they move by more than 1e-3."""

PROBE = 32
"""Tokens of a text by which a classifier is tried."""

CHUNK = 1_024
"""Texts whose tokens are held at a time."""

Forward: TypeAlias = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""Scores before the softmax, (texts, labels), of int64 inputs by name, (texts, tokens)."""


class ClassifierUnavailableError(Exception):
    """A classifier cannot be used; the message says what to do."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """A classifier that is loaded.

    Attributes:
        labels: the classes, in the order of the columns of `probabilities`.
        version: name, revision or hash, and what runs it.
        tokenizer: gives the inputs of texts.
        forward: gives the scores of inputs; may be called by several threads at once.
        limit: tokens that are read of a text.
        batch: texts at a time. Those of like length stand together and are padded to the longest of them. What is
            said of a text must not depend on the others: 1 where it would.
        workers: batches at a time.
    """

    labels: tuple[str, ...]
    version: str
    tokenizer: Any
    forward: Forward
    limit: int = LONGEST
    batch: int = 1
    workers: int = 1

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Probability of each label for each text, float64 (texts, labels); every row sums to 1."""
        scores = np.empty((len(texts), len(self.labels)))
        order = np.argsort([len(text) for text in texts], kind="stable")
        with ThreadPoolExecutor(self.workers) as threads:
            for start in range(0, len(order), CHUNK):
                positions = order[start : start + CHUNK]
                batches = list(self._batches([texts[at] for at in positions]))
                found = threads.map(self.forward, (inputs for _, inputs in batches))
                for (places, _), answer in zip(batches, found, strict=True):
                    scores[positions[places]] = answer
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
        return exponents / exponents.sum(axis=1, keepdims=True)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, Mapping[str, np.ndarray]]]:
        tokens = dict(self.tokenizer(list(texts), truncation=True, max_length=self.limit))
        order = np.argsort([len(ids) for ids in tokens["input_ids"]], kind="stable")
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            yield places, self.padded({name: [values[at] for at in places] for name, values in tokens.items()})

    def padded(self, tokens: Mapping[str, Sequence[Sequence[int]]]) -> Mapping[str, np.ndarray]:
        """The inputs of texts, filled up to the longest."""
        return dict(self.tokenizer.pad(tokens, padding="longest", return_tensors="np"))


def load_classifier(model: str, onnx_file: str | None = None) -> TextClassifier:
    """The classifier `model`: a folder, or a name on the hub, whose files are kept in Hugging Face's cache.

    Args:
        model: folder or name.
        onnx_file: the ONNX file within it; the first of `ONNX_FILES` that is there if not given.

    Raises:
        ClassifierUnavailableError: it is not there, is no text classifier, or nothing here can run it.
    """
    import transformers

    try:
        revision = None if Path(model).is_dir() else _revision(model)
        config = transformers.AutoConfig.from_pretrained(model, revision=revision)
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, revision=revision)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ClassifierUnavailableError(
            f"its config.json or tokenizer cannot be read ({_first_line(error)}): name a folder that has them, or a "
            "model on the hub"
        ) from error
    if getattr(config, "problem_type", None) in ("multi_label_classification", "regression"):
        raise ClassifierUnavailableError("its labels do not exclude one another: name a model that gives one label")
    file = onnx_path(model, revision, onnx_file)
    forward, runs = _onnx(file, model) if file else _torch(model, revision)
    labels = tuple(label for _, label in sorted((int(at), label) for at, label in config.id2label.items()))
    told = revision or f"local-{content_hash(files_of(Path(model)))[:12]}"
    longest = getattr(config, "max_position_embeddings", None) or LONGEST
    classifier = TextClassifier(
        labels,
        f"{model}@{told} ({runs})",
        tokenizer,
        forward,
        limit=min(LONGEST, longest, tokenizer.model_max_length),
        workers=cores() if file else 1,
    )
    return replace(classifier, batch=BATCH if _alone_as_in_company(classifier) else 1)


def _revision(model: str) -> str:
    """The commit of a model on the hub, or of what is kept of it where the hub cannot be reached."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(model, "config.json")).parent.name


def onnx_path(model: str, revision: str | None, wanted: str | None = None) -> Path | None:
    """The ONNX file of a model; None if it has none.

    Raises:
        ClassifierUnavailableError: `wanted` is not there.
    """
    for name in (wanted,) if wanted else ONNX_FILES:
        found = _file_of(model, revision, name)
        if found:
            # Weights of large models lie in a file of their own beside it.
            _file_of(model, revision, f"{name}_data")
            return found
    if wanted:
        raise ClassifierUnavailableError(
            f"it has no file {wanted}: mend PIPELINE_SENTIMENT_MODEL_FILE, or unset it to take {', '.join(ONNX_FILES)}"
        )
    return None


def onnx_forward(file: Path, threads: int = 1) -> Forward:
    """What ONNX Runtime makes of a file, with `threads` cores for each call.

    Raises:
        ClassifierUnavailableError: it is no ONNX file that this ONNX Runtime can run.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # They have no common base but Exception.
    refusals = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented)
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except (*refusals, state.NoSuchFile, state.RuntimeException) as error:
        raise ClassifierUnavailableError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run {file} ({_first_line(error)}): export it again"
        ) from error
    kinds = {one.name: np.int32 if one.type == "tensor(int32)" else np.int64 for one in session.get_inputs()}
    first = session.get_outputs()[0].name

    def forward(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        nothing = np.zeros_like(inputs["input_ids"])
        fed = {name: inputs.get(name, nothing).astype(kind) for name, kind in kinds.items()}
        try:
            return np.asarray(session.run([first], fed)[0], dtype=float)
        except (*refusals, state.RuntimeException) as error:
            raise ClassifierUnavailableError(
                f"{file} cannot read what its tokenizer gives ({_first_line(error)}): export both again"
            ) from error

    return forward


def torch_forward(model: str, revision: str | None = None) -> Forward:
    """What torch makes of the weights of a model."""
    import torch
    import transformers

    network = transformers.AutoModelForSequenceClassification.from_pretrained(model, revision=revision).eval()

    def forward(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return (
                network(**{name: torch.from_numpy(values) for name, values in inputs.items()}).logits.double().numpy()
            )

    return forward


def _onnx(file: Path, model: str) -> tuple[Forward, str]:
    inside = file.relative_to(model).as_posix() if Path(model).is_dir() else "/".join(file.parts[-2:])
    return onnx_forward(file), f"{inside}, onnxruntime {installed('onnxruntime')}"


def _torch(model: str, revision: str | None) -> tuple[Forward, str]:
    if find_spec("torch") is None:
        raise ClassifierUnavailableError(
            f"it has none of {', '.join(ONNX_FILES)}, and torch is not installed: export it to ONNX (optimum-cli "
            "export onnx), or pip install pipeline-platform[models]"
        )
    try:
        return torch_forward(model, revision), f"torch {installed('torch')}, transformers {installed('transformers')}"
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ClassifierUnavailableError(
            f"torch cannot load its weights ({_first_line(error)}): name a model for text classification"
        ) from error


def _file_of(model: str, revision: str | None, name: str) -> Path | None:
    if Path(model).is_dir():
        path = Path(model) / name
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(model, name, revision=revision))
    except EntryNotFoundError:
        return None


def _alone_as_in_company(classifier: TextClassifier) -> bool:
    """Whether the scores of a text are the same beside another one, here of tokens from all over the vocabulary.

    Raises:
        ClassifierUnavailableError: a text cannot be read; better now than when there is work.
    """
    ids = np.linspace(0, len(classifier.tokenizer) - 1, min(PROBE, classifier.limit), dtype=int).tolist()
    rows = {"input_ids": [ids[:2], ids], "attention_mask": [[1, 1], [1] * len(ids)]}
    try:
        together = classifier.forward(classifier.padded(rows))
        alone = classifier.forward(classifier.padded({name: values[:1] for name, values in rows.items()}))
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ClassifierUnavailableError(f"it cannot read a text ({_first_line(error)}): export it again") from error
    if alone.shape != (1, len(classifier.labels)):
        raise ClassifierUnavailableError(
            f"it gives scores of shape {alone.shape} where config.json names {len(classifier.labels)} labels: name a "
            "model for text classification"
        )
    return bool(np.allclose(alone[0], together[0], rtol=0, atol=NEIGHBOURLY))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
