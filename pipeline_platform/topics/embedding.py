"""Topics by vectors of texts, from the model that `PIPELINE_TOPIC_MODEL` names: clusters, and the words of each.

The vector of a text is the mean of those of its tokens, as sentence-transformers has it. They are grouped by k-means,
and words weighed by class-based TF-IDF: tf · ln(1 + A / f), for tf a word's share of its cluster, f its count in all of
them and A the words of an average cluster (Grootendorst, BERTopic, 2022).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_platform.enrich.classifier import BATCH, ONNX_FILES, cores, onnx_forward
from pipeline_platform.topics.corpus import Words
from pipeline_platform.topics.fits import SEED, Fit

MAX_TOKENS = 256
"""What sentence-transformers' common models read of a text."""

MINIBATCH = 1024
STARTS = 3

Encoder = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""From token ids, mask and so on, (texts, tokens) each, to vectors of the tokens, (texts, tokens, dimensions)."""


class EmbeddingError(Exception):
    """The model cannot be used; the message says what to do."""


def _torch(model: str) -> Encoder:
    import torch
    import transformers

    network = transformers.AutoModel.from_pretrained(model).eval()

    def encode(tokens: Mapping[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            given = {name: torch.from_numpy(values) for name, values in tokens.items()}
            return np.asarray(network(**given).last_hidden_state.numpy())

    return encode


@cache
def _load(model: str) -> tuple[Any, Encoder, str]:
    """Tokenizer, encoder, and the runtime in words."""
    import transformers

    file = next((path for path in (Path(model) / one for one in ONNX_FILES) if path.is_file()), None)
    if file is None and find_spec("torch") is None:
        raise ImportError("there is no model.onnx in a folder of that name, and torch is not installed")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    if file is not None:
        return tokenizer, onnx_forward(file, threads=cores()), f"onnxruntime {installed('onnxruntime')}"
    return tokenizer, _torch(model), f"torch {installed('torch')}"


def embed(texts: Sequence[str], model: str) -> np.ndarray:
    """Vectors of texts, (texts, dimensions), float32 of length 1; zeros for a text without tokens.

    Args:
        texts: any texts.
        model: folder with a tokenizer and `model.onnx` or weights for torch, or the name of a hub model.

    Raises:
        EmbeddingError: the model cannot be loaded or used.
    """
    try:
        tokenizer, encode, _ = _load(model)
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = [
            _pooled(tokenizer, encode, [texts[place] for place in order[begin : begin + BATCH]])
            for begin in range(0, len(order), BATCH)
        ]
    except Exception as error:  # tokenizers and runtimes raise classes of their own for broken files
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
        raise EmbeddingError(
            f"PIPELINE_TOPIC_MODEL={model} cannot be used: {reason}. Name a folder with a tokenizer and model.onnx, or "
            "install pipeline-platform[models] for torch."
        ) from error
    if not parts:
        return np.zeros((0, 0), np.float32)
    vectors = np.concatenate(parts)
    return vectors[np.argsort(order, kind="stable")]


def _pooled(tokenizer: Any, encode: Encoder, texts: list[str]) -> np.ndarray:
    longest = min(tokenizer.model_max_length, MAX_TOKENS)
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="np")
    mask = tokens["attention_mask"][..., None].astype(np.float32)
    mean = (encode(tokens) * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    return (mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), np.finfo(np.float32).tiny)).astype(
        np.float32
    )


def fit(texts: Sequence[str], words: Words, topics: int, model: str) -> Fit:
    """`topics` clusters of the texts, less those that are empty.

    Args:
        texts: the texts.
        words: counts of their words.
        topics: how many to look for.
        model: as for `embed`.

    Raises:
        EmbeddingError: the model cannot be used.
    """
    from sklearn.cluster import MiniBatchKMeans

    vectors = embed(texts, model)
    clusters = MiniBatchKMeans(topics, random_state=SEED, batch_size=MINIBATCH, n_init=STARTS).fit_predict(vectors)
    centroids = np.zeros((topics, vectors.shape[1]))
    np.add.at(centroids, clusters, vectors)
    return Fit(
        model=f"{model} ({_load(model)[2]}), k-means (scikit-learn {installed('scikit-learn')})",
        vocabulary=words.vocabulary,
        weights=class_tf_idf(words, clusters, topics),
        documents=np.bincount(clusters, minlength=topics),
        centroids=centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), np.finfo(float).tiny),
    )


def class_tf_idf(words: Words, clusters: np.ndarray, topics: int) -> np.ndarray:
    """Class-based TF-IDF of the words of each cluster as shares, (topics, words); rows add up to 1, or to 0."""
    from scipy.sparse import csr_matrix

    texts = len(clusters)
    of_cluster = csr_matrix((np.ones(texts), (clusters, np.arange(texts))), shape=(topics, texts))
    counts = (of_cluster @ words.counts).toarray()
    sizes = counts.sum(axis=1, keepdims=True)
    weights = counts / np.maximum(sizes, 1) * np.log1p(sizes.mean() / np.maximum(counts.sum(axis=0), 1))
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
